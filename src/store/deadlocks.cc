#include "store/deadlocks.h"

#include <utility>

#include "base/log.h"
#include "base/metrics.h"

namespace cairn::store {

namespace {

constexpr Duration kRetryDelay = std::chrono::milliseconds(100);
constexpr size_t kServedMax = 4096;  // streams of other stores

deadlock::DeadlockRequest request_of(deadlock::DeadlockRequestType type, const txn::WaitForEdge& edge) {
  deadlock::DeadlockRequest request;
  request.set_tp(type);
  *request.mutable_entry() = to_wire(edge);
  return request;
}

}  // namespace

deadlock::WaitForEntry to_wire(const txn::WaitForEdge& edge) {
  deadlock::WaitForEntry entry;
  entry.set_txn(edge.txn.value);
  entry.set_wait_for_txn(edge.wait_for.value);
  entry.set_key_hash(edge.key_hash);
  entry.set_key(edge.key);
  entry.set_resource_group_tag(edge.resource_group_tag);
  return entry;
}

txn::WaitForEdge from_wire(const deadlock::WaitForEntry& entry) {
  return {Timestamp(entry.txn()), Timestamp(entry.wait_for_txn()), entry.key_hash(), entry.key(),
          entry.resource_group_tag()};
}

// The server's end of another store's stream.
class Deadlocks::Served final : public api::DeadlockStream {
 public:
  Served(std::shared_ptr<Deadlocks> owner, uint64_t id) : owner_(std::move(owner)), id_(id) {}
  ~Served() override {
    owner_->executor_->post([owner = owner_, id = id_] { owner->served_.erase(id); });
  }
  void send(deadlock::DeadlockRequest request) override {
    owner_->executor_->post(
        [owner = owner_, id = id_, request = std::move(request)] { owner->on_request(id, request); });
  }

 private:
  const std::shared_ptr<Deadlocks> owner_;
  const uint64_t id_;
};

Deadlocks::Deadlocks(Shared& shared, std::shared_ptr<runtime::Executor> executor)
    : shared_(shared), executor_(std::move(executor)) {}
Deadlocks::~Deadlocks() = default;

runtime::Task<std::optional<txn::DeadlockCycle>> Deadlocks::detect(
    txn::WaitForEdge wait,
    // NOLINTNEXTLINE(*-coroutine-parameters): an executor outlives what waits for it (async.h)
    runtime::Executor& resume_on) {
  auto [promise, future] = runtime::one_shot<txn::DeadlockCycle>();
  executor_->post([self = shared_from_this(), wait = std::move(wait), p = std::move(promise)]() mutable {
    self->add(std::move(wait), std::move(p));
  });
  co_return co_await future.wait(resume_on);
}

void Deadlocks::clean_up_wait_for(const txn::WaitForEdge& wait) {
  executor_->post([self = shared_from_this(), wait] { self->remove(wait); });
}

void Deadlocks::add(txn::WaitForEdge wait, Promise promise) {
  if (stopped_) return;
  auto& known = waits_[key_of(wait)];
  known.edge = wait;
  known.waiters.push_back(std::move(promise));
  ++known.present;
  announce(wait);
}

void Deadlocks::remove(const txn::WaitForEdge& wait) {
  const auto known = waits_.find(key_of(wait));
  if (known == waits_.end() || --known->second.present > 0) return;
  waits_.erase(known);  // whoever still listens hears that there is no cycle
  if (detector_) detector_->clean_up_wait_for(wait.txn, wait.wait_for, wait.key_hash);
  if (stream_) stream_->send(request_of(deadlock::CleanUpWaitFor, wait));
}

void Deadlocks::announce(const txn::WaitForEdge& wait) {
  if (detector_) {
    const Instant begun = shared_.deps.clock.now();
    const auto cycle = detector_->detect(wait, begun);
    static auto& time = metrics::histogram("tikv_lock_manager_detect_duration",
                                           "How long the search for a cycle of waits takes", metrics::kStepTimes);
    time.observe(shared_.deps.clock.now() - begun);
    if (cycle) answer(wait, *cycle);
  } else if (stream_) {
    stream_->send(request_of(deadlock::Detect, wait));
  } else {
    connect();
  }
}

void Deadlocks::announce_all() {
  std::vector<txn::WaitForEdge> edges;
  edges.reserve(waits_.size());
  for (const auto& [key, wait] : waits_) edges.push_back(wait.edge);
  for (const auto& edge : edges) announce(edge);
}

void Deadlocks::answer(const txn::WaitForEdge& wait, const txn::DeadlockCycle& cycle) {
  const auto known = waits_.find(key_of(wait));
  if (known == waits_.end()) return;  // it has ended meanwhile
  auto told = std::move(known->second);
  waits_.erase(known);
  for (auto& promise : told.waiters) promise.set(cycle);
}

void Deadlocks::connect() {
  if (stopped_ || is_resolving_ || stream_ || timer_.is_set()) return;
  is_resolving_ = true;
  const uint64_t attempt = ++attempt_;
  auto weak = weak_from_this();
  timer_ = executor_->after(shared_.options.pd_timeout, [weak, attempt] {
    if (auto self = weak.lock()) self->on_resolved(attempt, StoreId());
  });
  pdpb::GetRegionRequest request;
  request.mutable_header()->set_cluster_id(shared_.cluster.value);
  request.mutable_header()->set_sender_id(shared_.store.value);
  shared_.deps.pd.get_region(api::make_call<pdpb::GetRegionRequest, pdpb::GetRegionResponse>(
      std::move(request), [weak, attempt](const api::Reply<pdpb::GetRegionResponse>& reply) {
        auto self = weak.lock();
        if (!self) return;
        const StoreId leader(reply.ok() ? reply->leader().store_id() : 0);
        self->executor_->post([weak, attempt, leader] {
          if (auto alive = weak.lock()) alive->on_resolved(attempt, leader);
        });
      }));
}

void Deadlocks::on_resolved(uint64_t attempt, StoreId leader) {
  if (attempt != attempt_ || !is_resolving_) return;
  disconnect();
  if (stopped_ || detector_) return;
  // PD may name this store while it does not lead, or not yet.
  if (!leader.is_set() || leader == shared_.store) return retry_later();
  const uint64_t stream = attempt_;
  auto weak = weak_from_this();
  const auto on_executor = [weak](auto job) {
    auto self = weak.lock();
    if (!self) return;
    self->executor_->post([weak, job = std::move(job)] {
      if (auto alive = weak.lock()) job(*alive);
    });
  };
  stream_ = shared_.deps.transport.open_detect(
      leader, {.on_response =
                   [on_executor, stream](deadlock::DeadlockResponse response) {
                     on_executor([stream, response = std::move(response)](Deadlocks& self) {
                       self.on_response(stream, response);
                     });
                   },
               .on_closed =
                   [on_executor, stream](const api::Status& status) {
                     on_executor([stream, status](Deadlocks& self) { self.on_closed(stream, status); });
                   }});
  if (!stream_) return retry_later();
  announce_all();
}

void Deadlocks::on_response(uint64_t stream, const deadlock::DeadlockResponse& response) {
  if (stream != attempt_) return;
  txn::DeadlockCycle cycle{response.deadlock_key_hash(), response.deadlock_key(), {}};
  for (const auto& entry : response.wait_chain()) cycle.chain.push_back(from_wire(entry));
  const txn::WaitForEdge refused = from_wire(response.entry());
  if (cycle.chain.empty() || key_of(cycle.chain.back()) != key_of(refused)) cycle.chain.push_back(refused);
  answer(refused, cycle);
}

void Deadlocks::on_closed(uint64_t stream, const api::Status& status) {
  if (stream != attempt_ || !stream_) return;
  LOG_DEBUG("the stream to the deadlock detector ended: {}", status.message);
  disconnect();
  if (!waits_.empty()) retry_later();
}

void Deadlocks::retry_later() {
  timer_ = executor_->after(kRetryDelay, [weak = weak_from_this()] {
    auto self = weak.lock();
    if (!self) return;
    self->timer_ = {};
    if (!self->waits_.empty() && !self->detector_) self->connect();
  });
}

// What was under way is of no interest any more.
void Deadlocks::disconnect() {
  ++attempt_;
  is_resolving_ = false;
  stream_.reset();
  if (timer_.is_set()) executor_->cancel(std::exchange(timer_, {}));
}

void Deadlocks::on_role(int shard, bool leads) {
  executor_->post([self = shared_from_this(), shard, leads] {
    if (self->stopped_ || (!leads && self->leading_shard_ != shard)) return;
    for (auto& [id, sink] : std::exchange(self->served_, {})) {
      sink.on_closed({api::Code::kFailedPrecondition, "the deadlock detector's leader has changed"});
    }
    static auto& leading =
        metrics::gauge("tikv_lock_manager_detector_leader_heartbeat", "1 while this store keeps the graph of waits");
    leading.set(leads ? 1 : 0);
    self->disconnect();
    self->detector_.reset();
    self->leading_shard_.reset();
    if (leads) {
      LOG_INFO("store {} detects deadlocks from now on", self->shared_.store);
      self->leading_shard_ = shard;
      self->detector_.emplace(self->shared_.options.wait_for_lock_timeout);
    }
    self->announce_all();
  });
}

std::unique_ptr<api::DeadlockStream> Deadlocks::open_detect(api::DeadlockSink sink) {
  const uint64_t id = next_served_++;
  executor_->post(
      [self = shared_from_this(), id, sink = std::move(sink)]() mutable { self->serve(id, std::move(sink)); });
  return std::make_unique<Served>(shared_from_this(), id);
}

void Deadlocks::serve(uint64_t id, api::DeadlockSink sink) {
  if (stopped_) return sink.on_closed({api::Code::kUnavailable, "the store is stopping"});
  if (!detector_) {
    return sink.on_closed({api::Code::kFailedPrecondition, "this store is not the leader of deadlock detection"});
  }
  if (served_.size() >= kServedMax) {
    return sink.on_closed({api::Code::kResourceExhausted, "too many streams of deadlock detection"});
  }
  served_.emplace(id, std::move(sink));
}

void Deadlocks::on_request(uint64_t id, const deadlock::DeadlockRequest& request) {
  const auto from = served_.find(id);
  if (from == served_.end()) return;
  CHECK(detector_, "stream {} is served without a detector", id);
  const txn::WaitForEdge wait = from_wire(request.entry());
  switch (request.tp()) {
    case deadlock::Detect: {
      if (wait.txn == wait.wait_for) return;
      const auto cycle = detector_->detect(wait, shared_.deps.clock.now());
      if (!cycle) return;
      deadlock::DeadlockResponse response;
      *response.mutable_entry() = request.entry();
      response.set_deadlock_key_hash(cycle->key_hash);
      response.set_deadlock_key(cycle->key);
      for (const auto& edge : cycle->chain) *response.add_wait_chain() = to_wire(edge);
      from->second.on_response(std::move(response));
      return;
    }
    case deadlock::CleanUpWaitFor:
      return detector_->clean_up_wait_for(wait.txn, wait.wait_for, wait.key_hash);
    case deadlock::CleanUp:
      return detector_->clean_up(wait.txn);
    default:
      return;  // of a newer version
  }
}

void Deadlocks::stop() {
  executor_->post([self = shared_from_this()] {
    self->stopped_ = true;
    self->disconnect();
    self->detector_.reset();
    self->waits_.clear();
    for (auto& [id, sink] : std::exchange(self->served_, {})) {
      sink.on_closed({api::Code::kUnavailable, "the store is stopping"});
    }
  });
}

}  // namespace cairn::store
