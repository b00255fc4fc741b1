#include "config/unused_names.h"

#include <algorithm>
#include <string>

namespace cairn::config {
namespace {

std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> words;
  while (!text.empty()) {
    const size_t end = std::min(text.find(' '), text.size());
    if (end > 0) words.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return words;
}

}  // namespace

std::vector<std::string> full_names(const UnusedNames& unused) {
  const auto names = words_of(unused.names);
  if (unused.sections.empty()) return names;
  std::vector<std::string> all;
  for (const auto& section : words_of(unused.sections)) {
    for (const auto& name : names) all.push_back(section + "." + name);
  }
  return all;
}

}  // namespace cairn::config
