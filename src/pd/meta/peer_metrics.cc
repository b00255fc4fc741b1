#include "pd/meta/peer_metrics.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace cairn::pd {

void PeerMetrics::on_heartbeat_sent(uint64_t to, Instant now) {
  auto& peer = peers_[to];
  if (peer.time == nullptr) {
    peer.time = &metrics::histogram("etcd_network_peer_round_trip_time_seconds",
                                    "From a heartbeat to another member of PD until its answer", metrics::kStepTimes,
                                    {{"To", fmt::format("{:x}", to)}});
  }
  peer.sent = now;
}

void PeerMetrics::on_heartbeat_answered(uint64_t from, Instant now) {
  const auto found = peers_.find(from);
  if (found == peers_.end() || found->second.sent == Instant()) return;
  found->second.time->observe(now - std::exchange(found->second.sent, Instant()));
}

void PeerMetrics::on_lease_renewed(Instant asked, Instant now) {
  static auto& request = metrics::histogram("pd_lease_keepalive_request_duration_seconds",
                                            "From the begin of a round of heartbeats until a majority has answered",
                                            metrics::kStepTimes, {{"purpose", "leader election"}, {"result", "ok"}});
  static auto& interval =
      metrics::histogram("pd_lease_keepalive_response_interval_seconds", "From one such answer to the next",
                         metrics::kStepTimes, {{"purpose", "leader election"}});
  request.observe(now - asked);
  if (renewed_ != Instant()) interval.observe(now - renewed_);
  renewed_ = now;
}

void PeerMetrics::show_lease(Duration left) {
  static auto& gauge =
      metrics::gauge("pd_lease_local_ttl_remaining_seconds",
                     "How long the leader's lease lasts; 0: this member has none", {{"purpose", "leader election"}});
  gauge.set(std::max(0.0, to_seconds(left)));
}

}  // namespace cairn::pd
