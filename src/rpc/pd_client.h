// api::Pd over the network: what a store (or a client) holds as "its PD".
//
// Finds the leader with GetMembers at any of the endpoints, sends each call there, fills header.cluster_id, and tries
// again with back-off while PD is unreachable or the leader changes, until the call's budget is over; then the call
// fails with a text that says which endpoints were tried. Tso and QueryRegion are pipelined on one stream each,
// answered in order. A RegionHeartbeat stream may be opened and used while PD is away; it ends, by on_closed, when the
// PD that it reached is lost or leads no more, or when the client stops.
//
// All state belongs to one actor on the executor given; methods may be called on any thread. Tests: pd_client_test.cc.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "api/pd.h"
#include "base/ids.h"
#include "rpc/client.h"
#include "runtime/clock.h"
#include "runtime/executor.h"

namespace cairn::rpc {

struct PdClientOptions {
  std::vector<std::string> endpoints;               // "host:port" or URLs
  Duration call_timeout = std::chrono::seconds(3);  // of one attempt
  Duration call_budget = std::chrono::seconds(10);  // of all attempts of a call
  Duration backoff_min = std::chrono::milliseconds(50);
  Duration backoff_max = std::chrono::milliseconds(250);  // a new leader of PD is to be found soon
  // Without an answer to the oldest request of a stream of questions, its PD counts as lost.
  Duration ordered_timeout = std::chrono::seconds(1);
};

class PdClient : public api::Pd {
 public:
  // `loop` and `clock` must outlive the client.
  PdClient(PdClientOptions options, ClientLoop& loop, const runtime::Clock& clock,
           std::shared_ptr<runtime::Executor> executor);
  // Calls under way finish with UNAVAILABLE.
  ~PdClient() override;
  PdClient(const PdClient&) = delete;
  PdClient& operator=(const PdClient&) = delete;

#define CAIRN_DECLARE(Rpc, method, Req, Resp) void method(api::Call<Req, Resp> call) override;
  CAIRN_PD_UNARY(CAIRN_DECLARE)
  CAIRN_PD_ORDERED(CAIRN_DECLARE)
#undef CAIRN_DECLARE
  std::unique_ptr<api::RegionHeartbeatStream> open_region_heartbeat(api::RegionHeartbeatSink sink) override;

  class Core;

 private:
  std::shared_ptr<Core> core_;
};

}  // namespace cairn::rpc
