// ANALYZE: what TiDB's planner wants to know of a table or an index, gathered where the data lie. Kinds: a sample of
// the table's rows with the number of NULLs, the bytes and a sketch of the distinct values of each column and group of
// columns; a histogram of an index or of a common handle, with sketches. Tests: analyze_test.cc.
#pragma once

#include "coprocessor/request.h"

namespace cairn::coprocessor {

Result<std::unique_ptr<Request>> begin_analyze(Question question, engine::RegionSnapshotPtr snapshot,
                                               const mvcc::ReadOptions& options);

}  // namespace cairn::coprocessor
