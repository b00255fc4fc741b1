// Operators under way: at most one a region, each a list of steps that its leader carries out. The controller knows,
// from the region's reports, which step is done, whether the current one may still be taken, and what to tell the
// leader. Pure: time comes in. Owned by Coordinator. Tests: operator_controller_test.cc.
#pragma once

#include <array>
#include <deque>
#include <map>
#include <optional>
#include <vector>

#include "pd/schedule/operator.h"

namespace cairn::pd {

class OperatorController {
 public:
  explicit OperatorController(const ScheduleConfig& config) : config_(config) {}

  void clear();
  bool has(RegionId region) const { return running_.contains(region); }
  // Whether one more of the kind may begin.
  bool has_room(OperatorKind kind) const;
  size_t size() const { return running_.size(); }
  size_t count(OperatorKind kind) const { return counts_[static_cast<size_t>(kind)]; }
  // Why the plan may not begin: another is under way for the region, whose priority is not lower, or the limits of
  // stores are reached; empty if it may. What somebody asked for is under no limit.
  std::string refuse(const RegionInfo& region, const Plan& plan, const ClusterView& cluster) const;
  // Takes the place of one under way. Precondition: it is not refused, and its peers have ids.
  void add(const RegionInfo& region, Plan plan, StoreLimits& limits, Instant now);

  // Goes over the operator of the region with what it looks like now: passes done steps, ends it if it is finished, too
  // late or unsafe, and returns the command to send, if any. `resend` is how long a command that was sent is left to
  // work before it is repeated.
  std::optional<StepCommand> advance(const RegionInfo& region, const ClusterView& cluster, Duration resend);
  // The region is gone, or somebody does not want the operator any more.
  void cancel(RegionId region, Instant now);
  // Regions with operators, in order.
  std::vector<RegionId> regions() const;
  // The one under way, or the last that ended, if remembered.
  const Operator* find(RegionId region) const;
  const std::map<RegionId, Operator>& running() const { return running_; }
  const std::map<RegionId, Operator>& ended() const { return ended_; }
  // What those under way will have changed.
  const Influences& influences() const { return influences_; }

 private:
  void pass_step(Operator& op, Instant now);
  void end(std::map<RegionId, Operator>::iterator it, pdpb::OperatorStatus status, Instant now);

  const ScheduleConfig& config_;
  std::map<RegionId, Operator> running_;
  std::array<size_t, kOperatorKinds> counts_{};  // of those under way
  Influences influences_;
  std::map<RegionId, Operator> ended_;
  std::deque<RegionId> ended_order_;  // oldest first; bounds what is remembered
};

}  // namespace cairn::pd
