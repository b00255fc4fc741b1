// The cluster as a whole: its record and status, the resolved timestamps of its stores, the marks that tools set.
#include "pd/http/pages.h"

namespace cairn::pd {
namespace {

// As PD counts it: the first region has split, or all its replicas are made.
bool is_initialized(const HttpParts& parts) {
  if (parts.regions.size() > 1) return true;
  const auto region = parts.regions.find("");
  return region && region->pending_peers.empty() &&
         region->meta.peers_size() >= static_cast<int>(parts.options.schedule.max_replicas);
}

// What the store has told; UINT64_MAX for one that does not count, as in PD.
uint64_t ts_of(const HttpParts& parts, uint64_t id) {
  const auto* store = parts.cluster.stores().get(StoreId(id));
  const bool counts = store != nullptr && !store->is_tombstone() && parts.regions.count(store->id()).leaders > 0;
  return counts ? store->min_resolved_ts.value_or(0) : UINT64_MAX;
}

// The lowest of all stores; 0 if one of them has not told any.
uint64_t min_resolved_ts(const HttpParts& parts) {
  uint64_t lowest = UINT64_MAX;
  for (const auto& [id, store] : parts.cluster.stores().all()) lowest = std::min(lowest, ts_of(parts, id.value));
  return lowest == UINT64_MAX ? 0 : lowest;
}

Json min_resolved_json(uint64_t ts, Json of_stores) {
  return {{"is_real_time", true},
          {"min_resolved_ts", ts},
          {"persist_interval", "1s"},
          {"stores_min_resolved_ts", std::move(of_stores)}};
}

http::Response min_resolved_page(HttpParts& parts, const http::Request& request) {
  const auto scope = request.query_value("scope").value_or("");
  if (scope.empty()) return json_answer(min_resolved_json(min_resolved_ts(parts), nullptr));
  Json of_stores = Json::object();
  if (scope == "cluster") {
    for (const auto& [id, store] : parts.cluster.stores().all()) {
      if (!store.is_tombstone()) of_stores[std::to_string(id.value)] = ts_of(parts, id.value);
    }
    return json_answer(min_resolved_json(min_resolved_ts(parts), std::move(of_stores)));
  }
  uint64_t lowest = UINT64_MAX;
  for (size_t begin = 0; begin <= scope.size();) {
    const size_t end = std::min(scope.find(',', begin), scope.size());
    const auto id = go_number(scope.substr(begin, end - begin));
    if (!id.ok()) return error_answer(400, id.error());
    const uint64_t ts = ts_of(parts, *id);
    of_stores[std::to_string(*id)] = ts;
    lowest = std::min(lowest, ts);
    begin = end + 1;
  }
  return json_answer(min_resolved_json(lowest, std::move(of_stores)));
}

// Marks that restores set; nothing here goes by them, so they are not taken.
void add_mark(Pages& pages, const std::string& path) {
  pages.add("GET", path, Pages::Need::kLeader,
            [](HttpParts&, const auto&) { return json_answer({{"marked", false}}); });
  pages.add("POST", path, Pages::Need::kLeader, [](HttpParts&, const auto&) {
    return error_answer(501, "this mark is not supported: nothing would go by it");
  });
  pages.add("DELETE", path, Pages::Need::kLeader,
            [](HttpParts&, const auto&) { return http::Response{.headers = {}}; });
}

}  // namespace

void add_cluster_pages(Pages& pages) {
  pages.add("GET", "/pd/api/v1/cluster", Pages::Need::kLeader, [](HttpParts& parts, const auto&) {
    Json out = Json::object();
    out["id"] = parts.leadership.cluster_id();
    if (parts.leadership.is_bootstrapped()) out["max_peer_count"] = parts.options.schedule.max_replicas;
    return json_answer(out);
  });
  pages.add("GET", "/pd/api/v1/cluster/status", Pages::Need::kLeader, [](HttpParts& parts, const auto&) {
    const auto& leadership = parts.leadership;
    const uint64_t began = number_of(leadership.own().value(leadership.keys().bootstrap_time()));
    // Go's zero time where there is none.
    return json_answer(
        {{"raft_bootstrap_time", began == 0 ? "0001-01-01T00:00:00Z" : rfc3339(static_cast<int64_t>(began))},
         {"is_initialized", leadership.is_bootstrapped() && is_initialized(parts)},
         {"replication_status", ""}});
  });
  pages.add("GET", "/pd/api/v1/config/cluster-version", Pages::Need::kLeader, [](HttpParts& parts, const auto&) {
    return json_answer(parts.cluster.stores().cluster_version().to_string());
  });
  pages.add("GET", "/pd/api/v1/replication_mode/status", Pages::Need::kBootstrapped,
            [](HttpParts&, const auto&) { return json_answer({{"mode", "majority"}}); });
  pages.add("GET", "/pd/api/v1/min-resolved-ts", Pages::Need::kBootstrapped, min_resolved_page);
  pages.add("GET", "/pd/api/v1/min-resolved-ts/{store_id}", Pages::Need::kBootstrapped,
            [](HttpParts& parts, const http::Request& request) {
              const auto id = go_number(request.params[0]);
              if (!id.ok()) return error_answer(400, id.error());
              return json_answer(min_resolved_json(ts_of(parts, *id), nullptr));
            });
  add_mark(pages, "/pd/api/v1/admin/cluster/markers/snapshot-recovering");
  add_mark(pages, "/pd/api/v1/admin/cluster/markers/pitr-restore-mode");
}

}  // namespace cairn::pd
