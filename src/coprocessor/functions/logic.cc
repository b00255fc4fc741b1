// AND, OR, XOR, NOT, tests for NULL and truth, and the operators on bits.
#include <bit>

#include "coprocessor/expr/rowwise.h"
#include "coprocessor/functions/families.h"
#include "coprocessor/types/json.h"
#include "coprocessor/types/vector.h"

namespace cairn::coprocessor {
namespace {

using Tri = std::optional<int64_t>;

Tri logical_and(Tri a, Tri b) {
  if ((a && *a == 0) || (b && *b == 0)) return 0;
  if (!a || !b) return std::nullopt;
  return 1;
}
Tri logical_or(Tri a, Tri b) {
  if ((a && *a != 0) || (b && *b != 0)) return 1;
  if (!a || !b) return std::nullopt;
  return 0;
}
int64_t logical_xor(int64_t a, int64_t b) { return (a != 0) != (b != 0); }

bool truth(int64_t v) { return v != 0; }
bool truth(double v) { return v != 0; }
bool truth(const Decimal& v) { return !v.is_zero(); }
bool truth(Vector v) { return !vector32::is_zero(v.bytes); }

template <class T>
bool negation(T v) {
  return !truth(v);
}
bool negation_of_json(Json v) { return json::is_zero(v.bytes); }

template <class T>
bool is_null(std::optional<T> v) {
  return !v;
}
bool is_null_decimal(const Decimal* v) { return v == nullptr; }

template <class T, bool kWanted>
bool is_truth(std::optional<T> v) {
  return v && truth(*v) == kWanted;
}
template <bool kWanted>
bool is_truth_of_decimal(const Decimal* v) {
  return v != nullptr && truth(*v) == kWanted;
}
// NULL stays NULL.
template <class T, bool kWanted>
bool truth_with_null(T v) {
  return truth(v) == kWanted;
}

int64_t bit_and(int64_t a, int64_t b) { return a & b; }
int64_t bit_or(int64_t a, int64_t b) { return a | b; }
int64_t bit_xor(int64_t a, int64_t b) { return a ^ b; }
int64_t bit_neg(int64_t a) { return ~a; }
int64_t shift_left(int64_t a, int64_t b) {
  const auto by = static_cast<uint64_t>(b);
  return by >= 64 ? 0 : static_cast<int64_t>(static_cast<uint64_t>(a) << by);
}
int64_t shift_right(int64_t a, int64_t b) {
  const auto by = static_cast<uint64_t>(b);
  return by >= 64 ? 0 : static_cast<int64_t>(static_cast<uint64_t>(a) >> by);
}
int64_t bit_count(int64_t a) { return std::popcount(static_cast<uint64_t>(a)); }

Found find_truth(tipb::ScalarFuncSig signature) {
  switch (signature) {
    case tipb::IntIsTrue:
      return rowwise<&is_truth<int64_t, true>>();
    case tipb::RealIsTrue:
      return rowwise<&is_truth<double, true>>();
    case tipb::DecimalIsTrue:
      return rowwise<&is_truth_of_decimal<true>>();
    case tipb::VectorFloat32IsTrue:
      return rowwise<&is_truth<Vector, true>>();
    case tipb::IntIsFalse:
      return rowwise<&is_truth<int64_t, false>>();
    case tipb::RealIsFalse:
      return rowwise<&is_truth<double, false>>();
    case tipb::DecimalIsFalse:
      return rowwise<&is_truth_of_decimal<false>>();
    case tipb::VectorFloat32IsFalse:
      return rowwise<&is_truth<Vector, false>>();
    case tipb::IntIsTrueWithNull:
      return rowwise<&truth_with_null<int64_t, true>>();
    case tipb::RealIsTrueWithNull:
      return rowwise<&truth_with_null<double, true>>();
    case tipb::DecimalIsTrueWithNull:
      return rowwise<&truth_with_null<const Decimal&, true>>();
    case tipb::VectorFloat32IsTrueWithNull:
      return rowwise<&truth_with_null<Vector, true>>();
    case tipb::IntIsFalseWithNull:
      return rowwise<&truth_with_null<int64_t, false>>();
    case tipb::RealIsFalseWithNull:
      return rowwise<&truth_with_null<double, false>>();
    case tipb::DecimalIsFalseWithNull:
      return rowwise<&truth_with_null<const Decimal&, false>>();
    case tipb::VectorFloat32IsFalseWithNull:
      return rowwise<&truth_with_null<Vector, false>>();
    default:
      return std::nullopt;
  }
}

}  // namespace

Found find_logic(tipb::ScalarFuncSig signature, const CallType&) {
  switch (signature) {
    case tipb::LogicalAnd:
      return rowwise<&logical_and>();
    case tipb::LogicalOr:
      return rowwise<&logical_or>();
    case tipb::LogicalXor:
      return rowwise<&logical_xor>();
    case tipb::UnaryNotInt:
      return rowwise<&negation<int64_t>>();
    case tipb::UnaryNotReal:
      return rowwise<&negation<double>>();
    case tipb::UnaryNotDecimal:
      return rowwise<&negation<const Decimal&>>();
    case tipb::UnaryNotJSON:
      return rowwise<&negation_of_json>();
    case tipb::IntIsNull:
      return rowwise<&is_null<int64_t>>();
    case tipb::RealIsNull:
      return rowwise<&is_null<double>>();
    case tipb::DecimalIsNull:
      return rowwise<&is_null_decimal>();
    case tipb::StringIsNull:
      return rowwise<&is_null<ByteView>>();
    case tipb::TimeIsNull:
      return rowwise<&is_null<Time>>();
    case tipb::DurationIsNull:
      return rowwise<&is_null<Duration>>();
    case tipb::JsonIsNull:
      return rowwise<&is_null<Json>>();
    case tipb::VectorFloat32IsNull:
      return rowwise<&is_null<Vector>>();
    case tipb::BitAndSig:
      return rowwise<&bit_and>();
    case tipb::BitOrSig:
      return rowwise<&bit_or>();
    case tipb::BitXorSig:
      return rowwise<&bit_xor>();
    case tipb::BitNegSig:
      return rowwise<&bit_neg>();
    case tipb::LeftShift:
      return rowwise<&shift_left>();
    case tipb::RightShift:
      return rowwise<&shift_right>();
    case tipb::BitCount:
      return rowwise<&bit_count>();
    default:
      return find_truth(signature);
  }
}

}  // namespace cairn::coprocessor
