// The settings of the log, which stores and PD have alike.
#pragma once

#include <string>

#include "base/log.h"
#include "base/redact.h"
#include "config/settings.h"

namespace cairn::config {

void add_log(Settings& settings, log::Options& log);
// security.redact-info-log; `redact` holds its word.
void add_redaction(Settings& settings, std::string& redact);
// What the word stands for.
log::Redact redact_of(const std::string& word);

}  // namespace cairn::config
