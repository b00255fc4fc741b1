// GREATEST, LEAST and INTERVAL. NULL if an argument is.
#include <fmt/format.h>

#include "coprocessor/expr/rowwise.h"
#include "coprocessor/functions/families.h"
#include "coprocessor/types/collation.h"
#include "coprocessor/types/time.h"
#include "coprocessor/types/vector.h"

namespace cairn::coprocessor {
namespace {

bool has_null(const Frame& f, size_t row) {
  for (size_t i = 0; i < f.args.size(); ++i) {
    if (f.is_null(i, row)) return true;
  }
  return false;
}

bool is_less(const Frame& f, int64_t a, int64_t b) {
  return f.type.result.is_unsigned() ? static_cast<uint64_t>(a) < static_cast<uint64_t>(b) : a < b;
}
bool is_less(const Frame&, double a, double b) { return a < b; }
bool is_less(const Frame&, const Decimal& a, const Decimal& b) { return a < b; }
bool is_less(const Frame&, Time a, Time b) { return time_order(a) < time_order(b); }
bool is_less(const Frame&, Duration a, Duration b) { return a.nanos < b.nanos; }
bool is_less(const Frame&, Vector a, Vector b) { return vector32::compare(a.bytes, b.bytes) < 0; }
bool is_less(const Frame& f, ByteView a, ByteView b) {
  Collation collation = Collation::kBinary;
  (void)collation_of(f.type.result, collation);
  return compare(collation, a, b) < 0;
}

template <class T, bool kGreatest>
std::optional<T> extremum(Frame& f, size_t row) {
  if (has_null(f, row)) return std::nullopt;
  size_t best = 0;
  for (size_t i = 1; i < f.args.size(); ++i) {
    const bool is_better = kGreatest ? is_less(f, f.get<T>(best, row), f.get<T>(i, row))
                                     : is_less(f, f.get<T>(i, row), f.get<T>(best, row));
    if (is_better) best = i;
  }
  return f.get<T>(best, row);
}

// Strings that are compared as times, and shown as such.
template <TimeKind kKind, bool kGreatest>
std::optional<ByteView> extremum_as_time(Frame& f, size_t row) {
  if (has_null(f, row)) return std::nullopt;
  std::optional<Time> best;
  for (size_t i = 0; i < f.args.size(); ++i) {
    const auto time = parse_time(f.context, f.get<ByteView>(i, row), kKind, kKind == TimeKind::kDate ? 0 : 6);
    if (!time) {
      f.context.invalid_time(fmt::format("Incorrect datetime value: '{}'", f.get<ByteView>(i, row)));
      return std::nullopt;
    }
    if (!best || (kGreatest ? is_less(f, *best, *time) : is_less(f, *time, *best))) best = time;
  }
  if (kKind == TimeKind::kDateTime && civil_of(*best).micro == 0) best = with_fsp(*best, 0);
  return f.keep(to_string(*best));
}

// How many of the bounds, which ascend, are not above the first argument; -1 if that is NULL.
int64_t interval_of_ints(Frame& f, size_t row) {
  if (f.is_null(0, row)) return -1;
  const auto wide = [&](size_t arg) {
    const int64_t v = f.get<int64_t>(arg, row);
    return f.type.args[arg].is_unsigned() ? static_cast<__int128>(static_cast<uint64_t>(v)) : static_cast<__int128>(v);
  };
  size_t i = 1;
  while (i < f.args.size() && (f.is_null(i, row) || wide(i) <= wide(0))) ++i;
  return static_cast<int64_t>(i - 1);
}
int64_t interval_of_reals(Frame& f, size_t row) {
  if (f.is_null(0, row)) return -1;
  size_t i = 1;
  while (i < f.args.size() && (f.is_null(i, row) || f.get<double>(i, row) <= f.get<double>(0, row))) ++i;
  return static_cast<int64_t>(i - 1);
}

template <auto F>
Found of_two_or_more(EvalType type, const CallType& call) {
  if (call.args.size() < 2 || !has_order(call.result, type)) return std::nullopt;
  return variadic<F>(type, call);
}

}  // namespace

Found find_extremum(tipb::ScalarFuncSig signature, const CallType& type) {
  switch (signature) {
    case tipb::GreatestInt:
      return of_two_or_more<&extremum<int64_t, true>>(EvalType::kInt, type);
    case tipb::GreatestReal:
      return of_two_or_more<&extremum<double, true>>(EvalType::kReal, type);
    case tipb::GreatestDecimal:
      return of_two_or_more<&extremum<Decimal, true>>(EvalType::kDecimal, type);
    case tipb::GreatestString:
      return of_two_or_more<&extremum<ByteView, true>>(EvalType::kBytes, type);
    case tipb::GreatestTime:
    case tipb::GreatestDate:
      return of_two_or_more<&extremum<Time, true>>(EvalType::kTime, type);
    case tipb::GreatestDuration:
      return of_two_or_more<&extremum<Duration, true>>(EvalType::kDuration, type);
    case tipb::GreatestVectorFloat32:
      return of_two_or_more<&extremum<Vector, true>>(EvalType::kVector, type);
    case tipb::GreatestCmpStringAsTime:
      return of_two_or_more<&extremum_as_time<TimeKind::kDateTime, true>>(EvalType::kBytes, type);
    case tipb::GreatestCmpStringAsDate:
      return of_two_or_more<&extremum_as_time<TimeKind::kDate, true>>(EvalType::kBytes, type);
    case tipb::LeastInt:
      return of_two_or_more<&extremum<int64_t, false>>(EvalType::kInt, type);
    case tipb::LeastReal:
      return of_two_or_more<&extremum<double, false>>(EvalType::kReal, type);
    case tipb::LeastDecimal:
      return of_two_or_more<&extremum<Decimal, false>>(EvalType::kDecimal, type);
    case tipb::LeastString:
      return of_two_or_more<&extremum<ByteView, false>>(EvalType::kBytes, type);
    case tipb::LeastTime:
    case tipb::LeastDate:
      return of_two_or_more<&extremum<Time, false>>(EvalType::kTime, type);
    case tipb::LeastDuration:
      return of_two_or_more<&extremum<Duration, false>>(EvalType::kDuration, type);
    case tipb::LeastVectorFloat32:
      return of_two_or_more<&extremum<Vector, false>>(EvalType::kVector, type);
    case tipb::LeastCmpStringAsTime:
      return of_two_or_more<&extremum_as_time<TimeKind::kDateTime, false>>(EvalType::kBytes, type);
    case tipb::LeastCmpStringAsDate:
      return of_two_or_more<&extremum_as_time<TimeKind::kDate, false>>(EvalType::kBytes, type);
    case tipb::IntervalInt:
      return of_two_or_more<&interval_of_ints>(EvalType::kInt, type);
    case tipb::IntervalReal:
      return of_two_or_more<&interval_of_reals>(EvalType::kReal, type);
    default:
      return std::nullopt;
  }
}

}  // namespace cairn::coprocessor
