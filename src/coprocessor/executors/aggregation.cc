#include "coprocessor/executors/aggregation.h"

#include "tipb/executor.pb.h"

namespace cairn::coprocessor {
namespace {

// Types whose equality is that of their 64 bits.
bool is_plain_number(EvalType type) {
  return type == EvalType::kInt || type == EvalType::kEnum || type == EvalType::kSet || type == EvalType::kDuration;
}

}  // namespace

Result<std::unique_ptr<Executor>> Aggregation::make(const tipb::Aggregation& plan, bool is_stream,
                                                    std::unique_ptr<Executor> child, EvalContext& context) {
  if (plan.rpn_group_by_size() > 0 || plan.rpn_agg_func_size() > 0) {
    return fail(PlanError{"an aggregation whose expressions are in RPN"});
  }
  auto self = std::unique_ptr<Aggregation>(new Aggregation(std::move(child), context));
  for (const auto& function : plan.agg_func()) {
    TRY_ASSIGN(auto call, AggregateCall::compile(function, self->child_->schema(), context));
    self->schema_.insert(self->schema_.end(), call.results.begin(), call.results.end());
    self->calls_.push_back(std::move(call));
  }
  for (const auto& expression : plan.group_by()) {
    TRY_ASSIGN(auto program, Program::compile(expression, self->child_->schema(), context));
    TRY(check_key(program, "GROUP BY"));
    self->schema_.push_back(program.type());
    self->keys_.add_column(program.eval_type());
    self->group_by_.push_back(std::move(program));
  }
  const auto& keys = self->group_by_;
  if (keys.empty()) {
    self->grouping_ = Grouping::kNone;
  } else if (is_stream) {
    self->grouping_ = Grouping::kStream;
  } else {
    self->grouping_ = keys.size() == 1 && is_plain_number(keys[0].eval_type()) ? Grouping::kHashOfInt : Grouping::kHash;
  }
  return std::unique_ptr<Executor>(std::move(self));
}

size_t Aggregation::memory() const {
  constexpr size_t kEntry = 48;  // of a hash table, with its slack
  size_t bytes = child_->memory() + keys_.memory() + key_bytes_;
  bytes += (by_bytes_.capacity() + by_number_.capacity()) * kEntry;
  for (const auto& call : calls_) bytes += call.aggregate->memory();
  return bytes;
}

uint32_t Aggregation::add_group(size_t row) {
  for (size_t k = 0; k < operands_.size(); ++k) keys_.append(operands_[k], row, k);
  return static_cast<uint32_t>(groups_++);
}

void Aggregation::find_groups(size_t rows) {
  group_of_row_.resize(rows);
  if (grouping_ == Grouping::kHashOfInt) {
    const Operand& number = operands_[0];
    for (size_t row = 0; row < rows; ++row) {
      if (number.is_null(row)) {
        if (null_group_ == UINT32_MAX) null_group_ = add_group(row);
        group_of_row_[row] = null_group_;
        continue;
      }
      const auto [it, is_new] = by_number_.try_emplace(number.column->ints[number.index(row)], 0);
      if (is_new) it->second = add_group(row);
      group_of_row_[row] = it->second;
    }
    return;
  }
  for (size_t row = 0; row < rows; ++row) {
    key_.clear();
    for (size_t k = 0; k < operands_.size(); ++k) append_group_key(operands_[k], row, group_by_[k].type(), key_);
    if (grouping_ == Grouping::kStream) {
      if (groups_ == 0 || key_ != last_key_) {
        add_group(row);
        std::swap(key_, last_key_);
      }
      group_of_row_[row] = static_cast<uint32_t>(groups_ - 1);
      continue;
    }
    const auto found = by_bytes_.find(key_);
    if (found != by_bytes_.end()) {
      group_of_row_[row] = found->second;
    } else {
      key_bytes_ += key_.size();
      group_of_row_[row] = by_bytes_.emplace(key_, add_group(row)).first->second;
    }
  }
}

Result<void> Aggregation::take(const Batch& batch) {
  const size_t rows = batch.count();
  operands_.clear();
  for (auto& program : group_by_) {
    TRY_ASSIGN(const Operand value, program.run(context_, batch));
    operands_.push_back(value);
  }
  if (grouping_ == Grouping::kNone) {
    group_of_row_.assign(rows, 0);
    groups_ = 1;
  } else {
    find_groups(rows);
  }
  for (auto& call : calls_) call.aggregate->resize(groups_);
  for (auto& call : calls_) {
    Operand argument;
    if (call.argument) {
      TRY_ASSIGN(argument, call.argument->run(context_, batch));
    }
    TRY(call.aggregate->update(context_, argument, group_of_row_));
  }
  return {};
}

void Aggregation::emit(size_t end) {
  const size_t begin = emitted_;
  batch_.columns.resize(schema_.size());
  size_t at = 0;
  for (auto& call : calls_) {
    call.aggregate->finish(begin, end, std::span(batch_.columns).subspan(at, call.results.size()));
    at += call.results.size();
  }
  for (size_t k = 0; k < keys_.columns(); ++k, ++at) {
    const Column& from = keys_.column(k);
    Column& to = batch_.columns[at];
    to.reset(from.type, end - begin);
    for (size_t i = begin; i < end; ++i) to.copy_value(i - begin, from, i);
  }
  batch_.rows = end - begin;
  emitted_ = end;
}

Result<Yield> Aggregation::next(size_t rows) {
  if (grouping_ == Grouping::kStream) {
    // What the last batch began may go on; the groups before it were yielded.
    if (emitted_ > 0) {
      for (auto& call : calls_) call.aggregate->keep_last();
      RowStore last;
      for (size_t k = 0; k < keys_.columns(); ++k) {
        last.add_column(keys_.column(k).type);
        last.append({&keys_.column(k), false}, keys_.rows() - 1, k);
      }
      keys_ = std::move(last);
      groups_ = 1;
      emitted_ = 0;
    }
    TRY_ASSIGN(const Yield yield, child_->next(rows));
    if (yield.batch->count() > 0) TRY(take(*yield.batch));
    emit(yield.is_last ? groups_ : groups_ == 0 ? 0 : groups_ - 1);
    return Yield{&batch_, yield.is_last};
  }
  if (!is_through_) {
    TRY_ASSIGN(const Yield yield, child_->next(rows));
    if (yield.batch->count() > 0) TRY(take(*yield.batch));
    is_through_ = yield.is_last;
    if (!is_through_) {
      emit(0);
      return Yield{&batch_, false};
    }
  }
  emit(std::min(groups_, emitted_ + kBatchRowsMax));
  return Yield{&batch_, emitted_ == groups_};
}

}  // namespace cairn::coprocessor
