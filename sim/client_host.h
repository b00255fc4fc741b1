// A client machine of the world, with the native client on it: up until it is killed. Tests: world_test.cc.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "client/client.h"
#include "client/core.h"
#include "rawkv/api_version.h"
#include "runtime/simulated/sim_loop.h"
#include "sim/etcd_proxy.h"
#include "sim/hosts.h"
#include "sim/network.h"
#include "sim/proxies.h"
#include "sim/timestamp_watch.h"

namespace cairn::sim {

class ClientHost {
 public:
  ClientHost(Surroundings world, const std::string& name, const PdHosts& pds,
             std::function<api::Tikv*(NodeId)> service_at, rawkv::ApiVersion api_version,
             std::shared_ptr<TimestampWatch> timestamps);
  client::Client& client() { return *client_; }
  api::Pd& pd() { return *pd_; }
  runtime::Executor& executor() { return *inbox_; }
  // A client of the same place whose parts can be used one by one.
  client::CorePtr new_core();
  // A client of PD's etcd API, likewise.
  std::unique_ptr<SimEtcd> new_etcd(const PdHosts& pds);
  // The service of a node, as this client reaches it.
  api::Tikv& tikv(NodeId node);
  // The client is gone for ever, in the middle of what it did: its tasks never go on. What they refer to must stay.
  void kill();

 private:
  client::Deps deps();

  Surroundings world_;
  runtime::SimClock clock_;
  runtime::SimExecutors executors_;
  std::shared_ptr<runtime::Executor> inbox_;
  rawkv::ApiVersion api_version_;
  Endpoint self_;
  std::function<api::Tikv*(NodeId)> service_at_;
  std::unique_ptr<SimPd> pd_;
  std::map<NodeId, std::unique_ptr<SimTikv>> tikvs_;
  std::unique_ptr<client::Client> client_;
};

}  // namespace cairn::sim
