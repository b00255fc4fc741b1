// Scheduler: one that looks at the whole cluster and proposes what would make it better, one operator at a time. Each
// kind is a file. Schedulers (schedulers.h) says when whose turn it is.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "pd/schedule/operator.h"
#include "runtime/random.h"

namespace cairn::pd {

class Scheduler {
 public:
  virtual ~Scheduler() = default;

  // As PD's tools call it.
  virtual const std::string& name() const = 0;
  // Which limit of operators it is under.
  virtual OperatorKind kind() const = 0;
  // So many operators in one turn at most.
  virtual int batch() const { return 1; }
  // The next thing to do; nothing if all is well, or nothing can be done now. Regions that have an operator are left
  // alone. Pure but for the dice.
  virtual std::optional<Proposal> propose(const ClusterView& cluster, runtime::Random& dice) const = 0;
  // The stores that it was made for, of those that are about some.
  virtual std::vector<StoreId> stores() const { return {}; }
  virtual void set_stores(std::vector<StoreId> stores) { static_cast<void>(stores); }
  // Stores to and from which balance is not to move leaders meanwhile.
  virtual void add_pauses(LeaderPauses& pauses) const { static_cast<void>(pauses); }
};

// What schedulers count, by PD's names of events.
void count_event(const std::string& scheduler, const char* event);
// One region of a store, by chance: the first of a few that `accept` takes; null if none does.
template <class Accept>
RegionPtr pick_region(const ClusterView& cluster, StoreId store, RegionTree::Standing standing, runtime::Random& dice,
                      Accept accept) {
  constexpr int kTries = 10;
  const auto& set = cluster.regions().on_store(store, standing);
  for (int i = 0; i < kTries && set.size() > 0; ++i) {
    auto region = cluster.regions().by_id(set.at(dice.below(set.size())));
    if (region && !region->is_remnant && region->leader.id() != 0 && !cluster.has_operator(region->id()) &&
        accept(*region)) {
      return region;
    }
  }
  return nullptr;
}

}  // namespace cairn::pd
