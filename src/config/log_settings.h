// The settings of the log, which stores and PD have alike.
#pragma once

#include "base/log.h"
#include "config/settings.h"

namespace cairn::config {

void add_log(Settings& settings, log::Options& log);

}  // namespace cairn::config
