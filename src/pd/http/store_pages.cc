// The stores: listed, found, removed and kept after all.
#include <algorithm>

#include "pd/http/store_json.h"

namespace cairn::pd {
namespace {

Json json_of(const HttpParts& parts, const StoreInfo& store) {
  const auto now = parts.leadership.clock().now();
  int64_t heard_ns = store.saved_heartbeat_ns;
  if (store.stats.store_id() != 0) {
    const auto wall = parts.leadership.clock().wall_now().since_epoch - (now - store.last_heartbeat);
    heard_ns = std::chrono::duration_cast<std::chrono::nanoseconds>(wall).count();
  }
  return store_json({.store = store,
                     .health = parts.cluster.stores().health(store, now),
                     .count = parts.regions.count(store.id()),
                     .last_heartbeat_ns = heard_ns});
}

http::Response list_answer(const HttpParts& parts, const std::function<bool(const StoreInfo&)>& is_wanted) {
  Json stores = Json::array();
  for (const auto& [id, store] : parts.cluster.stores().all()) {
    if (is_wanted(store)) stores.push_back(json_of(parts, store));
  }
  const auto count = stores.size();
  return json_answer({{"count", count}, {"stores", std::move(stores)}});
}

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return std::tolower(c); });
  return text;
}

// Without a state asked for, tombstones are left out; ?state=0 is Up, 1 Offline, 2 Tombstone.
http::Response all_stores(HttpParts& parts, const http::Request& request) {
  const auto state = request.query_value("state");
  if (!state) return list_answer(parts, [](const StoreInfo& store) { return !store.is_tombstone(); });
  const auto number = go_number(*state);
  if (!number.ok() || !metapb::StoreState_IsValid(static_cast<int>(*number))) {
    return error_answer(500, "unknown StoreState: " + *state);
  }
  return list_answer(parts, [&](const StoreInfo& store) { return store.meta.state() == static_cast<int>(*number); });
}

http::Response stores_by_state(HttpParts& parts, const http::Request& request) {
  const auto state = request.query_value("state");
  if (!state || state->empty()) return list_answer(parts, [](const StoreInfo&) { return true; });
  const auto wanted = lower(*state);
  for (const auto health : {StoreHealth::kUp, StoreHealth::kDisconnected, StoreHealth::kDown, StoreHealth::kOffline,
                            StoreHealth::kTombstone}) {
    if (lower(health_name(health)) != wanted) continue;
    return list_answer(parts, [&](const StoreInfo& store) {
      return parts.cluster.stores().health(store, parts.leadership.clock().now()) == health;
    });
  }
  return error_answer(400, "unknown StoreState: " + *state);
}

http::Response invalid_input(const std::string& words) {
  return json_answer({{"code", "input"}, {"msg", words}, {"data", nullptr}}, 400);
}

http::Response no_store(uint64_t id) {
  return error_answer(404, fmt::format("[PD:core:ErrStoreNotFound]store {} not found", id));
}

// Asks the cluster's own service, as `cairn ctl store` does.
template <class Req, class Resp>
void ask(HttpParts& parts, Req request, void (ClusterService::*method)(api::Call<Req, Resp>), std::string done,
         http::Responder responder) {
  request.mutable_header()->set_cluster_id(parts.leadership.cluster_id());
  auto shared = std::make_shared<http::Responder>(std::move(responder));
  (parts.cluster.*method)(api::make_call<Req, Resp>(std::move(request), [shared, done](api::Reply<Resp> reply) {
    if (!reply.ok()) return shared->answer(error_answer(500, reply.error().message));
    if (reply->header().has_error()) return shared->answer(error_answer(400, reply->header().error().message()));
    shared->answer(json_answer(done));
  }));
}

template <class Change>
Pages::LatePage change_of_store(Change change) {
  return [change](HttpParts& parts, const http::Request& request, http::Responder responder) {
    const auto id = go_number(request.params[0]);
    if (!id.ok()) return responder.answer(invalid_input(id.error()));
    if (parts.cluster.stores().get(StoreId(*id)) == nullptr) return responder.answer(no_store(*id));
    change(parts, request, *id, std::move(responder));
  };
}

}  // namespace

void add_store_pages(Pages& pages) {
  constexpr auto kNeed = Pages::Need::kBootstrapped;
  pages.add("GET", "/pd/api/v1/stores", kNeed, all_stores);
  pages.add("GET", "/pd/api/v1/stores/check", kNeed, stores_by_state);
  pages.add("GET", "/pd/api/v1/store/{id}", kNeed, [](HttpParts& parts, const http::Request& request) {
    const auto id = go_number(request.params[0]);
    if (!id.ok()) return invalid_input(id.error());
    const auto* store = parts.cluster.stores().get(StoreId(*id));
    return store == nullptr ? no_store(*id) : json_answer(json_of(parts, *store));
  });
  pages.add_late(
      "DELETE", "/pd/api/v1/store/{id}", kNeed,
      change_of_store([](HttpParts& parts, const http::Request& request, uint64_t id, http::Responder responder) {
        cairnpb::RemoveStoreRequest remove;
        remove.set_store_id(id);
        remove.set_physically_destroyed(request.query_value("force").has_value());
        ask(parts, std::move(remove), &ClusterService::remove_store, "The store is set as Offline.",
            std::move(responder));
      }));
  pages.add_late(
      "POST", "/pd/api/v1/store/{id}/state", kNeed,
      change_of_store([](HttpParts& parts, const http::Request& request, uint64_t id, http::Responder responder) {
        const auto state = request.query_value("state").value_or("");
        if (state == "Up") {
          cairnpb::CancelRemoveStoreRequest keep;
          keep.set_store_id(id);
          return ask(parts, std::move(keep), &ClusterService::cancel_remove_store, "The store's state is updated.",
                     std::move(responder));
        }
        if (state != "Offline") return responder.answer(error_answer(400, "invalid state " + state));
        cairnpb::RemoveStoreRequest remove;
        remove.set_store_id(id);
        ask(parts, std::move(remove), &ClusterService::remove_store, "The store's state is updated.",
            std::move(responder));
      }));
  pages.add_late("DELETE", "/pd/api/v1/stores/remove-tombstone", kNeed,
                 [](HttpParts& parts, const http::Request&, http::Responder responder) {
                   ask(parts, cairnpb::RemoveTombstonesRequest(), &ClusterService::remove_tombstones,
                       "Remove tombstone successfully.", std::move(responder));
                 });
  pages.add("GET", "/pd/api/v1/labels", kNeed, [](HttpParts& parts, const auto&) {
    std::set<std::pair<std::string, std::string>> labels;
    for (const auto& [id, store] : parts.cluster.stores().all()) {
      if (store.is_tombstone()) continue;
      for (const auto& label : store.meta.labels()) labels.emplace(label.key(), label.value());
    }
    Json out = Json::array();
    for (const auto& [key, value] : labels) out.push_back({{"key", key}, {"value", value}});
    return json_answer(out);
  });
  pages.add("GET", "/pd/api/v1/labels/stores", kNeed, [](HttpParts& parts, const http::Request& request) {
    const auto name = request.query_value("name").value_or("");
    const auto value = request.query_value("value").value_or("");
    return list_answer(parts, [&](const StoreInfo& store) {
      return !store.is_tombstone() &&
             std::any_of(store.meta.labels().begin(), store.meta.labels().end(), [&](const auto& label) {
               return label.key() == name && (value.empty() || label.value() == value);
             });
    });
  });
}

}  // namespace cairn::pd
