// Schedulers and checkers: listed, added, removed, paused; and the limits and weights of stores.
#include <algorithm>

#include "pd/http/pages.h"
#include "pd/schedule/coordinator.h"

namespace cairn::pd {
namespace {

constexpr auto kNeed = Pages::Need::kBootstrapped;
constexpr const char* kNoScheduler = "[PD:scheduler:ErrSchedulerNotFound]scheduler not found";
constexpr const char* kNoChecker = "[PD:checker:ErrCheckerNotFound]checker not found";

bool has_stores(const std::string& scheduler) {
  return scheduler == "evict-leader-scheduler" || scheduler == "grant-leader-scheduler";
}

int64_t unix_ns_of(const HttpParts& parts, Instant then) {
  const auto& clock = parts.leadership.clock();
  return clock.wall_now().since_epoch.count() - (clock.now() - then).count();
}

http::Response list(HttpParts& parts, const http::Request& request) {
  const auto status = request.query_value("status").value_or("");
  const bool with_times = request.query_value("timestamp").has_value();
  Json out = Json::array();
  if (status == "disabled") return json_answer(out);
  const Instant now = parts.leadership.clock().now();
  for (const auto& [name, entry] : parts.coordinator.schedulers().all()) {
    if (status != "paused") {
      out.push_back(name);
    } else if (entry.is_paused(now)) {
      with_times ? out.push_back({{"name", name},
                                  {"paused_at", rfc3339(unix_ns_of(parts, entry.paused_from))},
                                  {"resume_at", rfc3339(unix_ns_of(parts, entry.paused_until))}})
                 : out.push_back(name);
    }
  }
  return json_answer(out);
}

// Answers once what was changed is durable.
void answer_when_saved(HttpParts& parts, http::Responder responder, Json words) {
  auto shared = std::make_shared<http::Responder>(std::move(responder));
  parts.coordinator.save([shared, words = std::move(words)](const api::Status& status) {
    shared->answer(status.ok() ? json_answer(words) : error_answer(500, status.message));
  });
}

std::vector<StoreId> stores_of(const Coordinator& coordinator, const std::string& scheduler) {
  const auto found = coordinator.schedulers().all().find(scheduler);
  return found == coordinator.schedulers().all().end() ? std::vector<StoreId>() : found->second.scheduler->stores();
}

std::optional<uint64_t> id_in(const Json& json, const char* name) {
  if (!json.contains(name) || !json[name].is_number()) return std::nullopt;
  const auto id = json[name].get<double>();
  if (id < 1 || id >= 1e19) return std::nullopt;
  return static_cast<uint64_t>(id);
}

void add(HttpParts& parts, const http::Request& request, http::Responder responder) {
  const auto body = parse_body(request.body);
  if (!body.is_object() || !body.contains("name") || !body["name"].is_string()) {
    return responder.answer(error_answer(400, "missing scheduler name"));
  }
  const auto name = body["name"].get<std::string>();
  if (!is_known_scheduler(name)) return responder.answer(error_answer(400, "unknown scheduler"));
  std::vector<StoreId> stores;
  const char* done = "The scheduler is created.";
  if (has_stores(name)) {
    if (!body.contains("store_id")) return responder.answer(error_answer(400, "missing store id"));
    const auto id = id_in(body, "store_id");
    if (!id || parts.cluster.stores().get(StoreId(*id)) == nullptr) {
      return responder.answer(error_answer(400, "please input a right store id"));
    }
    stores = stores_of(parts.coordinator, name);
    if (!stores.empty()) {
      if (std::find(stores.begin(), stores.end(), StoreId(*id)) == stores.end()) stores.emplace_back(*id);
      static_cast<void>(parts.coordinator.set_scheduler_stores(name, std::move(stores)));
      return answer_when_saved(parts, std::move(responder), "The scheduler has been applied to the store.");
    }
    stores.emplace_back(*id);
  }
  if (auto added = parts.coordinator.add_scheduler(name, std::move(stores)); !added.ok()) {
    return responder.answer(error_answer(400, added.error()));
  }
  answer_when_saved(parts, std::move(responder), done);
}

// One store of those that a scheduler is about; `name` may be the scheduler's with the store's id behind it.
void remove_store_of(HttpParts& parts, const std::string& scheduler, const std::string& id, http::Responder responder) {
  auto stores = stores_of(parts.coordinator, scheduler);
  const auto number = go_number(id);
  const auto found = number.ok() ? std::find(stores.begin(), stores.end(), StoreId(*number)) : stores.end();
  if (found == stores.end()) return responder.answer(error_answer(404, "scheduler config not found"));
  stores.erase(found);
  static_cast<void>(parts.coordinator.set_scheduler_stores(scheduler, std::move(stores)));
  answer_when_saved(parts, std::move(responder), nullptr);
}

void remove(HttpParts& parts, const http::Request& request, http::Responder responder) {
  const auto& name = request.params[0];
  for (const std::string of_stores : {"evict-leader-scheduler", "grant-leader-scheduler"}) {
    if (name.starts_with(of_stores + "-")) {
      return remove_store_of(parts, of_stores, name.substr(of_stores.size() + 1), std::move(responder));
    }
  }
  if (!parts.coordinator.remove_scheduler(name).ok()) return responder.answer(error_answer(404, kNoScheduler));
  answer_when_saved(parts, std::move(responder), "The scheduler is removed.");
}

// The seconds of "delay"; nothing if it is none.
std::optional<int64_t> delay_of(const http::Request& request) {
  constexpr int64_t kMost = int64_t{100} * 365 * 24 * 3600;
  const auto body = parse_body(request.body);
  if (!body.is_object() || !body.contains("delay") || !body["delay"].is_number_integer()) return std::nullopt;
  return std::min(body["delay"].get<int64_t>(), kMost);
}

http::Response pause(HttpParts& parts, const http::Request& request) {
  const auto delay = delay_of(request);
  if (!delay) return error_answer(400, "missing pause time");
  const auto done =
      parts.coordinator.pause_scheduler(request.params[0], std::chrono::seconds(std::max<int64_t>(*delay, 0)));
  return done.ok() ? json_answer("Pause or resume the scheduler successfully.") : error_answer(500, done.error());
}

Json config_of(const Scheduler& scheduler) {
  const Json whole = Json::array({{{"start-key", ""}, {"end-key", ""}}});
  if (!has_stores(scheduler.name())) return {{"ranges", whole}, {"batch", scheduler.batch()}};
  Json stores = Json::object();
  for (const StoreId id : scheduler.stores()) stores[std::to_string(id.value)] = whole;
  return {{"store-id-ranges", stores}, {"batch", scheduler.batch()}};
}

http::Response config_page(HttpParts& parts, const http::Request& request) {
  const auto& all = parts.coordinator.schedulers().all();
  const auto found = all.find(request.params[0]);
  return found == all.end() ? error_answer(404, "scheduler not found")
                            : json_answer(config_of(*found->second.scheduler));
}

bool is_checker(const std::string& name) {
  return name == "learner" || name == "replica" || name == "rule" || name == "split" || name == "merge" ||
         name == "joint-state";
}

http::Response show_checker(HttpParts& parts, const http::Request& request) {
  if (!is_checker(request.params[0])) return error_answer(500, kNoChecker);
  return json_answer({{"paused", request.params[0] == "replica" && parts.coordinator.are_checks_paused()}});
}

http::Response pause_checker(HttpParts& parts, const http::Request& request) {
  const auto delay = delay_of(request);
  if (!delay) return error_answer(400, "missing pause time");
  if (*delay < 0) return error_answer(400, "delay cannot be negative");
  // One checker does it all: it goes by the name that says most.
  if (request.params[0] != "replica") return error_answer(500, kNoChecker);
  parts.coordinator.pause_checks(std::chrono::seconds(*delay));
  return json_answer(*delay == 0 ? "Resume the checker successfully." : "Pause the checker successfully.");
}

// --- limits and weights of stores

struct WantedLimit {
  double rate = 0;
  std::vector<LimitKind> kinds;
};
Result<WantedLimit, std::string> limit_in(const http::Request& request) {
  const auto body = parse_body(request.body);
  if (!body.is_object() || !body.contains("rate")) return Err(std::string("rate unset"));
  if (!body["rate"].is_number() || body["rate"].get<double>() <= 0) {
    return Err(std::string("invalid rate which should be larger than 0"));
  }
  WantedLimit wanted{.rate = body["rate"].get<double>(), .kinds = {}};
  for (const auto kind : {LimitKind::kAddPeer, LimitKind::kRemovePeer}) {
    const bool is_named = body.contains("type") && body["type"].is_string();
    if (!body.contains("type") || (is_named && body["type"].get<std::string>() == limit_name(kind))) {
      wanted.kinds.push_back(kind);
    }
  }
  if (wanted.kinds.empty()) return Err(fmt::format("unknown type: {}", body["type"].dump()));
  return wanted;
}

http::Response show_limits(HttpParts& parts, const http::Request& request) {
  Json out = Json::object();
  for (const auto& [id, store] : parts.cluster.stores().all()) {
    if (store.is_tombstone() && request.query_value("include_tombstone").value_or("") != "true") continue;
    auto& limits = out[std::to_string(id.value)];
    for (const auto kind : {LimitKind::kAddPeer, LimitKind::kRemovePeer}) {
      limits[limit_name(kind)] = parts.coordinator.limits().rate(id, kind);
    }
  }
  return json_answer(out);
}

void limit_all(HttpParts& parts, const http::Request& request, const HttpSettings& settings,
               http::Responder responder) {
  const auto wanted = limit_in(request);
  if (!wanted.ok()) return responder.answer(error_answer(400, wanted.error()));
  HttpSettings::Changes changes;
  for (const auto kind : wanted->kinds) {
    changes[fmt::format("schedule.default-store-limit.{}", limit_name(kind))] = fmt::format("{}", wanted->rate);
    for (const auto& [id, store] : parts.cluster.stores().all())
      parts.coordinator.set_store_limit(id, kind, std::nullopt);
  }
  auto shared = std::make_shared<http::Responder>(std::move(responder));
  parts.coordinator.save([shared, settings, changes = std::move(changes)](const api::Status& status) {
    if (!status.ok()) return shared->answer(error_answer(500, status.message));
    settings.change(changes, [shared](const Result<void, std::string>& changed) {
      shared->answer(changed.ok() ? json_answer("Set store limit successfully.") : error_answer(400, changed.error()));
    });
  });
}

// The id in the path, of a store that there is.
Result<StoreId, http::Response> store_in(HttpParts& parts, const http::Request& request) {
  const auto id = go_number(request.params[0]);
  if (!id.ok()) return Err(json_answer({{"code", "input"}, {"msg", id.error()}, {"data", nullptr}}, 400));
  if (parts.cluster.stores().get(StoreId(*id)) == nullptr) {
    return Err(error_answer(500, fmt::format("[PD:core:ErrStoreNotFound]store {} not found", *id)));
  }
  return StoreId(*id);
}

void limit_one(HttpParts& parts, const http::Request& request, http::Responder responder) {
  auto store = store_in(parts, request);
  if (!store.ok()) return responder.answer(std::move(store).error());
  const auto wanted = limit_in(request);
  if (!wanted.ok()) return responder.answer(error_answer(400, wanted.error()));
  for (const auto kind : wanted->kinds) parts.coordinator.set_store_limit(*store, kind, wanted->rate);
  answer_when_saved(parts, std::move(responder), "The store's limit is updated.");
}

void weigh(HttpParts& parts, const http::Request& request, http::Responder responder) {
  auto store = store_in(parts, request);
  if (!store.ok()) return responder.answer(std::move(store).error());
  const auto body = parse_body(request.body);
  Coordinator::Weights weights{};
  for (const auto& [name, place] : {std::pair{"leader", &weights.leader}, std::pair{"region", &weights.region}}) {
    if (!body.is_object() || !body.contains(name))
      return responder.answer(error_answer(400, fmt::format("{} weight unset", name)));
    if (!body[name].is_number() || body[name].get<double>() < 0) {
      return responder.answer(error_answer(400, fmt::format("bad format {} weight", name)));
    }
    *place = body[name].get<double>();
  }
  parts.coordinator.set_store_weights(*store, weights);
  answer_when_saved(parts, std::move(responder), "The store's weight is updated.");
}

}  // namespace

void add_scheduler_pages(Pages& pages, const HttpSettings& settings) {
  pages.add("GET", "/pd/api/v1/schedulers", kNeed, list);
  pages.add_late("POST", "/pd/api/v1/schedulers", kNeed, add);
  pages.add_late("DELETE", "/pd/api/v1/schedulers/{name}", kNeed, remove);
  pages.add("POST", "/pd/api/v1/schedulers/{name}", kNeed, pause);
  pages.add("GET", "/pd/api/v1/scheduler-config", kNeed, [](HttpParts& parts, const auto&) {
    Json out = Json::object();
    for (const auto& [name, entry] : parts.coordinator.schedulers().all()) out[name] = config_of(*entry.scheduler);
    return json_answer(out);
  });
  pages.add("GET", "/pd/api/v1/scheduler-config/{name}/list", kNeed, config_page);
  pages.add_late("DELETE", "/pd/api/v1/scheduler-config/{name}/delete/{store}", kNeed,
                 [](HttpParts& parts, const http::Request& request, http::Responder responder) {
                   remove_store_of(parts, request.params[0], request.params[1], std::move(responder));
                 });
  pages.add("GET", "/pd/api/v1/checker/{name}", kNeed, show_checker);
  pages.add("POST", "/pd/api/v1/checker/{name}", kNeed, pause_checker);
  pages.add("GET", "/pd/api/v1/stores/limit", kNeed, show_limits);
  pages.add_late("POST", "/pd/api/v1/stores/limit", kNeed,
                 [settings](HttpParts& parts, const http::Request& request, http::Responder responder) {
                   limit_all(parts, request, settings, std::move(responder));
                 });
  pages.add_late("POST", "/pd/api/v1/store/{id}/limit", kNeed, limit_one);
  pages.add_late("POST", "/pd/api/v1/store/{id}/weight", kNeed, weigh);
}

}  // namespace cairn::pd
