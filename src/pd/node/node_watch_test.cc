// etcd's Watch and MetaStorage's through pd::Node: what a stream hears, and what of it outlives a crash.
#include <gtest/gtest.h>

#include <algorithm>

#include "pd/testing/node_fixture.h"

namespace cairn::pd {
namespace {

// A client's end: takes each message and makes room for the next only when told.
template <class Req, class Resp>
struct Client {
  std::vector<Resp> had;
  std::optional<api::Status> closed;
  std::unique_ptr<api::StreamEnd<Req>> end;
  bool reads = true;

  api::StreamSink<Resp> sink() {
    return {[this](Resp response) {
              had.push_back(std::move(response));
              if (reads) end->on_room();
            },
            [this](api::Status status) { closed = std::move(status); }};
  }
};
using EtcdClient = Client<etcdserverpb::WatchRequest, etcdserverpb::WatchResponse>;
using MetaClient = Client<meta_storagepb::WatchRequest, meta_storagepb::WatchResponse>;

class WatchTest : public NodeTest {
 protected:
  ~WatchTest() override {
    for (auto& client : clients_) client->end.reset();
  }
  int64_t put(const Bytes& key, const Bytes& value) {
    etcdserverpb::PutRequest put;
    put.set_key(key);
    put.set_value(value);
    auto done = ask<etcdserverpb::PutResponse>(node_->etcd(), put, &EtcdKv::put);
    EXPECT_TRUE(done.ok());
    return done->header().revision();
  }
  EtcdClient& watch(const Bytes& key, int64_t from) {
    auto& client = *clients_.emplace_back(std::make_unique<EtcdClient>());
    client.end = node_->etcd().open_watch(client.sink());
    etcdserverpb::WatchRequest request;
    request.mutable_create_request()->set_key(key);
    request.mutable_create_request()->set_start_revision(from);
    client.end->on_request(request);
    return client;
  }
  void wait_for(const std::function<bool()>& condition) {
    EXPECT_TRUE(loop_.run_until(condition, std::chrono::seconds(30)));
  }
  std::vector<std::unique_ptr<EtcdClient>> clients_;
};

TEST_F(WatchTest, AStreamHearsOfEachChangeAndWhoSaysSo) {
  start();
  auto& client = watch("a", 0);
  wait_for([&] { return client.had.size() == 1; });
  EXPECT_TRUE(client.had[0].created());
  EXPECT_EQ(client.had[0].header().cluster_id(), cluster_id_);
  EXPECT_EQ(client.had[0].header().member_id(), 1u);
  const auto revision = put("a", "1");
  wait_for([&] { return client.had.size() == 2; });
  EXPECT_EQ(client.had[1].events(0).kv().value(), "1");
  EXPECT_EQ(client.had[1].header().revision(), revision);
}

TEST_F(WatchTest, AStreamThatIsNotReadHasOneMessageUnderWayAndThenTheRest) {
  start();
  auto& client = watch("a", 0);
  client.reads = false;
  wait_for([&] { return client.had.size() == 1; });
  for (int i = 0; i < 100; ++i) put("a", std::to_string(i));
  EXPECT_EQ(client.had.size(), 1u);
  client.end->on_room();
  wait_for([&] { return client.had.size() == 2; });
  EXPECT_EQ(client.had[1].events_size(), 100) << "made when there was room for it";
}

TEST_F(WatchTest, ALeaseThatEndsIsAnEvent) {
  start();
  etcdserverpb::LeaseGrantRequest grant;
  grant.set_ttl(5);
  const auto lease = ask<etcdserverpb::LeaseGrantResponse>(node_->etcd(), grant, &EtcdKv::lease_grant)->id();
  etcdserverpb::PutRequest put;
  put.set_key("owner");
  put.set_lease(lease);
  ASSERT_TRUE(ask<etcdserverpb::PutResponse>(node_->etcd(), put, &EtcdKv::put).ok());
  auto& client = watch("owner", 0);
  wait_for([&] { return client.had.size() == 2; });
  EXPECT_EQ(client.had[1].events(0).type(), mvccpb::Event::DELETE);
}

TEST_F(WatchTest, ACrashLosesAndRepeatsNothing) {
  start();
  const auto first = put("a", "1");
  put("a", "2");
  auto& before = watch("a", first);
  wait_for([&] { return before.had.size() == 2; });
  EXPECT_EQ(before.had[1].events_size(), 2);
  const auto seen = before.had[1].events(1).kv().mod_revision();
  put("a", "3");
  crash();
  start();
  put("a", "4");
  auto& after = watch("a", seen + 1);
  wait_for([&] { return after.had.size() == 2; });
  ASSERT_EQ(after.had[1].events_size(), 2);
  EXPECT_EQ(after.had[1].events(0).kv().value(), "3");
  EXPECT_EQ(after.had[1].events(1).kv().value(), "4");
}

TEST_F(WatchTest, TheEndOfALeadershipSendsTheClientElsewhere) {
  start();
  auto& client = watch("a", 0);
  wait_for([&] { return client.had.size() == 1; });
  stop();
  ASSERT_TRUE(client.closed);
  EXPECT_EQ(client.closed->code, api::Code::kUnavailable);
  EXPECT_EQ(client.closed->message, "etcdserver: leader changed");
}

TEST_F(WatchTest, MetaStorageWatchesTheSameKeys) {
  start();
  const auto first = put("a", "1");
  MetaClient client;
  client.end = node_->meta_storage().meta_watch(client.sink());
  meta_storagepb::WatchRequest request;
  request.set_key("a");
  request.set_prev_kv(true);
  client.end->on_request(request);
  loop_.run_for(std::chrono::milliseconds(100));
  EXPECT_TRUE(client.had.empty()) << "there is no message that says it began";
  const auto second = put("a", "2");
  wait_for([&] { return client.had.size() == 1; });
  EXPECT_EQ(client.had[0].events(0).prev_kv().value(), "1");
  EXPECT_EQ(client.had[0].header().revision(), second);

  etcdserverpb::CompactionRequest compaction;
  compaction.set_revision(second);
  ASSERT_TRUE(ask<etcdserverpb::CompactionResponse>(node_->etcd(), compaction, &EtcdKv::compact).ok());
  MetaClient late;
  late.end = node_->meta_storage().meta_watch(late.sink());
  request.set_start_revision(first);
  late.end->on_request(request);
  wait_for([&] { return late.closed.has_value(); });
  ASSERT_EQ(late.had.size(), 1u);
  EXPECT_EQ(late.had[0].compact_revision(), second);
  EXPECT_EQ(late.had[0].header().error().type(), meta_storagepb::DATA_COMPACTED);
}

// TiDB does that: its leases and elections are etcd's, its resource groups MetaStorage's.
TEST_F(WatchTest, StreamsOfBothServicesHearEachForItself) {
  start();
  std::vector<std::unique_ptr<MetaClient>> of_meta;
  for (int i = 0; i < 64; ++i) {
    auto& client = *of_meta.emplace_back(std::make_unique<MetaClient>());
    client.end = node_->meta_storage().meta_watch(client.sink());
    meta_storagepb::WatchRequest request;
    request.set_key("a");
    client.end->on_request(request);
    watch("a", 0);
  }
  wait_for([&] { return std::ranges::all_of(clients_, [](const auto& client) { return client->had.size() == 1; }); });
  put("a", "1");
  wait_for([&] {
    return std::ranges::all_of(clients_, [](const auto& client) { return client->had.size() == 2; }) &&
           std::ranges::all_of(of_meta, [](const auto& client) { return client->had.size() == 1; });
  });
  for (auto& client : of_meta) client->end.reset();
}

}  // namespace
}  // namespace cairn::pd
