// <, <=, >, >=, =, !=, <=>.
#include "coprocessor/expr/rowwise.h"
#include "coprocessor/functions/families.h"
#include "coprocessor/types/collation.h"
#include "coprocessor/types/json.h"
#include "coprocessor/types/time.h"
#include "coprocessor/types/vector.h"

namespace cairn::coprocessor {
namespace {

struct Less {
  template <class T>
  static bool holds(const T& a, const T& b) {
    return a < b;
  }
};
struct LessEqual {
  template <class T>
  static bool holds(const T& a, const T& b) {
    return a <= b;
  }
};
struct Greater {
  template <class T>
  static bool holds(const T& a, const T& b) {
    return a > b;
  }
};
struct GreaterEqual {
  template <class T>
  static bool holds(const T& a, const T& b) {
    return a >= b;
  }
};
struct Equal {
  template <class T>
  static bool holds(const T& a, const T& b) {
    return a == b;
  }
};
struct NotEqual {
  template <class T>
  static bool holds(const T& a, const T& b) {
    return a != b;
  }
};

// An integer of 65 bits, in which numbers of either sign compare.
template <bool kUnsigned>
auto widened(int64_t v) {
  if constexpr (kUnsigned)
    return static_cast<__int128>(static_cast<uint64_t>(v));
  else
    return static_cast<__int128>(v);
}

template <class Op, bool kFirstUnsigned, bool kSecondUnsigned>
int64_t compare_ints(int64_t a, int64_t b) {
  if constexpr (kFirstUnsigned && kSecondUnsigned) {
    return Op::holds(static_cast<uint64_t>(a), static_cast<uint64_t>(b));
  } else if constexpr (!kFirstUnsigned && !kSecondUnsigned) {
    return Op::holds(a, b);
  } else {
    return Op::holds(widened<kFirstUnsigned>(a), widened<kSecondUnsigned>(b));
  }
}

template <class Op>
int64_t compare_reals(double a, double b) {
  return Op::holds(a, b);
}
template <class Op>
int64_t compare_times(Time a, Time b) {
  return Op::holds(time_order(a), time_order(b));
}
template <class Op>
int64_t compare_durations(Duration a, Duration b) {
  return Op::holds(a.nanos, b.nanos);
}

// What orders in three ways: its order against "equal".
template <class Op>
bool compare_order(std::strong_ordering order) {
  return Op::holds(order < 0 ? -1 : order > 0 ? 1 : 0, 0);
}
template <class Op>
bool compare_decimals(const Decimal& a, const Decimal& b) {
  return compare_order<Op>(a <=> b);
}
template <class Op>
bool compare_jsons(Json a, Json b) {
  return compare_order<Op>(json::compare(a.bytes, b.bytes));
}
template <class Op>
bool compare_vectors(Vector a, Vector b) {
  return compare_order<Op>(vector32::compare(a.bytes, b.bytes));
}
template <class Op, Collation kCollation>
bool compare_strings(ByteView a, ByteView b) {
  return compare_order<Op>(compare(kCollation, a, b));
}

template <class Op>
Found ints(const CallType& type) {
  if (type.args.size() != 2) return std::nullopt;
  const bool first = type.args[0].is_unsigned(), second = type.args[1].is_unsigned();
  if (first) return second ? rowwise<&compare_ints<Op, true, true>>() : rowwise<&compare_ints<Op, true, false>>();
  return second ? rowwise<&compare_ints<Op, false, true>>() : rowwise<&compare_ints<Op, false, false>>();
}

template <class Op>
Found strings(const CallType& type) {
  Collation collation{};
  if (!collation_of(type.result, collation)) return std::nullopt;
  switch (collation) {
    case Collation::kBinary:
    case Collation::kUtf8BinNoPadding:
      return rowwise<&compare_strings<Op, Collation::kBinary>>();
    case Collation::kUtf8Bin:
    case Collation::kLatin1Bin:
      return rowwise<&compare_strings<Op, Collation::kUtf8Bin>>();
    case Collation::kUtf8GeneralCi:
      return rowwise<&compare_strings<Op, Collation::kUtf8GeneralCi>>();
    case Collation::kUtf8UnicodeCi:
      return rowwise<&compare_strings<Op, Collation::kUtf8UnicodeCi>>();
    case Collation::kUtf80900AiCi:
      return rowwise<&compare_strings<Op, Collation::kUtf80900AiCi>>();
  }
  return std::nullopt;
}

template <class T>
std::strong_ordering order_of(const T& a, const T& b, const Frame&) {
  if constexpr (std::is_same_v<T, Decimal>)
    return a <=> b;
  else if constexpr (std::is_same_v<T, double>)
    return a < b ? std::strong_ordering::less : a > b ? std::strong_ordering::greater : std::strong_ordering::equal;
  else if constexpr (std::is_same_v<T, Time>)
    return time_order(a) <=> time_order(b);
  else if constexpr (std::is_same_v<T, Duration>)
    return a.nanos <=> b.nanos;
  else if constexpr (std::is_same_v<T, Json>)
    return json::compare(a.bytes, b.bytes);
  else
    return vector32::compare(a.bytes, b.bytes);
}

// <=>: two NULLs are equal, one is not.
template <class T>
int64_t null_safe_equal(Frame& f, size_t row) {
  const bool a = f.is_null(0, row), b = f.is_null(1, row);
  if (a || b) return a && b;
  return order_of<T>(f.get<T>(0, row), f.get<T>(1, row), f) == 0;
}
int64_t null_safe_equal_ints(Frame& f, size_t row) {
  const bool a = f.is_null(0, row), b = f.is_null(1, row);
  if (a || b) return a && b;
  const int64_t x = f.get<int64_t>(0, row), y = f.get<int64_t>(1, row);
  return x == y && (x >= 0 || f.type.args[0].is_unsigned() == f.type.args[1].is_unsigned());
}
int64_t null_safe_equal_strings(Frame& f, size_t row) {
  const bool a = f.is_null(0, row), b = f.is_null(1, row);
  if (a || b) return a && b;
  Collation collation{};
  (void)collation_of(f.type.result, collation);
  return compare(collation, f.get<ByteView>(0, row), f.get<ByteView>(1, row)) == 0;
}

Found find_null_safe(tipb::ScalarFuncSig signature, const CallType& type) {
  Collation collation{};
  switch (signature) {
    case tipb::NullEQInt:
      return variadic<&null_safe_equal_ints>({EvalType::kInt, EvalType::kInt});
    case tipb::NullEQReal:
      return variadic<&null_safe_equal<double>>({EvalType::kReal, EvalType::kReal});
    case tipb::NullEQDecimal:
      return variadic<&null_safe_equal<Decimal>>({EvalType::kDecimal, EvalType::kDecimal});
    case tipb::NullEQString:
      if (!collation_of(type.result, collation)) return std::nullopt;
      return variadic<&null_safe_equal_strings>({EvalType::kBytes, EvalType::kBytes});
    case tipb::NullEQTime:
      return variadic<&null_safe_equal<Time>>({EvalType::kTime, EvalType::kTime});
    case tipb::NullEQDuration:
      return variadic<&null_safe_equal<Duration>>({EvalType::kDuration, EvalType::kDuration});
    case tipb::NullEQJson:
      return variadic<&null_safe_equal<Json>>({EvalType::kJson, EvalType::kJson});
    case tipb::NullEQVectorFloat32:
      return variadic<&null_safe_equal<Vector>>({EvalType::kVector, EvalType::kVector});
    default:
      return std::nullopt;
  }
}

}  // namespace

#define CAIRN_COMPARISONS(Sig, Op)            \
  case tipb::Sig##Int:                        \
    return ints<Op>(type);                    \
  case tipb::Sig##Real:                       \
    return rowwise<&compare_reals<Op>>();     \
  case tipb::Sig##Decimal:                    \
    return rowwise<&compare_decimals<Op>>();  \
  case tipb::Sig##String:                     \
    return strings<Op>(type);                 \
  case tipb::Sig##Time:                       \
    return rowwise<&compare_times<Op>>();     \
  case tipb::Sig##Duration:                   \
    return rowwise<&compare_durations<Op>>(); \
  case tipb::Sig##Json:                       \
    return rowwise<&compare_jsons<Op>>();     \
  case tipb::Sig##VectorFloat32:              \
    return rowwise<&compare_vectors<Op>>();

Found find_compare(tipb::ScalarFuncSig signature, const CallType& type) {
  switch (signature) {
    CAIRN_COMPARISONS(LT, Less)
    CAIRN_COMPARISONS(LE, LessEqual)
    CAIRN_COMPARISONS(GT, Greater)
    CAIRN_COMPARISONS(GE, GreaterEqual)
    CAIRN_COMPARISONS(EQ, Equal)
    CAIRN_COMPARISONS(NE, NotEqual)
    default:
      return find_null_safe(signature, type);
  }
}
#undef CAIRN_COMPARISONS

}  // namespace cairn::coprocessor
