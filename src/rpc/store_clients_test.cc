// Stores found through PD, over a real server.
#include "rpc/store_clients.h"

#include <gtest/gtest.h>

#include "rpc/server.h"
#include "rpc/services.h"
#include "rpc/testing/fakes.h"
#include "runtime/simulated/sim_loop.h"

namespace cairn::rpc {
namespace {

// Knows one store, once it is told of it.
class OneStorePd final : public api::Pd {
 public:
  void get_members(api::Call<pdpb::GetMembersRequest, pdpb::GetMembersResponse> call) override {
    call.response().mutable_header()->set_cluster_id(77);
    call.finish();
  }
  void get_all_stores(api::Call<pdpb::GetAllStoresRequest, pdpb::GetAllStoresResponse> call) override {
    ++asked;
    EXPECT_EQ(call.request().header().cluster_id(), 77u);
    if (!address.empty()) {
      auto& store = *call.response().add_stores();
      store.set_id(1);
      store.set_address(address);
    }
    call.finish();
  }
  std::unique_ptr<api::RegionHeartbeatStream> open_region_heartbeat(api::RegionHeartbeatSink) override {
    return nullptr;
  }
  std::string address;
  int asked = 0;
};

TEST(StoreClients, AStoreIsReachedOncePdHasToldItsAddressAndAgainWhenItMoves) {
  testing::FakeTikv tikv;
  Router router;
  serve_tikv(router, tikv);
  auto server = Server::start({.addresses = {"127.0.0.1:0"}, .threads = 1}, std::move(router));
  ASSERT_TRUE(server.ok());
  ClientLoop network;
  OneStorePd pd;
  runtime::SimLoop loop{1};
  runtime::SimClock clock{loop};
  runtime::SimExecutors executors{loop, clock, "pd"};
  auto executor = executors.make("gc");
  StoreClients stores(network, pd, clock, *executor);
  auto connect = [&] {
    api::Tikv* found = nullptr;
    executor->post([&] { found = stores.connect(StoreId(1)); });
    loop.run_for(10ms);
    return found;
  };

  EXPECT_EQ(connect(), nullptr);
  pd.address = "127.0.0.1:1";
  EXPECT_EQ(connect(), nullptr) << "PD was asked a moment ago";
  EXPECT_EQ(pd.asked, 1);
  loop.run_for(200ms);
  EXPECT_EQ(connect(), nullptr);
  api::Tikv* const first = connect();
  ASSERT_NE(first, nullptr);
  EXPECT_EQ(connect(), first);
  EXPECT_EQ(pd.asked, 2);

  pd.address = "127.0.0.1:" + std::to_string((*server)->port());
  loop.run_for(5s);
  connect();
  api::Tikv* const second = connect();
  ASSERT_NE(second, first);
  testing::Waiter<api::Reply<kvrpcpb::RawGetResponse>> waiter;
  kvrpcpb::RawGetRequest request;
  request.set_key("fruit");
  second->raw_get(api::make_call<kvrpcpb::RawGetRequest, kvrpcpb::RawGetResponse>(request, waiter.setter()));
  auto reply = waiter.get();
  ASSERT_TRUE(reply.ok()) << reply.error().message;
  EXPECT_EQ(reply->value(), "value of fruit");
  network.stop();
  (*server)->stop(Duration(0));
}

}  // namespace
}  // namespace cairn::rpc
