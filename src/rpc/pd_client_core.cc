#include "rpc/pd_client_core.h"

#include <algorithm>

#include "base/check.h"
#include "base/log.h"
#include "rpc/metrics.h"

namespace cairn::rpc {
namespace {

constexpr Duration kComplainEvery = std::chrono::seconds(10);
constexpr Duration kLookMax = std::chrono::milliseconds(300);

bool is_worth_another_try(const api::Status& status) {
  if (status.code == api::Code::kUnavailable) return true;
  for (const char* text : {"not leader", "no leader", "not primary", "is not served"}) {
    if (status.message.find(text) != std::string::npos) return true;
  }
  return false;
}

// Nothing of it is sent any more.
void close(PdHeartbeats& heartbeats) {
  heartbeats.is_closed = true;
  NetworkMetrics::get().heartbeats_waiting.add(-static_cast<int64_t>(heartbeats.to_send.size()));
  heartbeats.to_send.clear();
}

// Hands a stream's events to the core's executor, unless the core has moved on.
class PostedEvents final : public ClientStreamEvents {
 public:
  PostedEvents(std::shared_ptr<runtime::Executor> executor, std::function<void()> on_writable,
               std::function<void(Payload)> on_message, std::function<void(api::Status)> on_closed)
      : executor_(std::move(executor)),
        on_writable_(std::move(on_writable)),
        on_message_(std::move(on_message)),
        on_closed_(std::move(on_closed)) {}
  void on_writable() override { executor_->post(on_writable_); }
  void on_message(Payload message) override {
    executor_->post([handle = on_message_, message = std::move(message)]() mutable { handle(std::move(message)); });
  }
  void on_closed(api::Status status) override {
    executor_->post([handle = on_closed_, status = std::move(status)]() mutable { handle(std::move(status)); });
  }

 private:
  std::shared_ptr<runtime::Executor> executor_;
  std::function<void()> on_writable_;
  std::function<void(Payload)> on_message_;
  std::function<void(api::Status)> on_closed_;
};

}  // namespace

// ---- From any thread.

void PdClient::Core::submit(std::shared_ptr<PdWork> work) {
  work->deadline = clock_.now() + options_.call_budget;
  post([work](Core& core) { core.attempt(work); });
}

void PdClient::Core::submit_ordered(std::shared_ptr<PdWork> work) {
  work->deadline = clock_.now() + options_.call_budget;
  post([work](Core& core) {
    auto& ordered = core.ordered_[work->method];
    ordered.method = work->method;
    if (core.is_stopped_) return work->done(core.unreachable(), {});
    ordered.to_send.push_back(work);
    core.pump(ordered);
  });
}

std::shared_ptr<PdHeartbeats> PdClient::Core::open_heartbeats(api::RegionHeartbeatSink sink) {
  auto heartbeats = std::make_shared<PdHeartbeats>();
  heartbeats->sink = std::move(sink);
  post([heartbeats](Core& core) {
    if (core.is_stopped_) return heartbeats->sink.on_closed(core.unreachable());
    core.heartbeats_.push_back(heartbeats);
    core.pump(heartbeats);
  });
  return heartbeats;
}

void PdClient::Core::send_heartbeat(std::shared_ptr<PdHeartbeats> heartbeats, pdpb::RegionHeartbeatRequest request) {
  post([heartbeats, request = std::move(request)](Core& core) mutable {
    if (heartbeats->is_closed) return;
    if (heartbeats->to_send.size() < kHeartbeatsWaitingMax) {
      NetworkMetrics::get().heartbeats_waiting.add(1);
    } else {
      heartbeats->to_send.pop_front();
    }
    heartbeats->to_send.push_back(std::move(request));
    core.pump(heartbeats);
  });
}

void PdClient::Core::close_heartbeats(std::shared_ptr<PdHeartbeats> heartbeats) {
  post([heartbeats](Core& core) {
    close(*heartbeats);
    if (heartbeats->io.stream) heartbeats->io.stream->cancel();
    std::erase(core.heartbeats_, heartbeats);
  });
}

void PdClient::Core::stop() {
  is_stopped_ = true;
  post([](Core& core) {
    for (auto& work : std::exchange(core.waiting_, {})) work->done(core.unreachable(), {});
    for (auto& [_, ordered] : core.ordered_) {
      if (ordered.io.stream) ordered.io.stream->cancel();
      ordered.io = {};
      for (auto& work : std::exchange(ordered.sent, {})) work->done(core.unreachable(), {});
      for (auto& work : std::exchange(ordered.to_send, {})) work->done(core.unreachable(), {});
    }
    for (auto& heartbeats : std::exchange(core.heartbeats_, {})) {
      close(*heartbeats);
      if (heartbeats->io.stream) heartbeats->io.stream->cancel();
      heartbeats->sink.on_closed(core.unreachable());
    }
  });
}

// ---- Finding the leader.

std::vector<std::string> PdClient::Core::endpoints() const {
  std::vector<std::string> all = members_;
  for (const auto& endpoint : options_.endpoints) {
    if (std::find(all.begin(), all.end(), endpoint) == all.end()) all.push_back(endpoint);
  }
  return all;
}

void PdClient::Core::need_leader() {
  if (is_looking_ || leader_ || is_stopped_) return;
  is_looking_ = true;
  ask_members();
}

void PdClient::Core::ask_members() {
  const uint64_t look = ++looks_;
  is_asking_ = true;
  for (const auto& endpoint : endpoints()) {
    if (!asked_.insert(endpoint).second) continue;  // an answer that comes late is as good
    call_unary<pdpb::GetMembersResponse>(
        *loop_.channel(endpoint), "/pdpb.PD/GetMembers", pdpb::GetMembersRequest(), options_.call_timeout,
        [self = shared_from_this(), endpoint](api::Reply<pdpb::GetMembersResponse> reply) {
          self->post([endpoint, reply = std::move(reply)](Core& core) mutable {
            core.on_members(endpoint, std::move(reply));
          });
        });
  }
  executor_->after(kLookMax, [self = shared_from_this(), look] {
    if (look == self->looks_) self->found_none();
  });
}

void PdClient::Core::found_none() {
  if (is_stopped_ || !is_looking_ || !std::exchange(is_asking_, false)) return;
  NetworkMetrics::get().pd_not_found.add();
  const Instant now = clock_.now();
  std::string complaint = unreachable().message;
  if (complaint != complaint_ || now - last_complaint_ >= kComplainEvery) {
    LOG_WARN("{}", complaint);
    complaint_ = std::move(complaint);
    last_complaint_ = now;
  }
  look_again();
}

void PdClient::Core::on_members(const std::string& endpoint, api::Reply<pdpb::GetMembersResponse> reply) {
  asked_.erase(endpoint);
  if (is_stopped_ || !is_looking_) return;
  const bool has_leader =
      reply.ok() && !reply->leader().client_urls().empty() && !reply->leader().client_urls(0).empty();
  if (!has_leader) {
    last_error_ = !reply.ok()
                      ? reply.error()
                      : api::Status{api::Code::kUnavailable,
                                    reply->header().has_error() ? reply->header().error().message() : "no leader yet"};
    if (asked_.empty()) found_none();
    return;
  }
  members_.clear();
  for (const auto& member : reply->members()) {
    if (!member.client_urls().empty()) members_.push_back(member.client_urls(0));
  }
  cluster_id_ = reply->header().cluster_id();
  is_looking_ = is_asking_ = false;
  NetworkMetrics::get().pd_found.add();
  leader_ = loop_.channel(reply->leader().client_urls(0));
  if (!std::exchange(complaint_, {}).empty()) LOG_INFO("PD's leader is at {}", leader_->address());
  leave_former_leaders();
  resume();
}

void PdClient::Core::lost_leader(const std::string& address, const api::Status& why) {
  last_error_ = why;
  if (leader_ && leader_->address() == address) leader_ = nullptr;
  if (is_looking_ || leader_ || is_stopped_) return;
  is_looking_ = true;
  look_again();
}

void PdClient::Core::look_again() {
  expire();
  backoff_ = std::clamp(backoff_ * 2, options_.backoff_min, options_.backoff_max);
  executor_->after(backoff_, [self = shared_from_this()] {
    if (!self->is_stopped_ && self->is_looking_) self->ask_members();
  });
}

void PdClient::Core::resume() {
  for (auto& work : std::exchange(waiting_, {})) attempt(std::move(work));
  for (auto& [_, ordered] : ordered_) pump(ordered);
  for (const auto& heartbeats : std::vector(heartbeats_)) pump(heartbeats);
}

void PdClient::Core::expire() {
  const Instant now = clock_.now();
  std::vector<std::shared_ptr<PdWork>> expired;
  const auto take_from = [&](std::deque<std::shared_ptr<PdWork>>& queue) {
    std::erase_if(queue, [&](auto& work) {
      if (work->deadline > now) return false;
      expired.push_back(work);
      return true;
    });
  };
  take_from(waiting_);
  for (auto& [_, ordered] : ordered_) take_from(ordered.to_send);
  for (auto& work : expired) work->done(unreachable(), {});
}

api::Status PdClient::Core::unreachable() const {
  if (is_stopped_) return {api::Code::kUnavailable, "the PD client has stopped"};
  std::string all;
  for (const auto& endpoint : endpoints()) all += (all.empty() ? "" : ", ") + endpoint;
  return {api::Code::kUnavailable, "PD cannot be reached at " + all + ": " + last_error_.message};
}

// ---- Calls.

void PdClient::Core::attempt(std::shared_ptr<PdWork> work) {
  if (is_stopped_) return work->done(unreachable(), {});
  if (!leader_) {
    waiting_.push_back(std::move(work));
    return need_leader();
  }
  leader_->call(
      work->method, work->serialize(cluster_id_), options_.call_timeout,
      [self = shared_from_this(), work, address = leader_->address()](api::Status status, Payload payload) mutable {
        self->post([work = std::move(work), address = std::move(address), status = std::move(status),
                    payload = std::move(payload)](Core& core) mutable {
          core.on_reply(std::move(work), address, std::move(status), std::move(payload));
        });
      });
}

void PdClient::Core::on_reply(std::shared_ptr<PdWork> work, const std::string& address, api::Status status,
                              Payload payload) {
  if (status.ok()) {
    backoff_ = {};
    return work->done({}, std::move(payload));
  }
  const bool again = is_worth_another_try(status) && clock_.now() < work->deadline && !is_stopped_;
  if (again) waiting_.push_back(work);
  if (again || status.code == api::Code::kDeadlineExceeded) lost_leader(address, status);
  if (!again) {
    work->done(std::move(status), {});
  } else if (leader_) {  // another one was found meanwhile
    resume();
  }
}

// ---- Streams.

std::shared_ptr<ClientStreamEvents> PdClient::Core::events_for(std::function<void(Core&)> on_writable,
                                                               std::function<void(Core&, Payload)> on_message,
                                                               std::function<void(Core&, api::Status)> on_closed) {
  auto self = shared_from_this();
  return std::make_shared<PostedEvents>(
      executor_, [self, on_writable = std::move(on_writable)] { on_writable(*self); },
      [self, on_message = std::move(on_message)](Payload message) { on_message(*self, std::move(message)); },
      [self, on_closed = std::move(on_closed)](api::Status status) { on_closed(*self, std::move(status)); });
}

void PdClient::Core::pump(PdOrdered& ordered) {
  if (is_stopped_ || (ordered.to_send.empty() && ordered.sent.empty())) return;
  if (!ordered.io.stream) {
    if (!leader_) return need_leader();
    const uint64_t generation = ++last_generation_;
    ordered.io = {nullptr, false, generation, leader_->address()};
    // Nodes of a std::map stay where they are, and the events hold the core.
    PdOrdered* const to = &ordered;
    const std::string address = leader_->address();
    auto events = events_for(
        [to, generation](Core& core) {
          if (to->io.generation != generation) return;
          to->io.is_writable = true;
          core.pump(*to);
        },
        [to, generation](Core& core, Payload message) {
          if (to->io.generation != generation || to->sent.empty()) return;
          auto work = std::move(to->sent.front());
          to->sent.pop_front();
          to->waits_since = core.clock_.now();
          core.backoff_ = {};
          work->done({}, std::move(message));
          core.pump(*to);
        },
        [to, generation, address](Core& core, api::Status status) {
          if (to->io.generation == generation) core.on_ordered_closed(*to, address, std::move(status));
        });
    ordered.io.stream = leader_->open(ordered.method, std::move(events));
    return;
  }
  if (!ordered.io.is_writable || ordered.to_send.empty() || ordered.sent.size() >= kOrderedInFlightMax) return;
  auto work = std::move(ordered.to_send.front());
  ordered.to_send.pop_front();
  ordered.io.is_writable = false;
  ordered.io.stream->write(work->serialize(cluster_id_));
  if (ordered.sent.empty()) ordered.waits_since = clock_.now();
  ordered.sent.push_back(std::move(work));
  watch(ordered);
}

void PdClient::Core::watch(PdOrdered& ordered) {
  if (std::exchange(ordered.is_watched, true)) return;
  executor_->after(options_.ordered_timeout / 2, [self = shared_from_this(), to = &ordered] {
    to->is_watched = false;
    if (self->is_stopped_ || to->sent.empty()) return;
    if (!to->io.stream || self->clock_.now() - to->waits_since < self->options_.ordered_timeout) {
      return self->watch(*to);
    }
    // A process that stands still keeps its connections.
    if (to->io.stream) to->io.stream->cancel();
    self->on_ordered_closed(*to, to->io.address, {api::Code::kUnavailable, "PD does not answer"});
  });
}

void PdClient::Core::leave_former_leaders() {
  const std::string& leader = leader_->address();
  for (auto& [_, ordered] : ordered_) {
    if (!ordered.io.stream || ordered.io.address == leader) continue;
    ordered.io.stream->cancel();
    on_ordered_closed(ordered, ordered.io.address, {api::Code::kUnavailable, "PD's leader has changed"});
  }
  for (const auto& heartbeats : std::vector(heartbeats_)) {
    if (!heartbeats->io.stream || heartbeats->io.address == leader) continue;
    heartbeats->io.stream->cancel();
    heartbeats->io = {};
    close(*heartbeats);
    std::erase(heartbeats_, heartbeats);
    heartbeats->sink.on_closed({api::Code::kUnavailable, "PD's leader has changed"});
  }
}

void PdClient::Core::on_ordered_closed(PdOrdered& ordered, const std::string& address, api::Status status) {
  ordered.io = {};
  if (is_stopped_) return;
  if (status.ok()) status = {api::Code::kUnavailable, "PD ended the stream"};
  const bool again = is_worth_another_try(status);
  // The first of those sent is the one that the status speaks of; the others never had their turn.
  if (!again && !ordered.sent.empty()) {
    auto refused = std::move(ordered.sent.front());
    ordered.sent.pop_front();
    refused->done(status, {});
  }
  while (!ordered.sent.empty()) {
    ordered.to_send.push_front(std::move(ordered.sent.back()));
    ordered.sent.pop_back();
  }
  if (again) lost_leader(address, status);
  expire();
  if (leader_) pump(ordered);
}

void PdClient::Core::pump(const std::shared_ptr<PdHeartbeats>& heartbeats) {
  if (is_stopped_ || heartbeats->is_closed) return;
  auto& io = heartbeats->io;
  if (!io.stream) {
    if (!leader_) return need_leader();
    const uint64_t generation = ++last_generation_;
    io = {nullptr, false, generation, leader_->address()};
    const std::string address = leader_->address();
    auto events = events_for(
        [heartbeats, generation](Core& core) {
          if (heartbeats->io.generation != generation) return;
          heartbeats->io.is_writable = true;
          core.pump(heartbeats);
        },
        [heartbeats, generation](Core&, Payload message) {
          pdpb::RegionHeartbeatResponse response;
          if (heartbeats->io.generation != generation || heartbeats->is_closed || !message.parse_into(response)) return;
          const bool is_command = response.has_change_peer() || response.has_change_peer_v2() ||
                                  response.has_transfer_leader() || response.has_split_region();
          const auto& metrics = NetworkMetrics::get();
          (is_command ? metrics.heartbeats_commanded : metrics.heartbeats_answered).add();
          heartbeats->sink.on_response(std::move(response));
        },
        [heartbeats, generation, address](Core& core, api::Status status) {
          if (heartbeats->io.generation != generation || core.is_stopped_ || heartbeats->is_closed) return;
          heartbeats->io = {};
          close(*heartbeats);
          std::erase(core.heartbeats_, heartbeats);
          core.lost_leader(address, status);
          // The caller opens another one, and knows that PD may have forgotten what went through this one.
          heartbeats->sink.on_closed(std::move(status));
        });
    io.stream = leader_->open("/pdpb.PD/RegionHeartbeat", std::move(events));
    return;
  }
  if (!io.is_writable || heartbeats->to_send.empty()) return;
  auto request = std::move(heartbeats->to_send.front());
  heartbeats->to_send.pop_front();
  if (request.header().cluster_id() == 0) request.mutable_header()->set_cluster_id(cluster_id_);
  io.is_writable = false;
  NetworkMetrics::get().heartbeats_waiting.add(-1);
  NetworkMetrics::get().heartbeats_sent.add();
  io.stream->write(Payload::serialize(request));
}

}  // namespace cairn::rpc
