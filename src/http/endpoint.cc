#include "http/endpoint.h"

#include <algorithm>
#include <utility>

namespace cairn::http {

Endpoint::Endpoint(std::shared_ptr<net::Loop> loop, std::shared_ptr<const Router> router, const Options& options,
                   std::function<void()> on_left)
    : loop_(std::move(loop)), router_(std::move(router)), options_(options), on_left_(std::move(on_left)) {}
Endpoint::~Endpoint() { end(); }

void Endpoint::adopt(net::Greeted greeted) {
  if (connections_.size() >= options_.connections_max) drop_quietest();
  auto connection = Connection::open(loop_, std::move(greeted), router_, options_.limits, this);
  connections_.emplace(connection.get(), connection);
  if (is_draining_) connection->drain();
}

void Endpoint::drain() {
  is_draining_ = true;
  const auto held = connections_;
  for (const auto& [_, connection] : held) connection->drain();
}

void Endpoint::end() {
  const auto held = connections_;
  for (const auto& [_, connection] : held) connection->close();
}

void Endpoint::on_connection_closed(Connection& connection) {
  connections_.erase(&connection);
  on_left_();
}

// Those that wait for a handler's answer are not quiet.
void Endpoint::drop_quietest() {
  const auto quietest = std::min_element(connections_.begin(), connections_.end(), [](const auto& a, const auto& b) {
    if (a.second->is_idle() != b.second->is_idle()) return a.second->is_idle();
    return a.second->active_at() < b.second->active_at();
  });
  const auto held = quietest->second;
  held->close();
}

}  // namespace cairn::http
