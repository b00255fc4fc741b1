// The executors of a plan, from either form of it: the list, whose first member scans, or the tree, whose leaf does.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "coprocessor/executors/executor.h"
#include "coprocessor/rows/range_reader.h"

namespace tipb {
class DAGRequest;
class Executor;
}  // namespace tipb

namespace cairn::coprocessor {

// Bounds of a plan. A table has no more columns.
inline constexpr size_t kExecutorsMax = 256;
inline constexpr size_t kColumnsMax = 4096;

// What an executor did, for EXPLAIN ANALYZE.
struct Summary {
  uint64_t nanos = 0;  // with those below it
  uint64_t rows = 0;
  uint64_t calls = 0;
};

// The plan's executors in order, the scan first. An error: it is no chain of executors that this store has.
Result<std::vector<const tipb::Executor*>> chain_of(const tipb::DAGRequest& plan);

// What the scan needs to know before there is a reader.
struct ScanShape {
  bool is_descending = false;
  bool is_key_only = false;
};
Result<ScanShape> shape_of_scan(const tipb::Executor& scan);

// A page of what follows the scan is a page of the answer: nothing is kept from row to row but a count.
bool can_be_paged(const std::vector<const tipb::Executor*>& chain);

// Now, in nanoseconds of any clock; null: times are not told.
using Stopwatch = std::function<uint64_t()>;

// All arguments outlive the executors. `summaries`: one for each member of the chain; null: not wanted.
Result<std::unique_ptr<Executor>> build(const std::vector<const tipb::Executor*>& chain, RangeReader& reader,
                                        EvalContext& context, std::vector<Summary>* summaries,
                                        const Stopwatch& stopwatch);

}  // namespace cairn::coprocessor
