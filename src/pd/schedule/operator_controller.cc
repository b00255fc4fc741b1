#include "pd/schedule/operator_controller.h"

#include "base/check.h"
#include "base/log.h"
#include "base/metrics.h"
#include "pd/schedule/figures.h"

namespace cairn::pd {
namespace {

metrics::Counter& operators(const std::string& desc, const char* event) {
  return metrics::counter("pd_schedule_operators_count", "Operators by what became of them",
                          {{"type", desc}, {"event", event}});
}

constexpr size_t kRemembered = 1024;

// Where balance took from and gave to.
void note_directions(const Operator& op) {
  if (op.kind != OperatorKind::kLeader && op.kind != OperatorKind::kRegion) return;
  const auto note = [&](StoreId store, const char* direction) {
    count_direction(op.desc + "-scheduler", fmt::format("{}", store), direction, 1);
  };
  for (const auto& step : op.steps) {
    if (const auto* add = std::get_if<AddLearner>(&step)) note(add->store, "in");
    if (const auto* remove = std::get_if<RemovePeer>(&step)) note(remove->store, "out");
    if (op.kind != OperatorKind::kLeader) continue;
    if (const auto* transfer = std::get_if<TransferLeader>(&step)) {
      note(transfer->from, "out");
      note(transfer->store, "in");
    }
  }
}

}  // namespace

void OperatorController::clear() {
  running_.clear();
  counts_ = {};
  influences_.clear();
  ended_.clear();
  ended_order_.clear();
}

bool OperatorController::has_room(OperatorKind kind) const {
  switch (kind) {
    case OperatorKind::kAdmin:
      return true;
    case OperatorKind::kReplica:
      return count(kind) < config_.replica_schedule_limit;
    case OperatorKind::kRegion:
      return count(kind) < config_.region_schedule_limit;
    case OperatorKind::kLeader:
      return count(kind) < config_.leader_schedule_limit;
  }
  return false;
}

std::string OperatorController::refuse(const RegionInfo& region, const Plan& plan, const ClusterView& cluster) const {
  if (const auto other = running_.find(region.id());
      other != running_.end() && other->second.priority >= plan.priority) {
    return fmt::format("operator {} is under way for region {}", other->second.desc, region.id());
  }
  if (plan.kind == OperatorKind::kAdmin) return {};
  for (const auto& [store, kind, cost] : limit_costs(plan.steps, region)) {
    if (cluster.has_room(store, kind, cost)) continue;
    count_exceeded_limit(plan.desc, 1);
    return fmt::format("the limit of {} of store {} is reached", limit_name(kind), store);
  }
  return {};
}

void OperatorController::add(const RegionInfo& region, Plan plan, StoreLimits& limits, Instant now) {
  CHECK(!plan.steps.empty(), "an operator without steps");
  if (auto other = running_.find(region.id()); other != running_.end()) {
    CHECK(other->second.priority < plan.priority, "region {} has an operator already", region.id());
    end(other, pdpb::REPLACE, now);
  }
  LOG_INFO("operator {} for region {}, {} steps", plan.desc, region.id(), plan.steps.size());
  operators(plan.desc, "create").add();
  for (const auto& [store, kind, cost] : limit_costs(plan.steps, region)) limits.take(store, kind, cost, now);
  Operator op;
  op.region = region.id();
  op.desc = std::move(plan.desc);
  op.kind = plan.kind;
  op.priority = plan.priority;
  op.steps = std::move(plan.steps);
  for (const auto& step : op.steps) {
    op.influences.push_back(influence_of(step, region));
    influences_.add(op.influences.back());
  }
  influences_.add_region(region.id());
  ++counts_[static_cast<size_t>(op.kind)];
  op.started = op.step_started = now;
  op.last_sent = now - std::chrono::hours(1);
  running_.emplace(region.id(), std::move(op));
}

void OperatorController::pass_step(Operator& op, Instant now) {
  metrics::histogram("pd_schedule_finish_operator_steps_duration_seconds", "How long steps of operators took",
                     metrics::kJobTimes, {{"type", name_of(op.step())}})
      .observe(now - op.step_started);
  influences_.subtract(op.influences[op.current]);
  ++op.current;
}

std::optional<StepCommand> OperatorController::advance(const RegionInfo& region, const ClusterView& cluster,
                                                       Duration resend) {
  auto it = running_.find(region.id());
  if (it == running_.end()) return std::nullopt;
  auto& op = it->second;
  const Instant now = cluster.now();
  const size_t before = op.current;
  while (op.current < op.steps.size() && is_done(op.step(), region)) pass_step(op, now);
  if (op.current == op.steps.size()) {
    operators(op.desc, "finish").add();
    metrics::histogram("pd_schedule_finish_operators_duration_seconds", "How long operators took", metrics::kJobTimes,
                       {{"type", op.desc}})
        .observe(now - op.started);
    end(it, pdpb::SUCCESS, now);
    return std::nullopt;
  }
  if (op.current != before) {
    op.step_started = now;
    op.last_sent = now - std::chrono::hours(1);
  }
  if (auto reason = unsafe_reason(op.step(), region, cluster); !reason.empty()) {
    LOG_INFO("operator {} for region {} is cancelled: {}", op.desc, op.region, reason);
    end(it, pdpb::CANCEL, now);
    return std::nullopt;
  }
  const auto limit =
      pace_of(op.step()) == Pace::kFetchesSnapshot ? config_.operator_snapshot_timeout : config_.operator_step_timeout;
  if (now - op.step_started > limit) {
    LOG_INFO("operator {} for region {} timed out at step {}", op.desc, op.region, op.current);
    end(it, pdpb::TIMEOUT, now);
    return std::nullopt;
  }
  if (now - op.last_sent < resend) return std::nullopt;
  op.last_sent = now;
  return command_of(op.step(), region);
}

void OperatorController::cancel(RegionId region, Instant now) {
  if (auto it = running_.find(region); it != running_.end()) end(it, pdpb::CANCEL, now);
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

void OperatorController::end(std::map<RegionId, Operator>::iterator it, pdpb::OperatorStatus status, Instant now) {
  auto& op = it->second;
  op.status = status;
  op.ended = now;
  --counts_[static_cast<size_t>(op.kind)];
  influences_.subtract_region(op.region);
  for (size_t i = op.current; i < op.steps.size(); ++i) influences_.subtract(op.influences[i]);
  if (status == pdpb::CANCEL) operators(op.desc, "cancel").add();
  if (status == pdpb::TIMEOUT) operators(op.desc, "timeout").add();
  if (status == pdpb::REPLACE) operators(op.desc, "replace").add();
  if (status == pdpb::SUCCESS) note_directions(op);
  const RegionId region = it->first;
  if (ended_.insert_or_assign(region, std::move(op)).second) ended_order_.push_back(region);
  running_.erase(it);
  if (ended_order_.size() > kRemembered) {
    ended_.erase(ended_order_.front());
    ended_order_.pop_front();
  }
}

}  // namespace cairn::pd
