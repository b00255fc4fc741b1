// The small language of testdata/*.txt: a line "> command arguments", then what it answers and, if it wrote, all
// records that the region holds after it. Lines of '#' are comments. testdata/README says how each command is written.
#pragma once

#include <string>

namespace cairn::txn::testing {

// Runs the script and returns it with the answers that were given: equal to the input if it holds.
std::string run_script(const std::string& script);

}  // namespace cairn::txn::testing
