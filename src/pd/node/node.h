// pd::Node: one placement driver. It serves `pdpb.PD` (api::Pd) and the etcd v3 API (etcd()), over one replicated meta
// store on our own Raft; with one member an election is instant.
//
// All state belongs to one actor on the executor "pd"; calls may come on any thread and are posted there. Fsyncs of the
// Raft log run on the executor "pd-log", so that timestamps go on being served while a record is being written.
//
// Life: construct, start(on_ready), calls, stop(on_done), destroy. Before the node leads, calls that need the leader
// answer UNAVAILABLE "not leader". Calls after stop() answer UNAVAILABLE. The engines, clock and executors must outlive
// the node; the engines are the node's alone.
//
// Invariants: INV-TSO-MONOTONIC (no timestamp is handed out twice or below an earlier one, also across restarts and
// leaders), INV-ID-UNIQUE (no id is handed out twice). Tests: those with NodeTest
// (testing/node_fixture.h), on the simulated loop.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "api/admin.h"
#include "api/gc_turn.h"
#include "api/keyspace.h"
#include "api/members.h"
#include "api/pd.h"
#include "api/resource_manager.h"
#include "base/bytes.h"
#include "base/ids.h"
#include "engine/kv_engine.h"
#include "engine/raft_log_engine.h"
#include "pd/config.h"
#include "pd/http/http_settings.h"
#include "pd/member/peer_transport.h"
#include "pd/meta/etcd.h"
#include "pd/meta/meta_storage.h"
#include "runtime/clock.h"
#include "runtime/executor.h"

namespace cairn::http {
class Router;
}

namespace cairn::pd {

// What a node needs of the world.
struct Dependencies {
  runtime::Clock& clock;
  runtime::Executors& executors;
  engine::KvEngine& kv;
  engine::RaftLogEngine& raft_log;
  uint64_t seed = 1;                   // of all randomness
  PeerTransport* transport = nullptr;  // must be there if the group has more than one member
  // The disk failed; the node serves nothing from now on. The process should say so and end. On "pd" or "pd-log".
  std::function<void(std::string)> on_fatal;
  // Where the node runs; by default on a thread of its own.
  std::shared_ptr<runtime::Executor> executor = nullptr;
  // The node begins or ceases to serve as the leader; on "pd".
  std::function<void(bool serves)> on_serving = nullptr;
};

class NodeCore;  // node_core.h: the actor

class Node : public api::Pd {
 public:
  Node(Options options, Dependencies dependencies);
  ~Node() override;
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  // Loads what the disk holds and joins the group. `on_ready(status)` runs on "pd" once this node leads and serves, or
  // once it follows a leader; with an error if the disk cannot be read.
  void start(std::function<void(api::Status)> on_ready);
  // Refuses new calls, fails those under way and closes the heartbeat streams; `on_done` runs on "pd" after the last
  // write has ended. Only then may the node be destroyed.
  void stop(std::function<void()> on_done);

  // How replicas are placed from now on. Any thread.
  void reconfigure(const ScheduleConfig& schedule);

  // Whether it is for this node to collect garbage now; `done` runs on "pd". AdvanceTxnSafePoint and AdvanceGCSafePoint
  // with the member's id as header.sender_id are the collector's own and are refused while another owns the garbage;
  // such calls of others make them the owner.
  void ask_gc_turn(std::function<void(api::GcTurn)> done);

  // The etcd v3 API over the same store.
  EtcdKv& etcd();
  // meta_storagepb.MetaStorage, likewise.
  MetaStorage& meta_storage();
  // cairnpb.Admin.
  api::Admin& admin();
  // keyspacepb.Keyspace.
  api::Keyspaces& keyspaces();
  // resource_manager.ResourceManager.
  api::ResourceManager& resources();
  // Adds the HTTP API ("/pd/api/...") to a router, which the node must outlive. `start_timestamp`: of the process, in
  // Unix seconds.
  void add_pages(http::Router& router, HttpSettings settings, int64_t start_timestamp);
  // How members join and leave.
  api::Members& members();
  // A message from another member.
  void receive(Bytes message);
  // The connection to that member broke.
  void report_unreachable(uint64_t member);
  // Gives leadership away before an orderly stop; `done` runs on "pd" once it is gone, or cannot go within `limit`.
  void resign(Duration limit, std::function<void()> done);

#define CAIRN_DECLARE(Rpc, method, Req, Resp) void method(api::Call<Req, Resp> call) override;
  CAIRN_PD_UNARY(CAIRN_DECLARE)
  CAIRN_PD_ORDERED(CAIRN_DECLARE)
#undef CAIRN_DECLARE
  std::unique_ptr<api::RegionHeartbeatStream> open_region_heartbeat(api::RegionHeartbeatSink sink) override;

 private:
  class Etcd;
  class MetaStorageService;
  class AdminService;
  class KeyspaceService;
  class Resources;
  class MembersService;
  std::shared_ptr<runtime::Executor> executor_;
  std::shared_ptr<NodeCore> core_;
  std::unique_ptr<Etcd> etcd_;
  std::unique_ptr<MetaStorageService> meta_storage_;
  std::unique_ptr<AdminService> admin_;
  std::unique_ptr<KeyspaceService> keyspaces_;
  std::unique_ptr<Resources> resources_;
  std::unique_ptr<MembersService> members_;
};

}  // namespace cairn::pd
