#include "pd/schedule/operator_controller.h"

#include <algorithm>

#include "base/check.h"
#include "base/log.h"
#include "base/metrics.h"

namespace cairn::pd {
namespace {

metrics::Counter& operators(const std::string& desc, const char* event) {
  return metrics::counter("pd_schedule_operators_count", "Operators by what became of them",
                          {{"type", desc}, {"event", event}});
}

const char* name_of(StepKind kind) {
  switch (kind) {
    case StepKind::kAddLearner:
      return "add-learner";
    case StepKind::kPromote:
      return "promote-learner";
    case StepKind::kTransferLeader:
      return "transfer-leader";
    case StepKind::kRemovePeer:
      return "remove-peer";
    case StepKind::kLeaveJoint:
      return "leave-joint-state";
  }
  return "";
}

constexpr size_t kRemembered = 1024;

const metapb::Peer* peer_by_id(const RegionInfo& region, uint64_t id) {
  for (const auto& peer : region.meta.peers()) {
    if (peer.id() == id) return &peer;
  }
  return nullptr;
}

}  // namespace

bool is_done(const Step& step, const RegionInfo& region) {
  const auto* peer = peer_by_id(region, step.peer_id);
  switch (step.kind) {
    case StepKind::kAddLearner:
      return peer != nullptr && !region.is_pending(peer->id()) && !region.is_down(peer->id());
    case StepKind::kPromote:
      return peer != nullptr && peer->role() == metapb::Voter;
    case StepKind::kTransferLeader:
      return region.leader.id() == step.peer_id;
    case StepKind::kRemovePeer:
      return peer == nullptr;
    case StepKind::kLeaveJoint:
      return !in_joint_state(region.meta);
  }
  return false;
}

std::string unsafe_reason(const Step& step, const RegionInfo& region, const ClusterView& cluster) {
  const auto* peer = peer_by_id(region, step.peer_id);
  const auto store = cluster.find(step.store);
  const bool store_up = store != cluster.end() && (store->second.health == StoreHealth::kUp ||
                                                   store->second.health == StoreHealth::kDisconnected);
  switch (step.kind) {
    case StepKind::kAddLearner: {
      const auto* there = region.peer_on(step.store);
      if (there != nullptr && there->id() != step.peer_id) return "another peer is on the store";
      return store_up ? "" : "the store is not up";
    }
    case StepKind::kPromote:
      return peer == nullptr ? "the learner is gone" : "";
    case StepKind::kTransferLeader:
      if (peer == nullptr || peer->role() == metapb::Learner || peer->role() == metapb::DemotingVoter) {
        return "the heir is no voter";
      }
      return region.is_down(peer->id()) || !store_up ? "the heir is down" : "";
    case StepKind::kRemovePeer:
      return region.leader.id() == step.peer_id ? "the peer leads" : "";
    case StepKind::kLeaveJoint:
      return is_demoted(region.meta, region.leader.id()) ? "the leader would become a learner" : "";
  }
  return "";
}

std::optional<pdpb::RegionHeartbeatResponse> command_of(const Step& step, const RegionInfo& region) {
  pdpb::RegionHeartbeatResponse out;
  out.set_region_id(region.meta.id());
  *out.mutable_region_epoch() = region.meta.region_epoch();
  *out.mutable_target_peer() = region.leader;
  const auto* peer = peer_by_id(region, step.peer_id);
  auto change = [&](eraftpb::ConfChangeType type, metapb::PeerRole role) {
    out.mutable_change_peer()->set_change_type(type);
    auto& wanted = *out.mutable_change_peer()->mutable_peer();
    if (peer != nullptr) wanted = *peer;
    wanted.set_id(step.peer_id);
    wanted.set_store_id(step.store.value);
    wanted.set_role(role);
  };
  switch (step.kind) {
    case StepKind::kAddLearner:
      if (peer != nullptr) return std::nullopt;  // it is there and catches up
      change(eraftpb::AddLearnerNode, metapb::Learner);
      break;
    case StepKind::kPromote:
      change(eraftpb::AddNode, metapb::Voter);
      break;
    case StepKind::kRemovePeer:
      change(eraftpb::RemoveNode, peer == nullptr ? metapb::Voter : peer->role());
      break;
    case StepKind::kTransferLeader:
      CHECK(peer != nullptr, "handing region {} to peer {} that is gone", region.id(), step.peer_id);
      *out.mutable_transfer_leader()->mutable_peer() = *peer;
      break;
    case StepKind::kLeaveJoint:
      out.mutable_change_peer_v2();
      break;
  }
  return out;
}

void OperatorController::clear() {
  running_.clear();
  ended_.clear();
  ended_order_.clear();
}

void OperatorController::add(RegionId region, Plan plan, Instant now) {
  CHECK(!plan.steps.empty(), "an operator without steps");
  LOG_INFO("operator {} for region {}, {} steps", plan.desc, region, plan.steps.size());
  operators(plan.desc, "create").add();
  Operator op;
  op.region = region;
  op.desc = std::move(plan.desc);
  op.steps = std::move(plan.steps);
  op.started = op.step_started = now;
  op.last_sent = now - std::chrono::hours(1);
  const bool added = running_.emplace(region, std::move(op)).second;
  CHECK(added, "region {} has an operator already", region);
}

std::optional<pdpb::RegionHeartbeatResponse> OperatorController::advance(const RegionInfo& region,
                                                                         const ClusterView& cluster, Instant now,
                                                                         Duration resend) {
  auto it = running_.find(region.id());
  if (it == running_.end()) return std::nullopt;
  auto& op = it->second;
  const size_t before = op.current;
  while (op.current < op.steps.size() && is_done(op.step(), region)) ++op.current;
  for (size_t i = before; i < op.current; ++i) {
    metrics::histogram("pd_schedule_finish_operator_steps_duration_seconds", "How long steps of operators took",
                       metrics::kJobTimes, {{"type", name_of(op.steps[i].kind)}})
        .observe(now - op.step_started);
  }
  if (op.current == op.steps.size()) {
    operators(op.desc, "finish").add();
    metrics::histogram("pd_schedule_finish_operators_duration_seconds", "How long operators took", metrics::kJobTimes,
                       {{"type", op.desc}})
        .observe(now - op.started);
    end(it, pdpb::SUCCESS);
    return std::nullopt;
  }
  if (op.current != before) {
    op.step_started = now;
    op.last_sent = now - std::chrono::hours(1);
  }
  if (auto reason = unsafe_reason(op.step(), region, cluster); !reason.empty()) {
    LOG_INFO("operator {} for region {} is cancelled: {}", op.desc, op.region, reason);
    end(it, pdpb::CANCEL);
    return std::nullopt;
  }
  const auto limit =
      op.step().kind == StepKind::kAddLearner ? config_.operator_snapshot_timeout : config_.operator_step_timeout;
  if (now - op.step_started > limit) {
    LOG_INFO("operator {} for region {} timed out at step {}", op.desc, op.region, op.current);
    end(it, pdpb::TIMEOUT);
    return std::nullopt;
  }
  if (now - op.last_sent < resend) return std::nullopt;
  op.last_sent = now;
  return command_of(op.step(), region);
}

void OperatorController::cancel(RegionId region) {
  if (auto it = running_.find(region); it != running_.end()) end(it, pdpb::CANCEL);
}

std::vector<RegionId> OperatorController::regions() const {
  std::vector<RegionId> out;
  for (const auto& [region, op] : running_) out.push_back(region);
  return out;
}

const Operator* OperatorController::find(RegionId region) const {
  if (auto it = running_.find(region); it != running_.end()) return &it->second;
  auto it = ended_.find(region);
  return it == ended_.end() ? nullptr : &it->second;
}

uint64_t OperatorController::adding(StoreId store) const {
  return static_cast<uint64_t>(std::count_if(running_.begin(), running_.end(), [&](const auto& item) {
    const auto& op = item.second;
    return std::any_of(op.steps.begin() + static_cast<std::ptrdiff_t>(op.current), op.steps.end(),
                       [&](const Step& step) { return step.kind == StepKind::kAddLearner && step.store == store; });
  }));
}

void OperatorController::end(std::map<RegionId, Operator>::iterator it, pdpb::OperatorStatus status) {
  it->second.status = status;
  if (status == pdpb::CANCEL) operators(it->second.desc, "cancel").add();
  if (status == pdpb::TIMEOUT) operators(it->second.desc, "timeout").add();
  const RegionId region = it->first;
  if (ended_.insert_or_assign(region, std::move(it->second)).second) ended_order_.push_back(region);
  running_.erase(it);
  if (ended_order_.size() > kRemembered) {
    ended_.erase(ended_order_.front());
    ended_order_.pop_front();
  }
}

}  // namespace cairn::pd
