// How PD's members hear of each other, as metrics under etcd's and PD's names: round trips of heartbeats, and the lease
// under which the leader serves, which rounds of them give. They decide nothing. Of one group, on its executor.
#pragma once

#include <cstdint>
#include <map>

#include "base/metrics.h"
#include "base/time.h"

namespace cairn::pd {

class PeerMetrics {
 public:
  void on_heartbeat_sent(uint64_t to, Instant now);
  // The first answer counts for the last heartbeat that was not answered.
  void on_heartbeat_answered(uint64_t from, Instant now);
  // A round that began at `asked` has come back from a majority: the lease lasts until `until`.
  void on_lease_renewed(Instant asked, Instant now);
  static void show_lease(Duration left);

 private:
  struct Peer {
    metrics::Histogram* time = nullptr;
    Instant sent;  // unset: answered
  };
  std::map<uint64_t, Peer> peers_;
  Instant renewed_;
};

}  // namespace cairn::pd
