// MySQL's DECIMAL: an exact number of up to 81 digits in words of nine. Its bytes are those of TiDB's chunks.
//
//   words  [int words, the first one short][frac words, the last one filled up with zeros on the right]
//
// `frac_digits` are kept, `result_frac` are shown: a division keeps whole words of digits, and what it answers is
// rounded when it is printed. Operations never fail: what does not fit is cut (kTruncated) or the largest number
// (kOverflow), and the caller decides by the session's flags what comes of it.
// Tests: functions_test.cc.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>

#include "base/bytes.h"

namespace cairn::coprocessor {

enum class Fit : uint8_t { kExact, kTruncated, kOverflow };

template <class T>
struct Fitted {
  T value{};
  Fit fit = Fit::kExact;
};

// kHalfUp: half away from zero. kUp: away from zero if anything is cut.
enum class Rounding : uint8_t { kHalfUp, kTruncate, kUp };

struct Decimal {
  static constexpr int kWords = 9;
  static constexpr int kDigitsOfWord = 9;
  static constexpr int kDigitsMax = kWords * kDigitsOfWord;
  static constexpr int kPrecisionMax = 65;  // of a column
  static constexpr int kFracMax = 30;

  uint8_t int_digits = 0;   // before the point; Invariant: no leading zeros
  uint8_t frac_digits = 0;  // behind it
  uint8_t result_frac = 0;  // of these, shown
  bool negative = false;    // Invariant: never of zero
  std::array<uint32_t, kWords> words{};

  static Decimal from_int(int64_t value);
  static Decimal from_uint(uint64_t value);
  // The shortest decimal that reads back as `value`; nothing if that is not finite.
  static std::optional<Fitted<Decimal>> from_double(double value);
  // The number at the start of `text`, after blanks; nothing if there is none. `rest`: what follows it.
  static std::optional<Fitted<Decimal>> parse(ByteView text, ByteView* rest = nullptr);
  // The largest of a DECIMAL(precision, frac).
  static Decimal largest(int precision, int frac, bool is_negative = false);

  bool is_zero() const;
  int precision() const { return int_digits + frac_digits == 0 ? 1 : int_digits + frac_digits; }
  Decimal negated() const;
  Decimal abs() const;
  // `scale` digits behind the point; negative: zeros before it.
  Fitted<Decimal> rounded(int scale, Rounding mode) const;
  // Times 10^places.
  Fitted<Decimal> shifted(int places) const;

  // The integer part.
  Fitted<int64_t> to_int() const;
  Fitted<uint64_t> to_uint() const;
  double to_double() const;
  // All kept digits; and those that are shown.
  std::string to_string() const;
  std::string to_shown_string() const;

  // Appends precision, frac and the comparable digits. Precondition: 0 <= frac <= precision <= 81.
  Fit encode(Bytes& out, int precision, int frac) const;
  void encode(Bytes& out) const { encode(out, precision(), frac_digits); }
  // Consumes an encoded decimal.
  [[nodiscard]] static bool decode(ByteView& in, Decimal& out);
  // Bytes of the encoded decimal at the start of `in`; 0 if it is none.
  static size_t encoded_size(ByteView in);
  // Appends bytes that are equal if and only if the numbers are, and whose order is that of the numbers.
  void append_sort_key(Bytes& out) const;

  friend std::strong_ordering operator<=>(const Decimal& a, const Decimal& b);
  friend bool operator==(const Decimal& a, const Decimal& b) { return (a <=> b) == 0; }
};
static_assert(sizeof(Decimal) == 40);

Fitted<Decimal> add(const Decimal& a, const Decimal& b);
Fitted<Decimal> subtract(const Decimal& a, const Decimal& b);
Fitted<Decimal> multiply(const Decimal& a, const Decimal& b);
// Nothing: division by zero. `frac_increment`: digits that the result has more than `a`.
std::optional<Fitted<Decimal>> divide(const Decimal& a, const Decimal& b, int frac_increment);
std::optional<Fitted<Decimal>> remainder(const Decimal& a, const Decimal& b);

}  // namespace cairn::coprocessor
