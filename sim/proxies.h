// What a node of the world is given for its neighbours: the services Tikv and PD, carried over the simulated network.
// A proxy belongs to one life of its node. Tests: network_test.cc.
#pragma once

#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "api/pd.h"
#include "api/tikv.h"
#include "sim/network.h"
#include "sim/timestamp_watch.h"

namespace cairn::sim {

// The service Tikv of the node `server`. `lookup` names the service that serves there now; null: not ready.
class SimTikv final : public api::Tikv {
 public:
  using Lookup = std::function<api::Tikv*()>;
  SimTikv(Network& network, Endpoint self, NodeId server, Lookup lookup)
      : network_(network), self_(self), server_(server), lookup_(std::move(lookup)) {}

#define CAIRN_DECLARE(Rpc, method, Req, Resp, ...) void method(api::Call<Req, Resp> call) override;
  CAIRN_TIKV_BATCHED(CAIRN_DECLARE)
  CAIRN_TIKV_UNARY_ONLY(CAIRN_DECLARE)
#undef CAIRN_DECLARE

 private:
  Network& network_;
  Endpoint self_;
  NodeId server_;
  Lookup lookup_;
};

struct HeartbeatLink;

// The service PD. Of several members one is asked, until it fails or is silent; then the next.
class SimPd final : public api::Pd {
 public:
  using Lookup = std::function<api::Pd*()>;
  struct Place {
    NodeId node;
    Lookup lookup;
  };
  // `executor` of the life that asks.
  SimPd(Network& network, Endpoint self, std::vector<Place> places, runtime::Executor& executor);

#define CAIRN_DECLARE(Rpc, method, Req, Resp) void method(api::Call<Req, Resp> call) override;
  CAIRN_PD_UNARY(CAIRN_DECLARE)
  CAIRN_PD_ORDERED(CAIRN_DECLARE)
#undef CAIRN_DECLARE
  // A lost letter in either direction, or PD's death, breaks the stream.
  std::unique_ptr<api::RegionHeartbeatStream> open_region_heartbeat(api::RegionHeartbeatSink sink) override;
  // Puts a command into the newest stream of heartbeats, as if PD had; nothing if there is none.
  void command(pdpb::RegionHeartbeatResponse response);
  // Watches the timestamps that come this way from now on.
  void set_watch(std::shared_ptr<TimestampWatch> watch) { watch_ = std::move(watch); }

 private:
  struct Turn;
  // A call whose failure turns to the next member.
  template <class Req, class Resp>
  api::Call<Req, Resp> turning(api::Call<Req, Resp> call);
  const Place& place() const;

  Network& network_;
  Endpoint self_;
  std::vector<Place> places_;
  runtime::Executor& executor_;
  std::shared_ptr<Turn> turn_;
  std::weak_ptr<HeartbeatLink> heartbeats_;  // the newest
  std::shared_ptr<TimestampWatch> watch_;
};

}  // namespace cairn::sim
