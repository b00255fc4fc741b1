// VECTOR: a list of float32, as a row holds it: its number, four bytes, then four bytes each, little-endian.
// Tests: functions_test.cc.
#pragma once

#include <compare>
#include <optional>
#include <string>

#include "base/bytes.h"

namespace cairn::coprocessor::vector32 {

// Whether the bytes are a vector, all of them.
bool is_valid(ByteView bytes);
// The size of the vector at the start of the bytes; 0 if there is none.
size_t size_of(ByteView bytes);
uint32_t dimensions(ByteView bytes);
float element(ByteView bytes, uint32_t i);
// Element by element; a shorter one that is the same so far is less.
std::strong_ordering compare(ByteView a, ByteView b);
bool is_zero(ByteView bytes);  // no elements

// Nothing: `error` says why.
enum class Operation : uint8_t { kPlus, kMinus, kTimes };
std::optional<std::string> combine(Operation operation, ByteView a, ByteView b, std::string& error);
enum class Distance : uint8_t { kL1, kL2, kNegativeInnerProduct, kCosine };
std::optional<double> distance(Distance distance, ByteView a, ByteView b, std::string& error);
double l2_norm(ByteView bytes);

std::string to_text(ByteView bytes);

}  // namespace cairn::coprocessor::vector32
