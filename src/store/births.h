// Regions that a split is making on this store, while its applier looks whether it may and until their records are
// written; and the peers here without data, which a vote has made. Such a peer may be told to go meanwhile, by another
// applier: it is one or the other. No tombstone of theirs comes under the records that follow, and none is overlooked.
//
//   birth   begin ─ look at the engine ─ confirm ─ write ─ end
//   death            may_die ─ write the tombstone ─ died        a birth that is not confirmed comes too late
//   vote    make_empty ─ look at the engine ─ ... ─ forget_empty
//
// A split takes the place of an empty peer only if that is the very one which it makes: a later one has come with a
// later membership, and what it has voted must not go with an earlier one's end (INV-LEADER-UNIQUE).
//
// Shared by the shards and their appliers on purpose; thread-safe. Nobody waits: the disk is not used under the mutex.
// Tests: applier_test.cc, split_shards_test.cc.
#pragma once

#include <map>
#include <vector>

#include "base/ids.h"
#include "base/mutex.h"

namespace cairn::store {

class Births {
 public:
  // False if the region's peer is about to get its tombstone, or another peer of it is here.
  bool begin(RegionId region, PeerId peer) {
    MutexLock lock(mutex_);
    const auto empty = empty_.find(region);
    if (empty != empty_.end() && empty->second != peer) return false;
    return stages_.try_emplace(region, Stage::kLooking).second;
  }
  enum class Look : uint8_t { kFree, kTaken };
  // What the engine says of the region. Whether it is born.
  bool confirm(RegionId region, Look look) {
    MutexLock lock(mutex_);
    const auto found = stages_.find(region);
    if (found == stages_.end() || found->second != Stage::kLooking) return false;
    if (look == Look::kFree) {
      found->second = Stage::kBorn;
    } else {
      stages_.erase(found);
    }
    return look == Look::kFree;
  }
  // The records of those born are written.
  void end(const std::vector<RegionId>& regions) {
    MutexLock lock(mutex_);
    for (RegionId region : regions) stages_.erase(region);
  }
  // Whether a peer without data may get its tombstone; then died() follows. Not if the region is being born.
  bool may_die(RegionId region) {
    MutexLock lock(mutex_);
    Stage& stage = stages_.try_emplace(region, Stage::kDying).first->second;
    if (stage == Stage::kBorn) return false;
    stage = Stage::kDying;
    return true;
  }
  void died(RegionId region) {
    MutexLock lock(mutex_);
    stages_.erase(region);
  }
  // A peer without data comes. False if a split is making the region. Whether one has made it shows in the engine then.
  bool make_empty(RegionId region, PeerId peer) {
    MutexLock lock(mutex_);
    if (stages_.contains(region)) return false;
    empty_[region] = peer;
    return true;
  }
  // It has gone, or has data.
  void forget_empty(RegionId region) {
    MutexLock lock(mutex_);
    empty_.erase(region);
  }

 private:
  enum class Stage : uint8_t { kLooking, kBorn, kDying };
  Mutex mutex_;
  std::map<RegionId, Stage> stages_ CAIRN_GUARDED_BY(mutex_);
  std::map<RegionId, PeerId> empty_ CAIRN_GUARDED_BY(mutex_);
};

}  // namespace cairn::store
