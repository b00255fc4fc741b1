// The published read view of a region: what any thread needs to serve a read under the leader's lease without asking
// the shard. The replica publishes a new view when something changes, and moves the lease's end; readers look.
//
// The rule for readers (INV-LEASE-BOUND): load the view, see that the lease has not ended, take the engine's snapshot,
// and see that the view is still the same one. Then all that was acknowledged before the first look is in the
// snapshot, and the region's data was not taken away before it.
//
// Shared on purpose: written by the region's shard, read by every thread. Tests: store_test.cc.
#pragma once

#include <atomic>
#include <memory>

#include "base/mutex.h"
#include "base/time.h"
#include "engine/kv_engine.h"
#include "engine/region_store.h"

namespace cairn::replica {

// Immutable.
struct ReadView {
  engine::RegionDescription region;
  PeerId peer;
  Term term;
  // The leader of `term` gives it and has applied an entry of that term: writes may follow from it (INV-WRITE-BASIS).
  bool is_of_leader = false;
  bool max_ts_synced = false;  // as RegionSnapshot::is_max_ts_synced()
  Timestamp max_ts_synced_at;  // likewise
};
using ReadViewPtr = std::shared_ptr<const ReadView>;

class ReadCell {
 public:
  // Null: not to be read here without the shard (not leader, nothing applied in this term yet, gone).
  void publish(ReadViewPtr view) {
    lease_until_.store(0, std::memory_order_release);
    MutexLock lock(mutex_);
    view_ = std::move(view);
  }
  ReadViewPtr view() const {
    MutexLock lock(mutex_);
    return view_;
  }
  // What the region is, whoever leads it; null: not known yet.
  void set_region(std::shared_ptr<const engine::RegionDescription> region) {
    MutexLock lock(mutex_);
    region_ = std::move(region);
  }
  std::shared_ptr<const engine::RegionDescription> region() const {
    MutexLock lock(mutex_);
    return region_;
  }
  void set_lease(Instant until) { lease_until_.store(until.since_start.count(), std::memory_order_release); }
  bool lease_is_valid(Instant now) const {
    return now.since_start.count() < lease_until_.load(std::memory_order_acquire);
  }
  void set_applied(LogIndex index) { applied_.store(index.value, std::memory_order_release); }
  LogIndex applied() const { return LogIndex(applied_.load(std::memory_order_acquire)); }

 private:
  mutable Mutex mutex_;  // held for a pointer's copy
  ReadViewPtr view_ CAIRN_GUARDED_BY(mutex_);
  std::shared_ptr<const engine::RegionDescription> region_ CAIRN_GUARDED_BY(mutex_);
  std::atomic<int64_t> lease_until_{0};
  std::atomic<uint64_t> applied_{0};
};

// A snapshot of the engine seen as one region: adds the store's 'z' and clips to the region's bounds.
engine::RegionSnapshotPtr make_region_snapshot(std::shared_ptr<const engine::Snapshot> snapshot, ReadViewPtr view,
                                               LogIndex applied);

}  // namespace cairn::replica
