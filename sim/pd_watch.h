// WatchedPd: stands before a PD node of one life and looks at its answers from outside:
//   INV-ROUTES-STAY       once every key is routed to a region, every key is, whatever regions report
//   INV-TSO-NOT-AHEAD     requests alone, however greedy, do not move timestamps ahead of the clock
// It looks after each report of a region, and plays a greedy client now and then. Owned by PdHost.
// Tests: world_test.cc, by what the worlds do.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "api/pd.h"
#include "runtime/clock.h"

namespace cairn::sim {

class WatchedPd final : public api::Pd {
 public:
  WatchedPd(api::Pd& pd, const runtime::Clock& clock, std::function<void(std::string)> fail);

#define CAIRN_DECLARE(Rpc, method, Req, Resp) \
  void method(api::Call<Req, Resp> call) override { pd_.method(std::move(call)); }
  CAIRN_PD_UNARY(CAIRN_DECLARE)
  CAIRN_PD_ORDERED(CAIRN_DECLARE)
#undef CAIRN_DECLARE
  std::unique_ptr<api::RegionHeartbeatStream> open_region_heartbeat(api::RegionHeartbeatSink sink) override;
  // The node begins to serve, or ceases: it knows of no region then.
  void begin_reign();

 private:
  struct State;
  class StreamEnd;
  api::Pd& pd_;
  std::shared_ptr<State> state_;  // answers may come when the watch is gone
};

}  // namespace cairn::sim
