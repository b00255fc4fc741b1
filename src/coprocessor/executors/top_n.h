// ORDER BY ... LIMIT: keeps the rows that sort first, of all rows or of each run of rows with equal PARTITION BY
// values. Rows that sort alike stay in the order in which they came.
#pragma once

#include "coprocessor/executors/executor.h"
#include "coprocessor/expr/program.h"

namespace tipb {
class TopN;
}

namespace cairn::coprocessor {

class TopN final : public Executor {
 public:
  static Result<std::unique_ptr<Executor>> make(const tipb::TopN& plan, std::unique_ptr<Executor> child,
                                                EvalContext& context);
  const std::vector<FieldType>& schema() const override { return child_->schema(); }
  Result<Yield> next(size_t rows) override;
  size_t memory() const override;

 private:
  struct Entry {
    Bytes key;
    uint64_t number;  // of the row, as it came
    size_t row;       // in the store
    bool operator<(const Entry& other) const {
      const int order = key.compare(other.key);
      return order != 0 ? order < 0 : number < other.number;
    }
  };

  TopN(std::unique_ptr<Executor> child, uint64_t limit, EvalContext& context)
      : child_(std::move(child)), context_(context), limit_(limit) {}
  Result<void> take(const Batch& batch);
  void offer(const Batch& batch, size_t i);
  void compact();
  // Moves what is kept to the output, sorted.
  void finish_partition();

  std::unique_ptr<Executor> child_;
  EvalContext& context_;
  const uint64_t limit_;
  std::vector<Program> order_by_;
  std::vector<bool> descending_;
  std::vector<Program> partition_by_;

  RowStore rows_;
  std::vector<Entry> heap_;  // the largest first
  size_t key_bytes_ = 0;
  uint64_t offered_ = 0;
  Bytes key_;
  Bytes partition_;
  bool has_partition_ = false;
  std::vector<Operand> operands_;
  RowStore output_;
  Batch batch_;
};

}  // namespace cairn::coprocessor
