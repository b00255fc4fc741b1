// The aggregate functions: each keeps its state for all groups side by side, and takes a batch at a time.
//
// What one yields is a partial result, which the SQL layer merges: AVG is a count and a sum; VAR_POP and VAR_SAMP are a
// count, a sum and the variance.
// Tests: request_test.cc.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "coprocessor/eval_context.h"
#include "coprocessor/expr/program.h"

namespace cairn::coprocessor {

class Aggregate {
 public:
  virtual ~Aggregate() = default;
  // Makes room for so many groups; new ones are empty.
  virtual void resize(size_t groups) = 0;
  // Row i belongs to group groups[i].
  virtual Result<void> update(EvalContext& context, const Operand& argument, std::span<const uint32_t> groups) = 0;
  // Writes the results of groups [begin, end) into the columns, rows 0 on. Bytes are views into the state.
  virtual void finish(size_t begin, size_t end, std::span<Column> out) const = 0;
  // Forgets all groups but the last, which is now the first.
  virtual void keep_last() = 0;
  virtual size_t memory() const = 0;
};

// An aggregate of a plan, with its argument.
struct AggregateCall {
  std::optional<Program> argument;  // none: COUNT of no argument counts rows
  std::unique_ptr<Aggregate> aggregate;
  std::vector<FieldType> results;

  static Result<AggregateCall> compile(const tipb::Expr& expression, std::span<const FieldType> schema,
                                       EvalContext& context);
};

}  // namespace cairn::coprocessor
