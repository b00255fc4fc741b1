// The settings that TiKV and PD have and Cairn has no use for: a file that sets them is taken, and the log says what
// takes their place. What is not among them, nor a setting, is refused.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace cairn::config {

// Names that one sentence fits. Each name stands in each section.
struct UnusedNames {
  std::string_view sections;  // separated by spaces; empty: the names stand outside of sections
  std::string_view names;     // separated by spaces; "*" at the end of one: it is a table whose keys are free
  std::string_view instead;   // what takes their place, after "is not used: "
};

// Full names, "section.name".
std::vector<std::string> full_names(const UnusedNames& unused);

std::span<const UnusedNames> unused_names_of_tikv();
std::span<const UnusedNames> unused_names_of_pd();

}  // namespace cairn::config
