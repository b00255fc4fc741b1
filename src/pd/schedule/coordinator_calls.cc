// What clients and people ask the coordinator for.
#include "pd/schedule/coordinator.h"

namespace cairn::pd {

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
  call.response().set_kind(kinds_of(found->kind, found->steps));
  leadership_.finish(std::move(call));
}

void Coordinator::scatter_region(api::Call<pdpb::ScatterRegionRequest, pdpb::ScatterRegionResponse> call) {
  if (!leadership_.admit_bootstrapped(call)) return;
  const auto& request = call.request();
  std::vector<uint64_t> ids(request.regions_id().begin(), request.regions_id().end());
  const bool is_of_one = ids.empty();
  if (is_of_one) ids.push_back(request.region_id());
  std::vector<uint64_t> failed;
  bool is_any_known = false;
  std::string reason;
  for (const uint64_t id : ids) {
    const auto region = regions_.by_id(RegionId(id));
    is_any_known = is_any_known || region != nullptr;
    const auto done = region ? scatter(region, request.group()) : Done(Err(fmt::format("region {} not found", id)));
    if (done.ok()) continue;
    reason = done.error();
    failed.push_back(id);
  }
  // Who has just split a region is sometimes here before the stores have told of it: it is to ask again.
  if (!is_any_known) return leadership_.refuse(std::move(call), pdpb::REGION_NOT_FOUND, reason);
  if (is_of_one && !failed.empty()) return leadership_.refuse(std::move(call), pdpb::UNKNOWN, reason);
  call.response().set_finished_percentage(100 * (ids.size() - failed.size()) / ids.size());
  for (const uint64_t id : failed) call.response().add_failed_regions_id(id);
  leadership_.finish(std::move(call));
}

Coordinator::Done Coordinator::scatter(const RegionPtr& region, const std::string& group) {
  const auto cluster = view();
  auto plan = scatterer_.scatter(*region, group, cluster);
  if (!plan.ok()) return Err(std::move(plan).error());
  if (!*plan) return {};
  return begin_operator(*region, std::move(**plan), cluster);
}

Coordinator::Done Coordinator::add_operator(const RegionPtr& region, Plan plan) {
  return begin_operator(*region, std::move(plan), view());
}

Coordinator::Done Coordinator::cancel_operator(RegionId region) {
  if (!operators_.has(region)) return Err(std::string("[PD:operator:ErrOperatorNotFound]operator not found"));
  operators_.cancel(region, leadership_.clock().now());
  return {};
}

void Coordinator::cancel_all_operators() {
  for (const RegionId region : operators_.regions()) operators_.cancel(region, leadership_.clock().now());
}

Coordinator::Done Coordinator::add_scheduler(const std::string& name, std::vector<StoreId> stores) {
  if (schedulers_.find(name) != nullptr) return Err(std::string("[PD:scheduler:ErrSchedulerExisted]scheduler existed"));
  if (!schedulers_.add(name)) return Err(fmt::format("{} is not supported", name));
  schedulers_.find(name)->set_stores(std::move(stores));
  pauses_ = schedulers_.pauses();
  return {};
}

Coordinator::Done Coordinator::remove_scheduler(const std::string& name) {
  if (!schedulers_.remove(name)) return Err(std::string("[PD:scheduler:ErrSchedulerNotFound]scheduler not found"));
  pauses_ = schedulers_.pauses();
  return {};
}

Coordinator::Done Coordinator::pause_scheduler(const std::string& name, Duration duration) {
  const Instant now = leadership_.clock().now();
  std::vector<std::string> names{name};
  if (name == "all") {
    names.clear();
    for (const auto& [one, entry] : schedulers_.all()) names.push_back(one);
  }
  for (const auto& one : names) {
    if (!schedulers_.pause(one, now, duration)) {
      return Err(std::string("[PD:scheduler:ErrSchedulerNotFound]scheduler not found"));
    }
  }
  return {};
}

Coordinator::Done Coordinator::set_scheduler_stores(const std::string& name, std::vector<StoreId> stores) {
  auto* scheduler = schedulers_.find(name);
  if (scheduler == nullptr) return Err(std::string("[PD:scheduler:ErrSchedulerNotFound]scheduler not found"));
  if (stores.empty()) return remove_scheduler(name);
  scheduler->set_stores(std::move(stores));
  pauses_ = schedulers_.pauses();
  return {};
}

void Coordinator::set_store_limit(StoreId store, LimitKind kind, std::optional<double> per_minute) {
  limits_.set_rate(store, kind, per_minute);
}

void Coordinator::set_store_weights(StoreId store, Weights weights) {
  weights_.leader[store] = weights.leader;
  weights_.region[store] = weights.region;
}

}  // namespace cairn::pd
