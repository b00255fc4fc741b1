#include "sim/network.h"

#include <algorithm>

#include "base/check.h"

namespace cairn::sim {

Network::Network(runtime::SimLoop& loop)
    : loop_(loop), clock_(loop), executors_(loop, clock_, "network", Duration{}), wire_(executors_.make("wire")) {}

NodeId Network::add_node(std::string name) {
  places_.push_back(Place{.name = std::move(name), .incarnation = 0, .inbox = nullptr, .watchers = {}});
  return NodeId(places_.size());
}

Network::Place& Network::place(NodeId node) {
  CHECK(node.value >= 1 && node.value <= places_.size(), "no node {}", node);
  return places_[node.value - 1];
}
const Network::Place& Network::place(NodeId node) const { return const_cast<Network*>(this)->place(node); }

Endpoint Network::attach(NodeId node, std::shared_ptr<runtime::Executor> inbox) {
  Place& p = place(node);
  CHECK(p.inbox == nullptr, "{} is up already", p.name);
  p.inbox = std::move(inbox);
  ++p.incarnation;
  return {node, p.incarnation};
}

void Network::detach(NodeId node) {
  Place& p = place(node);
  p.inbox = nullptr;
  auto watchers = std::exchange(p.watchers, {});
  for (auto& [watcher, job] : watchers) {
    wire_->after(draw_delay(node, watcher.node),
                 [this, w = watcher, j = std::move(job)]() mutable { post_to(w, std::move(j)); });
  }
}

bool Network::is_up(NodeId node) const { return place(node).inbox != nullptr; }
bool Network::is_alive(Endpoint endpoint) const {
  return is_up(endpoint.node) && place(endpoint.node).incarnation == endpoint.incarnation;
}
Endpoint Network::here(NodeId node) const { return {node, place(node).incarnation}; }
const std::string& Network::name(NodeId node) const { return place(node).name; }

void Network::post_to(Endpoint endpoint, runtime::Job job) {
  if (is_alive(endpoint)) place(endpoint.node).inbox->post(std::move(job));
}

Duration Network::draw_delay(NodeId from, NodeId to) {
  auto& dice = loop_.random();
  Duration delay = dice.between(weather_.delay_min, weather_.delay_max);
  if (weather_.straggle > 0 && dice.chance(weather_.straggle)) delay += dice.between(Duration{}, weather_.straggle_max);
  if (auto clog = clogged_until_.find({from, to}); clog != clogged_until_.end()) {
    delay = std::max(delay, clog->second - loop_.now());
  }
  return delay;
}

void Network::send(Letter letter) {
  auto& dice = loop_.random();
  if (blocked_.contains({letter.from, letter.to}) || (weather_.loss > 0 && dice.chance(weather_.loss))) {
    fail(std::move(letter));
    return;
  }
  Duration due = loop_.now() + draw_delay(letter.from, letter.to);
  if (letter.channel != nullptr) {
    due = std::max(due, letter.channel->last_due);
    letter.channel->last_due = due;
    letter.channel = nullptr;
  }
  wire_->after(due - loop_.now(), [this, l = std::move(letter)]() mutable { arrive(std::move(l)); });
}

void Network::send_late(Letter letter) {
  wire_->after(loop_.random().between(Duration{}, weather_.repeat_after),
               [this, l = std::move(letter)]() mutable { arrive(std::move(l)); });
}

void Network::arrive(Letter letter) {
  const Place& to = place(letter.to);
  const bool is_there = to.inbox != nullptr && letter.to_incarnation.value_or(to.incarnation) == to.incarnation;
  if (!is_there || blocked_.contains({letter.from, letter.to})) {
    fail(std::move(letter));
    return;
  }
  ++delivered_;
  loop_.trace(letter.from.value << 32 | letter.to.value);
  to.inbox->post(std::move(letter.deliver));
}

void Network::fail(Letter letter) {
  ++failed_;
  if (!letter.lost) return;
  const bool is_quiet = loop_.random().chance(weather_.quiet_failure);
  const Duration delay =
      is_quiet ? weather_.quiet_after : loop_.random().between(weather_.delay_min, weather_.delay_max);
  wire_->after(delay, [this, l = std::move(letter)]() mutable { post_to(l.notify, std::move(l.lost)); });
}

void Network::send_datagram(Endpoint from, NodeId to, std::function<void()> deliver, std::function<void()> lost) {
  const int copies = weather_.duplicate > 0 && loop_.random().chance(weather_.duplicate) ? 2 : 1;
  for (int i = 0; i < copies; ++i) {
    send({.from = from.node, .to = to, .to_incarnation = {}, .deliver = deliver, .notify = from, .lost = lost});
  }
}

void Network::watch(Endpoint peer, Endpoint watcher, runtime::Job job) {
  if (is_alive(peer)) {
    place(peer.node).watchers.emplace_back(watcher, std::move(job));
    return;
  }
  wire_->after(draw_delay(peer.node, watcher.node),
               [this, watcher, j = std::move(job)]() mutable { post_to(watcher, std::move(j)); });
}

void Network::isolate(NodeId node) {
  for (uint64_t other = 1; other <= places_.size(); ++other) {
    if (NodeId(other) == node) continue;
    block(node, NodeId(other));
    block(NodeId(other), node);
  }
}

void Network::clog(NodeId from, NodeId to, Duration span) { clogged_until_[{from, to}] = loop_.now() + span; }

void Network::mend_links() {
  blocked_.clear();
  clogged_until_.clear();
}

void Network::heal() {
  weather_ = Weather{};
  mend_links();
}

}  // namespace cairn::sim
