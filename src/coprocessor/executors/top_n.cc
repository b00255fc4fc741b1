#include "coprocessor/executors/top_n.h"

#include <fmt/format.h>

#include <algorithm>

#include "tipb/executor.pb.h"

namespace cairn::coprocessor {

Result<std::unique_ptr<Executor>> TopN::make(const tipb::TopN& plan, std::unique_ptr<Executor> child,
                                             EvalContext& context) {
  auto top = std::unique_ptr<TopN>(new TopN(std::move(child), plan.limit(), context));
  for (const auto& item : plan.order_by()) {
    TRY_ASSIGN(auto program, Program::compile(item.expr(), top->schema(), context));
    if (!can_sort(program.eval_type())) {
      return fail(PlanError{fmt::format("an order by values of type {}", name_of(program.eval_type()))});
    }
    TRY(check_key(program, "ORDER BY"));
    top->order_by_.push_back(std::move(program));
    top->descending_.push_back(item.desc());
  }
  for (const auto& item : plan.partition_by()) {
    TRY_ASSIGN(auto program, Program::compile(item.expr(), top->schema(), context));
    TRY(check_key(program, "PARTITION BY"));
    top->partition_by_.push_back(std::move(program));
  }
  for (const auto& type : top->schema()) {
    EvalType eval_type{};
    if (!eval_type_of(type, eval_type)) return fail(PlanError{"a column of a type that is not supported"});
    top->rows_.add_column(eval_type);
    top->output_.add_column(eval_type);
  }
  return std::unique_ptr<Executor>(std::move(top));
}

size_t TopN::memory() const {
  return child_->memory() + rows_.memory() + output_.memory() + heap_.size() * sizeof(Entry) + key_bytes_;
}

void TopN::offer(const Batch& batch, size_t i) {
  const uint64_t number = offered_++;
  if (heap_.size() >= limit_) {
    // A later row that sorts like the largest stays behind it.
    if (key_ >= heap_.front().key) return;
    std::pop_heap(heap_.begin(), heap_.end());
    key_bytes_ -= heap_.back().key.size();
    heap_.pop_back();
  }
  const size_t row = batch.row(i);
  for (size_t c = 0; c < rows_.columns(); ++c) rows_.append({&batch.columns[c], false}, row, c);
  key_bytes_ += key_.size();
  heap_.push_back({key_, number, rows_.rows() - 1});
  std::push_heap(heap_.begin(), heap_.end());
}

// Rows that were pushed out go once they outnumber those that are kept.
void TopN::compact() {
  if (rows_.rows() <= 2 * heap_.size() + kBatchRowsMax) return;
  RowStore kept;
  for (size_t c = 0; c < rows_.columns(); ++c) kept.add_column(rows_.column(c).type);
  for (auto& entry : heap_) {
    for (size_t c = 0; c < rows_.columns(); ++c) kept.append({&rows_.column(c), false}, entry.row, c);
    entry.row = kept.rows() - 1;
  }
  rows_ = std::move(kept);
}

void TopN::finish_partition() {
  std::sort(heap_.begin(), heap_.end());
  for (const auto& entry : heap_) {
    for (size_t c = 0; c < rows_.columns(); ++c) output_.append({&rows_.column(c), false}, entry.row, c);
  }
  heap_.clear();
  key_bytes_ = 0;
  rows_.clear();
}

Result<void> TopN::take(const Batch& batch) {
  operands_.clear();
  for (auto* programs : {&order_by_, &partition_by_}) {
    for (auto& program : *programs) {
      TRY_ASSIGN(const Operand value, program.run(context_, batch));
      operands_.push_back(value);
    }
  }
  Bytes partition;
  for (size_t i = 0; i < batch.count(); ++i) {
    if (!partition_by_.empty()) {
      partition.clear();
      for (size_t k = 0; k < partition_by_.size(); ++k) {
        append_group_key(operands_[order_by_.size() + k], i, partition_by_[k].type(), partition);
      }
      if (has_partition_ && partition != partition_) finish_partition();
      has_partition_ = true;
      std::swap(partition_, partition);
    }
    key_.clear();
    for (size_t k = 0; k < order_by_.size(); ++k) {
      append_order_key(operands_[k], i, order_by_[k].type(), descending_[k], key_);
    }
    offer(batch, i);
  }
  compact();
  return {};
}

Result<Yield> TopN::next(size_t rows) {
  if (limit_ == 0) {
    batch_.columns.resize(output_.columns());
    for (size_t c = 0; c < output_.columns(); ++c) batch_.columns[c].reset(output_.column(c).type, 0);
    batch_.rows = 0;
    return Yield{&batch_, true};
  }
  output_.clear();
  TRY_ASSIGN(const Yield yield, child_->next(rows));
  if (yield.batch->count() > 0) TRY(take(*yield.batch));
  if (yield.is_last) finish_partition();
  batch_.columns.resize(output_.columns());
  for (size_t c = 0; c < output_.columns(); ++c) batch_.columns[c] = output_.column(c);
  batch_.rows = output_.rows();
  return Yield{&batch_, yield.is_last};
}

}  // namespace cairn::coprocessor
