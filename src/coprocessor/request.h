// A request of the coprocessor over one region's snapshot, run in steps of a batch each, so that whoever runs it may
// stop between two, look at the clock, and let others go first. Pure: a snapshot and a request in, bytes out.
//
//   begin(...)                 reads the plan and compiles it
//   while (!step()) ...        one batch of rows
//   finish()                   the answer's bytes
//
// Kinds: a plan of executors (DAG), statistics (analyze.h), the checksum of a range. Tests: request_test.cc.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "coprocessor/executors/build.h"
#include "coprocessor/failure.h"
#include "engine/region_store.h"
#include "mvcc/read_options.h"

namespace cairn::coprocessor {

// Request.tp on the wire.
enum class Kind : int64_t { kDag = 103, kAnalyze = 104, kChecksum = 105 };

struct Question {
  int64_t kind = 0;
  ByteView plan;                 // encoded; needed in begin() only
  std::vector<KeyRange> ranges;  // user keys, ascending
  // 0: no page ends there.
  uint64_t page_rows = 0;
  uint64_t page_bytes = 0;
  uint64_t keys_max = 0;
  size_t memory_max = size_t{1} << 30;
  size_t answer_bytes_max = size_t{1} << 30;
  Stopwatch stopwatch;     // for execution summaries; may be null
  int64_t now_micros = 0;  // for functions that ask for the day, and for dice
};

struct Answer {
  Bytes data;
  std::optional<KeyRange> consumed;  // of a page that is not the last
  bool can_be_cached = false;
};

class Request {
 public:
  // Deeper messages are refused.
  static constexpr int kMessageDepthMax = 1000;

  virtual ~Request() = default;
  // The snapshot is kept; `options` are copied.
  static Result<std::unique_ptr<Request>> begin(Question question, engine::RegionSnapshotPtr snapshot,
                                                const mvcc::ReadOptions& options);

  // One batch. True: it was the last.
  virtual Result<bool> step() = 0;
  // After the last step.
  virtual Answer finish() = 0;
  virtual const mvcc::ReadFigures& figures() const = 0;
  // What it is made of, for the metrics.
  struct Shape {
    bool is_over_index = false;
    std::vector<const char*> executors;  // as TiKV's metrics name them
  };
  virtual const Shape& shape() const = 0;
  // Bytes that it holds between steps.
  virtual size_t memory() const = 0;
};

// The answer of a plan whose evaluation failed.
Bytes answer_of(const EvalError& error);

}  // namespace cairn::coprocessor
