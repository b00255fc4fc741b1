// Operator: what a checker or a scheduler wants of one region, as a list of steps that its leader takes one after the
// other. Pure values; OperatorController drives them.
#pragma once

#include <string>
#include <vector>

#include "pd/schedule/steps.h"

namespace cairn::pd {

// What makes it: each kind has a limit of its own.
enum class OperatorKind : uint8_t { kAdmin, kReplica, kRegion, kLeader };
inline constexpr size_t kOperatorKinds = 4;

// One of higher priority takes the place of another that is under way.
enum class Priority : uint8_t { kLow, kMedium, kHigh, kUrgent };

// What a checker or a scheduler asks for.
struct Plan {
  std::string desc;
  std::vector<Step> steps;
  OperatorKind kind = OperatorKind::kReplica;
  Priority priority = Priority::kMedium;
};

// What a scheduler asks for of one region.
struct Proposal {
  RegionPtr region;
  Plan plan;
};

// A plan under way.
struct Operator {
  RegionId region;
  std::string desc;
  OperatorKind kind = OperatorKind::kReplica;
  Priority priority = Priority::kMedium;
  std::vector<Step> steps;
  std::vector<StepInfluence> influences;  // of each step, as the region was when the operator began
  size_t current = 0;
  Instant started;
  Instant step_started;
  Instant last_sent;
  Instant ended;  // once it has
  pdpb::OperatorStatus status = pdpb::RUNNING;

  const Step& step() const { return steps[current]; }
};

// As PD's tools write it: what made the operator, then what is in it, "replica,region,leader".
std::string kinds_of(OperatorKind kind, const std::vector<Step>& steps);

// What the operator takes of the limits of stores: for each of its steps that a limit is about.
struct LimitCost {
  StoreId store;
  LimitKind kind;
  int64_t cost;
};
std::vector<LimitCost> limit_costs(const std::vector<Step>& steps, const RegionInfo& region);

}  // namespace cairn::pd
