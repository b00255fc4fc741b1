// Requests that took long: a line in the log for each, with the stages that its answer tells of (WriteDetail,
// TimeDetail). It holds no keys and no values. Bounded: of many in one second, some are written and the rest counted.
// Thread-safe. Tests: slow_log_test.cc.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/mutex.h"
#include "base/time.h"
#include "kvrpcpb.pb.h"

namespace cairn::server {

// Where the time went, in milliseconds: "latch 0.1, persist 512.3, commit 512.9, apply 0.4". What took none is left
// out.
std::string stages_of(const kvrpcpb::ExecDetailsV2& details);

class SlowLog {
 public:
  // 0: nothing is slow.
  explicit SlowLog(Duration threshold) : threshold_(threshold) {}
  void set_threshold(Duration threshold) { threshold_ = threshold; }
  bool is_slow(Duration took) const {
    const Duration threshold = threshold_;
    return threshold > Duration{} && took >= threshold;
  }

  // Of a request that is slow. `kind` as its message is called, "PrewriteRequest"; `details` nullptr: nothing is known.
  void note(std::string_view kind, uint64_t region, Duration took, const kvrpcpb::ExecDetailsV2* details, Instant now);

  static constexpr uint64_t kLinesASecond = 16;

 private:
  std::atomic<Duration> threshold_;
  Mutex mutex_;
  Instant second_began_ CAIRN_GUARDED_BY(mutex_);
  uint64_t lines_ CAIRN_GUARDED_BY(mutex_) = 0;     // since then
  uint64_t left_out_ CAIRN_GUARDED_BY(mutex_) = 0;  // not said yet
};

}  // namespace cairn::server
