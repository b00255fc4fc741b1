// Schedulers that move things for the sake of moving them, for tests: shuffle-leader-scheduler and
// shuffle-region-scheduler. Tests: scripts_test.cc.
#pragma once

#include "pd/schedule/scheduler.h"

namespace cairn::pd {

class ShuffleLeader final : public Scheduler {
 public:
  const std::string& name() const override;
  OperatorKind kind() const override { return OperatorKind::kLeader; }
  std::optional<Proposal> propose(const ClusterView& cluster, runtime::Random& dice) const override;
};

class ShuffleRegion final : public Scheduler {
 public:
  const std::string& name() const override;
  OperatorKind kind() const override { return OperatorKind::kRegion; }
  std::optional<Proposal> propose(const ClusterView& cluster, runtime::Random& dice) const override;
};

}  // namespace cairn::pd
