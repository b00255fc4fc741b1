// How strings compare: the bytes that two strings have in common if and only if a collation takes them for the same,
// and whose order is the collation's. Tests: functions_test.cc.
#pragma once

#include <compare>
#include <cstdint>

#include "base/bytes.h"
#include "coprocessor/types/field_type.h"

namespace cairn::coprocessor {

// Whether this store knows how values of the type compare: of strings it must have the collation.
inline bool has_order(const FieldType& type, EvalType eval_type) {
  Collation collation{};
  return eval_type != EvalType::kBytes || collation_of(type, collation);
}

std::strong_ordering compare(Collation collation, ByteView a, ByteView b);
// Appends the string's sort key.
void append_sort_key(Collation collation, ByteView text, Bytes& out);
// Whether sort keys are the strings themselves, blanks at the end apart.
inline bool compares_bytes(Collation collation) {
  return collation != Collation::kUtf8GeneralCi && collation != Collation::kUtf8UnicodeCi &&
         collation != Collation::kUtf80900AiCi;
}
// The part of the string that counts: in most collations without the blanks at its end.
inline ByteView significant(Collation collation, ByteView text) {
  const bool counts_blanks = collation == Collation::kBinary || collation == Collation::kUtf8BinNoPadding ||
                             collation == Collation::kUtf80900AiCi;
  if (counts_blanks) return text;
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

// One character of UTF-8 at the start of `text`, consumed. A byte that begins none is taken alone, as 0xFFFD.
// Precondition: not empty.
char32_t take_char(ByteView& text);
void append_char(char32_t c, Bytes& out);
size_t count_chars(ByteView text);
// The bytes of the first `chars` characters, at most all.
size_t prefix_of_chars(ByteView text, size_t chars);
// The weight of a character in utf8mb4_general_ci.
uint16_t general_ci_weight(char32_t c);
// Whether LIKE takes two characters for one, in a collation of weights.
bool are_alike(Collation collation, char32_t a, char32_t b);
// Appends the weights of all characters, of blanks at the end, too: two bytes each. Precondition: not compares_bytes().
void append_weights(Collation collation, ByteView text, Bytes& out);

}  // namespace cairn::coprocessor
