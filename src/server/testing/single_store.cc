#include "server/testing/single_store.h"

namespace cairn::server::testing {
namespace {

// Nobody to talk to.
class NoTransport : public store::Transport {
 public:
  void send(raft_serverpb::RaftMessage) override {}
  void send_snapshot(raft_serverpb::RaftMessage, store::SnapshotSource,
                     absl::AnyInvocable<void(bool ok)> done) override {
    done(false);
  }
  std::unique_ptr<api::DeadlockStream> open_detect(StoreId, api::DeadlockSink) override { return nullptr; }
};

class SilentStream : public api::RegionHeartbeatStream {
 public:
  void send(pdpb::RegionHeartbeatRequest) override {}
};

template <class Call>
void answer(Call call) {
  call.response().mutable_header()->set_cluster_id(OnePagePd::kCluster);
  call.finish();
}

}  // namespace

void OnePagePd::get_members(api::Call<pdpb::GetMembersRequest, pdpb::GetMembersResponse> call) {
  answer(std::move(call));
}
void OnePagePd::is_bootstrapped(api::Call<pdpb::IsBootstrappedRequest, pdpb::IsBootstrappedResponse> call) {
  call.response().set_bootstrapped(is_bootstrapped_);
  answer(std::move(call));
}
void OnePagePd::alloc_id(api::Call<pdpb::AllocIDRequest, pdpb::AllocIDResponse> call) {
  call.response().set_id(next_id_++);
  answer(std::move(call));
}
void OnePagePd::bootstrap(api::Call<pdpb::BootstrapRequest, pdpb::BootstrapResponse> call) {
  is_bootstrapped_ = true;
  answer(std::move(call));
}
void OnePagePd::put_store(api::Call<pdpb::PutStoreRequest, pdpb::PutStoreResponse> call) { answer(std::move(call)); }
void OnePagePd::get_all_stores(api::Call<pdpb::GetAllStoresRequest, pdpb::GetAllStoresResponse> call) {
  answer(std::move(call));
}
void OnePagePd::store_heartbeat(api::Call<pdpb::StoreHeartbeatRequest, pdpb::StoreHeartbeatResponse> call) {
  answer(std::move(call));
}
void OnePagePd::tso(api::Call<pdpb::TsoRequest, pdpb::TsoResponse> call) {
  next_ts_ += call.request().count();
  call.response().set_count(call.request().count());
  call.response().mutable_timestamp()->set_physical(static_cast<int64_t>(next_ts_ >> 18));
  call.response().mutable_timestamp()->set_logical(static_cast<int64_t>(next_ts_ & ((1 << 18) - 1)));
  answer(std::move(call));
}
void OnePagePd::ask_batch_split(api::Call<pdpb::AskBatchSplitRequest, pdpb::AskBatchSplitResponse> call) {
  for (uint32_t i = 0; i < call.request().split_count(); ++i) {
    auto& ids = *call.response().add_ids();
    ids.set_new_region_id(next_id_++);
    for (int peer = 0; peer < call.request().region().peers_size(); ++peer) ids.add_new_peer_ids(next_id_++);
  }
  answer(std::move(call));
}
void OnePagePd::report_batch_split(api::Call<pdpb::ReportBatchSplitRequest, pdpb::ReportBatchSplitResponse> call) {
  answer(std::move(call));
}
std::unique_ptr<api::RegionHeartbeatStream> OnePagePd::open_region_heartbeat(api::RegionHeartbeatSink) {
  return std::make_unique<SilentStream>();
}

SingleStore::SingleStore(NodeOptions options, store::StoreOptions store_options)
    : transport(std::make_unique<NoTransport>()) {
  disk->set_cold([this] { return is_cold; });
  store_options.address = "127.0.0.1:20160";
  store_options.api_version = options.api_version;
  store = std::make_unique<store::Store>(
      store_options, store::StoreDeps{clock, executors, 5, *kv, *raft_log, pd, *transport, [](store::StoreError error) {
                                        CHECK(false, "the store fails: {}", error.message);
                                      }});
  bool is_started = false;
  store->start([&is_started](Result<void, store::StoreError> outcome) {
    CHECK(outcome.ok(), "the store does not start: {}", outcome.error().message);
    is_started = true;
  });
  CHECK(loop.run_until([&is_started] { return is_started; }, 30s), "the store does not start");
  node = std::make_unique<Node>(*store, clock, options);
  const bool leads = loop.run_until(
      [this] {
        const auto regions = store->regions();
        return !regions.empty() && regions.front().is_leader;
      },
      60s);
  CHECK(leads, "the first region finds no leader");
  loop.run_for(1s);
}

SingleStore::~SingleStore() {
  bool is_stopped = false;
  store->stop([&is_stopped] { is_stopped = true; });
  CHECK(loop.run_until([&is_stopped] { return is_stopped; }, 30s), "the store does not stop");
}

kvrpcpb::Context SingleStore::context(ByteView engine_key) {
  kvrpcpb::Context context;
  for (const auto& status : store->regions()) {
    const auto& region = status.region;
    if (engine_key < ByteView(region.start_key)) continue;
    if (!region.end_key.empty() && engine_key >= ByteView(region.end_key)) continue;
    context.set_region_id(region.id.value);
    context.mutable_region_epoch()->set_conf_ver(region.epoch.conf_ver);
    context.mutable_region_epoch()->set_version(region.epoch.version);
    context.mutable_peer()->set_id(status.peer.value);
    context.mutable_peer()->set_store_id(store->id().value);
  }
  CHECK(context.region_id() != 0, "no region holds {}", to_hex(engine_key));
  return context;
}

}  // namespace cairn::server::testing
