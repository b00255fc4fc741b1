#include "coprocessor/expr/program.h"

#include <fmt/format.h>

#include <cmath>

#include "base/codec.h"
#include "coprocessor/expr/rowwise.h"
#include "coprocessor/functions/table.h"
#include "coprocessor/types/duration.h"
#include "coprocessor/types/enumeration.h"
#include "coprocessor/types/json.h"
#include "coprocessor/types/time.h"
#include "coprocessor/types/vector.h"
#include "tipb/expression.pb.h"

namespace cairn::coprocessor {
namespace {

// ENUMs, SETs and BITs in the place of strings and integers.
std::optional<ByteView> name_of_enum(Frame& f, int64_t value) {
  return enum_name(f.type.args[0], static_cast<uint64_t>(value));
}
ByteView names_of_set(Frame& f, int64_t value) {
  return f.keep(set_names(f.type.args[0], static_cast<uint64_t>(value)));
}
ByteView bytes_of_bit(Frame& f, int64_t value) {
  const int bits = f.type.args[0].length;
  const int bytes = bits <= 0 || bits > 64 ? 8 : (bits + 7) / 8;
  std::string text;
  for (int i = bytes - 1; i >= 0; --i) text.push_back(static_cast<char>(static_cast<uint64_t>(value) >> (8 * i)));
  return f.keep(text);
}
int64_t same_int(int64_t value) { return value; }

std::string name_of_signature(const tipb::Expr& expression) {
  if (expression.has_sig()) return tipb::ScalarFuncSig_Name(expression.sig());
  const auto& unknown = expression.unknown_fields();
  for (int i = 0; i < unknown.field_count(); ++i) {
    if (unknown.field(i).number() == tipb::Expr::kSigFieldNumber &&
        unknown.field(i).type() == google::protobuf::UnknownField::TYPE_VARINT) {
      return std::to_string(unknown.field(i).varint());
    }
  }
  return "none";
}

// The constant's value in row 0 of `out`, whose type is set. False: the bytes are not of the form.
bool decode_constant(const tipb::Expr& expression, const FieldType& type, const EvalContext& context,
                     const std::string& bytes, Column& out) {
  ByteView in = bytes;
  uint64_t bits = 0;
  switch (expression.tp()) {
    case tipb::Int64:
      return codec::get_i64_be(in, out.ints[0]);
    case tipb::MysqlDuration:
      return codec::get_i64_be(in, out.ints[0]) && is_duration(out.ints[0]);
    case tipb::Uint64:
    case tipb::MysqlEnum:
    case tipb::MysqlSet:
      if (!codec::get_u64_be(in, bits)) return false;
      out.ints[0] = static_cast<int64_t>(bits);
      return true;
    case tipb::MysqlBit:
      if (in.size() > 8) return false;
      for (const char c : in) bits = bits << 8 | static_cast<uint8_t>(c);
      out.ints[0] = static_cast<int64_t>(bits);
      return true;
    case tipb::Float32:
    case tipb::Float64:
      return codec::get_f64_be(in, out.reals[0]) && !std::isnan(out.reals[0]);
    case tipb::String:
    case tipb::Bytes:
      out.bytes[0] = in;
      return true;
    case tipb::MysqlJson:
      out.bytes[0] = in;
      return !in.empty() && json::size_of(in) == in.size();
    case tipb::TiDBVectorFloat32:
      out.bytes[0] = in;
      return vector32::is_valid(in);
    case tipb::MysqlDecimal:
      return Decimal::decode(in, out.decimals[0]);
    case tipb::MysqlTime: {
      if (!codec::get_u64_be(in, bits)) return false;
      const auto time = time_from_packed(context, bits, time_kind_of(type.type), type.fsp());
      if (time) out.ints[0] = static_cast<int64_t>(time->bits);
      return time.has_value();
    }
    default:
      return false;
  }
}

// Whether a constant of that form may have that type.
bool constant_fits(tipb::ExprType form, EvalType type) {
  switch (form) {
    case tipb::Int64:
    case tipb::Uint64:
    case tipb::MysqlBit:
      return type == EvalType::kInt;
    case tipb::MysqlDuration:
      return type == EvalType::kDuration;
    case tipb::MysqlEnum:
      return type == EvalType::kEnum;
    case tipb::MysqlSet:
      return type == EvalType::kSet;
    case tipb::Float32:
    case tipb::Float64:
      return type == EvalType::kReal;
    case tipb::String:
    case tipb::Bytes:
      return type == EvalType::kBytes;
    case tipb::MysqlDecimal:
      return type == EvalType::kDecimal;
    case tipb::MysqlTime:
      return type == EvalType::kTime;
    case tipb::MysqlJson:
      return type == EvalType::kJson;
    case tipb::TiDBVectorFloat32:
      return type == EvalType::kVector;
    default:
      return false;
  }
}

}  // namespace

size_t Program::push(std::unique_ptr<Step> step) {
  steps_.push_back(std::move(step));
  return steps_.size() - 1;
}

Result<Program> Program::compile(const tipb::Expr& expression, std::span<const FieldType> schema,
                                 EvalContext& context) {
  Program program;
  TRY(program.add(expression, schema, context, 0));
  return program;
}

Result<size_t> Program::add(const tipb::Expr& expression, std::span<const FieldType> schema, EvalContext& context,
                            int depth) {
  if (depth > kDepthMax) return fail(PlanError{fmt::format("an expression is nested deeper than {}", kDepthMax)});
  switch (expression.tp()) {
    case tipb::ScalarFunc:
      return add_call(expression, schema, context, depth);
    case tipb::ColumnRef:
      return add_column(expression, schema);
    default:
      return add_constant(expression, context);
  }
}

Result<size_t> Program::add_constant(const tipb::Expr& expression, EvalContext& context) {
  auto step = std::make_unique<Step>();
  step->type.result = FieldType::from(expression.field_type());
  if (!eval_type_of(step->type.result, step->eval_type)) {
    if (expression.tp() != tipb::Null) {
      return fail(PlanError{fmt::format("a constant of type {} is not supported", expression.field_type().tp())});
    }
    step->eval_type = EvalType::kBytes;
  }
  step->value.reset(step->eval_type, 1);
  if (expression.tp() == tipb::Null) {
    step->value.nulls.set(0);
  } else {
    step->bytes = expression.val();
    if (!constant_fits(expression.tp(), step->eval_type)) {
      return fail(PlanError{fmt::format("an expression of type {} is not supported as {}",
                                        tipb::ExprType_Name(expression.tp()), name_of(step->eval_type))});
    }
    if (!decode_constant(expression, step->type.result, context, step->bytes, step->value)) {
      return fail(PlanError{fmt::format("a constant of type {} does not decode: {}",
                                        tipb::ExprType_Name(expression.tp()), to_hex(step->bytes))});
    }
  }
  step->result = {&step->value, true};
  return push(std::move(step));
}

Result<size_t> Program::add_column(const tipb::Expr& expression, std::span<const FieldType> schema) {
  ByteView in = expression.val();
  int64_t offset = 0;
  if (!codec::get_i64_be(in, offset) || offset < 0 || offset >= static_cast<int64_t>(schema.size())) {
    return fail(PlanError{fmt::format("a column offset that is none of {} columns", schema.size())});
  }
  auto step = std::make_unique<Step>();
  step->kind = Kind::kColumn;
  step->column = static_cast<size_t>(offset);
  step->type.result = schema[step->column];
  if (!eval_type_of(step->type.result, step->eval_type)) {
    return fail(PlanError{fmt::format("column {} has a type that is not supported", offset)});
  }
  return push(std::move(step));
}

Result<size_t> Program::fit(size_t at, EvalType wanted, const char* what) {
  const Step& from = *steps_[at];
  if (from.eval_type == wanted) return at;
  auto step = std::make_unique<Step>();
  step->eval_type = wanted;
  step->type.result = from.type.result;
  if (from.kind == Kind::kConstant && from.value.nulls[0]) {
    step->value.reset(wanted, 1);
    step->value.nulls.set(0);
    step->result = {&step->value, true};
    return push(std::move(step));
  }
  step->kind = Kind::kCall;
  step->args = {at};
  step->type.args = {from.type.result};
  const bool is_bit = from.type.result.type == Type::kBit;
  if (wanted == EvalType::kInt && (from.eval_type == EvalType::kEnum || from.eval_type == EvalType::kSet)) {
    step->function = rowwise<&same_int>();
    step->type.result = FieldType::of(Type::kLongLong, FieldType::kUnsigned);
  } else if (wanted == EvalType::kBytes && from.eval_type == EvalType::kEnum) {
    step->function = rowwise<&name_of_enum>();
  } else if (wanted == EvalType::kBytes && from.eval_type == EvalType::kSet) {
    step->function = rowwise<&names_of_set>();
  } else if (wanted == EvalType::kBytes && is_bit) {
    step->function = rowwise<&bytes_of_bit>();
  } else {
    return fail(PlanError{
        fmt::format("{} has an argument of type {} in place of {}", what, name_of(from.eval_type), name_of(wanted))});
  }
  return push(std::move(step));
}

Result<size_t> Program::add_call(const tipb::Expr& expression, std::span<const FieldType> schema, EvalContext& context,
                                 int depth) {
  auto step = std::make_unique<Step>();
  step->kind = Kind::kCall;
  step->type.result = FieldType::from(expression.field_type());
  step->bytes = expression.val();
  step->type.metadata = step->bytes;
  for (const auto& child : expression.children()) {
    TRY_ASSIGN(const size_t arg, add(child, schema, context, depth + 1));
    step->args.push_back(arg);
    step->type.args.push_back(steps_[arg]->type.result);
  }
  const std::string name = name_of_signature(expression);
  auto function = expression.has_sig() ? find_function(expression.sig(), step->type) : std::nullopt;
  if (!function) return fail(PlanError{fmt::format("scalar function {} is not supported", name)});
  if (function->args.size() != step->args.size()) {
    return fail(PlanError{fmt::format("scalar function {} with {} arguments", name, step->args.size())});
  }
  std::vector<Operand> constants;
  for (size_t i = 0; i < step->args.size(); ++i) {
    TRY_ASSIGN(step->args[i], fit(step->args[i], function->args[i], name.c_str()));
    const Step& arg = *steps_[step->args[i]];
    constants.push_back(arg.kind == Kind::kConstant ? arg.result : Operand{});
  }
  step->eval_type = function->result;
  step->function = std::move(*function);
  if (step->function.prepare != nullptr) step->prepared = step->function.prepare(step->type, constants);
  return push(std::move(step));
}

Result<void> Program::append_cast(const FieldType& to) {
  EvalType wanted{};
  const size_t last = steps_.size() - 1;
  auto step = std::make_unique<Step>();
  step->kind = Kind::kCall;
  step->type = {to, {steps_[last]->type.result}, {}};
  auto function = eval_type_of(to, wanted) ? find_cast(steps_[last]->eval_type, wanted, step->type) : std::nullopt;
  if (!function) return fail(PlanError{fmt::format("no cast of {} to {}", name_of(eval_type()), name_of(wanted))});
  TRY_ASSIGN(const size_t arg, fit(last, function->args[0], "a cast"));
  step->args = {arg};
  step->eval_type = function->result;
  step->function = std::move(*function);
  push(std::move(step));
  return {};
}

Result<Operand> Program::run(EvalContext& context, const Batch& batch) {
  arena_->reset();
  const size_t rows = batch.count();
  for (auto& step : steps_) {
    switch (step->kind) {
      case Kind::kConstant:
        break;
      case Kind::kColumn: {
        const Column& column = batch.columns[step->column];
        if (!batch.has_selection) {
          step->result = {&column, false};
          break;
        }
        step->value.reset(column.type, rows);
        for (size_t i = 0; i < rows; ++i) step->value.copy_value(i, column, batch.selection[i]);
        step->result = {&step->value, false};
        break;
      }
      case Kind::kCall: {
        operands_.clear();
        bool is_constant = !step->function.is_volatile;
        for (const size_t arg : step->args) {
          operands_.push_back(steps_[arg]->result);
          is_constant = is_constant && operands_.back().is_constant;
        }
        Frame frame{context,
                    *arena_,
                    is_constant ? std::min<size_t>(rows, 1) : rows,
                    operands_,
                    step->value,
                    step->type,
                    step->prepared.get()};
        step->function.run(frame);
        if (context.failed()) return fail(*context.take_error());
        step->result = {&step->value, is_constant};
        break;
      }
    }
  }
  return steps_.back()->result;
}

}  // namespace cairn::coprocessor
