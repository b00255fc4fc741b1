// The steps of operators: one thing each for the leader of a region to do. A step judges itself: whether the region
// shows it as done, whether it may still be taken, what to tell the leader, how long that may take, and what it will
// have changed on the stores. Pure.
//
// A peer that has no id yet has id 0; give_peer_id() gives it one. Tests: operator_controller_test.cc.
#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "pd/schedule/view.h"

namespace cairn::pd {

using StepCommand = pdpb::RegionHeartbeatResponse;

// How long a step may take: most are a round of the group; one fetches a snapshot.
enum class Pace { kQuick, kFetchesSnapshot };

// A peer comes as a learner; done once it has caught up.
struct AddLearner {
  StoreId store;
  uint64_t peer_id = 0;

  static constexpr const char* kName = "add-learner";
  static constexpr Pace kPace = Pace::kFetchesSnapshot;
  bool is_done(const RegionInfo& region) const;
  std::string unsafe_reason(const RegionInfo& region, const ClusterView& cluster) const;
  std::optional<StepCommand> command(const RegionInfo& region) const;
  StepInfluence influence(const RegionInfo& region) const;
  std::string to_string() const;
  friend bool operator==(const AddLearner&, const AddLearner&) = default;
};

// A learner becomes a voter.
struct PromoteLearner {
  StoreId store;
  uint64_t peer_id = 0;

  static constexpr const char* kName = "promote-learner";
  static constexpr Pace kPace = Pace::kQuick;
  bool is_done(const RegionInfo& region) const;
  std::string unsafe_reason(const RegionInfo& region, const ClusterView& cluster) const;
  std::optional<StepCommand> command(const RegionInfo& region) const;
  StepInfluence influence(const RegionInfo&) const { return {}; }
  std::string to_string() const;
  friend bool operator==(const PromoteLearner&, const PromoteLearner&) = default;
};

// The voter on `store` takes the lead.
struct TransferLeader {
  StoreId from;
  StoreId store;
  uint64_t peer_id = 0;

  static constexpr const char* kName = "transfer-leader";
  static constexpr Pace kPace = Pace::kQuick;
  bool is_done(const RegionInfo& region) const;
  std::string unsafe_reason(const RegionInfo& region, const ClusterView& cluster) const;
  std::optional<StepCommand> command(const RegionInfo& region) const;
  StepInfluence influence(const RegionInfo& region) const;
  std::string to_string() const;
  friend bool operator==(const TransferLeader&, const TransferLeader&) = default;
};

struct RemovePeer {
  StoreId store;
  uint64_t peer_id = 0;

  static constexpr const char* kName = "remove-peer";
  static constexpr Pace kPace = Pace::kQuick;
  bool is_done(const RegionInfo& region) const;
  std::string unsafe_reason(const RegionInfo& region, const ClusterView& cluster) const;
  std::optional<StepCommand> command(const RegionInfo& region) const;
  StepInfluence influence(const RegionInfo& region) const;
  std::string to_string() const;
  friend bool operator==(const RemovePeer&, const RemovePeer&) = default;
};

// Ends a change of several peers at once.
struct LeaveJoint {
  static constexpr const char* kName = "leave-joint-state";
  static constexpr Pace kPace = Pace::kQuick;
  bool is_done(const RegionInfo& region) const;
  std::string unsafe_reason(const RegionInfo& region, const ClusterView& cluster) const;
  std::optional<StepCommand> command(const RegionInfo& region) const;
  StepInfluence influence(const RegionInfo&) const { return {}; }
  std::string to_string() const { return "leave joint state"; }
  friend bool operator==(const LeaveJoint&, const LeaveJoint&) = default;
};

using Step = std::variant<AddLearner, PromoteLearner, TransferLeader, RemovePeer, LeaveJoint>;

const char* name_of(const Step& step);
Pace pace_of(const Step& step);
// Whether the region shows the step as done.
bool is_done(const Step& step, const RegionInfo& region);
// Why the step may not be taken any more; empty if it may.
std::string unsafe_reason(const Step& step, const RegionInfo& region, const ClusterView& cluster);
// What to tell the leader; nothing if there is only to wait.
std::optional<StepCommand> command_of(const Step& step, const RegionInfo& region);
// What it will have changed once it is done.
StepInfluence influence_of(const Step& step, const RegionInfo& region);
// In PD's words.
std::string to_string(const Step& step);

// The store on which a peer is to come that has no id yet; nothing if there is none.
std::optional<StoreId> awaits_peer_id(const std::vector<Step>& steps);
void give_peer_id(std::vector<Step>& steps, StoreId store, uint64_t peer_id);

}  // namespace cairn::pd
