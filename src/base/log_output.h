// Where the log goes and what it looks like, for those who set a process up; who only logs includes log.h.
//
// Whatever a message holds, it stays one line of readable text: the logger itself writes control characters as \n or
// \x1b, so that no name, address or error text of others can pass for a line of ours. Tests: log_test.cc.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace cairn::log {

// The names of levels that there are.
std::vector<std::string> levels();

// Opens the log file anew under its name, for whoever moves full ones away. Nothing to do if there is no file. Returns
// an empty string, or why the file cannot be opened: the log then goes on in the old one.
[[nodiscard]] std::string reopen();

// The text as the log shows it.
std::string escaped(std::string_view text);

}  // namespace cairn::log
