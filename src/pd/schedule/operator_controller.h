// Operators under way: at most one a region, each a list of steps that its leader carries out. The controller knows,
// from the region's reports, which step is done, whether the current one may still be taken, and what to tell the
// leader. Pure: time comes in. Owned by Coordinator. Tests: replica_checker_test.cc.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "pd/schedule/replica_checker.h"

namespace cairn::pd {

struct Operator {
  RegionId region;
  std::string desc;
  std::vector<Step> steps;
  size_t current = 0;
  Instant started;
  Instant step_started;
  Instant last_sent;
  pdpb::OperatorStatus status = pdpb::RUNNING;

  const Step& step() const { return steps[current]; }
};

// Whether the region shows the step as done.
bool is_done(const Step& step, const RegionInfo& region);
// Why the step may not be taken any more; empty if it may.
std::string unsafe_reason(const Step& step, const RegionInfo& region, const ClusterView& cluster);
// What to tell the leader; nothing if there is only to wait.
std::optional<pdpb::RegionHeartbeatResponse> command_of(const Step& step, const RegionInfo& region);

class OperatorController {
 public:
  explicit OperatorController(const ScheduleConfig& config) : config_(config) {}

  void clear();
  bool has(RegionId region) const { return running_.contains(region); }
  bool is_full() const { return running_.size() >= config_.replica_schedule_limit; }
  size_t size() const { return running_.size(); }
  // Precondition: no operator for the region yet.
  void add(RegionId region, Plan plan, Instant now);

  // Goes over the operator of the region with what it looks like now: passes done steps, ends it if it is finished, too
  // late or unsafe, and returns the command to send, if any. `resend` is how long a command that was sent is left to
  // work before it is repeated.
  std::optional<pdpb::RegionHeartbeatResponse> advance(const RegionInfo& region, const ClusterView& cluster,
                                                       Instant now, Duration resend);
  // The region is gone.
  void cancel(RegionId region);
  // Regions with operators, in order.
  std::vector<RegionId> regions() const;
  // The one under way, or the last that ended, if remembered.
  const Operator* find(RegionId region) const;
  // Peers that operators are adding to a store.
  uint64_t adding(StoreId store) const;

 private:
  void end(std::map<RegionId, Operator>::iterator it, pdpb::OperatorStatus status);

  const ScheduleConfig& config_;
  std::map<RegionId, Operator> running_;
  std::map<RegionId, Operator> ended_;
  std::deque<RegionId> ended_order_;  // oldest first; bounds what is remembered
};

}  // namespace cairn::pd
