#include "store/disk_room.h"

namespace cairn::store {
namespace {

bool may_write(DiskUsage usage, engine::DiskFullOpt opt) {
  switch (usage) {
    case disk_usage::AlmostFull:
      return opt >= engine::DiskFullOpt::kAllowedOnAlmostFull;
    case disk_usage::AlreadyFull:
      return opt >= engine::DiskFullOpt::kAllowedOnAlreadyFull;
    default:
      return true;
  }
}

DiskUsage usage_of(const DiskUsages& usages, StoreId store) {
  auto found = usages.find(store);
  return found == usages.end() ? disk_usage::Normal : found->second;
}

}  // namespace

DiskUsage judge_disk(const engine::KvEngine::Space& space, uint64_t reserve) {
  if (reserve == 0 || space.capacity == 0) return disk_usage::Normal;
  if (space.available < reserve / 2) return disk_usage::AlreadyFull;
  return space.available < reserve ? disk_usage::AlmostFull : disk_usage::Normal;
}

std::optional<engine::DiskFull> refuse_for_disk(const metapb::Region& region, StoreId self, const DiskUsages& usages,
                                                engine::DiskFullOpt opt) {
  if (usages.empty()) return std::nullopt;
  if (!may_write(usage_of(usages, self), opt)) return engine::DiskFull{{self}, "the leader's disk has no room left"};
  // A follower with an almost full disk still takes entries, one with a full disk does not.
  if (opt == engine::DiskFullOpt::kAllowedOnAlreadyFull) return std::nullopt;
  size_t voters = 0;
  engine::DiskFull full{{}, "too few replicas have room left on their disks"};
  for (const auto& peer : region.peers()) {
    if (peer.role() == metapb::Learner) continue;
    ++voters;
    StoreId store(peer.store_id());
    if (usage_of(usages, store) == disk_usage::AlreadyFull) full.stores.push_back(store);
  }
  size_t with_room = voters - full.stores.size();
  if (with_room * 2 > voters) return std::nullopt;
  return full;
}

}  // namespace cairn::store
