// Datums: values with a flag byte, as keys, old rows, defaults and answers hold them.
//
//   0 NULL | 1 memcomparable bytes | 2 compact bytes | 3 int | 4 uint | 5 double | 6 decimal | 7 duration | 8 varint
//   9 varuint | 10 JSON | 20 vector of float32
//
// Tests: request_test.cc.
#pragma once

#include "coprocessor/arena.h"
#include "coprocessor/column.h"

namespace cairn::coprocessor {

class EvalContext;

namespace datum {
inline constexpr uint8_t kNull = 0;
inline constexpr uint8_t kBytes = 1;
inline constexpr uint8_t kCompactBytes = 2;
inline constexpr uint8_t kInt = 3;
inline constexpr uint8_t kUint = 4;
inline constexpr uint8_t kFloat = 5;
inline constexpr uint8_t kDecimal = 6;
inline constexpr uint8_t kDuration = 7;
inline constexpr uint8_t kVarInt = 8;
inline constexpr uint8_t kVarUint = 9;
inline constexpr uint8_t kJson = 10;
inline constexpr uint8_t kVector = 20;
}  // namespace datum

// The bytes of the datum at the start of `in`, flag and all, consumed. False: there is none.
[[nodiscard]] bool split_datum(ByteView& in, ByteView& out);

// Writes the datum's value into row `row` of the column, which is of `type`. Bytes are views of `bytes`, or copies in
// the arena where the form is not plain. False: it is none of that type.
[[nodiscard]] bool decode_datum(ByteView bytes, const FieldType& type, const EvalContext& context, Arena& arena,
                                Column& column, size_t row);

// Appends the value's datum in the form of answers. False: a TIMESTAMP that the zone does not have.
[[nodiscard]] bool append_datum(const Column& column, size_t row, const FieldType& type, const EvalContext& context,
                                Bytes& out);

}  // namespace cairn::coprocessor
