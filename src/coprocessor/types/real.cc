#include "coprocessor/types/real.h"

#include <charconv>
#include <cmath>
#include <cstdlib>
#include <string>

namespace cairn::coprocessor {

std::optional<double> parse_real(ByteView number) {
  double value = 0;
  const auto result = std::from_chars(number.data(), number.data() + number.size(), value);
  if (result.ec != std::errc::result_out_of_range) return value;
  // from_chars does not say whether it is too large or too small; the C library does, and needs an end.
  value = std::strtod(std::string(number).c_str(), nullptr);
  return std::isfinite(value) ? std::optional(value) : std::nullopt;
}

}  // namespace cairn::coprocessor
