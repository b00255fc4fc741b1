#include "coprocessor/executors/aggregate.h"

#include <fmt/format.h>

#include <cmath>

#include "coprocessor/types/collation.h"
#include "coprocessor/types/enumeration.h"
#include "coprocessor/types/json.h"
#include "coprocessor/types/vector.h"
#include "tipb/expression.pb.h"

namespace cairn::coprocessor {
namespace {

// States of one value a group, kept in a vector.
template <class State>
class Grouped : public Aggregate {
 public:
  void resize(size_t groups) override { states_.resize(groups); }
  void keep_last() override {
    State last = std::move(states_.back());
    states_.clear();
    states_.push_back(std::move(last));
  }
  size_t memory() const override { return states_.capacity() * sizeof(State); }

 protected:
  // For each row that is not NULL.
  template <class F>
  void for_each(const Operand& argument, std::span<const uint32_t> groups, F f) {
    if (argument.is_constant) {
      if (argument.column->nulls[0]) return;
      for (const uint32_t group : groups) f(states_[group], size_t{0});
      return;
    }
    const auto& nulls = argument.column->nulls;
    if (!nulls.any()) {
      for (size_t row = 0; row < groups.size(); ++row) f(states_[groups[row]], row);
      return;
    }
    for (size_t row = 0; row < groups.size(); ++row) {
      if (!nulls[row]) f(states_[groups[row]], row);
    }
  }

  std::vector<State> states_;
};

class Count final : public Grouped<int64_t> {
 public:
  Result<void> update(EvalContext&, const Operand& argument, std::span<const uint32_t> groups) override {
    if (argument.column == nullptr) {
      for (const uint32_t group : groups) ++states_[group];
    } else {
      for_each(argument, groups, [](int64_t& count, size_t) { ++count; });
    }
    return {};
  }
  void finish(size_t begin, size_t end, std::span<Column> out) const override {
    out[0].reset(EvalType::kInt, end - begin);
    std::copy(states_.begin() + static_cast<ptrdiff_t>(begin), states_.begin() + static_cast<ptrdiff_t>(end),
              out[0].ints.begin());
  }
};

template <class T>
struct SumState {
  int64_t count = 0;
  T sum{};
};

std::optional<Failure> add_to(double& sum, double value) {
  sum += value;
  if (std::isnan(sum)) return EvalError{code::kOutOfRange, "DOUBLE value is out of range in 'sum'"};
  return std::nullopt;
}
std::optional<Failure> add_to(Decimal& sum, const Decimal& value) {
  const auto result = add(sum, value);
  if (result.fit == Fit::kOverflow) return EvalError{code::kOutOfRange, "DECIMAL value is out of range in 'sum'"};
  sum = result.value;
  return std::nullopt;
}

// SUM, and AVG with its count before it.
template <class T, bool kWithCount>
class Sum final : public Grouped<SumState<T>> {
 public:
  Result<void> update(EvalContext&, const Operand& argument, std::span<const uint32_t> groups) override {
    std::optional<Failure> failure;
    this->for_each(argument, groups, [&](SumState<T>& state, size_t row) {
      ++state.count;
      if (auto met = add_to(state.sum, ValueOf<T>::get(*argument.column, row))) failure = std::move(met);
    });
    if (failure) return Err(std::move(*failure));
    return {};
  }
  void finish(size_t begin, size_t end, std::span<Column> out) const override {
    Column& sums = out[kWithCount ? 1 : 0];
    sums.reset(ValueOf<T>::kType, end - begin);
    if constexpr (kWithCount) out[0].reset(EvalType::kInt, end - begin);
    for (size_t i = begin; i < end; ++i) {
      const auto& state = this->states_[i];
      if constexpr (kWithCount) out[0].ints[i - begin] = state.count;
      if (state.count == 0)
        sums.nulls.set(i - begin);
      else
        ValueOf<T>::put(sums, i - begin, state.sum);
    }
  }
};

// SUM of integers as an integer of the same sign, which must hold it.
template <bool kUnsigned>
class SumInt final : public Grouped<SumState<int64_t>> {
 public:
  Result<void> update(EvalContext&, const Operand& argument, std::span<const uint32_t> groups) override {
    bool overflowed = false;
    for_each(argument, groups, [&](SumState<int64_t>& state, size_t row) {
      ++state.count;
      const int64_t value = argument.column->ints[row];
      if constexpr (kUnsigned) {
        uint64_t sum = 0;
        overflowed |= __builtin_add_overflow(static_cast<uint64_t>(state.sum), static_cast<uint64_t>(value), &sum);
        state.sum = static_cast<int64_t>(sum);
      } else {
        overflowed |= __builtin_add_overflow(state.sum, value, &state.sum);
      }
    });
    if (!overflowed) return {};
    return fail(EvalError{code::kOutOfRange,
                          fmt::format("BIGINT{} value is out of range in 'sum_int'", kUnsigned ? " UNSIGNED" : "")});
  }
  void finish(size_t begin, size_t end, std::span<Column> out) const override {
    out[0].reset(EvalType::kInt, end - begin);
    for (size_t i = begin; i < end; ++i) {
      if (states_[i].count == 0) out[0].nulls.set(i - begin);
      out[0].ints[i - begin] = states_[i].sum;
    }
  }
};

// A value kept for a group. Bytes are owned.
struct Kept {
  bool is_set = false;
  bool is_null = true;
  int64_t number = 0;
  double real = 0;
  Decimal decimal;
  Bytes bytes;
};

void keep(Kept& to, const Column& column, size_t row, bool is_null) {
  to.is_set = true;
  to.is_null = is_null;
  if (is_null) return;
  switch (column.type) {
    case EvalType::kReal:
      to.real = column.reals[row];
      break;
    case EvalType::kDecimal:
      to.decimal = column.decimals[row];
      break;
    case EvalType::kBytes:
    case EvalType::kJson:
    case EvalType::kVector:
      to.bytes.assign(column.bytes[row]);
      break;
    default:
      to.number = column.ints[row];
  }
}

class Keeping : public Grouped<Kept> {
 public:
  explicit Keeping(EvalType type) : type_(type) {}
  void finish(size_t begin, size_t end, std::span<Column> out) const override {
    Column& column = out[0];
    column.reset(type_, end - begin);
    for (size_t i = begin; i < end; ++i) {
      const Kept& state = states_[i];
      if (state.is_null) {
        column.nulls.set(i - begin);
        continue;
      }
      if (column.is_bytes())
        column.bytes[i - begin] = state.bytes;
      else if (type_ == EvalType::kReal)
        column.reals[i - begin] = state.real;
      else if (type_ == EvalType::kDecimal)
        column.decimals[i - begin] = state.decimal;
      else
        column.ints[i - begin] = state.number;
    }
  }
  void keep_last() override {
    Grouped::keep_last();
    bytes_ = states_.back().bytes.size();
  }
  size_t memory() const override { return Grouped::memory() + bytes_; }

 protected:
  void set(Kept& state, const Column& column, size_t row, bool is_null) {
    bytes_ -= state.bytes.size();
    keep(state, column, row, is_null);
    bytes_ += state.bytes.size();
  }
  const EvalType type_;

 private:
  size_t bytes_ = 0;
};

class First final : public Keeping {
 public:
  using Keeping::Keeping;
  Result<void> update(EvalContext&, const Operand& argument, std::span<const uint32_t> groups) override {
    for (size_t i = 0; i < groups.size(); ++i) {
      Kept& state = states_[groups[i]];
      if (!state.is_set) set(state, *argument.column, argument.index(i), argument.is_null(i));
    }
    return {};
  }
};

bool compares_names(EvalType type) { return type == EvalType::kEnum || type == EvalType::kSet; }

// MAX and MIN. ENUMs and SETs compare by their names.
class Extremum final : public Keeping {
 public:
  Extremum(EvalType type, FieldType field_type, bool is_max)
      : Keeping(type), field_type_(std::move(field_type)), is_max_(is_max) {
    (void)collation_of(field_type_, collation_);
  }
  Result<void> update(EvalContext&, const Operand& argument, std::span<const uint32_t> groups) override {
    const Column& column = *argument.column;
    for_each(argument, groups, [&](Kept& state, size_t row) {
      if (state.is_null) return set(state, column, row, false);
      const auto order = compare_with(column, row, state);
      if (is_max_ ? order > 0 : order < 0) set(state, column, row, false);
    });
    return {};
  }

 private:
  std::strong_ordering compare_with(const Column& column, size_t row, const Kept& state) const {
    switch (column.type) {
      case EvalType::kReal:
        return column.reals[row] < state.real   ? std::strong_ordering::less
               : column.reals[row] > state.real ? std::strong_ordering::greater
                                                : std::strong_ordering::equal;
      case EvalType::kDecimal:
        return column.decimals[row] <=> state.decimal;
      case EvalType::kBytes:
        return coprocessor::compare(collation_, column.bytes[row], state.bytes);
      case EvalType::kJson:
        return json::compare(column.bytes[row], state.bytes);
      case EvalType::kVector:
        return vector32::compare(column.bytes[row], state.bytes);
      case EvalType::kTime:
        return static_cast<uint64_t>(column.ints[row]) >> 4 <=> static_cast<uint64_t>(state.number) >> 4;
      case EvalType::kEnum:
      case EvalType::kSet:
        return coprocessor::compare(collation_, name(column.ints[row]), name(state.number));
      default:
        return field_type_.is_unsigned()
                   ? static_cast<uint64_t>(column.ints[row]) <=> static_cast<uint64_t>(state.number)
                   : column.ints[row] <=> state.number;
    }
  }
  std::string name(int64_t value) const {
    const auto bits = static_cast<uint64_t>(value);
    if (type_ == EvalType::kSet) return set_names(field_type_, bits);
    return std::string(enum_name(field_type_, bits).value_or(ByteView()));
  }

  const FieldType field_type_;
  const bool is_max_;
  Collation collation_ = Collation::kBinary;
};

enum class BitOperation : uint8_t { kAnd, kOr, kXor };
template <BitOperation kOperation>
struct BitState {
  uint64_t bits = kOperation == BitOperation::kAnd ? UINT64_MAX : 0;
};
template <BitOperation kOperation>
class Bits final : public Grouped<BitState<kOperation>> {
 public:
  Result<void> update(EvalContext&, const Operand& argument, std::span<const uint32_t> groups) override {
    this->for_each(argument, groups, [&](BitState<kOperation>& state, size_t row) {
      const auto value = static_cast<uint64_t>(argument.column->ints[row]);
      if constexpr (kOperation == BitOperation::kAnd)
        state.bits &= value;
      else if constexpr (kOperation == BitOperation::kOr)
        state.bits |= value;
      else
        state.bits ^= value;
    });
    return {};
  }
  void finish(size_t begin, size_t end, std::span<Column> out) const override {
    out[0].reset(EvalType::kInt, end - begin);
    for (size_t i = begin; i < end; ++i) out[0].ints[i - begin] = static_cast<int64_t>(this->states_[i].bits);
  }
};

// Welford's sums: the squares are of the differences from the mean so far.
template <class T>
struct VarianceState {
  int64_t count = 0;
  T sum{};
  T squares{};
};

double minus(double a, double b) { return a - b; }
double times(double a, double b) { return a * b; }
double over(double a, int64_t n) { return a / static_cast<double>(n); }
double number(double, int64_t n) { return static_cast<double>(n); }
Decimal minus(const Decimal& a, const Decimal& b) { return subtract(a, b).value; }
Decimal times(const Decimal& a, const Decimal& b) { return multiply(a, b).value; }
Decimal over(const Decimal& a, int64_t n) {
  return divide(a, Decimal::from_int(n), EvalContext::kDivPrecisionDefault)->value;
}
Decimal number(const Decimal&, int64_t n) { return Decimal::from_int(n); }

template <class T, bool kOfSample>
class Variance final : public Grouped<VarianceState<T>> {
 public:
  Result<void> update(EvalContext&, const Operand& argument, std::span<const uint32_t> groups) override {
    std::optional<Failure> failure;
    this->for_each(argument, groups, [&](VarianceState<T>& state, size_t row) {
      const T value = ValueOf<T>::get(*argument.column, row);
      ++state.count;
      if (auto met = add_to(state.sum, value)) failure = std::move(met);
      if (state.count == 1) return;
      const T difference = minus(times(value, number(value, state.count)), state.sum);
      const T square = over(times(difference, difference), state.count * (state.count - 1));
      if (auto met = add_to(state.squares, square)) failure = std::move(met);
    });
    if (failure) return Err(std::move(*failure));
    return {};
  }
  void finish(size_t begin, size_t end, std::span<Column> out) const override {
    out[0].reset(EvalType::kInt, end - begin);
    out[1].reset(ValueOf<T>::kType, end - begin);
    out[2].reset(ValueOf<T>::kType, end - begin);
    for (size_t i = begin; i < end; ++i) {
      const auto& state = this->states_[i];
      const int64_t by = kOfSample ? state.count - 1 : state.count;
      out[0].ints[i - begin] = state.count;
      if (state.count == 0)
        out[1].nulls.set(i - begin);
      else
        ValueOf<T>::put(out[1], i - begin, state.sum);
      if (by <= 0)
        out[2].nulls.set(i - begin);
      else
        ValueOf<T>::put(out[2], i - begin, over(state.squares, by));
    }
  }
};

FieldType count_type() { return FieldType::of(Type::kLongLong, FieldType::kUnsigned); }

// SUM and its kin are of decimals and reals: integers become the former, all else the latter.
Result<void> cast_to_number(Program& argument) {
  const EvalType type = argument.eval_type();
  if (type == EvalType::kDecimal || type == EvalType::kReal) return {};
  if (type == EvalType::kInt && argument.type().type != Type::kBit) {
    return argument.append_cast(FieldType::of(Type::kNewDecimal));
  }
  return argument.append_cast(FieldType::of(Type::kDouble));
}

template <bool kWithCount>
std::unique_ptr<Aggregate> make_sum(EvalType type) {
  if (type == EvalType::kDecimal) return std::make_unique<Sum<Decimal, kWithCount>>();
  return std::make_unique<Sum<double, kWithCount>>();
}
template <bool kOfSample>
std::unique_ptr<Aggregate> make_variance(EvalType type) {
  if (type == EvalType::kDecimal) return std::make_unique<Variance<Decimal, kOfSample>>();
  return std::make_unique<Variance<double, kOfSample>>();
}

std::unique_ptr<Aggregate> make_bits(tipb::ExprType kind) {
  if (kind == tipb::Agg_BitAnd) return std::make_unique<Bits<BitOperation::kAnd>>();
  if (kind == tipb::Agg_BitOr) return std::make_unique<Bits<BitOperation::kOr>>();
  return std::make_unique<Bits<BitOperation::kXor>>();
}

}  // namespace

Result<AggregateCall> AggregateCall::compile(const tipb::Expr& expression, std::span<const FieldType> schema,
                                             EvalContext& context) {
  AggregateCall call;
  const auto kind = expression.tp();
  const FieldType result = FieldType::from(expression.field_type());
  if (expression.has_distinct()) return fail(PlanError{"an aggregate of distinct values"});
  if (kind == tipb::Count) {
    call.aggregate = std::make_unique<Count>();
    call.results = {count_type()};
    // A constant that is not NULL counts rows.
    if (expression.children_size() == 0) return call;
  }
  if (expression.children_size() != 1) {
    return fail(PlanError{
        fmt::format("aggregate {} with {} arguments", tipb::ExprType_Name(kind), expression.children_size())});
  }
  TRY_ASSIGN(call.argument, Program::compile(expression.children(0), schema, context));
  Program& argument = *call.argument;
  switch (kind) {
    case tipb::Count:
      break;
    case tipb::Sum:
      TRY(cast_to_number(argument));
      call.aggregate = make_sum<false>(argument.eval_type());
      call.results = {result};
      break;
    case tipb::SumInt:
      if (argument.eval_type() != EvalType::kInt) return fail(PlanError{"SUM_INT of what is no integer"});
      if (argument.type().is_unsigned())
        call.aggregate = std::make_unique<SumInt<true>>();
      else
        call.aggregate = std::make_unique<SumInt<false>>();
      call.results = {result};
      break;
    case tipb::Avg:
      TRY(cast_to_number(argument));
      call.aggregate = make_sum<true>(argument.eval_type());
      call.results = {count_type(), result};
      break;
    case tipb::First:
      call.aggregate = std::make_unique<First>(argument.eval_type());
      call.results = {argument.type()};
      break;
    case tipb::Max:
    case tipb::Min:
      if (!has_order(argument.type(), compares_names(argument.eval_type()) ? EvalType::kBytes : argument.eval_type())) {
        return fail(
            PlanError{fmt::format("{} in collation {}", tipb::ExprType_Name(kind), argument.type().collation_number)});
      }
      call.aggregate = std::make_unique<Extremum>(argument.eval_type(), argument.type(), kind == tipb::Max);
      call.results = {argument.type()};
      break;
    case tipb::Agg_BitAnd:
    case tipb::Agg_BitOr:
    case tipb::Agg_BitXor:
      if (argument.eval_type() != EvalType::kInt) TRY(argument.append_cast(FieldType::of(Type::kLongLong)));
      call.aggregate = make_bits(kind);
      call.results = {result};
      break;
    case tipb::Variance:
    case tipb::VarPop:
      TRY(cast_to_number(argument));
      call.aggregate = make_variance<false>(argument.eval_type());
      call.results = {count_type(), result, result};
      break;
    case tipb::VarSamp:
      TRY(cast_to_number(argument));
      call.aggregate = make_variance<true>(argument.eval_type());
      call.results = {count_type(), result, result};
      break;
    default:
      return fail(PlanError{fmt::format("aggregate function {} is not supported", tipb::ExprType_Name(kind))});
  }
  // The field type must be one of the values that are made.
  if (kind == tipb::Sum || kind == tipb::Avg || kind == tipb::Variance || kind == tipb::VarPop ||
      kind == tipb::VarSamp) {
    EvalType stated{};
    if (!eval_type_of(result, stated) || stated != argument.eval_type()) {
      return fail(PlanError{fmt::format("aggregate {} of {} as a type of another kind", tipb::ExprType_Name(kind),
                                        name_of(argument.eval_type()))});
    }
  }
  return call;
}

}  // namespace cairn::coprocessor
