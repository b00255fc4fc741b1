// Watches a cluster from outside, by what its stores show of their regions and engines:
//   INV-LEADER-UNIQUE    a region has one leader a term
//   INV-EPOCH-MONOTONIC  a store's view of a region's epoch only grows, within one life of the store: the next one
//                        begins with what was flushed and applies the rest of its log again
//   INV-REGIONS-TILE     in the end the regions cover all keys without gap or overlap
//   equal replicas       in the end all replicas of a region hold the same data at the same applied index
// Tests: world_test.cc.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "base/ids.h"
#include "engine/region_request.h"
#include "sim/hosts.h"

namespace cairn::sim {

class ClusterWatch {
 public:
  ClusterWatch(std::vector<StoreHost*> stores, std::function<void(std::string)> fail)
      : stores_(std::move(stores)), fail_(std::move(fail)) {}

  // Looks at all stores that are up. To be called often.
  void look();
  // Whether every region's replicas have applied the same index and know the same leader.
  bool is_settled(size_t replicas) const;
  // What stands in the way of is_settled, for reports.
  std::string describe() const;
  // The checks of the end. Precondition: is_settled(). Replicas may differ in what readers at or above the safe point
  // do not see.
  void check_end(Timestamp safe_point = {}) const;
  // Leaders seen so far, of distinct terms.
  size_t terms_seen() const { return leaders_.size(); }

 private:
  std::vector<StoreHost*> stores_;
  std::function<void(std::string)> fail_;
  std::map<std::pair<RegionId, Term>, PeerId> leaders_;
  std::map<std::tuple<RegionId, size_t, int>, engine::RegionEpoch> epochs_;  // by region, store and its life
};

// All data of the region in the engine, one line a pair, for comparison; less what garbage collection may take at the
// safe point, if one is given.
std::string dump_region(engine::KvEngine& data, const engine::RegionDescription& region, Timestamp safe_point = {});

}  // namespace cairn::sim
