// NodeCore: the actor behind pd::Node. All of it runs on the executor "pd". It only wires: it makes the group, what the
// services share (member/leadership.h) and the services; tells them when a leadership begins and ends, and gives them
// their regular turns. Each service owns its part of the state and serves its calls.
//
// Tests: those with NodeTest (testing/node_fixture.h).
#pragma once

#include <functional>
#include <memory>
#include <tuple>
#include <type_traits>
#include <utility>

#include "pd/cluster/cluster_service.h"
#include "pd/cluster/heartbeat_service.h"
#include "pd/cluster/region_service.h"
#include "pd/gc/gc_service.h"
#include "pd/http/pages.h"
#include "pd/keyspace/keyspace_service.h"
#include "pd/member/leadership.h"
#include "pd/member/member_service.h"
#include "pd/meta/etcd_service.h"
#include "pd/meta/meta_group.h"
#include "pd/meta/meta_storage_service.h"
#include "pd/meta/watch_service.h"
#include "pd/node/node.h"
#include "pd/node/node_metrics.h"
#include "pd/resource/resource_service.h"
#include "pd/schedule/coordinator.h"
#include "pd/tso/id_service.h"
#include "pd/tso/tso_service.h"
#include "runtime/random.h"

namespace cairn::pd {

class NodeCore : public std::enable_shared_from_this<NodeCore> {
 public:
  NodeCore(Options options, Dependencies dependencies, std::shared_ptr<runtime::Executor> executor);

  void start(std::function<void(api::Status)> on_ready);
  void stop(std::function<void()> on_done);
  void receive(ByteView message) { group_.receive(message); }
  void report_unreachable(uint64_t member) { group_.report_unreachable(member); }
  // Gives leadership away, if this node has it and another can take it.
  void resign() { group_.transfer_leader(0); }
  bool leads() const { return group_.is_leader(); }
  bool is_raft_leader() const { return group_.leader() == options_.member_id; }
  size_t voters() const { return group_.voters(); }
  // How replicas are placed from now on.
  void reconfigure(const ScheduleConfig& schedule) { options_.schedule = schedule; }

  // Hands a call of `pdpb.PD` to the one service whose method `serve` calls: serve(service, call).
  template <class Call, class Serve>
  void serve_pd(Call call, Serve serve) {
    auto services = std::tie(members_, tso_, ids_, cluster_, regions_, coordinator_, gc_);
    std::apply(
        [&](auto&... service) {
          constexpr int kServing = (std::is_invocable_v<Serve, decltype(service), Call> + ...);
          static_assert(kServing == 1, "each call has one service");
          (serve_if(service, call, serve), ...);
        },
        services);
  }
  MemberService& members() { return members_; }
  EtcdService& etcd() { return etcd_; }
  MetaStorageService& meta_storage() { return meta_storage_; }
  WatchService& watches() { return watches_; }
  MetaWatchService& meta_watches() { return meta_watches_; }
  KeyspaceService& keyspaces() { return keyspaces_; }
  ResourceService& resources() { return resources_; }
  ClusterService& cluster() { return cluster_; }
  GcService& gc() { return gc_; }
  HeartbeatService& heartbeats() { return heartbeats_; }
  HttpParts& http_parts() { return http_parts_; }

 private:
  template <class T>
  using Task = runtime::Task<T>;

  template <class Service, class Call, class Serve>
  static void serve_if(Service& service, Call& call, Serve& serve) {
    if constexpr (std::is_invocable_v<Serve, Service&, Call>) serve(service, std::move(call));
  }

  void on_leadership(bool leads);
  Task<void> begin_leadership(uint64_t leadership);
  Task<bool> choose_cluster_id(uint64_t leadership);
  void begin_serving();
  void end_leadership();
  void ready(api::Status status);
  void arm_timer();
  void on_timer();
  // The node cannot serve what the disk holds: tells who started it, and whoever ends the process.
  void fail_start(api::Status status);
  void notify_stopped();
  void update_metrics(Instant now);

  Options options_;
  Dependencies dependencies_;
  std::shared_ptr<runtime::Executor> executor_;
  std::shared_ptr<runtime::Executor> log_executor_;
  std::shared_ptr<runtime::Executor> scan_executor_;
  runtime::Random random_;
  MetaGroup group_;
  NodeMetrics metrics_;
  Leadership leadership_;

  MemberService members_;
  TsoService tso_;
  IdService ids_;
  KeyspaceService keyspaces_;
  RegionService regions_;
  ClusterService cluster_;
  HeartbeatService heartbeats_;
  Coordinator coordinator_;
  GcService gc_;
  EtcdService etcd_;
  MetaStorageService meta_storage_;
  WatchService watches_;
  MetaWatchService meta_watches_;
  ResourceService resources_;
  HttpParts http_parts_;

  // The life of the node.
  bool started_ = false;
  bool log_idle_ = false;  // stopping, and no write is under way any more
  std::function<void()> on_stopped_;
  std::function<void(api::Status)> on_ready_;
  runtime::TimerId timer_;
  Instant next_patrol_;
  Instant next_lease_check_;
  Instant next_look_;  // of the metrics
};

}  // namespace cairn::pd
