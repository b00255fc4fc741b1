#include "coprocessor/executors/build.h"

#include <fmt/format.h>

#include <algorithm>

#include "coprocessor/executors/aggregation.h"
#include "coprocessor/executors/limit.h"
#include "coprocessor/executors/projection.h"
#include "coprocessor/executors/scan.h"
#include "coprocessor/executors/selection.h"
#include "coprocessor/executors/top_n.h"
#include "tipb/executor.pb.h"
#include "tipb/select.pb.h"

namespace cairn::coprocessor {
namespace {

// Measures the executor that it stands for.
class Measured final : public Executor {
 public:
  Measured(std::unique_ptr<Executor> executor, Summary& summary, const Stopwatch& stopwatch)
      : executor_(std::move(executor)), summary_(summary), stopwatch_(stopwatch) {}
  const std::vector<FieldType>& schema() const override { return executor_->schema(); }
  size_t memory() const override { return executor_->memory(); }
  Result<Yield> next(size_t rows) override {
    const uint64_t begin = stopwatch_ ? stopwatch_() : 0;
    auto yield = executor_->next(rows);
    if (stopwatch_) summary_.nanos += stopwatch_() - begin;
    ++summary_.calls;
    if (yield.ok()) summary_.rows += yield->batch->count();
    return yield;
  }

 private:
  std::unique_ptr<Executor> executor_;
  Summary& summary_;
  const Stopwatch& stopwatch_;
};

// The executor's child in a tree; null: it has none.
const tipb::Executor* child_of(const tipb::Executor& executor) {
  switch (executor.tp()) {
    case tipb::TypeSelection:
      return executor.selection().has_child() ? &executor.selection().child() : nullptr;
    case tipb::TypeProjection:
      return executor.projection().has_child() ? &executor.projection().child() : nullptr;
    case tipb::TypeAggregation:
    case tipb::TypeStreamAgg:
      return executor.aggregation().has_child() ? &executor.aggregation().child() : nullptr;
    case tipb::TypeTopN:
      return executor.topn().has_child() ? &executor.topn().child() : nullptr;
    case tipb::TypeLimit:
      return executor.limit().has_child() ? &executor.limit().child() : nullptr;
    default:
      return nullptr;
  }
}

bool is_scan(const tipb::Executor& executor) {
  return executor.tp() == tipb::TypeTableScan || executor.tp() == tipb::TypeIndexScan;
}

PlanError unsupported(const tipb::Executor& executor) {
  return {fmt::format("executor {} is not supported", tipb::ExecType_Name(executor.tp()))};
}

Result<std::unique_ptr<Executor>> build_scan(const tipb::Executor& plan, RangeReader& reader,
                                             const EvalContext& context) {
  if (plan.tp() == tipb::TypeTableScan) {
    TRY_ASSIGN(auto decoder, RecordDecoder::make(plan.tbl_scan()));
    return std::unique_ptr<Executor>(new Scan<RecordDecoder>(std::move(decoder), reader, context));
  }
  TRY_ASSIGN(auto decoder, IndexDecoder::make(plan.idx_scan()));
  return std::unique_ptr<Executor>(new Scan<IndexDecoder>(std::move(decoder), reader, context));
}

Result<std::unique_ptr<Executor>> build_above(const tipb::Executor& plan, const tipb::Executor& below,
                                              std::unique_ptr<Executor> child, EvalContext& context) {
  switch (plan.tp()) {
    case tipb::TypeSelection:
      return Selection::make(plan.selection(), std::move(child), context);
    case tipb::TypeProjection:
      return Projection::make(plan.projection(), std::move(child), context);
    case tipb::TypeAggregation:
      return Aggregation::make(plan.aggregation(), false, std::move(child), context);
    case tipb::TypeStreamAgg:
      return Aggregation::make(plan.aggregation(), true, std::move(child), context);
    case tipb::TypeTopN:
      return TopN::make(plan.topn(), std::move(child), context);
    case tipb::TypeLimit:
      return Limit::make(plan.limit(), std::move(child), is_scan(below) ? Limit::Below::kScan : Limit::Below::kOther,
                         context);
    default:
      return fail(unsupported(plan));
  }
}

}  // namespace

Result<std::vector<const tipb::Executor*>> chain_of(const tipb::DAGRequest& plan) {
  std::vector<const tipb::Executor*> chain;
  if (plan.has_root_executor()) {
    for (const auto* executor = &plan.root_executor(); executor != nullptr; executor = child_of(*executor)) {
      chain.push_back(executor);
    }
    std::reverse(chain.begin(), chain.end());
  } else {
    for (int i = 0; i < plan.executors_size(); ++i) {
      const auto& executor = plan.executors(i);
      if (executor.has_parent_idx() && executor.parent_idx() != 0 &&
          executor.parent_idx() != static_cast<uint32_t>(i) + 1) {
        return fail(PlanError{"executors that are no chain"});
      }
      chain.push_back(&executor);
    }
  }
  if (chain.empty()) return fail(PlanError{"a plan without executors"});
  // Each asks the one below it, on one stack.
  if (chain.size() > kExecutorsMax) return fail(PlanError{fmt::format("a plan of {} executors", chain.size())});
  if (!is_scan(*chain.front())) return fail(unsupported(*chain.front()));
  if (plan.intermediate_output_channels_size() > 0) return fail(PlanError{"a plan with intermediate outputs"});
  return chain;
}

Result<ScanShape> shape_of_scan(const tipb::Executor& scan) {
  ScanShape shape;
  if (scan.tp() == tipb::TypeTableScan) {
    TRY_ASSIGN(const auto decoder, RecordDecoder::make(scan.tbl_scan()));
    shape.is_key_only = decoder.is_key_only();
    shape.is_descending = scan.tbl_scan().desc();
  } else {
    shape.is_descending = scan.idx_scan().desc();
  }
  return shape;
}

bool can_be_paged(const std::vector<const tipb::Executor*>& chain) {
  return std::all_of(chain.begin() + 1, chain.end(), [](const tipb::Executor* executor) {
    return executor->tp() == tipb::TypeSelection || executor->tp() == tipb::TypeProjection ||
           (executor->tp() == tipb::TypeLimit && executor->limit().partition_by_size() == 0);
  });
}

Result<std::unique_ptr<Executor>> build(const std::vector<const tipb::Executor*>& chain, RangeReader& reader,
                                        EvalContext& context, std::vector<Summary>* summaries,
                                        const Stopwatch& stopwatch) {
  std::unique_ptr<Executor> executor;
  if (summaries != nullptr) summaries->resize(chain.size());
  for (size_t i = 0; i < chain.size(); ++i) {
    if (i == 0) {
      TRY_ASSIGN(executor, build_scan(*chain[0], reader, context));
    } else {
      TRY_ASSIGN(executor, build_above(*chain[i], *chain[i - 1], std::move(executor), context));
    }
    if (executor->schema().size() > kColumnsMax) {
      return fail(PlanError{fmt::format("an executor of {} columns", executor->schema().size())});
    }
    if (summaries != nullptr) {
      executor = std::make_unique<Measured>(std::move(executor), (*summaries)[i], stopwatch);
    }
  }
  return executor;
}

}  // namespace cairn::coprocessor
