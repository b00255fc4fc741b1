// Changes values in a configuration file and leaves all else of it as it is: comments, order, what is not known. Pure.
// Tests: toml_edit_test.cc.
#pragma once

#include <string>

namespace cairn::config {

// The text of a TOML file in which the setting ("raftstore.raft-log-gc-threshold") has a value, given as TOML writes
// it. A line that sets it already, with '-' or '_', is changed; else one is put at the end of its section, which is
// made if need be. What cannot be found line by line (inline tables, dotted keys) stays, and is then set twice: the
// caller looks whether the outcome can still be read.
std::string with_value(const std::string& toml, const std::string& name, const std::string& value);
// Whether a line sets it already.
bool has_value(const std::string& toml, const std::string& name);

}  // namespace cairn::config
