// Timestamps for the versions of API V2, in order, without asking PD for each: a run of them is fetched at once and
// handed out one by one. A run in use is followed by a new one each renew_interval, of a size that would last for
// alloc_ahead_buffer at the present rate, so that writes go on for a while when PD is away.
//
// One per shard, on its executor: all versions of one key get theirs here. Tests: causal_timestamps_test.cc.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "base/time.h"
#include "runtime/async.h"
#include "runtime/clock.h"
#include "runtime/executor.h"
#include "runtime/task.h"

namespace cairn::rawkv {

// causal-ts.*
struct CausalTimestampOptions {
  Duration renew_interval = 100ms;
  uint32_t batch_min = 100;
  uint32_t batch_max = 8192;
  Duration alloc_ahead_buffer = 3s;
};

// Fetches that many consecutive timestamps that nobody else gets; answers the last one, or why there is none. The task
// may end on any executor.
using FetchTimestamps = std::function<runtime::Task<Result<Timestamp, std::string>>(uint32_t count)>;

class CausalTimestamps {
 public:
  // `executor` and `clock` must outlive it, and it the tasks that wait in next().
  CausalTimestamps(runtime::Executor& executor, const runtime::Clock& clock, CausalTimestampOptions options,
                   FetchTimestamps fetch);

  // A timestamp above `above` and above all that were handed out before. Waits only if none is at hand. The caller goes
  // on at once: what it does before its next wait happens in the order of timestamps. Error: PD gives none.
  runtime::Task<Result<Timestamp, std::string>> next(Timestamp above);

 private:
  static constexpr size_t kWaitersMax = 16'384;

  bool has(Timestamp above) const { return next_ <= last_ && last_ > above; }
  void renew();
  runtime::Task<void> fetch();
  uint32_t batch_size(Instant now) const;

  runtime::Executor& executor_;
  const runtime::Clock& clock_;
  const CausalTimestampOptions options_;
  const FetchTimestamps fetch_;

  // Those at hand: [next_, last_]; empty if next_ > last_.
  Timestamp next_{1}, last_{0};
  Instant fetched_at_;
  uint64_t used_ = 0;  // since then
  bool is_fetching_ = false;
  std::vector<runtime::Promise<Result<void, std::string>>> waiting_;  // for the run that is being fetched
};

}  // namespace cairn::rawkv
