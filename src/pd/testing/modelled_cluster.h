// ModelledCluster: stores, regions and operators in memory, for tests of checkers and schedulers. What PD keeps is the
// product's own (Stores, RegionTree, OperatorController); the leaders are modelled: they do at once what they are told,
// and the model watches that it may be done (never two peers on a store, never fewer than a majority alive).
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "pd/schedule/operator_controller.h"
#include "pd/schedule/replica_checker.h"
#include "pd/schedule/schedulers.h"

namespace cairn::pd {

class ModelledCluster {
 public:
  ScheduleConfig config;

  ModelledCluster() = default;
  // So many plain stores, from 1.
  explicit ModelledCluster(int stores);

  void add_store(StoreId id);
  void change_store(StoreId id, const std::function<void(StoreInfo&)>& change);
  // From now on the store is silent for so long, or is being emptied.
  void lose(StoreId store, StoreHealth health);
  // The first of the stores leads. A region's range follows from its id.
  void add_region(uint64_t id, const std::vector<uint64_t>& stores, uint64_t mib = 1);
  void change_region(uint64_t id, const std::function<void(RegionInfo&)>& change);

  ClusterView view() const;
  // A second passes: each region reports, and does what it is told. Returns how many commands were carried out.
  int round();
  // Rounds until nothing is left to do; false if that does not come.
  bool settle(int rounds_max = 200);

  std::vector<RegionPtr> regions() const { return tree_.scan("", "", 0); }
  RegionPtr region(uint64_t id) const { return tree_.by_id(RegionId(id)); }
  RegionTree::Count count(StoreId store) const { return tree_.count(store); }
  OperatorController& operators() { return operators_; }
  StoreLimits& limits() { return limits_; }
  StoreWeights& weights() { return weights_; }
  // Those that are asked in each round; none at first.
  Schedulers& schedulers() { return schedulers_; }
  const Stores& stores() const { return stores_; }
  // Begins an operator, if nothing speaks against it; says what does.
  std::string begin(const RegionInfo& region, Plan plan);
  // Operators that have begun so far.
  uint64_t begun() const { return begun_; }
  // What the leaders were told that they must not do.
  const std::vector<std::string>& faults() const { return faults_; }

 private:
  // The store tells how its disk has filled.
  void heartbeat(StoreInfo& store) const;
  void report(RegionInfo region);
  // What the leader says of its peers; a lost leader is replaced by the first voter alive.
  void look_at_peers(RegionInfo& region) const;
  void carry_out(RegionInfo& region, const StepCommand& command);
  void change_peer(RegionInfo& region, const pdpb::ChangePeer& change);
  bool is_alive(const metapb::Peer& peer) const;
  void fault(std::string what) { faults_.push_back(std::move(what)); }

  Stores stores_{config};
  RegionTree tree_;
  OperatorController operators_{config};
  StoreLimits limits_{config};
  Schedulers schedulers_;
  StoreWeights weights_;
  LeaderPauses pauses_;
  runtime::Random dice_{1};
  uint64_t begun_ = 0;
  uint64_t next_id_ = 1'000'000;
  Instant now_{std::chrono::hours(24)};
  std::vector<std::string> faults_;
};

}  // namespace cairn::pd
