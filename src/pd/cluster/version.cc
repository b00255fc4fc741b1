#include "pd/cluster/version.h"

#include <fmt/format.h>

#include <charconv>

namespace cairn::pd {
namespace {

// Takes a number off the front, without sign.
bool take_number(std::string_view& in, uint64_t& out) {
  auto [end, error] = std::from_chars(in.data(), in.data() + in.size(), out);
  if (error != std::errc() || end == in.data()) return false;
  in.remove_prefix(static_cast<size_t>(end - in.data()));
  return true;
}

bool take_char(std::string_view& in, char wanted) {
  if (in.empty() || in.front() != wanted) return false;
  in.remove_prefix(1);
  return true;
}

std::optional<uint64_t> as_number(std::string_view text) {
  uint64_t value = 0;
  if (!take_number(text, value) || !text.empty()) return std::nullopt;
  return value;
}

// Compares dot-separated identifiers: numbers below words, numbers by value, a prefix first.
std::strong_ordering compare_pre_release(std::string_view a, std::string_view b) {
  while (!a.empty() && !b.empty()) {
    const auto part_a = a.substr(0, a.find('.'));
    const auto part_b = b.substr(0, b.find('.'));
    const auto number_a = as_number(part_a);
    const auto number_b = as_number(part_b);
    std::strong_ordering order = std::strong_ordering::equal;
    if (number_a && number_b) {
      order = *number_a <=> *number_b;
    } else if (number_a || number_b) {
      order = number_a ? std::strong_ordering::less : std::strong_ordering::greater;
    } else {
      order = part_a.compare(part_b) <=> 0;
    }
    if (order != 0) return order;
    a.remove_prefix(std::min(a.size(), part_a.size() + 1));
    b.remove_prefix(std::min(b.size(), part_b.size() + 1));
  }
  return !a.empty() <=> !b.empty();
}

}  // namespace

std::optional<Version> Version::parse(std::string_view text) {
  take_char(text, 'v');
  Version version;
  if (!take_number(text, version.major) || !take_char(text, '.') || !take_number(text, version.minor) ||
      !take_char(text, '.') || !take_number(text, version.patch)) {
    return std::nullopt;
  }
  text = text.substr(0, text.find('+'));
  if (text.empty()) return version;
  if (!take_char(text, '-') || text.empty()) return std::nullopt;
  version.pre_release = std::string(text);
  return version;
}

std::string Version::to_string() const {
  return fmt::format("{}.{}.{}{}{}", major, minor, patch, pre_release.empty() ? "" : "-", pre_release);
}

std::strong_ordering operator<=>(const Version& a, const Version& b) {
  if (auto order = a.major <=> b.major; order != 0) return order;
  if (auto order = a.minor <=> b.minor; order != 0) return order;
  if (auto order = a.patch <=> b.patch; order != 0) return order;
  if (a.pre_release.empty() != b.pre_release.empty()) {
    return a.pre_release.empty() ? std::strong_ordering::greater : std::strong_ordering::less;
  }
  return compare_pre_release(a.pre_release, b.pre_release);
}

}  // namespace cairn::pd
