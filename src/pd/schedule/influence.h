// Influence: what operators under way will have changed on a store once they are through, and which regions they are
// about. Schedulers count it in, so that they do not send ten regions where one was missing. Kept up to date as
// operators begin, pass a step and end.
// Pure. Owned by OperatorController. Tests: operator_controller_test.cc.
#pragma once

#include <cstdint>
#include <map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "base/ids.h"

namespace cairn::pd {

struct Influence {
  int64_t peers = 0;
  int64_t size_mib = 0;
  int64_t leaders = 0;
  int64_t leader_size_mib = 0;
  int64_t adding = 0;  // peers on their way there

  Influence& operator+=(const Influence& other);
  Influence& operator-=(const Influence& other);
  friend bool operator==(const Influence&, const Influence&) = default;
};

// Of one step: it changes at most two stores.
using StepInfluence = std::vector<std::pair<StoreId, Influence>>;

class Influences {
 public:
  Influence of(StoreId store) const;
  void add(const StepInfluence& step);
  void subtract(const StepInfluence& step);
  // Whether an operator of the region is under way.
  bool has(RegionId region) const { return regions_.contains(region); }
  void add_region(RegionId region) { regions_.insert(region); }
  void subtract_region(RegionId region) { regions_.erase(region); }
  void clear() {
    by_store_.clear();
    regions_.clear();
  }

 private:
  std::map<StoreId, Influence> by_store_;  // of those that have any
  std::unordered_set<RegionId> regions_;
};

}  // namespace cairn::pd
