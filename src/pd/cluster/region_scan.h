// RegionScan: a scan of ranges of the region tree in steps, so that a scan of all regions does not stop everything
// else. The tree may change between steps: what comes out then is each part as it was when the scan came by, in order,
// and nothing twice. Pure. Owned by the call that it serves. Tests: region_scan_test.cc.
#pragma once

#include <coroutine>
#include <optional>
#include <vector>

#include "api/status.h"
#include "pd/cluster/region_tree.h"
#include "runtime/executor.h"

namespace cairn::pd {

class RegionScan {
 public:
  struct Range {
    Bytes start;
    Bytes end;  // empty: no bound
  };
  struct Options {
    std::vector<Range> ranges;  // in order
    int64_t limit = 0;          // of all regions together; 0: none
    bool must_cover = false;    // a hole in a range is an error
    uint64_t bytes_max = 0;     // of the regions together
  };
  explicit RegionScan(Options options);

  // Looks at about `count` more regions; true once it is over.
  bool step(const RegionTree& tree, size_t count);

  // After the last step.
  enum class End { kDone, kHole, kTooLarge };
  End end() const { return end_; }
  const Range& hole() const { return options_.ranges[index_]; }  // of kHole: the range that has one
  std::vector<RegionPtr> take() { return std::move(found_); }

 private:
  bool finish(End end);
  void next_range();

  Options options_;
  int64_t left_;
  size_t index_ = 0;  // of the range
  Bytes at_;          // what is before is done
  uint64_t bytes_ = 0;
  std::vector<RegionPtr> found_;
  End end_ = End::kDone;
};

// co_await others_turn(executor): the task goes on behind all that waits on its executor now.
inline auto others_turn(runtime::Executor& executor) {
  struct Awaiter {
    runtime::Executor& executor;
    bool await_ready() const { return false; }
    void await_suspend(std::coroutine_handle<> waiter) {
      executor.post([waiter] { waiter.resume(); });
    }
    void await_resume() const {}
  };
  return Awaiter{executor};
}

}  // namespace cairn::pd
