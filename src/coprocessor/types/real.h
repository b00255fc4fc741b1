// Doubles of text. Tests: functions_test.cc.
#pragma once

#include <optional>

#include "base/bytes.h"

namespace cairn::coprocessor {

// The value of a decimal number, with an exponent or without. Nothing: it is larger than any double. One that is too
// near to zero is zero.
std::optional<double> parse_real(ByteView number);

}  // namespace cairn::coprocessor
