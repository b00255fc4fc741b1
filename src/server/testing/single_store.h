// One storage node over engines in memory, with a PD of one page, on a simulated loop: for the node's tests.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <utility>

#include "api/pd.h"
#include "engine/memory/memory_engine.h"
#include "runtime/simulated/sim_loop.h"
#include "server/node.h"
#include "store/store.h"

namespace cairn::server::testing {

// Knows one store and answers what it asks at its start; takes heartbeats without a word.
class OnePagePd : public api::Pd {
 public:
  static constexpr uint64_t kCluster = 77;
  void get_members(api::Call<pdpb::GetMembersRequest, pdpb::GetMembersResponse> call) override;
  void is_bootstrapped(api::Call<pdpb::IsBootstrappedRequest, pdpb::IsBootstrappedResponse> call) override;
  void alloc_id(api::Call<pdpb::AllocIDRequest, pdpb::AllocIDResponse> call) override;
  void bootstrap(api::Call<pdpb::BootstrapRequest, pdpb::BootstrapResponse> call) override;
  void put_store(api::Call<pdpb::PutStoreRequest, pdpb::PutStoreResponse> call) override;
  void get_all_stores(api::Call<pdpb::GetAllStoresRequest, pdpb::GetAllStoresResponse> call) override;
  void store_heartbeat(api::Call<pdpb::StoreHeartbeatRequest, pdpb::StoreHeartbeatResponse> call) override;
  void tso(api::Call<pdpb::TsoRequest, pdpb::TsoResponse> call) override;
  void ask_batch_split(api::Call<pdpb::AskBatchSplitRequest, pdpb::AskBatchSplitResponse> call) override;
  void report_batch_split(api::Call<pdpb::ReportBatchSplitRequest, pdpb::ReportBatchSplitResponse> call) override;
  std::unique_ptr<api::RegionHeartbeatStream> open_region_heartbeat(api::RegionHeartbeatSink sink) override;

  // The next timestamps come from there.
  void jump_to(uint64_t ts) { next_ts_ = ts; }

 private:
  uint64_t next_id_ = 1;
  uint64_t next_ts_ = uint64_t{1000} << 18;
  bool is_bootstrapped_ = false;
};

class SingleStore {
 public:
  explicit SingleStore(NodeOptions options = {}, store::StoreOptions store_options = {});
  ~SingleStore();

  // Asks the node and waits for the answer.
  template <class Req, class Resp>
  api::Reply<Resp> ask(void (Node::*method)(api::Call<Req, Resp>), Req request) {
    std::optional<api::Reply<Resp>> reply;
    ((*node).*method)(
        api::make_call<Req, Resp>(std::move(request), [&reply](api::Reply<Resp> r) { reply.emplace(std::move(r)); }));
    const bool answered = loop.run_until([&reply] { return reply.has_value(); }, 30s);
    CHECK(answered, "the node does not answer");
    return std::move(*reply);
  }

  // Addresses the region that holds the engine key, at its only peer.
  kvrpcpb::Context context(ByteView engine_key = {});

  // Whether looks into the engine's cache alone find nothing.
  bool is_cold = false;

  runtime::SimLoop loop{11};
  runtime::SimClock clock{loop};
  runtime::SimExecutors executors{loop, clock, "store"};
  OnePagePd pd;
  std::unique_ptr<store::Transport> transport;
  std::shared_ptr<engine::MemoryDisk> disk = std::make_shared<engine::MemoryDisk>();
  std::unique_ptr<engine::KvEngine> kv = engine::open_memory_kv(disk);
  std::unique_ptr<engine::RaftLogEngine> raft_log = engine::open_memory_raft_log(disk);
  std::unique_ptr<store::Store> store;
  std::unique_ptr<Node> node;
};

}  // namespace cairn::server::testing
