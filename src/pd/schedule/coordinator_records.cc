// What the coordinator keeps beyond a leadership, in one record: schedulers, and limits and weights of stores. A
// cluster without the record has the schedulers of a new one.
#include <nlohmann/json.hpp>

#include "base/log.h"
#include "pd/schedule/coordinator.h"

namespace cairn::pd {
namespace {

using Json = nlohmann::json;

constexpr const char* kRecord = "settings";

std::optional<double> number_in(const Json& json, const char* name) {
  const auto found = json.find(name);
  if (found == json.end() || !found->is_number()) return std::nullopt;
  return found->get<double>();
}

std::vector<StoreId> ids_in(const Json& list) {
  std::vector<StoreId> out;
  for (const auto& id : list) {
    if (id.is_number_unsigned()) out.emplace_back(id.get<uint64_t>());
  }
  return out;
}

Json ids_of(const std::vector<StoreId>& stores) {
  Json out = Json::array();
  for (const StoreId id : stores) out.push_back(id.value);
  return out;
}

}  // namespace

void Coordinator::load() {
  const auto record = leadership_.own().value(leadership_.keys().schedule_prefix() + kRecord);
  const auto json = record ? Json::parse(*record, nullptr, false) : Json();
  if (!json.is_object()) {
    if (record) LOG_ERROR("what PD kept of schedulers and limits cannot be read: those of a new cluster are taken");
    for (const auto& name : default_schedulers_) schedulers_.add(name);
  } else {
    const Json none = Json::object();
    const auto part = [&](const char* name) -> const Json& {
      return json.contains(name) && json[name].is_object() ? json[name] : none;
    };
    for (const auto& [name, stores] : part("schedulers").items()) {
      if (schedulers_.add(name)) schedulers_.find(name)->set_stores(ids_in(stores));
    }
    for (const auto& [id, settings] : part("stores").items()) {
      const StoreId store(std::strtoull(id.c_str(), nullptr, 10));
      for (const auto kind : {LimitKind::kAddPeer, LimitKind::kRemovePeer}) {
        if (const auto rate = number_in(settings, limit_name(kind))) limits_.set_rate(store, kind, rate);
      }
      if (const auto weight = number_in(settings, "leader-weight")) weights_.leader[store] = *weight;
      if (const auto weight = number_in(settings, "region-weight")) weights_.region[store] = *weight;
    }
  }
  pauses_ = schedulers_.pauses();
}

void Coordinator::save(std::function<void(api::Status)> done) { leadership_.spawn(save_records(std::move(done))); }

runtime::Task<void> Coordinator::save_records(std::function<void(api::Status)> done) {
  Json json = {{"schedulers", Json::object()}, {"stores", Json::object()}};
  for (const auto& [name, entry] : schedulers_.all()) json["schedulers"][name] = ids_of(entry.scheduler->stores());
  for (const auto& [id, store] : stores_.all()) {
    Json settings = Json::object();
    for (const auto kind : {LimitKind::kAddPeer, LimitKind::kRemovePeer}) {
      if (limits_.has_own_rate(id, kind)) settings[limit_name(kind)] = limits_.rate(id, kind);
    }
    if (weights_.leader.contains(id)) settings["leader-weight"] = weights_.leader[id];
    if (weights_.region.contains(id)) settings["region-weight"] = weights_.region[id];
    if (!settings.empty()) json["stores"][std::to_string(id.value)] = std::move(settings);
  }
  MetaTxn txn;
  txn.put(leadership_.keys().schedule_prefix() + kRecord, json.dump());
  auto result = co_await leadership_.commit(std::move(txn));
  done(std::move(result.status));
}

}  // namespace cairn::pd
