// Whether this store's disk keeps up, as one number that PD and clients are told: 1 when all is well, 100 at worst.
// Clients send a slow store's reads elsewhere. The rule is TiKV's: a look at regular times finds the longest write
// since the last one; the score doubles with each round in which a tenth of the looks found a slow one, and comes down
// slowly.
//
// A write is watched where it happens, by the actor that waits for it; a write that does not come back counts as well.
// Tests: disk_health_test.cc.
#pragma once

#include <atomic>
#include <functional>
#include <memory>

#include "base/mutex.h"
#include "base/time.h"
#include "runtime/clock.h"
#include "runtime/executor.h"

namespace cairn::store {

// The writes of one actor. One writer; read by any thread.
class WriteWatch {
 public:
  void begin(Instant now);
  void end(Instant now);
  // The longest write that went on or ended since the last call.
  Duration take_longest(Instant now);

 private:
  Mutex mutex_;
  bool is_writing_ CAIRN_GUARDED_BY(mutex_) = false;
  Instant since_ CAIRN_GUARDED_BY(mutex_);       // of the write that goes on
  Duration longest_ CAIRN_GUARDED_BY(mutex_){};  // of those that ended
};

struct SlowScoreOptions {
  Duration slow_after = std::chrono::milliseconds(100);
  double slow_share_max = 0.1;  // of a round's looks: at this share the score doubles
  int looks_a_round = 30;
  Duration recovery = std::chrono::minutes(5);  // from 100 to 1
};

// The score alone. Not thread-safe.
class SlowScore {
 public:
  explicit SlowScore(SlowScoreOptions options) : options_(options) {}
  void look(Duration longest, Instant now);
  // From 1 to 100.
  int value() const { return static_cast<int>(value_); }

 private:
  const SlowScoreOptions options_;
  double value_ = 1;
  int looks_ = 0;
  int slow_looks_ = 0;
  Instant round_began_;
};

// Looks at a store's writers from time to time.
class DiskHealth {
 public:
  // `longest` takes the longest write of all writers; it and the clock must outlive this.
  DiskHealth(std::shared_ptr<runtime::Executor> executor, const runtime::Clock& clock, Duration interval,
             std::function<Duration(Instant now)> longest);
  // On the executor.
  void begin();
  void stop();
  // Any thread.
  int slow_score() const { return score_.load(std::memory_order_relaxed); }

 private:
  void look();

  std::shared_ptr<runtime::Executor> executor_;
  const runtime::Clock& clock_;
  const Duration interval_;
  std::function<Duration(Instant now)> longest_;
  SlowScore slow_score_;    // on the executor only
  runtime::TimerId timer_;  // likewise
  bool stopped_ = false;    // likewise
  std::atomic<int> score_{1};
};

}  // namespace cairn::store
