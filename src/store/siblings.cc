#include "store/siblings.h"

namespace cairn::store {
namespace {

constexpr size_t kSiblingsMax = 10;

}  // namespace

// Each split of the region into n + 1 added n to its version; a sibling that was split itself has a greater one.
void add_siblings(engine::EpochNotMatch& error, const engine::RegionEpoch& asked, const RegionDirectory& directory) {
  if (error.current.empty()) return;
  uint64_t newest = error.current.front().epoch.version;
  if (asked.version >= newest) return;  // this store is the one that is behind
  uint64_t wanted = newest - asked.version;
  for (RegionId id : directory.left_of(error.current.front().id, kSiblingsMax)) {
    if (wanted == 0) return;
    const auto entry = directory.find(id);
    const auto region = entry ? entry->cell->region() : nullptr;
    if (!region) continue;
    --wanted;
    if (region->epoch.version > newest) {
      wanted += region->epoch.version - newest;
      newest = region->epoch.version;
    }
    error.current.push_back(*region);
  }
}

}  // namespace cairn::store
