// What readers and writers of one store share besides the engine: max_ts, the largest timestamp that anything was read
// at, and the locks of async commit and 1PC between the choice of min_commit_ts and the moment they are applied.
// Together they make a commit timestamp that no client chose safe: it is above each read that did not see the lock.
//
// One per store; shared by all shards and the read pool on purpose (register of shared objects). Thread-safe.
//
// INV-READ-MAX-TS: a reader raises max_ts first, then looks for memory locks, then takes its snapshot; a writer chooses
// min_commit_ts above max_ts and publishes its lock within one critical section of the key's slot. So either the writer
// sees the reader's timestamp or the reader sees the writer's lock.
// Tests: concurrency_manager_test.cc.
#pragma once

#include <array>
#include <atomic>
#include <functional>
#include <limits>
#include <map>
#include <optional>

#include "base/bytes.h"
#include "base/ids.h"
#include "base/mutex.h"
#include "base/time.h"
#include "mvcc/lock.h"

namespace cairn::txn {

class ConcurrencyManager {
 public:
  // `initial` is a fresh timestamp of TSO: nothing was read above it.
  explicit ConcurrencyManager(Timestamp initial) : max_ts_(initial.value) {}
  ConcurrencyManager(const ConcurrencyManager&) = delete;
  ConcurrencyManager& operator=(const ConcurrencyManager&) = delete;

  Timestamp max_ts() const { return Timestamp(max_ts_.load(std::memory_order_seq_cst)); }
  // max_ts grows to at least `ts`. The maximum timestamp ("read the newest") is ignored.
  void update_max_ts(Timestamp ts);

  // A timestamp that PD has just given out. From then on no timestamp further ahead of PD's clock than `drift_max` is
  // believed: one such read, raised into max_ts, would push the commits of all later transactions into the future.
  void learn_tso(Timestamp tso, Instant now, Duration drift_max);
  // Whether no client can have the timestamp from PD yet. The maximum is none; before PD is heard all are believed.
  bool is_from_future(Timestamp ts, Instant now) const;
  // The largest timestamp that is believed.
  Timestamp limit(Instant now) const;

  // A published lock; gone with this object.
  class Guard {
   public:
    Guard() = default;
    Guard(Guard&& other) noexcept;
    Guard& operator=(Guard&& other) noexcept;
    Guard(const Guard&) = delete;
    Guard& operator=(const Guard&) = delete;
    ~Guard() { release(); }
    void release();

   private:
    friend class ConcurrencyManager;
    Guard(ConcurrencyManager* owner, Bytes key, uint64_t id) : owner_(owner), key_(std::move(key)), id_(id) {}
    ConcurrencyManager* owner_ = nullptr;
    Bytes key_;
    uint64_t id_ = 0;
  };

  // Calls `decide` with the current max_ts inside the key's critical section; the lock it returns is published until
  // the guard dies. The caller holds the key's latch. After a split the key may have another lock all the same: of a
  // command of the parent's shard that is refused as soon as its entry is looked at, while the child's shard has
  // latches of its own.
  std::optional<Guard> publish(ByteView user_key,
                               const std::function<std::optional<mvcc::Lock>(Timestamp max_ts)>& decide);

  // The first lock, in key order for ranges, for which `matches` holds. `end` empty: no bound.
  using Predicate = std::function<bool(ByteView user_key, const mvcc::Lock& lock)>;
  std::optional<std::pair<Bytes, mvcc::Lock>> find(ByteView user_key, const Predicate& matches) const;
  std::optional<std::pair<Bytes, mvcc::Lock>> find_in_range(ByteView start, ByteView end,
                                                            const Predicate& matches) const;
  // Smallest start_ts of the published locks; nothing if there is none. For resolved timestamps.
  std::optional<Timestamp> min_lock_ts() const;

 private:
  static constexpr size_t kSlots = 64;
  struct Published {
    uint64_t id = 0;
    mvcc::Lock lock;
  };
  struct Slot {
    mutable Mutex mutex;
    std::multimap<Bytes, Published, std::less<>> locks CAIRN_GUARDED_BY(mutex);
    uint64_t next_id CAIRN_GUARDED_BY(mutex) = 1;
  };
  Slot& slot_of(ByteView user_key);
  const Slot& slot_of(ByteView user_key) const;
  void remove(const Bytes& user_key, uint64_t id);

  std::atomic<uint64_t> max_ts_;
  // How far the physical part of a timestamp may be ahead of the monotonic clock; the largest seen of PD's, and drift.
  static constexpr int64_t kUnknown = std::numeric_limits<int64_t>::max();
  std::atomic<int64_t> ahead_ms_max_{kUnknown};
  // Locks published or about to be; readers skip the slots while it is 0.
  std::atomic<size_t> count_{0};
  std::array<Slot, kSlots> slots_;
};

}  // namespace cairn::txn
