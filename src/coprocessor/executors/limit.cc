#include "coprocessor/executors/limit.h"

#include "tipb/executor.pb.h"

namespace cairn::coprocessor {

Result<std::unique_ptr<Executor>> Limit::make(const tipb::Limit& plan, std::unique_ptr<Executor> child, Below below,
                                              EvalContext& context) {
  if (plan.truncate_key_expr_size() > 0) return fail(PlanError{"a limit with truncated keys"});
  auto limit = std::unique_ptr<Limit>(new Limit(std::move(child), below, plan.limit(), context));
  for (const auto& item : plan.partition_by()) {
    TRY_ASSIGN(auto program, Program::compile(item.expr(), limit->schema(), context));
    TRY(check_key(program, "PARTITION BY"));
    limit->partition_by_.push_back(std::move(program));
  }
  return std::unique_ptr<Executor>(std::move(limit));
}

Result<void> Limit::cut_partitions(Batch& batch) {
  std::vector<Operand> keys;
  for (auto& program : partition_by_) {
    TRY_ASSIGN(const Operand key, program.run(context_, batch));
    keys.push_back(key);
  }
  std::vector<uint32_t> kept;
  Bytes key;
  for (size_t i = 0; i < batch.count(); ++i) {
    key.clear();
    for (size_t k = 0; k < keys.size(); ++k) append_group_key(keys[k], i, partition_by_[k].type(), key);
    if (!has_partition_ || key != partition_) {
      has_partition_ = true;
      partition_ = key;
      left_ = limit_;
    }
    if (left_ == 0) continue;
    --left_;
    kept.push_back(static_cast<uint32_t>(batch.row(i)));
  }
  batch.selection = std::move(kept);
  batch.has_selection = true;
  return {};
}

Result<Yield> Limit::next(size_t rows) {
  const bool is_whole = partition_by_.empty();
  // Of a scan no more is read than is wanted. Of a selection that says nothing: it may need many rows for one.
  const bool reads_few = is_whole && below_ == Below::kScan;
  const size_t wanted = reads_few ? static_cast<size_t>(std::min<uint64_t>(rows, std::max<uint64_t>(left_, 1))) : rows;
  TRY_ASSIGN(Yield yield, child_->next(wanted));
  if (!is_whole) {
    if (yield.batch->count() > 0) TRY(cut_partitions(*yield.batch));
    return yield;
  }
  const size_t count = yield.batch->count();
  if (count < left_) {
    left_ -= count;
    return yield;
  }
  Batch& batch = *yield.batch;
  if (!batch.has_selection) {
    batch.selection.resize(batch.rows);
    for (size_t i = 0; i < batch.rows; ++i) batch.selection[i] = static_cast<uint32_t>(i);
    batch.has_selection = true;
  }
  batch.selection.resize(static_cast<size_t>(left_));
  left_ = 0;
  yield.is_last = true;
  return yield;
}

}  // namespace cairn::coprocessor
