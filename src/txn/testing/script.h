// The small language of testdata/*.txt: a line "> command arguments", then what it answers and, if it wrote, all
// records that the region holds after it. Lines of '#' are comments. testdata/README says how each command is written.
#pragma once

#include <string>

#include "txn/scheduler.h"

namespace cairn::txn::testing {

// Runs the script and returns it with the answers that were given: equal to the input if it holds. The records shown
// are the same, wherever pessimistic locks are kept.
std::string run_script(const std::string& script, SchedulerLimits limits = {});

}  // namespace cairn::txn::testing
