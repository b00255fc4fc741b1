#include "gc/collector.h"

#include <algorithm>
#include <deque>
#include <optional>
#include <string>
#include <utility>

#include "base/log.h"
#include "gc/metrics.h"
#include "gc/sweep.h"
#include "runtime/async.h"

namespace cairn::gc {

using client::Error;
using client::Outcome;
using runtime::Task;

namespace {

constexpr Duration kTurnTimeout = std::chrono::seconds(10);
constexpr Duration kAdvanceTimeout = std::chrono::seconds(10);

// A txn safe point and since when it has been known, at the latest.
struct Published {
  Timestamp ts;
  Instant since;
};

// `ts` minus a span, but not below 0.
Timestamp earlier(Timestamp ts, Duration span) {
  const auto ms = static_cast<uint64_t>(span / std::chrono::milliseconds(1));
  return Timestamp::compose(ts.physical_ms() > ms ? ts.physical_ms() - ms : 0, 0);
}

// `ts`, held back below a transaction that lives.
Timestamp held(Timestamp ts, std::optional<Timestamp> oldest_alive) {
  return oldest_alive ? std::min(ts, Timestamp(oldest_alive->value - 1)) : ts;
}

}  // namespace

struct Collector::State {
  State(Deps d, Options o) : deps(std::move(d)), options(o) {}

  runtime::Executor& executor() { return deps.client.executor; }
  Instant now() { return deps.client.clock.now(); }

  Deps deps;
  Options options;
  Metrics metrics;
  client::CorePtr core;             // made when the cluster is known
  std::deque<Published> published;  // oldest first; the first one may be given up already
  std::string other_owner;          // as the last round heard, to tell of changes
  bool has_failed = false;          // the last round; to log the first failure of several
  bool is_running = false;
  bool is_stopping = false;
  runtime::TimerId timer;
  std::function<void()> on_stopped;
};

namespace {

using StatePtr = std::shared_ptr<Collector::State>;

Task<std::optional<api::GcTurn>> ask_turn(StatePtr s) {
  auto [promise, future] = runtime::one_shot<api::GcTurn>();
  auto shared = std::make_shared<runtime::Promise<api::GcTurn>>(std::move(promise));
  s->deps.ask_turn([shared](api::GcTurn turn) { shared->set(std::move(turn)); });
  shared.reset();
  co_return co_await future.wait_for(s->executor(), kTurnTimeout);
}

template <class Req, class Resp>
Task<Outcome<Resp>> advance(StatePtr s, api::GcTurn turn, Timestamp target,
                            void (api::Pd::*method)(api::Call<Req, Resp>)) {
  Req request;
  request.mutable_header()->set_cluster_id(turn.cluster.value);
  request.mutable_header()->set_sender_id(turn.member);
  request.set_target(target.value);
  api::Pd* pd = &s->deps.client.pd;
  auto reply =
      co_await api::ask<Req, Resp>(s->executor(), kAdvanceTimeout, std::move(request),
                                   [pd, method](api::Call<Req, Resp> call) { (pd->*method)(std::move(call)); });
  if (!reply.ok()) co_return Err(Error(client::GaveUp{reply.error().message}));
  if (reply->header().has_error()) co_return Err(Error(client::Refused{reply->header().error().message()}));
  co_return std::move(*reply);
}

// Remembers the txn safe point, and forgets those that a later one has replaced for all clients.
void publish(Collector::State& s, Timestamp txn_safe_point) {
  if (s.published.empty() || s.published.back().ts != txn_safe_point) {
    s.published.push_back({txn_safe_point, s.now()});
  }
  while (s.published.size() > 1 && s.published[1].since + s.options.client_cache_time <= s.now()) {
    s.published.pop_front();
  }
}

// The newest txn safe point that every client must have heard of; 0: none.
Timestamp known_to_all(Collector::State& s) {
  const auto& oldest = s.published.front();
  return oldest.since + s.options.client_cache_time <= s.now() ? oldest.ts : Timestamp();
}

void show(Collector::State& s, Timestamp txn_safe_point, Timestamp gc_safe_point) {
  s.metrics.txn_safe_point.set(static_cast<double>(txn_safe_point.physical_ms()) / 1000);
  s.metrics.gc_safe_point.set(static_cast<double>(gc_safe_point.physical_ms()) / 1000);
}

void tell_of_owner(Collector::State& s, const std::string& other_owner) {
  s.metrics.is_owner.set(other_owner.empty() ? 1 : 0);
  if (s.other_owner == other_owner) return;
  const bool is_change_of_owner = s.other_owner.empty() || other_owner.empty();
  s.other_owner = other_owner;
  if (!is_change_of_owner) return;  // the same one, heard of a while ago or a moment ago
  if (other_owner.empty()) {
    LOG_INFO("gc: this PD collects the garbage");
  } else {
    LOG_INFO("gc: this PD stands back: {}", other_owner);
  }
}

Task<Outcome<void>> collect(StatePtr s, api::GcTurn turn) {
  publish(*s, turn.txn_safe_point);
  CO_TRY_ASSIGN(const Timestamp now, co_await client::fresh_timestamp(s->core));
  const Timestamp target = std::max(earlier(now, s->options.life_time), turn.txn_safe_point);
  const Timestamp given_up = known_to_all(*s);  // before the sweep: it is to see what was locked until now

  CO_TRY_ASSIGN(const Swept swept, co_await sweep(s->core, s->options, target, earlier(now, s->options.hold_max),
                                                  [s] { return !s->is_stopping; }));
  s->metrics.locks_committed.add(swept.committed);
  s->metrics.locks_rolled_back.add(swept.rolled_back);
  s->metrics.locks_left.set(static_cast<double>(swept.left));
  if (swept.committed + swept.rolled_back > 0) {
    LOG_INFO("gc: locks of transactions up to {} were ended: {} committed, {} rolled back; {} are alive", target,
             swept.committed, swept.rolled_back, swept.left);
  }

  Timestamp txn_safe_point = turn.txn_safe_point;
  if (const Timestamp wanted = held(target, swept.oldest_alive); wanted > txn_safe_point) {
    CO_TRY_ASSIGN(const auto reply,
                  co_await advance<pdpb::AdvanceTxnSafePointRequest, pdpb::AdvanceTxnSafePointResponse>(
                      s, turn, wanted, &api::Pd::advance_txn_safe_point));
    txn_safe_point = Timestamp(reply.new_txn_safe_point());
    publish(*s, txn_safe_point);
    if (!reply.blocker_description().empty()) {
      LOG_INFO("gc: the txn safe point is held at {} by {}", txn_safe_point, reply.blocker_description());
    }
  }
  Timestamp gc_safe_point = turn.gc_safe_point;
  if (const Timestamp wanted = held(given_up, swept.oldest_alive); wanted > gc_safe_point) {
    CO_TRY_ASSIGN(const auto reply, co_await advance<pdpb::AdvanceGCSafePointRequest, pdpb::AdvanceGCSafePointResponse>(
                                        s, turn, wanted, &api::Pd::advance_gc_safe_point));
    gc_safe_point = Timestamp(reply.new_gc_safe_point());
  }
  show(*s, txn_safe_point, gc_safe_point);
  co_return Outcome<void>();
}

Task<void> run_round(StatePtr s) {
  auto turn = co_await ask_turn(s);
  if (!turn || !turn->is_serving) co_return;
  tell_of_owner(*s, turn->other_owner);
  if (!turn->other_owner.empty()) {
    s->metrics.rounds_yielded.add();
    show(*s, turn->txn_safe_point, turn->gc_safe_point);
    co_return;
  }
  if (!s->core) {
    client::Options options;
    options.cluster = turn->cluster;
    s->core = std::make_shared<client::Core>(s->deps.client, options);
  }
  const auto outcome = co_await collect(s, std::move(*turn));
  if (outcome.ok()) {
    s->metrics.rounds_done.add();
    s->has_failed = false;
  } else if (!s->is_stopping) {
    s->metrics.rounds_failed.add();
    if (!std::exchange(s->has_failed, true)) LOG_WARN("gc: a round failed: {}", client::to_string(outcome.error()));
  }
}

void arm(const StatePtr& s);

Task<void> run_and_arm(StatePtr s) {
  s->is_running = true;
  co_await run_round(s);
  s->is_running = false;
  if (s->is_stopping) {
    if (s->on_stopped) std::exchange(s->on_stopped, nullptr)();
  } else {
    arm(s);
  }
}

void arm(const StatePtr& s) {
  s->timer = s->executor().after(s->options.run_interval, [weak = std::weak_ptr(s)] {
    if (auto alive = weak.lock(); alive && !alive->is_stopping) runtime::spawn_inline(run_and_arm(alive));
  });
}

}  // namespace

Collector::Collector(Deps deps, Options options) : state_(std::make_shared<State>(std::move(deps), options)) {}

Collector::~Collector() = default;

void Collector::start() {
  state_->executor().post([s = state_] {
    if (!s->is_stopping) arm(s);
  });
}

void Collector::stop(std::function<void()> on_done) {
  state_->executor().post([s = state_, on_done = std::move(on_done)]() mutable {
    s->is_stopping = true;
    s->executor().cancel(s->timer);
    if (!s->is_running) return on_done();
    s->on_stopped = std::move(on_done);
  });
}

}  // namespace cairn::gc
