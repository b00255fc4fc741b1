// Semantic versions, as stores tell theirs: "8.5.0", "v8.5.0-alpha.3+build". Pre-releases sort before their release.
// Tests: stores_test.cc.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace cairn::pd {

struct Version {
  uint64_t major = 0;
  uint64_t minor = 0;
  uint64_t patch = 0;
  std::string pre_release;

  static std::optional<Version> parse(std::string_view text);
  std::string to_string() const;
  friend std::strong_ordering operator<=>(const Version& a, const Version& b);
  friend bool operator==(const Version& a, const Version& b) = default;
};

}  // namespace cairn::pd
