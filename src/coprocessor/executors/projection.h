// Rows of expressions over the child's rows.
#pragma once

#include "coprocessor/executors/executor.h"
#include "coprocessor/expr/program.h"

namespace tipb {
class Projection;
}

namespace cairn::coprocessor {

class Projection final : public Executor {
 public:
  static Result<std::unique_ptr<Executor>> make(const tipb::Projection& plan, std::unique_ptr<Executor> child,
                                                EvalContext& context);
  const std::vector<FieldType>& schema() const override { return schema_; }
  Result<Yield> next(size_t rows) override;
  size_t memory() const override { return child_->memory(); }

 private:
  Projection(std::unique_ptr<Executor> child, EvalContext& context) : child_(std::move(child)), context_(context) {}

  std::unique_ptr<Executor> child_;
  EvalContext& context_;
  std::vector<Program> programs_;
  std::vector<FieldType> schema_;
  Batch batch_;
};

}  // namespace cairn::coprocessor
