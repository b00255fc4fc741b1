// Where the log goes and what it looks like, for those who set a process up; who only logs includes log.h.
//
// Whatever a message holds, it stays one line of readable text: the logger itself writes it as a string of JSON, so
// that no name, address or error text of others can pass for a line of ours. Tests: log_test.cc.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/log.h"

namespace cairn::log {

// The names of levels that there are.
std::vector<std::string> levels();

// Changes the level of the running process. An empty string, or why there is no such level.
[[nodiscard]] std::string set_level(const std::string& name);
// Takes on what the options say of files' sizes, ages and number.
void set_limits(const Options& options);
// Lines that were dropped because the log was written too slowly.
uint64_t dropped_lines();

// Opens the log file anew under its name, for whoever moves full ones away. Nothing to do if there is no file. Returns
// an empty string, or why the file cannot be opened: the log then goes on in the old one.
[[nodiscard]] std::string reopen();

// The text as a string of JSON, with all that is no plain text in it escaped.
std::string json_text(std::string_view text);

// The text with nothing in it that ends a line or moves the cursor, for terminals.
std::string escaped(std::string_view text);

}  // namespace cairn::log
