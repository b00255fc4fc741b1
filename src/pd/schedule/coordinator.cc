#include "pd/schedule/coordinator.h"

#include "pd/schedule/figures.h"

namespace cairn::pd {
namespace {

constexpr Duration kResendOnPatrol = std::chrono::seconds(3);

}  // namespace

void Coordinator::begin() {
  operators_.clear();
  limits_.clear();
  scatterer_.clear();
  schedulers_.clear();
  weights_ = {};
  load();
  checks_paused_until_ = {};
  patrol_at_.reset();
  began_ = leadership_.clock().now();
}

ClusterView Coordinator::view() const {
  return ClusterView({.config = config_,
                      .stores = stores_,
                      .regions = regions_,
                      .influences = operators_.influences(),
                      .limits = limits_,
                      .weights = weights_,
                      .pauses = pauses_},
                     leadership_.clock().now());
}

Coordinator::Done Coordinator::begin_operator(const RegionInfo& region, Plan plan, const ClusterView& cluster) {
  if (auto reason = operators_.refuse(region, plan, cluster); !reason.empty()) return Err(std::move(reason));
  while (const auto store = awaits_peer_id(plan.steps)) {
    const auto peer_id = ids_.allocate(1);
    if (!peer_id) return Err(std::string("ids are on their way"));  // the next turn finds them
    give_peer_id(plan.steps, *store, *peer_id);
  }
  metrics::histogram("pd_schedule_operator_region_size", "MiB of regions that operators are made for",
                     metrics::kNumbers, {{"type", plan.desc}})
      .observe(region.approximate_mib);
  operators_.add(region, std::move(plan), limits_, cluster.now());
  send(region, operators_.advance(region, cluster, Duration(0)));
  return {};
}

void Coordinator::send(const RegionInfo& region, std::optional<StepCommand> command) {
  metrics_.operators.set(static_cast<double>(operators_.size()));
  if (command) heartbeats_.send_to_store(StoreId(region.leader.store_id()), std::move(*command));
}

void Coordinator::check_region(const RegionPtr& region, const ClusterView& cluster) {
  if (region->is_remnant) return;
  // A report that follows a change shows what is next: say it at once.
  send(*region, operators_.advance(*region, cluster, std::chrono::milliseconds(200)));
  if (operators_.has(region->id()) || !operators_.has_room(OperatorKind::kReplica) || config_.halt_scheduling) return;
  if (are_checks_paused()) return;
  metrics_.checks.add();
  auto plan = check_replicas(*region, cluster);
  if (!plan) return;
  metrics_.checks_found.add();
  static_cast<void>(begin_operator(*region, std::move(*plan), cluster));
}

void Coordinator::on_report(const RegionPtr& region, const std::vector<RegionId>& removed) {
  for (const auto id : removed) operators_.cancel(id, leadership_.clock().now());
  check_region(region, view());
}

void Coordinator::dispatch(const RegionInfo& region, const ClusterView& cluster) {
  send(region, operators_.advance(region, cluster, kResendOnPatrol));
}

void Coordinator::patrol() {
  if (!leadership_.is_bootstrapped() || !leadership_.is_serving()) return;
  const auto cluster = view();
  for (const auto id : operators_.regions()) {
    if (auto region = regions_.by_id(id)) {
      if (!region->is_remnant) dispatch(*region, cluster);
    } else {
      operators_.cancel(id, cluster.now());
    }
  }
  if (!operators_.has_room(OperatorKind::kReplica)) return;
  const auto batch = regions_.next(patrol_at_, config_.patrol_region_batch);
  if (!patrol_at_) patrol_began_ = leadership_.clock().now();
  for (const auto& region : batch) {
    metrics_.note_patrolled(*region, config_);
    if (!operators_.has(region->id())) check_region(region, cluster);
  }
  if (batch.size() < config_.patrol_region_batch) {
    patrol_at_.reset();
    metrics_.end_patrol(leadership_.clock().now() - patrol_began_);
  } else {
    patrol_at_ = batch.back()->meta.start_key();
  }
}

bool Coordinator::knows_the_cluster() const {
  constexpr Duration kPatience = std::chrono::minutes(5);
  return regions_.is_complete() || leadership_.clock().now() - began_ > kPatience;
}

void Coordinator::schedule() {
  if (!leadership_.is_bootstrapped() || !leadership_.is_serving()) return;
  if (config_.halt_scheduling || schedulers_.all().empty() || !knows_the_cluster()) return;
  schedulers_.run(
      [this] { return view(); }, dice_, [this](OperatorKind kind) { return operators_.has_room(kind); },
      [this](Proposal proposal) { return begin_operator(*proposal.region, std::move(proposal.plan), view()).ok(); });
}

void Coordinator::observe() const { observe_schedule(view(), schedulers_, limits_); }

}  // namespace cairn::pd
