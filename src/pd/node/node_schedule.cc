// Scheduling: what the checkers want becomes operators, and operators' steps become commands to the leaders.
#include "base/log.h"
#include "pd/node/node_core.h"

namespace cairn::pd {
namespace {

constexpr Duration kResendOnPatrol = std::chrono::seconds(3);

}  // namespace

ClusterView NodeCore::view() const {
  ClusterView out;
  const auto now = dependencies_.clock.now();
  for (const auto& [id, store] : stores_.all()) {
    auto& entry = out[id];
    entry.health = stores_.health(store, now);
    entry.columnar = is_columnar(store.meta);
    entry.peers = regions_.count(id).peers;
    entry.adding = operators_.adding(id);
  }
  return out;
}

void NodeCore::check_region(const RegionPtr& region, ClusterView& cluster) {
  if (region->is_remnant) return;
  const auto now = dependencies_.clock.now();
  // A report that follows a change shows what is next: say it at once.
  auto command = operators_.advance(*region, cluster, now, std::chrono::milliseconds(200));
  if (!operators_.has(region->id()) && !operators_.is_full()) {
    auto plan = check_replicas(*region, cluster, options_.schedule);
    if (!plan) return;
    for (auto& step : plan->steps) {
      if (step.kind != StepKind::kAddLearner) continue;
      const auto peer_id = allocate_ids(1);
      if (!peer_id) return;  // ids are on their way: the next patrol finds them
      for (auto& other : plan->steps) {
        if (other.store == step.store && other.peer_id == 0) other.peer_id = *peer_id;
      }
      ++cluster[step.store].adding;
    }
    operators_.add(region->id(), std::move(*plan), now);
    command = operators_.advance(*region, cluster, now, Duration(0));
  }
  metrics_.operators.Set(static_cast<double>(operators_.size()));
  if (command) send_to_store(StoreId(region->leader.store_id()), std::move(*command));
}

void NodeCore::dispatch(const RegionInfo& region) {
  auto command = operators_.advance(region, view(), dependencies_.clock.now(), kResendOnPatrol);
  if (command) send_to_store(StoreId(region.leader.store_id()), std::move(*command));
}

void NodeCore::patrol() {
  if (!cluster_ || !serving_) return;
  for (const auto id : operators_.regions()) {
    if (auto region = regions_.by_id(id)) {
      if (!region->is_remnant) dispatch(*region);
    } else {
      operators_.cancel(id);
    }
  }
  if (operators_.is_full()) return;
  auto cluster = view();
  const auto batch = regions_.next(patrol_at_, options_.schedule.patrol_region_batch);
  for (const auto& region : batch) {
    if (!operators_.has(region->id())) check_region(region, cluster);
  }
  if (batch.size() < options_.schedule.patrol_region_batch) {
    patrol_at_.reset();
  } else {
    patrol_at_ = batch.back()->meta.start_key();
  }
}

void NodeCore::get_operator(api::Call<pdpb::GetOperatorRequest, pdpb::GetOperatorResponse> call) {
  if (!admit_bootstrapped(call)) return;
  const RegionId region(call.request().region_id());
  const auto* found = operators_.find(region);
  if (found == nullptr) {
    return refuse(std::move(call), pdpb::REGION_NOT_FOUND, fmt::format("operator of region {} not found", region));
  }
  call.response().set_region_id(region.value);
  call.response().set_desc(found->desc);
  call.response().set_status(found->status);
  call.response().set_kind("replica");
  finish(std::move(call));
}

void NodeCore::scatter_region(api::Call<pdpb::ScatterRegionRequest, pdpb::ScatterRegionResponse> call) {
  call.finish({api::Code::kUnimplemented, "ScatterRegion is not implemented"});
}

}  // namespace cairn::pd
