// LIMIT, of all rows or of each run of rows with equal PARTITION BY values.
#pragma once

#include "coprocessor/executors/executor.h"
#include "coprocessor/expr/program.h"

namespace tipb {
class Limit;
}

namespace cairn::coprocessor {

class Limit final : public Executor {
 public:
  enum class Below : uint8_t { kScan, kOther };
  static Result<std::unique_ptr<Executor>> make(const tipb::Limit& plan, std::unique_ptr<Executor> child, Below below,
                                                EvalContext& context);
  const std::vector<FieldType>& schema() const override { return child_->schema(); }
  Result<Yield> next(size_t rows) override;
  size_t memory() const override { return child_->memory(); }

 private:
  Limit(std::unique_ptr<Executor> child, Below below, uint64_t limit, EvalContext& context)
      : child_(std::move(child)), below_(below), context_(context), limit_(limit), left_(limit) {}
  Result<void> cut_partitions(Batch& batch);

  std::unique_ptr<Executor> child_;
  const Below below_;
  EvalContext& context_;
  const uint64_t limit_;
  uint64_t left_;  // of all, or of the partition
  std::vector<Program> partition_by_;
  bool has_partition_ = false;
  Bytes partition_;
};

}  // namespace cairn::coprocessor
