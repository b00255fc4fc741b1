// Regions that a split is making on this store, while its applier looks whether it may and until their records are
// written. Their peers may be here without data, made by a vote, and may be told to go meanwhile, by another applier:
// it is one or the other. No tombstone of theirs comes under the records that follow, and none is overlooked.
//
//   birth   begin ─ look at the engine ─ confirm ─ write ─ end
//   death            may_die ─ write the tombstone ─ died        a birth that is not confirmed comes too late
//
// Shared by the appliers on purpose; thread-safe. Nobody waits: the disk is not used under the mutex. Tests:
// applier_test.cc.
#pragma once

#include <map>
#include <vector>

#include "base/ids.h"
#include "base/mutex.h"

namespace cairn::store {

class Births {
 public:
  // False if the region's peer is about to get its tombstone.
  bool begin(RegionId region) {
    MutexLock lock(mutex_);
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

 private:
  enum class Stage : uint8_t { kLooking, kBorn, kDying };
  Mutex mutex_;
  std::map<RegionId, Stage> stages_ CAIRN_GUARDED_BY(mutex_);
};

}  // namespace cairn::store
