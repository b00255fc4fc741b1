// IF, IFNULL, CASE, COALESCE, ANY_VALUE: they choose among their arguments.
#include "coprocessor/expr/rowwise.h"
#include "coprocessor/functions/families.h"

namespace cairn::coprocessor {
namespace {

// Copies the argument's value of this row into the result.
void choose(Frame& f, size_t arg, size_t row) { f.out.copy_value(row, *f.args[arg].column, f.args[arg].index(row)); }

void if_then_else(Frame& f) {
  f.out.reset(f.args[1].column->type, f.rows);
  for (size_t row = 0; row < f.rows; ++row) {
    const bool holds = !f.is_null(0, row) && f.get<int64_t>(0, row) != 0;
    choose(f, holds ? 1 : 2, row);
  }
}

void first_that_is_not_null(Frame& f) {
  f.out.reset(f.args[0].column->type, f.rows);
  for (size_t row = 0; row < f.rows; ++row) {
    size_t arg = 0;
    while (arg + 1 < f.args.size() && f.is_null(arg, row)) ++arg;
    choose(f, arg, row);
  }
}

// WHEN, THEN, WHEN, THEN, ... [ELSE].
void case_when(Frame& f) {
  f.out.reset(f.args[1].column->type, f.rows);
  for (size_t row = 0; row < f.rows; ++row) {
    size_t arg = 0;
    const auto holds = [&](size_t condition) {
      return !f.is_null(condition, row) && f.get<int64_t>(condition, row) != 0;
    };
    while (arg + 1 < f.args.size() && !holds(arg)) arg += 2;
    if (arg + 1 < f.args.size()) {
      choose(f, arg + 1, row);
    } else if (arg < f.args.size()) {
      choose(f, arg, row);
    } else {
      f.out.nulls.set(row);
    }
  }
}

Found make(Kernel run, EvalType result, std::vector<EvalType> args) {
  Function function;
  function.run = run;
  function.result = result;
  function.args = std::move(args);
  return function;
}

Found if_of(EvalType type) { return make(&if_then_else, type, {EvalType::kInt, type, type}); }
Found if_null_of(EvalType type) { return make(&first_that_is_not_null, type, {type, type}); }
Found coalesce_of(EvalType type, const CallType& call) {
  if (call.args.empty()) return std::nullopt;
  return make(&first_that_is_not_null, type, std::vector<EvalType>(call.args.size(), type));
}
Found any_value_of(EvalType type) { return make(&first_that_is_not_null, type, {type}); }
Found case_of(EvalType type, const CallType& call) {
  if (call.args.size() < 2) return std::nullopt;
  std::vector<EvalType> args(call.args.size(), type);
  for (size_t i = 0; i + 1 < args.size(); i += 2) args[i] = EvalType::kInt;
  return make(&case_when, type, std::move(args));
}

}  // namespace

#define CAIRN_CONTROL(Sig, type_) \
  case tipb::If##Sig:             \
    return if_of(type_);          \
  case tipb::IfNull##Sig:         \
    return if_null_of(type_);     \
  case tipb::CaseWhen##Sig:       \
    return case_of(type_, type);  \
  case tipb::Coalesce##Sig:       \
    return coalesce_of(type_, type);

Found find_control(tipb::ScalarFuncSig signature, const CallType& type) {
  switch (signature) {
    CAIRN_CONTROL(Int, EvalType::kInt)
    CAIRN_CONTROL(Real, EvalType::kReal)
    CAIRN_CONTROL(Decimal, EvalType::kDecimal)
    CAIRN_CONTROL(String, EvalType::kBytes)
    CAIRN_CONTROL(Time, EvalType::kTime)
    CAIRN_CONTROL(Duration, EvalType::kDuration)
    CAIRN_CONTROL(Json, EvalType::kJson)
    CAIRN_CONTROL(VectorFloat32, EvalType::kVector)
    case tipb::IntAnyValue:
      return any_value_of(EvalType::kInt);
    case tipb::RealAnyValue:
      return any_value_of(EvalType::kReal);
    case tipb::DecimalAnyValue:
      return any_value_of(EvalType::kDecimal);
    case tipb::StringAnyValue:
      return any_value_of(EvalType::kBytes);
    case tipb::TimeAnyValue:
      return any_value_of(EvalType::kTime);
    case tipb::DurationAnyValue:
      return any_value_of(EvalType::kDuration);
    case tipb::JSONAnyValue:
      return any_value_of(EvalType::kJson);
    case tipb::VectorFloat32AnyValue:
      return any_value_of(EvalType::kVector);
    default:
      return std::nullopt;
  }
}
#undef CAIRN_CONTROL

}  // namespace cairn::coprocessor
