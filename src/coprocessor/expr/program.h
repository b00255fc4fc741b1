// An expression compiled once a request: a flat list of steps, each of which fills a vector from earlier ones. No
// decision is left to be made a row.
// Tests: functions_test.cc, request_test.cc.
#pragma once

#include <deque>
#include <memory>
#include <span>
#include <vector>

#include "coprocessor/expr/batch.h"
#include "coprocessor/expr/function.h"

namespace tipb {
class Expr;
}

namespace cairn::coprocessor {

class Program {
 public:
  // Deeper expressions are refused.
  static constexpr int kDepthMax = 1000;

  // Columns are of `schema`. Afterwards `expression` is not needed.
  static Result<Program> compile(const tipb::Expr& expression, std::span<const FieldType> schema, EvalContext& context);
  Program(Program&&) noexcept = default;
  Program& operator=(Program&&) noexcept = default;

  const FieldType& type() const { return steps_.back()->type.result; }
  EvalType eval_type() const { return steps_.back()->eval_type; }
  bool is_constant() const { return steps_.back()->kind == Kind::kConstant; }

  // Appends a cast of the result.
  Result<void> append_cast(const FieldType& to);

  // The values of the rows that count, in their order. Good until the next run, and as long as the batch.
  Result<Operand> run(EvalContext& context, const Batch& batch);

 private:
  enum class Kind : uint8_t { kConstant, kColumn, kCall };
  struct Step {
    Kind kind = Kind::kConstant;
    EvalType eval_type = EvalType::kInt;
    CallType type;
    size_t column = 0;         // kColumn
    std::vector<size_t> args;  // kCall: steps
    Function function;         // kCall
    std::shared_ptr<const void> prepared;
    std::string bytes;  // what a constant's views look at, and the metadata of a call
    Column value;       // the constant, or what the step computed
    Operand result;
  };

  Program() = default;
  Result<size_t> add(const tipb::Expr& expression, std::span<const FieldType> schema, EvalContext& context, int depth);
  Result<size_t> add_constant(const tipb::Expr& expression, EvalContext& context);
  Result<size_t> add_column(const tipb::Expr& expression, std::span<const FieldType> schema);
  Result<size_t> add_call(const tipb::Expr& expression, std::span<const FieldType> schema, EvalContext& context,
                          int depth);
  // The step, or one behind it that makes what a call wants of an ENUM or a SET. An error: it is of another type.
  Result<size_t> fit(size_t step, EvalType wanted, const char* what);
  size_t push(std::unique_ptr<Step> step);

  std::vector<std::unique_ptr<Step>> steps_;
  std::vector<Operand> operands_;  // of the call that runs
  std::unique_ptr<Arena> arena_ = std::make_unique<Arena>();
};

}  // namespace cairn::coprocessor
