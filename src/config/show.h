// What the table of settings looks like to those who read it: help, a sample file, the status port's JSON, the tables
// of the manual. Pure. Tests: settings_test.cc.
#pragma once

#include <span>
#include <string>

#include "config/settings.h"

namespace cairn::config {

// A paragraph for each setting, for a terminal.
std::string help_of(const Settings& settings);
// A file with every setting at its present value, under comments that say what it is.
std::string sample_of(const Settings& settings);
// Nested by section, values as TiKV and PD write them.
std::string json_of(const Settings& settings);
// Tables in Markdown: of the settings, and of the names that are accepted without being used.
std::string manual_of(const Settings& settings);
std::string manual_of(std::span<const UnusedNames> unused);
// The sentence without the marks of Markdown.
std::string plain_sentence(const std::string& sentence);

}  // namespace cairn::config
