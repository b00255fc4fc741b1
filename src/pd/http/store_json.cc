#include "pd/http/store_json.h"

namespace cairn::pd {
namespace {

Json meta_json(const ShownStore& view) {
  const auto& meta = view.store.meta;
  Json out = Json::object();
  out["id"] = meta.id();
  out["address"] = meta.address();
  // Names without a value are left out, as Go does it.
  const auto put = [&](const char* name, const auto& value) {
    if (value != std::decay_t<decltype(value)>()) out[name] = value;
  };
  put("state", static_cast<int>(meta.state()));
  if (meta.labels_size() > 0) {
    for (const auto& label : meta.labels()) out["labels"].push_back({{"key", label.key()}, {"value", label.value()}});
  }
  put("version", meta.version());
  put("peer_address", meta.peer_address());
  put("status_address", meta.status_address());
  put("git_hash", meta.git_hash());
  put("start_timestamp", meta.start_timestamp());
  put("deploy_path", meta.deploy_path());
  put("last_heartbeat", view.last_heartbeat_ns);
  put("physically_destroyed", meta.physically_destroyed());
  put("node_state", static_cast<int>(meta.node_state()));
  out["state_name"] = health_name(view.health);
  return out;
}

Json status_json(const ShownStore& view) {
  const auto& stats = view.store.stats;
  Json out;
  out["capacity"] = byte_size(stats.capacity());
  out["available"] = byte_size(stats.available());
  out["used_size"] = byte_size(stats.used_size());
  out["leader_count"] = view.count.leaders;
  out["leader_weight"] = 1;
  out["leader_score"] = view.count.leaders;
  out["leader_size"] = 0;
  out["region_count"] = view.count.peers;
  out["region_weight"] = 1;
  out["region_score"] = view.count.mib;
  out["region_size"] = view.count.mib;
  const auto put = [&](const char* name, uint64_t value) {
    if (value != 0) out[name] = value;
  };
  put("slow_score", stats.slow_score());
  put("sending_snap_count", stats.sending_snap_count());
  put("receiving_snap_count", stats.receiving_snap_count());
  if (stats.is_busy()) out["is_busy"] = true;
  constexpr int64_t kSecond = 1'000'000'000;
  const int64_t started = static_cast<int64_t>(stats.start_time()) * kSecond;
  if (started != 0) out["start_ts"] = rfc3339(started);
  if (view.last_heartbeat_ns != 0) out["last_heartbeat_ts"] = rfc3339(view.last_heartbeat_ns);
  if (started != 0 && view.last_heartbeat_ns > started) {
    out["uptime"] = go_duration(std::chrono::nanoseconds(view.last_heartbeat_ns - started));
  }
  return out;
}

}  // namespace

Json store_json(const ShownStore& view) { return {{"store", meta_json(view)}, {"status", status_json(view)}}; }

}  // namespace cairn::pd
