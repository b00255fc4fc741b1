// The settings that PD's tools show and change. What may change is what the table of settings says.
#include "pd/http/pages.h"

namespace cairn::pd {
namespace {

// As PD writes some of them.
std::string text_of(bool value) { return value ? "true" : "false"; }

Json schedule_json(const ScheduleConfig& config) {
  return {{"max-snapshot-count", config.store_snapshot_limit},
          {"max-pending-peer-count", config.max_pending_peer_count},
          {"patrol-region-interval", go_duration(config.patrol_region_interval)},
          {"max-store-down-time", go_duration(config.max_store_down_time)},
          {"leader-schedule-limit", config.leader_schedule_limit},
          {"leader-schedule-policy", config.leader_schedule_policy},
          {"region-schedule-limit", config.region_schedule_limit},
          {"replica-schedule-limit", config.replica_schedule_limit},
          {"default-store-limit", {{"add-peer", config.add_peer_limit}, {"remove-peer", config.remove_peer_limit}}},
          {"tolerant-size-ratio", config.tolerant_size_ratio},
          {"low-space-ratio", config.low_space_ratio},
          {"high-space-ratio", config.high_space_ratio},
          {"region-score-formula-version", config.region_score_formula_version},
          {"enable-remove-down-replica", text_of(config.enable_remove_down_replica)},
          {"enable-replace-offline-replica", text_of(config.enable_replace_offline_replica)},
          {"enable-make-up-replica", text_of(config.enable_make_up_replica)},
          {"enable-remove-extra-replica", text_of(config.enable_remove_extra_replica)},
          {"enable-location-replacement", text_of(config.enable_location_replacement)},
          {"halt-scheduling", text_of(config.halt_scheduling)},
          // There are none of these yet.
          {"merge-schedule-limit", 0},
          {"hot-region-schedule-limit", 0},
          {"max-merge-region-size", 0},
          {"max-merge-region-keys", 0}};
}

Json replication_json(const ScheduleConfig& config) {
  return {{"max-replicas", config.max_replicas},
          {"location-labels", fmt::format("{}", fmt::join(config.location_labels, ","))},
          {"strictly-match-label", text_of(config.strictly_match_label)},
          {"enable-placement-rules", "true"},
          {"enable-placement-rules-cache", "false"},
          {"isolation-level", config.isolation_level}};
}

// A value as the table reads it; nothing if it is no plain value.
std::optional<std::string> value_text(const Json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_boolean() || value.is_number()) return value.dump();
  return std::nullopt;
}

// The names of a section may be short: it comes first. A body without a section finds it by the name.
Result<HttpSettings::Changes, std::string> changes_of(const HttpSettings& settings, const std::string& body,
                                                      const std::vector<std::string>& sections) {
  const auto json = parse_body(body);
  if (!json.is_object()) return Err(std::string("the body is no JSON object"));
  HttpSettings::Changes changes;
  for (const auto& [name, value] : json.items()) {
    std::string full;
    for (const auto& section : sections) {
      if (full.empty() && settings.has(section + name)) full = section + name;
    }
    const auto text = value_text(value);
    if (full.empty() || !text) return Err(fmt::format("config item {} not found", name));
    changes[full] = *text;
  }
  return changes;
}

void add_change(Pages& pages, const std::string& path, HttpSettings settings, std::vector<std::string> sections) {
  pages.add_late(
      "POST", path, Pages::Need::kLeader,
      [settings = std::move(settings), sections = std::move(sections)](HttpParts&, const http::Request& request,
                                                                       http::Responder responder) {
        if (request.query_value("ttlSecond")) {
          return responder.answer(
              error_answer(400, "ttlSecond is not supported: a setting stays until it is changed again"));
        }
        auto changes = changes_of(settings, request.body, sections);
        if (!changes.ok()) return responder.answer(error_answer(400, changes.error()));
        auto shared = std::make_shared<http::Responder>(std::move(responder));
        settings.change(std::move(*changes), [shared](const Result<void, std::string>& changed) {
          shared->answer(changed.ok() ? json_answer("The config is updated.") : error_answer(400, changed.error()));
        });
      });
}

}  // namespace

void add_config_pages(Pages& pages, HttpSettings settings) {
  pages.add("GET", "/pd/api/v1/config", Pages::Need::kNothing, [settings](HttpParts& parts, const auto&) {
    auto out = Json::parse(settings.json(), nullptr, false);
    if (!out.is_object()) out = Json::object();
    out["schedule"] = schedule_json(parts.options.schedule);
    out["replication"] = replication_json(parts.options.schedule);
    out["cluster-version"] = parts.cluster.stores().cluster_version().to_string();
    return json_answer(out);
  });
  pages.add("GET", "/pd/api/v1/config/schedule", Pages::Need::kLeader,
            [](HttpParts& parts, const auto&) { return json_answer(schedule_json(parts.options.schedule)); });
  pages.add("GET", "/pd/api/v1/config/replicate", Pages::Need::kLeader,
            [](HttpParts& parts, const auto&) { return json_answer(replication_json(parts.options.schedule)); });
  pages.add("GET", "/pd/api/v1/config/replication-mode", Pages::Need::kLeader,
            [](HttpParts&, const auto&) { return json_answer({{"replication-mode", "majority"}}); });
  add_change(pages, "/pd/api/v1/config", settings, {"", "schedule.", "replication."});
  add_change(pages, "/pd/api/v1/config/schedule", settings, {"schedule."});
  add_change(pages, "/pd/api/v1/config/replicate", settings, {"replication."});
}

}  // namespace cairn::pd
