// IN: the constants of the list are hashed once a request; what else is in the list is compared a row.
#include <absl/container/flat_hash_set.h>

#include <cmath>

#include "coprocessor/expr/rowwise.h"
#include "coprocessor/functions/families.h"
#include "coprocessor/types/collation.h"
#include "coprocessor/types/json.h"
#include "coprocessor/types/time.h"
#include "coprocessor/types/vector.h"

namespace cairn::coprocessor {
namespace {

// A key of each value, equal if and only if SQL takes the values for equal.
struct IntKey {
  using Value = int64_t;
  using Key = std::pair<int64_t, bool>;  // whether it is above the largest signed one
  static Key of(const Frame& f, size_t arg, size_t row) { return of_type(f.type.args[arg], f.get<int64_t>(arg, row)); }
  static Key of_type(const FieldType& type, int64_t v) { return {v, v < 0 && type.is_unsigned()}; }
};
struct RealKey {
  using Value = double;
  using Key = double;
  static Key of(const Frame& f, size_t arg, size_t row) { return f.get<double>(arg, row); }
  static Key of_type(const FieldType&, double v) { return v; }
};
struct DecimalKey {
  using Value = Decimal;
  using Key = Bytes;
  static Key of(const Frame& f, size_t arg, size_t row) { return of_type(f.type.args[arg], f.get<Decimal>(arg, row)); }
  static Key of_type(const FieldType&, const Decimal& v) {
    Bytes key;
    v.append_sort_key(key);
    return key;
  }
};
struct TimeKey {
  using Value = Time;
  using Key = uint64_t;
  static Key of(const Frame& f, size_t arg, size_t row) { return time_order(f.get<Time>(arg, row)); }
  static Key of_type(const FieldType&, Time v) { return time_order(v); }
};
struct DurationKey {
  using Value = Duration;
  using Key = int64_t;
  static Key of(const Frame& f, size_t arg, size_t row) { return f.get<Duration>(arg, row).nanos; }
  static Key of_type(const FieldType&, Duration v) { return v.nanos; }
};

template <class K>
struct List {
  absl::flat_hash_set<typename K::Key> constants;
  std::vector<size_t> others;  // arguments that are no constants
  bool has_null = false;
};

template <class K>
std::shared_ptr<const void> prepare(const CallType& type, std::span<const Operand> args) {
  auto list = std::make_shared<List<K>>();
  for (size_t i = 1; i < args.size(); ++i) {
    if (args[i].column == nullptr) {
      list->others.push_back(i);
    } else if (args[i].column->nulls[0]) {
      list->has_null = true;
    } else {
      list->constants.insert(K::of_type(type.args[i], ValueOf<typename K::Value>::get(*args[i].column, 0)));
    }
  }
  return list;
}

template <class K>
std::optional<int64_t> in(Frame& f, size_t row) {
  if (f.is_null(0, row)) return std::nullopt;
  const auto& list = *static_cast<const List<K>*>(f.prepared);
  const auto key = K::of(f, 0, row);
  if (list.constants.contains(key)) return 1;
  bool met_null = list.has_null;
  for (const size_t arg : list.others) {
    if (f.is_null(arg, row)) {
      met_null = true;
    } else if (K::of(f, arg, row) == key) {
      return 1;
    }
  }
  return met_null ? std::nullopt : std::optional<int64_t>(0);
}

// Strings are keyed by what counts of them in the collation, without a copy where that is a part of them.
struct Strings {
  Collation collation = Collation::kBinary;
  absl::flat_hash_set<Bytes> constants;
  std::vector<size_t> others;
  bool has_null = false;
};

std::shared_ptr<const void> prepare_strings(const CallType& type, std::span<const Operand> args) {
  auto list = std::make_shared<Strings>();
  (void)collation_of(type.result, list->collation);
  for (size_t i = 1; i < args.size(); ++i) {
    if (args[i].column == nullptr) {
      list->others.push_back(i);
    } else if (args[i].column->nulls[0]) {
      list->has_null = true;
    } else {
      Bytes key;
      append_sort_key(list->collation, args[i].column->bytes[0], key);
      list->constants.insert(std::move(key));
    }
  }
  return list;
}

std::optional<int64_t> in_strings(Frame& f, size_t row) {
  if (f.is_null(0, row)) return std::nullopt;
  const auto& list = *static_cast<const Strings*>(f.prepared);
  const ByteView text = f.get<ByteView>(0, row);
  Bytes key;
  if (!compares_bytes(list.collation)) append_sort_key(list.collation, text, key);
  const ByteView wanted = compares_bytes(list.collation) ? significant(list.collation, text) : ByteView(key);
  if (list.constants.contains(absl::string_view(wanted.data(), wanted.size()))) return 1;
  bool met_null = list.has_null;
  for (const size_t arg : list.others) {
    if (f.is_null(arg, row)) {
      met_null = true;
    } else if (compare(list.collation, f.get<ByteView>(arg, row), text) == 0) {
      return 1;
    }
  }
  return met_null ? std::nullopt : std::optional<int64_t>(0);
}

std::optional<int64_t> in_jsons(Frame& f, size_t row) {
  if (f.is_null(0, row)) return std::nullopt;
  bool met_null = false;
  for (size_t arg = 1; arg < f.args.size(); ++arg) {
    if (f.is_null(arg, row)) {
      met_null = true;
    } else if (json::compare(f.get<Json>(0, row).bytes, f.get<Json>(arg, row).bytes) == 0) {
      return 1;
    }
  }
  return met_null ? std::nullopt : std::optional<int64_t>(0);
}

template <class K>
Found in_of(const CallType& type) {
  if (type.args.empty()) return std::nullopt;
  Function function = variadic<&in<K>>(ValueOf<typename K::Value>::kType, type);
  function.prepare = &prepare<K>;
  return function;
}

}  // namespace

Found find_in(tipb::ScalarFuncSig signature, const CallType& type) {
  Collation collation{};
  switch (signature) {
    case tipb::InInt:
      return in_of<IntKey>(type);
    case tipb::InReal:
      return in_of<RealKey>(type);
    case tipb::InDecimal:
      return in_of<DecimalKey>(type);
    case tipb::InTime:
      return in_of<TimeKey>(type);
    case tipb::InDuration:
      return in_of<DurationKey>(type);
    case tipb::InString: {
      if (type.args.empty() || !collation_of(type.result, collation)) return std::nullopt;
      Function function = variadic<&in_strings>(EvalType::kBytes, type);
      function.prepare = &prepare_strings;
      return function;
    }
    case tipb::InJson:
      if (type.args.empty()) return std::nullopt;
      return variadic<&in_jsons>(EvalType::kJson, type);
    default:
      return std::nullopt;
  }
}

}  // namespace cairn::coprocessor
