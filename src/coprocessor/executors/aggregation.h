// Aggregation of all rows, of groups by hash, and of groups that come one after the other (stream). A row of the result
// has the aggregates first, then the values of GROUP BY, which are those of a group's first row. No row makes no group,
// without GROUP BY too: FIRST of a region without rows must not come before that of a region with some.
#pragma once

#include <absl/container/flat_hash_map.h>

#include "coprocessor/executors/aggregate.h"
#include "coprocessor/executors/executor.h"

namespace tipb {
class Aggregation;
}

namespace cairn::coprocessor {

class Aggregation final : public Executor {
 public:
  static Result<std::unique_ptr<Executor>> make(const tipb::Aggregation& plan, bool is_stream,
                                                std::unique_ptr<Executor> child, EvalContext& context);
  const std::vector<FieldType>& schema() const override { return schema_; }
  Result<Yield> next(size_t rows) override;
  size_t memory() const override;

 private:
  enum class Grouping : uint8_t { kNone, kHash, kHashOfInt, kStream };

  Aggregation(std::unique_ptr<Executor> child, EvalContext& context) : child_(std::move(child)), context_(context) {}
  Result<void> take(const Batch& batch);
  // Says to which group each row belongs.
  void find_groups(size_t rows);
  uint32_t add_group(size_t row);
  // Yields the groups [0, end).
  void emit(size_t end);

  std::unique_ptr<Executor> child_;
  EvalContext& context_;
  std::vector<AggregateCall> calls_;
  std::vector<Program> group_by_;
  std::vector<FieldType> schema_;
  Grouping grouping_ = Grouping::kNone;

  size_t groups_ = 0;
  RowStore keys_;  // GROUP BY's values of each group
  // Group by key: the bytes of all its values, or the number that is its only one.
  absl::flat_hash_map<Bytes, uint32_t> by_bytes_;
  absl::flat_hash_map<int64_t, uint32_t> by_number_;
  uint32_t null_group_ = UINT32_MAX;
  size_t key_bytes_ = 0;
  Bytes key_, last_key_;

  std::vector<Operand> operands_;  // of GROUP BY
  std::vector<uint32_t> group_of_row_;
  Batch batch_;
  size_t emitted_ = 0;  // groups, once the child is through
  bool is_through_ = false;
};

}  // namespace cairn::coprocessor
