// Schedulers of leaders by name of stores: evict-leader-scheduler takes all leaders from its stores and lets none come,
// grant-leader-scheduler gives its stores all that they can have. Tests: scripts_test.cc.
#pragma once

#include "pd/schedule/scheduler.h"

namespace cairn::pd {

class EvictLeader final : public Scheduler {
 public:
  const std::string& name() const override;
  OperatorKind kind() const override { return OperatorKind::kLeader; }
  int batch() const override { return 3; }
  std::optional<Proposal> propose(const ClusterView& cluster, runtime::Random& dice) const override;
  std::vector<StoreId> stores() const override { return stores_; }
  void set_stores(std::vector<StoreId> stores) override { stores_ = std::move(stores); }
  void add_pauses(LeaderPauses& pauses) const override { pauses.in.insert(stores_.begin(), stores_.end()); }

 private:
  std::vector<StoreId> stores_;
};

class GrantLeader final : public Scheduler {
 public:
  const std::string& name() const override;
  OperatorKind kind() const override { return OperatorKind::kLeader; }
  std::optional<Proposal> propose(const ClusterView& cluster, runtime::Random& dice) const override;
  std::vector<StoreId> stores() const override { return stores_; }
  void set_stores(std::vector<StoreId> stores) override { stores_ = std::move(stores); }
  void add_pauses(LeaderPauses& pauses) const override { pauses.out.insert(stores_.begin(), stores_.end()); }

 private:
  std::vector<StoreId> stores_;
};

}  // namespace cairn::pd
