// Who waits for which lock. Waiters of a key stand in a queue by age of their transaction, the oldest first.
//
//   the lock goes  ──▶  the first is woken: a Normal waiter is told to try again, a ForceLock waiter goes on and tries
//                       to lock. If the first was Normal, wake_up_delay later the other Normal waiters that stood there
//                       are told, too (up to the first ForceLock waiter, who goes on): the first has had its chance,
//                       and they do not stampede over it.
//   another locks  ──▶  those who still wait, wait for that one from now on
//
// Of waiters that are willing to share the key, all who stand first are woken together. A key that is shared is waited
// for until the last of its holders has gone; the wait is one for each of them.
//
//   the region changes, or a deadlock shows  ──▶  they are told
//
// A waiter whose time is over leaves by itself. Whoever was woken to go on and does not lock the key passes the turn
// on.
//
// One per shard, beside the Scheduler and used by it on the shard's executor only; no locks. join() is called while the
// key's latch is held, and so is on_released(): no release falls between a waiter's look at the lock and its place in
// the queue. Tests: lock_waiting_test.cc.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <utility>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"
#include "base/time.h"
#include "runtime/async.h"
#include "runtime/clock.h"
#include "txn/commands.h"
#include "txn/deadlock.h"

namespace cairn::txn {

struct LockWaitingOptions {
  Duration timeout_default = std::chrono::seconds(1);  // pessimistic-txn.wait-for-lock-timeout; also the longest
  Duration wake_up_delay = std::chrono::milliseconds(20);
  size_t waiters_max = 10'000;
  size_t ended_waits_max = 256;  // that are remembered
};

// A wait, as it is shown to people.
struct LockWait {
  WaitForEdge edge;
  Duration waited{};
};

class LockWaiting {
 public:
  // All must outlive this.
  LockWaiting(runtime::Executor& executor, const runtime::Clock& clock, DeadlockClient& deadlocks,
              LockWaitingOptions options);
  LockWaiting(const LockWaiting&) = delete;
  LockWaiting& operator=(const LockWaiting&) = delete;

  // A lock of this transaction is gone.
  struct Release {
    Timestamp start_ts;
    Timestamp commit_ts;  // 0: rolled back
  };
  // Why a waiter is woken.
  struct TryAgain {  // tell the client
    Release by;
  };
  struct GoOn {  // try to lock; `by`: it is this waiter's turn. Otherwise its region has changed
    std::optional<Release> by;
  };
  using Wake = std::variant<TryAgain, GoOn, DeadlockCycle>;

  struct Waiter {
    RegionId region;
    Timestamp start_ts;
    WakeUpMode mode = WakeUpMode::kNormal;
    bool wants_share = false;  // of the key, together with others
    bool may_deadlock = true;
    Bytes resource_group_tag;
  };
  using WaiterId = uint64_t;

  bool is_full() const { return waiters_.size() >= options_.waiters_max; }
  // The waiter joins the queue of `lock.key`, held by `lock`.
  std::pair<WaiterId, runtime::Future<Wake>> join(Waiter waiter, const LockInfo& lock);
  // It has not been woken and waits no more. Returns the lock that it waited for.
  LockInfo leave(WaiterId id);

  void on_released(const Bytes& key, Release release);
  void on_acquired(const LockInfo& lock);
  // The region may have changed its bounds or its leader: its waiters look again.
  void wake_region(RegionId region);

  // Who waits now; and who did last, the latest at the end.
  std::vector<LockWait> waits() const;
  const std::deque<LockWait>& ended_waits() const { return ended_; }

  size_t waiters() const { return waiters_.size(); }
  const LockWaitingOptions& options() const { return options_; }

 private:
  struct Place {  // in a queue; the order of wake-up
    Timestamp start_ts;
    WaiterId id;
    friend auto operator<=>(const Place&, const Place&) = default;
  };
  struct Entry {
    Waiter waiter;
    Bytes key;
    runtime::Promise<Wake> promise;
    std::vector<WaitForEdge> waits;  // as they were detected: one for each holder of the lock
    Instant since;
  };
  struct Queue {
    std::set<Place> places;
    LockInfo lock;       // waited for
    Instant lock_since;  // when it came to be known
    runtime::TimerId delayed;
    Release last_release;
    WaiterId delayed_below = 0;  // the delayed wake-up concerns those who were there when it was decided
  };
  using Queues = std::map<Bytes, Queue>;

  Entry take(WaiterId id);
  void add_waits_of(const Entry& entry, const LockInfo& lock, std::vector<LockWait>& out) const;
  void wake(WaiterId id, Wake wake);
  void wake_delayed(const Bytes& key);
  void detect(WaiterId id, const LockInfo& lock);
  static runtime::Task<void> detect_and_tell(std::weak_ptr<LockWaiting*> self, DeadlockClient* deadlocks,
                                             runtime::Executor* executor, WaiterId id, WaitForEdge wait);

  runtime::Executor& executor_;
  const runtime::Clock& clock_;
  DeadlockClient& deadlocks_;
  const LockWaitingOptions options_;
  std::map<WaiterId, Entry> waiters_;
  Queues queues_;  // Invariant: no empty ones
  std::map<RegionId, std::set<WaiterId>> by_region_;
  std::deque<LockWait> ended_;
  WaiterId next_id_ = 1;
  std::shared_ptr<LockWaiting*> self_;  // timers and detections that come too late find it gone
};

}  // namespace cairn::txn
