// Watches a cluster from outside, by what its stores show of their regions and engines:
//   INV-LEADER-UNIQUE    a region has one leader a term
//   INV-LEASE-BOUND      nobody leads a part of the key space while another store's lease on it is valid
//   INV-EPOCH-MONOTONIC  a store's view of a region's epoch only grows, within one life of the store: the next one
//                        begins with what was flushed and applies the rest of its log again
//   INV-REGIONS-TILE     in the end the regions cover all keys without gap or overlap
//   sound messages       no store refuses another's message as one that nobody can have sent
//   equal replicas       in the end all replicas of a region hold the same data at the same applied index
// and by its parts, which look at disks, data and routes. Tests: world_test.cc.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "base/ids.h"
#include "engine/region_request.h"
#include "sim/data_watch.h"
#include "sim/disk_watch.h"
#include "sim/hosts.h"
#include "sim/route_watch.h"

namespace cairn::sim {

class ClusterWatch {
 public:
  using Fail = std::function<void(std::string)>;
  ClusterWatch(runtime::SimLoop& loop, std::vector<StoreHost*> stores, PdHosts pds, ClusterId cluster, const Fail& fail)
      : loop_(loop),
        stores_(stores),
        fail_(fail),
        disks_(stores, fail),
        data_(std::move(stores), fail),
        routes_(std::make_shared<RouteWatch>(loop, std::move(pds), cluster, fail)) {}

  // Looks at all that can be seen, at some of it now and then only. To be called every few milliseconds.
  void look();
  // Garbage is collected in this world.
  void allow_gc() { data_.allow_gc(); }
  // Elections may take as long as TiKV's in this world.
  void allow_slow_elections() { routes_->set_hole_max(std::chrono::minutes(2)); }
  // Whether PD knows a region for every key.
  bool is_routed() const { return routes_->is_whole(); }
  // Whether every region's replicas have applied the same index and know the same leader.
  bool is_settled(size_t replicas) const;
  // Whether every region has all its replicas, with data: nobody waits for a split or a snapshot.
  bool is_complete(size_t replicas) const;
  // What stands in the way of both, for reports.
  std::string describe() const;
  // The checks of the end. Precondition: is_settled(). Replicas may differ in what readers at or above the safe point
  // do not see.
  void check_end(Timestamp safe_point = {}) const;
  // Leaders seen so far, of distinct terms.
  size_t terms_seen() const { return leaders_.size(); }
  // Regions seen so far.
  size_t regions_seen() const { return regions_.size(); }

 private:
  void look_at_leases(const Sights& sights);
  void look_at_regions(const Sights& sights);

  runtime::SimLoop& loop_;
  std::vector<StoreHost*> stores_;
  Fail fail_;
  DiskWatch disks_;
  DataWatch data_;
  std::shared_ptr<RouteWatch> routes_;                                    // PD's answers may come after this
  Duration next_regions_{}, next_routes_{}, next_disks_{}, next_data_{};  // when to look again
  std::map<std::pair<RegionId, Term>, PeerId> leaders_;
  std::set<RegionId> regions_;
  std::map<std::tuple<RegionId, NodeId, int>, engine::RegionEpoch> epochs_;  // by region, store and its life
};

// All data of the region in the engine, one line a pair, for comparison; less what garbage collection may take at the
// safe point, if one is given.
std::string dump_region(engine::KvEngine& data, const engine::RegionDescription& region, Timestamp safe_point = {});

}  // namespace cairn::sim
