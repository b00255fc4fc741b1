#include "pd/schedule/steps.h"

#include <fmt/format.h>

#include "base/check.h"

namespace cairn::pd {
namespace {

const metapb::Peer* peer_by_id(const RegionInfo& region, uint64_t id) {
  for (const auto& peer : region.meta.peers()) {
    if (peer.id() == id) return &peer;
  }
  return nullptr;
}

// Whether a peer there can be counted on: silence for a while does not end a step.
bool is_in_service(const ClusterView& cluster, StoreId store) {
  const auto found = cluster.store(store);
  return found && (found->health == StoreHealth::kUp || found->health == StoreHealth::kDisconnected);
}

StepCommand command_for(const RegionInfo& region) {
  StepCommand out;
  out.set_region_id(region.meta.id());
  *out.mutable_region_epoch() = region.meta.region_epoch();
  *out.mutable_target_peer() = region.leader;
  return out;
}

struct PeerChange {
  eraftpb::ConfChangeType type;
  metapb::PeerRole role;
  StoreId store;
  uint64_t peer_id;
};
StepCommand change_peer(const RegionInfo& region, const PeerChange& change) {
  auto out = command_for(region);
  out.mutable_change_peer()->set_change_type(change.type);
  auto& wanted = *out.mutable_change_peer()->mutable_peer();
  if (const auto* known = peer_by_id(region, change.peer_id)) wanted = *known;
  wanted.set_id(change.peer_id);
  wanted.set_store_id(change.store.value);
  wanted.set_role(change.role);
  return out;
}

}  // namespace

bool AddLearner::is_done(const RegionInfo& region) const {
  return peer_by_id(region, peer_id) != nullptr && !region.is_pending(peer_id) && !region.is_down(peer_id);
}

std::string AddLearner::unsafe_reason(const RegionInfo& region, const ClusterView& cluster) const {
  const auto* there = region.peer_on(store);
  if (there != nullptr && there->id() != peer_id) return "another peer is on the store";
  return is_in_service(cluster, store) ? "" : "the store is not up";
}

std::optional<StepCommand> AddLearner::command(const RegionInfo& region) const {
  if (peer_by_id(region, peer_id) != nullptr) return std::nullopt;  // it is there and catches up
  return change_peer(region, {eraftpb::AddLearnerNode, metapb::Learner, store, peer_id});
}

StepInfluence AddLearner::influence(const RegionInfo& region) const {
  return {{store, {.peers = 1, .size_mib = static_cast<int64_t>(region.weight_mib()), .adding = 1}}};
}

std::string AddLearner::to_string() const { return fmt::format("add learner peer {} on store {}", peer_id, store); }

bool PromoteLearner::is_done(const RegionInfo& region) const {
  const auto* peer = peer_by_id(region, peer_id);
  return peer != nullptr && peer->role() == metapb::Voter;
}

std::string PromoteLearner::unsafe_reason(const RegionInfo& region, const ClusterView&) const {
  return peer_by_id(region, peer_id) == nullptr ? "the learner is gone" : "";
}

std::optional<StepCommand> PromoteLearner::command(const RegionInfo& region) const {
  return change_peer(region, {eraftpb::AddNode, metapb::Voter, store, peer_id});
}

std::string PromoteLearner::to_string() const {
  return fmt::format("promote learner peer {} on store {} to voter", peer_id, store);
}

bool TransferLeader::is_done(const RegionInfo& region) const { return region.leader.id() == peer_id; }

std::string TransferLeader::unsafe_reason(const RegionInfo& region, const ClusterView& cluster) const {
  const auto* peer = peer_by_id(region, peer_id);
  if (peer == nullptr || peer->role() == metapb::Learner || peer->role() == metapb::DemotingVoter) {
    return "the heir is no voter";
  }
  return region.is_down(peer_id) || !is_in_service(cluster, store) ? "the heir is down" : "";
}

std::optional<StepCommand> TransferLeader::command(const RegionInfo& region) const {
  const auto* peer = peer_by_id(region, peer_id);
  CHECK(peer != nullptr, "handing region {} to peer {} that is gone", region.id(), peer_id);
  auto out = command_for(region);
  *out.mutable_transfer_leader()->mutable_peer() = *peer;
  return out;
}

StepInfluence TransferLeader::influence(const RegionInfo& region) const {
  const auto size = static_cast<int64_t>(region.weight_mib());
  return {{from, {.leaders = -1, .leader_size_mib = -size}}, {store, {.leaders = 1, .leader_size_mib = size}}};
}

std::string TransferLeader::to_string() const {
  return fmt::format("transfer leader from store {} to store {}", from, store);
}

bool RemovePeer::is_done(const RegionInfo& region) const { return peer_by_id(region, peer_id) == nullptr; }

std::string RemovePeer::unsafe_reason(const RegionInfo& region, const ClusterView&) const {
  return region.leader.id() == peer_id ? "the peer leads" : "";
}

std::optional<StepCommand> RemovePeer::command(const RegionInfo& region) const {
  const auto* peer = peer_by_id(region, peer_id);
  return change_peer(region, {eraftpb::RemoveNode, peer == nullptr ? metapb::Voter : peer->role(), store, peer_id});
}

StepInfluence RemovePeer::influence(const RegionInfo& region) const {
  return {{store, {.peers = -1, .size_mib = -static_cast<int64_t>(region.weight_mib())}}};
}

std::string RemovePeer::to_string() const { return fmt::format("remove peer on store {}", store); }

bool LeaveJoint::is_done(const RegionInfo& region) const { return !in_joint_state(region.meta); }

std::string LeaveJoint::unsafe_reason(const RegionInfo& region, const ClusterView&) const {
  return is_demoted(region.meta, region.leader.id()) ? "the leader would become a learner" : "";
}

std::optional<StepCommand> LeaveJoint::command(const RegionInfo& region) const {
  auto out = command_for(region);
  out.mutable_change_peer_v2();
  return out;
}

const char* name_of(const Step& step) {
  return std::visit([](const auto& one) { return one.kName; }, step);
}

Pace pace_of(const Step& step) {
  return std::visit([](const auto& one) { return one.kPace; }, step);
}

bool is_done(const Step& step, const RegionInfo& region) {
  return std::visit([&](const auto& one) { return one.is_done(region); }, step);
}

std::string unsafe_reason(const Step& step, const RegionInfo& region, const ClusterView& cluster) {
  return std::visit([&](const auto& one) { return one.unsafe_reason(region, cluster); }, step);
}

std::optional<StepCommand> command_of(const Step& step, const RegionInfo& region) {
  return std::visit([&](const auto& one) { return one.command(region); }, step);
}

StepInfluence influence_of(const Step& step, const RegionInfo& region) {
  return std::visit([&](const auto& one) { return one.influence(region); }, step);
}

std::string to_string(const Step& step) {
  return std::visit([](const auto& one) { return one.to_string(); }, step);
}

std::optional<StoreId> awaits_peer_id(const std::vector<Step>& steps) {
  for (const auto& step : steps) {
    if (const auto* add = std::get_if<AddLearner>(&step); add != nullptr && add->peer_id == 0) return add->store;
  }
  return std::nullopt;
}

void give_peer_id(std::vector<Step>& steps, StoreId store, uint64_t peer_id) {
  for (auto& step : steps) {
    std::visit(
        [&](auto& one) {
          if constexpr (requires { one.peer_id; }) {
            if (one.store == store && one.peer_id == 0) one.peer_id = peer_id;
          }
        },
        step);
  }
}

}  // namespace cairn::pd
