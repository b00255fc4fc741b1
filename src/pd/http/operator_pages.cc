// Operators: those under way and those that have ended, and operators that somebody asks for.
#include "pd/http/pages.h"
#include "pd/schedule/coordinator.h"
#include "pd/schedule/plans.h"

namespace cairn::pd {
namespace {

constexpr auto kNeed = Pages::Need::kBootstrapped;
constexpr const char* kNoOperator = "[PD:operator:ErrOperatorNotFound]operator not found";

const char* status_name(pdpb::OperatorStatus status) {
  switch (status) {
    case pdpb::SUCCESS:
      return "SUCCESS";
    case pdpb::TIMEOUT:
      return "TIMEOUT";
    case pdpb::CANCEL:
      return "CANCEL";
    case pdpb::REPLACE:
      return "REPLACE";
    default:
      return "RUNNING";
  }
}

std::string time_of(const HttpParts& parts, Instant then) {
  const auto& clock = parts.leadership.clock();
  return rfc3339(clock.wall_now().since_epoch.count() - (clock.now() - then).count());
}

// As PD writes it in a line.
std::string words_of(const HttpParts& parts, const Operator& op) {
  std::string steps;
  for (size_t i = 0; i < op.steps.size(); ++i) {
    steps += fmt::format("{}{}:{{{}}}", i == 0 ? "" : ", ", i, to_string(op.steps[i]));
  }
  const auto region = parts.regions.by_id(op.region);
  const auto epoch = region ? region->meta.region_epoch() : metapb::RegionEpoch();
  const auto started = time_of(parts, op.started);
  return fmt::format(
      "{} {{}} (kind:{}, region:{}({}, {}), createAt:{}, startAt:{}, currentStep:{}, size:{}, steps:[{}])", op.desc,
      kinds_of(op.kind, op.steps), op.region, epoch.version(), epoch.conf_ver(), started, started, op.current,
      region ? region->approximate_mib : 0, steps);
}

Json object_of(const HttpParts& parts, const Operator& op) {
  const auto region = parts.regions.by_id(op.region);
  const auto epoch = region ? region->meta.region_epoch() : metapb::RegionEpoch();
  return {{"desc", op.desc},
          {"brief", to_string(op.step())},
          {"region_id", op.region.value},
          {"region_epoch", {{"conf_ver", epoch.conf_ver()}, {"version", epoch.version()}}},
          {"kind", kinds_of(op.kind, op.steps)},
          {"status", status_name(op.status)}};
}

// Whether an operator is of a kind that the query asks for.
bool is_asked_for(const http::Request& request, const Operator& op) {
  const auto kind = request.query_value("kind");
  if (!kind) return true;
  return ("," + kinds_of(op.kind, op.steps) + ",").find("," + *kind + ",") != std::string::npos;
}

http::Response list(HttpParts& parts, const http::Request& request) {
  Json out = Json::array();
  const bool as_objects = request.query_value("object").has_value();
  for (const auto& [region, op] : parts.coordinator.operators().running()) {
    if (is_asked_for(request, op)) out.push_back(as_objects ? object_of(parts, op) : Json(words_of(parts, op)));
  }
  return json_answer(out);
}

http::Response records(HttpParts& parts, const http::Request& request) {
  int64_t from = 0;
  if (const auto text = request.query_value("from")) {
    const auto seconds = go_number(*text);
    if (!seconds.ok()) return error_answer(400, seconds.error());
    from = static_cast<int64_t>(*seconds);
  }
  const auto& clock = parts.leadership.clock();
  Json out = Json::array();
  for (const auto& [region, op] : parts.coordinator.operators().ended()) {
    const int64_t ended = clock.wall_now().since_epoch.count() - (clock.now() - op.ended).count();
    if (ended / 1'000'000'000 < from) continue;
    out.push_back(fmt::format("{} (finishAt:{}, duration:{})", words_of(parts, op), rfc3339(ended),
                              go_duration(op.ended - op.started)));
  }
  return out.empty() ? error_answer(500, kNoOperator) : json_answer(out);
}

http::Response show(HttpParts& parts, const http::Request& request) {
  const auto region = go_number(request.params[0]);
  if (!region.ok()) return error_answer(400, region.error());
  const auto* found = parts.coordinator.operators().find(RegionId(*region));
  if (found == nullptr) return error_answer(500, kNoOperator);
  return json_answer(fmt::format("status: {}, operator: {}", status_name(found->status), words_of(parts, *found)));
}

http::Response cancel(HttpParts& parts, const http::Request& request) {
  const auto region = go_number(request.params[0]);
  if (!region.ok()) return error_answer(400, region.error());
  const auto done = parts.coordinator.cancel_operator(RegionId(*region));
  return done.ok() ? json_answer("The pending operator is canceled.") : error_answer(500, done.error());
}

// What is asked for: each error has its status.
class Wish {
 public:
  using Answer = Result<void, http::Response>;
  Wish(HttpParts& parts, Json body) : parts_(parts), body_(std::move(body)) {}

  Answer run() {
    if (!body_.is_object() || !body_.contains("name") || !body_["name"].is_string()) {
      return bad("missing operator name");
    }
    const auto name = body_["name"].get<std::string>();
    if (name == "merge-region" || name == "split-region") return bad(name + " is not supported yet");
    const auto id = number("region_id");
    const bool is_known = name == "transfer-leader" || name == "transfer-peer" || name == "add-peer" ||
                          name == "add-learner" || name == "remove-peer" || name == "scatter-region";
    if (!is_known) return bad("unknown operator");
    if (!id) return bad("missing region id");
    region_ = parts_.regions.by_id(RegionId(*id));
    if (!region_ || region_->is_remnant)
      return failed(fmt::format("[PD:region:ErrRegionNotFound]region {} not found", *id));
    if (name == "transfer-leader") return transfer_leader();
    if (name == "transfer-peer") return transfer_peer();
    if (name == "remove-peer") return remove_peer();
    if (name == "scatter-region") return scatter();
    return add_peer(name == "add-learner");
  }

 private:
  static Answer bad(const std::string& words) { return Err(error_answer(400, words)); }
  static Answer failed(const std::string& words) { return Err(error_answer(500, words)); }

  std::optional<uint64_t> number(const char* name) const {
    if (!body_.contains(name) || !body_[name].is_number()) return std::nullopt;
    const auto value = body_[name].get<double>();
    if (value < 0 || value >= 1e19) return std::nullopt;
    return static_cast<uint64_t>(value);
  }

  // Why a peer cannot come to a store; empty if it can.
  std::string refuse_target(uint64_t id) const {
    const auto store = parts_.coordinator.view().store(StoreId(id));
    if (!store) return fmt::format("[PD:core:ErrStoreNotFound]store {} not found", id);
    if (store->health == StoreHealth::kTombstone) {
      return fmt::format("[PD:core:ErrStoreRemoved]store {} has been removed", id);
    }
    if (parts_.leadership.clock().now() - store->info->last_heartbeat > std::chrono::minutes(10)) {
      return fmt::format("[PD:core:ErrStoreUnhealthy]store {} is unhealthy", id);
    }
    return {};
  }

  Answer begin(std::optional<Plan> plan) {
    if (!plan) return failed("fail to create operator");
    const auto added = parts_.coordinator.add_operator(region_, std::move(*plan));
    if (!added.ok()) {
      const bool is_there = parts_.coordinator.operators().has(region_->id());
      return failed("[PD:operator:ErrAddOperator]failed to add operator, " +
                    (is_there ? "maybe already have one" : added.error()));
    }
    return {};
  }

  static PlanHead head(const char* desc) { return {desc, OperatorKind::kAdmin, Priority::kUrgent}; }

  Answer transfer_leader() {
    const auto to = number("to_store_id");
    if (!to) return bad("missing store id to transfer leader to");
    const auto* peer = region_->peer_on(StoreId(*to));
    if (peer == nullptr || peer->role() == metapb::Learner) {
      return failed(fmt::format("region has no voter in store {}", *to));
    }
    return begin(plan_transfer_leader(head("admin-transfer-leader"), *region_, StoreId(*to)));
  }

  Answer transfer_peer() {
    const auto from = number("from_store_id");
    if (!from) return bad("invalid store id to transfer peer from");
    const auto to = number("to_store_id");
    if (!to) return bad("invalid store id to transfer peer to");
    if (region_->peer_on(StoreId(*from)) == nullptr)
      return failed(fmt::format("region has no peer in store {}", *from));
    if (auto reason = refuse_target(*to); !reason.empty()) return failed(reason);
    return begin(
        plan_move_peer(head("admin-move-peer"), *region_, {StoreId(*from), StoreId(*to)}, parts_.coordinator.view()));
  }

  Answer add_peer(bool as_learner) {
    const auto id = number("store_id");
    if (!id) return bad("invalid store id to transfer peer to");
    const StoreId store(*id);
    if (region_->peer_on(store) != nullptr) return failed(fmt::format("region already has peer in store {}", *id));
    if (auto reason = refuse_target(*id); !reason.empty()) return failed(reason);
    Plan plan{.desc = as_learner ? "admin-add-learner" : "admin-add-peer",
              .steps = {AddLearner{store}},
              .kind = OperatorKind::kAdmin,
              .priority = Priority::kUrgent};
    if (!as_learner) plan.steps.emplace_back(PromoteLearner{store});
    return begin(std::move(plan));
  }

  Answer remove_peer() {
    const auto id = number("store_id");
    if (!id) return bad("invalid store id to transfer peer to");
    const auto* peer = region_->peer_on(StoreId(*id));
    if (peer == nullptr) return failed(fmt::format("region has no peer in store {}", *id));
    Plan plan{.desc = "admin-remove-peer", .steps = {}, .kind = OperatorKind::kAdmin, .priority = Priority::kUrgent};
    if (peer->id() == region_->leader.id()) {
      const auto* heir = best_heir(*region_, parts_.coordinator.view());
      if (heir == nullptr) return failed("fail to create operator");
      plan.steps.emplace_back(TransferLeader{StoreId(*id), StoreId(heir->store_id()), heir->id()});
    }
    plan.steps.emplace_back(RemovePeer{StoreId(*id), peer->id()});
    return begin(std::move(plan));
  }

  Answer scatter() {
    const bool has_group = body_.contains("group") && body_["group"].is_string();
    auto done = parts_.coordinator.scatter(region_, has_group ? body_["group"].get<std::string>() : "");
    return done.ok() ? Answer() : failed(done.error());
  }

  HttpParts& parts_;
  const Json body_;
  RegionPtr region_;
};

http::Response create(HttpParts& parts, const http::Request& request) {
  auto done = Wish(parts, parse_body(request.body)).run();
  return done.ok() ? json_answer("The operator is created.") : std::move(done).error();
}

}  // namespace

void add_operator_pages(Pages& pages) {
  pages.add("GET", "/pd/api/v1/operators", kNeed, list);
  pages.add("GET", "/pd/api/v1/operators/records", kNeed, records);
  pages.add("GET", "/pd/api/v1/operators/{region}", kNeed, show);
  pages.add("POST", "/pd/api/v1/operators", kNeed, create);
  pages.add("DELETE", "/pd/api/v1/operators/{region}", kNeed, cancel);
  pages.add("DELETE", "/pd/api/v1/operators", kNeed, [](HttpParts& parts, const auto&) {
    parts.coordinator.cancel_all_operators();
    return json_answer("All pending operators are canceled.");
  });
}

}  // namespace cairn::pd
