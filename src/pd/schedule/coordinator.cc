#include "pd/schedule/coordinator.h"

namespace cairn::pd {
namespace {

constexpr Duration kResendOnPatrol = std::chrono::seconds(3);

}  // namespace

void Coordinator::begin() {
  operators_.clear();
  patrol_at_.reset();
}

ClusterView Coordinator::view() const {
  ClusterView out;
  const auto now = leadership_.clock().now();
  for (const auto& [id, store] : stores_.all()) {
    auto& entry = out[id];
    entry.health = stores_.health(store, now);
    entry.columnar = is_columnar(store.meta);
    entry.peers = regions_.count(id).peers;
    entry.adding = operators_.adding(id);
  }
  return out;
}

void Coordinator::check_region(const RegionPtr& region, ClusterView& cluster) {
  if (region->is_remnant) return;
  const auto now = leadership_.clock().now();
  // A report that follows a change shows what is next: say it at once.
  auto command = operators_.advance(*region, cluster, now, std::chrono::milliseconds(200));
  if (!operators_.has(region->id()) && !operators_.is_full()) {
    metrics_.checks.add();
    auto plan = check_replicas(*region, cluster, config_);
    if (!plan) return;
    metrics_.checks_found.add();
    for (auto& step : plan->steps) {
      if (step.kind != StepKind::kAddLearner) continue;
      const auto peer_id = ids_.allocate(1);
      if (!peer_id) return;  // ids are on their way: the next patrol finds them
      for (auto& other : plan->steps) {
        if (other.store == step.store && other.peer_id == 0) other.peer_id = *peer_id;
      }
      ++cluster[step.store].adding;
    }
    operators_.add(region->id(), std::move(*plan), now);
    command = operators_.advance(*region, cluster, now, Duration(0));
  }
  metrics_.operators.set(static_cast<double>(operators_.size()));
  if (command) heartbeats_.send_to_store(StoreId(region->leader.store_id()), std::move(*command));
}

void Coordinator::on_report(const RegionPtr& region, const std::vector<RegionId>& removed) {
  for (const auto id : removed) operators_.cancel(id);
  auto cluster = view();
  check_region(region, cluster);
}

void Coordinator::dispatch(const RegionInfo& region) {
  auto command = operators_.advance(region, view(), leadership_.clock().now(), kResendOnPatrol);
  if (command) heartbeats_.send_to_store(StoreId(region.leader.store_id()), std::move(*command));
}

void Coordinator::patrol() {
  if (!leadership_.is_bootstrapped() || !leadership_.is_serving()) return;
  for (const auto id : operators_.regions()) {
    if (auto region = regions_.by_id(id)) {
      if (!region->is_remnant) dispatch(*region);
    } else {
      operators_.cancel(id);
    }
  }
  if (operators_.is_full()) return;
  auto cluster = view();
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

void Coordinator::get_operator(api::Call<pdpb::GetOperatorRequest, pdpb::GetOperatorResponse> call) {
  if (!leadership_.admit_bootstrapped(call)) return;
  const RegionId region(call.request().region_id());
  const auto* found = operators_.find(region);
  if (found == nullptr) {
    return leadership_.refuse(std::move(call), pdpb::REGION_NOT_FOUND,
                              fmt::format("operator of region {} not found", region));
  }
  call.response().set_region_id(region.value);
  call.response().set_desc(found->desc);
  call.response().set_status(found->status);
  call.response().set_kind("replica");
  leadership_.finish(std::move(call));
}

void Coordinator::scatter_region(api::Call<pdpb::ScatterRegionRequest, pdpb::ScatterRegionResponse> call) {
  call.finish({api::Code::kUnimplemented, "ScatterRegion is not implemented"});
}

}  // namespace cairn::pd
