// Which C++ interface serves which gRPC method. Each function adds one service's methods to the router; what an
// interface leaves out answers UNIMPLEMENTED by itself. Tests: services_test.cc.
#pragma once

#include <functional>
#include <memory>

#include "api/admin.h"
#include "api/deadlock.h"
#include "api/keyspace.h"
#include "api/members.h"
#include "api/pd.h"
#include "api/resource_manager.h"
#include "api/tikv.h"
#include "pd/meta/etcd.h"
#include "pd/meta/meta_storage.h"
#include "rpc/server_stream.h"
#include "runtime/clock.h"
#include "runtime/executor.h"

namespace cairn::rpc {

struct TikvServiceOptions {
  // For the delay of BatchCommands' Empty command; nullptr: no delay.
  std::shared_ptr<runtime::Executor> timers;
  // What is answered on this executor leaves once the jobs that wait there have run: one message for a whole round of a
  // shard. nullptr: at once.
  std::shared_ptr<runtime::Executor> gather = nullptr;
  // How often each BatchCommands stream is told of the store's health (0: when it asks), by which clock (nullptr:
  // likewise).
  Duration health_feedback_interval = std::chrono::seconds(1);
  const runtime::Clock* clock = nullptr;
  size_t batch_in_flight_max = 8192;  // sub-requests under way on one BatchCommands stream before it stops reading
};

// tikvpb.Tikv: the unary methods and BatchCommands. `tikv` must outlive the server.
void serve_tikv(Router& router, api::Tikv& tikv, TikvServiceOptions options = {});

// deadlock.Deadlock. `deadlock` must outlive the server.
void serve_deadlock(Router& router, api::Deadlock& deadlock);

// pdpb.PD: unary methods, Tso and QueryRegion in order, RegionHeartbeat. `pd` must outlive the server.
void serve_pd(Router& router, api::Pd& pd);

// keyspacepb.Keyspace. `keyspaces` must outlive the server.
void serve_keyspaces(Router& router, api::Keyspaces& keyspaces);

// resource_manager.ResourceManager. `resources` must outlive the server.
void serve_resources(Router& router, api::ResourceManager& resources);

// The etcd v3 API (KV, Watch, Lease, Cluster, Maintenance). `etcd` must outlive the server.
void serve_etcd(Router& router, pd::EtcdKv& etcd);

// cairnpb.Members. `members` must outlive the server.
void serve_members(Router& router, api::Members& members);

// cairnpb.Admin. `admin` must outlive the server.
void serve_admin(Router& router, api::Admin& admin);

// meta_storagepb.MetaStorage. `meta_storage` must outlive the server.
void serve_meta_storage(Router& router, pd::MetaStorage& meta_storage);

}  // namespace cairn::rpc
