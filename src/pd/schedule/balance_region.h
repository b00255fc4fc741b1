// balance-region-scheduler: as much data on each store as on the others, by weight and by the room on the disks. It
// moves peers from the fullest store to the emptiest that may take them without bringing replicas closer together.
// Tests: scripts_test.cc.
#pragma once

#include "pd/schedule/scheduler.h"

namespace cairn::pd {

class BalanceRegion final : public Scheduler {
 public:
  const std::string& name() const override;
  OperatorKind kind() const override { return OperatorKind::kRegion; }
  std::optional<Proposal> propose(const ClusterView& cluster, runtime::Random& dice) const override;
};

// Whether the region has all its replicas, and they are well.
bool is_replicated(const RegionInfo& region, const ClusterView& cluster);
// Whether a peer may move without the replicas lying worse than before.
bool keeps_isolation(const RegionInfo& region, const ClusterView& cluster, StoreId from, StoreId to);

}  // namespace cairn::pd
