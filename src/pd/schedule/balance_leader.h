// balance-leader-scheduler: as many leaders on each store as on the others, by weight. It takes from the store with the
// most and gives to the one with the fewest, where a peer is already. Tests: scripts_test.cc.
#pragma once

#include "pd/schedule/scheduler.h"

namespace cairn::pd {

class BalanceLeader final : public Scheduler {
 public:
  const std::string& name() const override;
  OperatorKind kind() const override { return OperatorKind::kLeader; }
  int batch() const override { return 4; }
  std::optional<Proposal> propose(const ClusterView& cluster, runtime::Random& dice) const override;
};

}  // namespace cairn::pd
