// RegionSet: ids of regions of which one can be chosen by chance, in constant time. Their order follows from what was
// done to the set, so the same history gives the same choices. Pure. Owned by RegionTree. Tests: region_tree_test.cc.
#pragma once

#include <cstdint>
#include <unordered_map>
#include <vector>

#include "base/ids.h"

namespace cairn::pd {

class RegionSet {
 public:
  void insert(RegionId region) {
    if (places_.try_emplace(region, static_cast<uint32_t>(ids_.size())).second) ids_.push_back(region);
  }
  void erase(RegionId region) {
    const auto found = places_.find(region);
    if (found == places_.end()) return;
    // The last one takes its place.
    places_[ids_.back()] = found->second;
    ids_[found->second] = ids_.back();
    ids_.pop_back();
    places_.erase(region);
  }
  size_t size() const { return ids_.size(); }
  // Precondition: i < size().
  RegionId at(size_t i) const { return ids_[i]; }

 private:
  std::vector<RegionId> ids_;
  std::unordered_map<RegionId, uint32_t> places_;  // in ids_
};

}  // namespace cairn::pd
