// What casts and other functions share: text as numbers, numbers as text, and values cut to what a field type holds,
// all with MySQL's warnings. Internal to functions/.
#pragma once

#include <optional>
#include <string>

#include "coprocessor/expr/frame.h"

namespace cairn::coprocessor {

// Without an exponent, with as many digits as it takes to read back.
std::string real_to_text(double value);
std::string float_to_text(float value);

// The number at the start of the text, after blanks. What follows it is truncated, by the flags; nothing: that failed.
std::optional<double> text_to_real(EvalContext& context, ByteView text);
std::optional<Decimal> text_to_decimal(EvalContext& context, ByteView text);
// As CAST(... AS SIGNED or UNSIGNED): digits only, of 64 bits of either sign.
std::optional<int64_t> text_to_int(EvalContext& context, ByteView text, bool is_unsigned);

std::optional<int64_t> real_to_int(EvalContext& context, double value, bool is_unsigned);
// Nothing: it is not finite, and the evaluation failed.
std::optional<Decimal> real_to_decimal(EvalContext& context, double value);
std::optional<int64_t> decimal_to_int(EvalContext& context, const Decimal& value, bool is_unsigned);

// As DECIMAL(length, decimal) of the type: rounded, or its largest.
std::optional<Decimal> fit_decimal(EvalContext& context, const Decimal& value, const FieldType& type);
std::optional<double> fit_real(EvalContext& context, double value, const FieldType& type);
// As the type's string: cut to its length, filled up with zeros if it is BINARY(n). The bytes are the frame's.
std::optional<ByteView> fit_string(Frame& frame, ByteView text);

// Whether a cast is one of a UNION, where negative numbers are 0 as unsigned ones.
inline bool is_in_union(const CallType& type) { return type.metadata == ByteView("\x08\x01", 2); }

}  // namespace cairn::coprocessor
