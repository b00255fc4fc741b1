// The collector of garbage beside a PD node, over the network to the stores.
#pragma once

#include <memory>

#include "gc/collector.h"
#include "pd/node/node.h"
#include "rpc/client.h"
#include "rpc/store_clients.h"
#include "runtime/clock.h"
#include "runtime/executor.h"

namespace cairn::cli {

class PdCollector {
 public:
  // What is referred to must outlive it; of `executors` it uses one of its own, which must have stopped before it dies.
  PdCollector(pd::Node& node, runtime::Clock& clock, runtime::Executors& executors, gc::Options options,
              std::shared_ptr<net::Tls> tls);
  // Waits for the end of the round under way, but not for long.
  void stop();

 private:
  rpc::ClientLoop loop_;
  std::shared_ptr<runtime::Executor> executor_;
  rpc::StoreClients stores_;
  gc::Collector collector_;
};

}  // namespace cairn::cli
