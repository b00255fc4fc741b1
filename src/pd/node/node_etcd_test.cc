// The etcd API and MetaStorage through pd::Node.
#include <gtest/gtest.h>

#include "pd/testing/node_fixture.h"

namespace cairn::pd {
namespace {

TEST_F(NodeTest, ALeaseThatIsNotKeptTakesItsKeysWithIt) {
  start();
  etcdserverpb::LeaseGrantRequest grant;
  grant.set_ttl(5);
  auto granted = ask<etcdserverpb::LeaseGrantResponse>(node_->etcd(), grant, &EtcdKv::lease_grant);
  ASSERT_TRUE(granted.ok());
  etcdserverpb::PutRequest put;
  put.set_key("/owner");
  put.set_lease(granted->id());
  ASSERT_TRUE(ask<etcdserverpb::PutResponse>(node_->etcd(), put, &EtcdKv::put).ok());
  etcdserverpb::RangeRequest range;
  range.set_key("/owner");
  etcdserverpb::LeaseKeepAliveRequest keep;
  keep.set_id(granted->id());
  loop_.run_for(std::chrono::seconds(4));
  EXPECT_EQ(ask<etcdserverpb::LeaseKeepAliveResponse>(node_->etcd(), keep, &EtcdKv::lease_keep_alive)->ttl(), 5);
  loop_.run_for(std::chrono::seconds(4));
  EXPECT_EQ(ask<etcdserverpb::RangeResponse>(node_->etcd(), range, &EtcdKv::range)->count(), 1);
  loop_.run_for(std::chrono::seconds(3));
  EXPECT_EQ(ask<etcdserverpb::RangeResponse>(node_->etcd(), range, &EtcdKv::range)->count(), 0);
  EXPECT_EQ(ask<etcdserverpb::LeaseKeepAliveResponse>(node_->etcd(), keep, &EtcdKv::lease_keep_alive)->ttl(), 0);
}

TEST_F(NodeTest, ALeaseThatWasToldToLastLasts) {
  disk_->set_pace([this](engine::DiskAccess, uint64_t) {
    if (loop_.may_wait()) loop_.wait(std::chrono::milliseconds(60));
  });
  start();
  int kept = 0;
  int ended = 0;
  for (int i = 0; i < 40; ++i) {
    etcdserverpb::LeaseGrantRequest grant;
    grant.set_ttl(5);
    const auto granted = ask<etcdserverpb::LeaseGrantResponse>(node_->etcd(), grant, &EtcdKv::lease_grant);
    loop_.run_for(std::chrono::milliseconds(4900 + i * 10));
    etcdserverpb::LeaseKeepAliveRequest keep;
    keep.set_id(granted->id());
    const auto told = ask<etcdserverpb::LeaseKeepAliveResponse>(node_->etcd(), keep, &EtcdKv::lease_keep_alive)->ttl();
    loop_.run_for(std::chrono::seconds(2));
    etcdserverpb::LeaseTimeToLiveRequest left;
    left.set_id(granted->id());
    const bool is_there =
        ask<etcdserverpb::LeaseTimeToLiveResponse>(node_->etcd(), left, &EtcdKv::lease_time_to_live)->grantedttl() > 0;
    EXPECT_EQ(is_there, told > 0) << "asked " << 4900 + i * 10 << " ms after it was granted";
    ++(told > 0 ? kept : ended);
  }
  EXPECT_GT(kept, 5);
  EXPECT_GT(ended, 5);
}

TEST_F(NodeTest, MetaStorageIsTheEtcdKeySpace) {
  start();
  meta_storagepb::PutRequest put;
  put.set_key("resource_group/settings/a");
  put.set_value("1");
  auto done = ask<meta_storagepb::PutResponse>(node_->meta_storage(), put, &MetaStorage::meta_put);
  ASSERT_TRUE(done.ok());
  EXPECT_EQ(done->header().cluster_id(), cluster_id_);
  EXPECT_FALSE(done->header().has_error());
  etcdserverpb::RangeRequest range;
  range.set_key(put.key());
  EXPECT_EQ(ask<etcdserverpb::RangeResponse>(node_->etcd(), range, &EtcdKv::range)->kvs(0).value(), "1");
  meta_storagepb::GetRequest get;
  get.set_key("resource_group/");
  get.set_range_end("resource_group0");
  auto found = ask<meta_storagepb::GetResponse>(node_->meta_storage(), get, &MetaStorage::meta_get);
  ASSERT_TRUE(found.ok());
  EXPECT_EQ(found->count(), 1);
  EXPECT_EQ(found->kvs(0).value(), "1");
  EXPECT_EQ(found->header().revision(), done->header().revision());
  etcdserverpb::CompactionRequest compaction;
  compaction.set_revision(done->header().revision());
  ASSERT_TRUE(ask<etcdserverpb::CompactionResponse>(node_->etcd(), compaction, &EtcdKv::compact).ok());
  get.set_revision(1);
  found = ask<meta_storagepb::GetResponse>(node_->meta_storage(), get, &MetaStorage::meta_get);
  EXPECT_EQ(found->header().error().type(), meta_storagepb::UNKNOWN) << "that revision is gone";
  meta_storagepb::DeleteRequest del;
  del.set_key(put.key());
  del.set_prev_kv(true);
  auto deleted = ask<meta_storagepb::DeleteResponse>(node_->meta_storage(), del, &MetaStorage::meta_delete);
  ASSERT_TRUE(deleted.ok());
  EXPECT_EQ(deleted->deleted(), 1);
  EXPECT_EQ(deleted->prev_kvs(0).value(), "1");
  put.set_lease(99);
  done = ask<meta_storagepb::PutResponse>(node_->meta_storage(), put, &MetaStorage::meta_put);
  EXPECT_EQ(done->header().error().message(), "etcdserver: requested lease not found");
}

TEST_F(NodeTest, ADeletedRangeIsGoneAfterARestart) {
  start();
  for (const char* key : {"a", "z"}) {
    etcdserverpb::PutRequest put;
    put.set_key(key);
    ASSERT_TRUE(ask<etcdserverpb::PutResponse>(node_->etcd(), put, &EtcdKv::put).ok());
  }
  for (int i = 0; i < 300; ++i) {
    etcdserverpb::PutRequest put;
    put.set_key(fmt::format("k{:03}", i));
    ASSERT_TRUE(ask<etcdserverpb::PutResponse>(node_->etcd(), put, &EtcdKv::put).ok());
  }
  etcdserverpb::DeleteRangeRequest del;
  del.set_key("k1");
  del.set_range_end("l");
  EXPECT_EQ(ask<etcdserverpb::DeleteRangeResponse>(node_->etcd(), del, &EtcdKv::delete_range)->deleted(), 200);
  etcdserverpb::RangeRequest all;
  all.set_key(Bytes(1, '\0'));
  all.set_range_end(Bytes(1, '\0'));
  for (int round = 0; round < 2; ++round) {
    round == 0 ? crash() : stop();
    start();
    EXPECT_EQ(ask<etcdserverpb::RangeResponse>(node_->etcd(), all, &EtcdKv::range)->count(), 102);
  }
}

TEST_F(NodeTest, ManyLeasesThatEndTogetherEndInTurns) {
  start();
  for (int i = 0; i < 400; ++i) {
    etcdserverpb::LeaseGrantRequest grant;
    grant.set_id(1000 + i);
    grant.set_ttl(5);
    ASSERT_TRUE(ask<etcdserverpb::LeaseGrantResponse>(node_->etcd(), grant, &EtcdKv::lease_grant).ok());
  }
  const auto left = [&] {
    return ask<etcdserverpb::LeaseLeasesResponse>(node_->etcd(), {}, &EtcdKv::lease_leases)->leases_size();
  };
  EXPECT_TRUE(loop_.run_until([&] { return left() < 400; }, std::chrono::seconds(30)));
  EXPECT_GE(left(), 400 - 2 * 128);
  EXPECT_TRUE(loop_.run_until([&] { return left() == 0; }, std::chrono::seconds(2)));
}

}  // namespace
}  // namespace cairn::pd
