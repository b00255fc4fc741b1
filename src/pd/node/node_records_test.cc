// PD's own records through pd::Node: apart from the etcd key space, checked at the start, moved from directories of
// old.
#include <gtest/gtest.h>

#include <vector>

#include "base/codec.h"
#include "engine/memory/memory_engine.h"
#include "pd/meta/keys.h"
#include "pd/meta/meta_store.h"
#include "pd/meta/raft_codec.h"
#include "pd/meta/record_check.h"
#include "pd/testing/node_fixture.h"

namespace cairn::pd {
namespace {

TEST_F(NodeTest, GarbageAndDeletionsInTheEtcdKeySpaceDoNotTouchPd) {
  start();
  bootstrap();
  put_store(store(2));
  const uint64_t ts = next_ts();
  for (const Bytes& root : {Bytes("/pd/"), Keys(cluster_id_).root() + "/"}) {
    for (const char* name :
         {"cluster_id", "raft", "raft/s/00000000000000000009", "alloc_id", "timestamp", "gc/safe_point",
          "gc/safe_point/service/x", "keyspaces/alloc_id", "keyspaces/id/DEFAULT"}) {
      etcdserverpb::PutRequest put;
      put.set_key(root + name);
      put.set_value("garbage");
      ASSERT_TRUE(ask<etcdserverpb::PutResponse>(node_->etcd(), put, &EtcdKv::put).ok());
    }
  }
  for (int round = 0; round < 2; ++round) {
    crash();
    start();
    EXPECT_EQ(bootstrap().header().error().type(), pdpb::ALREADY_BOOTSTRAPPED);
    EXPECT_EQ(call<pdpb::GetAllStoresResponse>(pdpb::GetAllStoresRequest(), &Node::get_all_stores).stores_size(), 2);
    EXPECT_GT(next_ts(), ts);
    EXPECT_EQ(load_keyspace("DEFAULT").header().error().type(), pdpb::OK);
    etcdserverpb::DeleteRangeRequest all;
    all.set_key(Bytes(1, '\0'));
    all.set_range_end(Bytes(1, '\0'));
    ASSERT_TRUE(ask<etcdserverpb::DeleteRangeResponse>(node_->etcd(), all, &EtcdKv::delete_range).ok());
  }
}

TEST_F(NodeTest, ADamagedRecordEndsTheStartWithItsName) {
  start();
  bootstrap();
  stop();
  const Bytes key = Keys(cluster_id_).store(1);
  edit_disk(
      [&](engine::WriteBatch& batch) { batch.put(engine::Cf::kDefault, MetaStore::image_own_key(key), "\xff\xff"); });
  const auto status = try_start();
  EXPECT_EQ(status.code, api::Code::kDataLoss);
  EXPECT_EQ(status.message, damaged_record(key));
  EXPECT_TRUE(status.message.starts_with("damaged record in PD's data: " + key + "; put back a copy"));
  EXPECT_EQ(fatal_, status.message);
}

// What a newer version has written is not called damaged, nor anything of it read.
TEST_F(NodeTest, DataOfANewerFormatAreRefusedInWords) {
  start();
  bootstrap();
  stop();
  edit_disk([](engine::WriteBatch& batch) {
    batch.put(engine::Cf::kDefault, "F", MetaStore::image_format_value(MetaStore::kFormat + 1));
    batch.put(engine::Cf::kDefault, "b", "of a kind that comes later");
  });
  const auto status = try_start();
  EXPECT_EQ(status.code, api::Code::kDataLoss);
  EXPECT_EQ(
      status.message,
      "PD's data are of format 2, and this version knows 1: they were written by a newer Cairn. Start that one, or "
      "put back a copy of PD's data directory from before");
}

TEST_F(NodeTest, DataFromBeforeThereWereFormatsGetOne) {
  start();
  bootstrap();
  stop();
  edit_disk([](engine::WriteBatch& batch) { batch.del(engine::Cf::kDefault, "F"); });
  start();
  EXPECT_EQ(kv_->snapshot()->get(engine::Cf::kDefault, "F").value(), MetaStore::image_format_value());
  stop();
  edit_disk([](engine::WriteBatch& batch) { batch.put(engine::Cf::kDefault, "F", ""); });
  EXPECT_EQ(try_start().message, damaged_record("the format of the data"));
}

TEST_F(NodeTest, AStoresDirectoryIsNotTakenForPds) {
  edit_disk([](engine::WriteBatch& batch) { batch.put(engine::Cf::kDefault, "\1\1", "store 1"); });
  EXPECT_EQ(try_start().message, "the data directory is not PD's: it holds the key 0101, perhaps of a store");
}

TEST_F(NodeTest, ADamagedLogEntryEndsTheStartWithItsIndex) {
  start();
  stop();
  auto log = engine::open_memory_raft_log(disk_);
  const auto state = log->state(RegionId(1));
  raft::HardState hard_state;
  LogIndex last;
  ASSERT_TRUE(state.ok() && *state && decode_local_state(**state, hard_state, last));
  auto batch = log->new_batch();
  batch->put_entry(RegionId(1), last, "\xff\xff");
  ASSERT_TRUE(log->write(*batch, engine::Sync::kYes).ok());
  log.reset();
  EXPECT_EQ(try_start().message, fmt::format("PD's raft log: damaged entry {}", last));
}

// A directory as it was when PD's records stood among the keys of the etcd API: some on disk, the last ones only in the
// log.
TEST_F(NodeTest, ADirectoryOfOldIsMovedAtTheFirstStart) {
  const Keys keys(0x1234);
  const auto number = [](uint64_t value) {
    Bytes out;
    codec::put_u64_be(out, value);
    return out;
  };
  const auto put_of_old = [](const Bytes& key, const Bytes& value) {
    etcdserverpb::TxnRequest txn;
    txn.add_success()->mutable_request_put()->set_key(key);
    txn.mutable_success(0)->mutable_request_put()->set_value(value);
    return MetaStore::encode_txn(txn);
  };
  const uint64_t far_ms = static_cast<uint64_t>(clock_.wall_now().ms()) + 3'600'000;
  metapb::Cluster cluster;
  cluster.set_id(0x1234);
  MetaStore old;
  for (const auto& [key, value] : std::vector<std::pair<Bytes, Bytes>>{
           {kClusterIdKey, number(0x1234)},
           {keys.cluster(), cluster.SerializeAsString()},
           {keys.store(1),
            [] {
              auto s = store(1);
              s.set_state(metapb::Up);
              s.set_node_state(metapb::Serving);
              return s.SerializeAsString();
            }()},
           {keys.region(100), first_region().SerializeAsString()},
           {keys.cluster_version(), "8.5.0"},
           {keys.alloc_id(), number(5000)},
           {keys.barrier_prefix() + "backup",
            R"({"service_id":"backup","expired_at":9223372036854775807,"safe_point":777})"},
           {"/tidb/store/gcworker/saved_safe_point", "555"},
           {"/owner", "a SQL server"}}) {
    ASSERT_TRUE(old.apply(put_of_old(key, value)).ok());
  }
  const raft::Entry entry{raft::EntryType::kNormal,
                          Term(5),
                          LogIndex(10),
                          SharedBytes(put_of_old(keys.timestamp(), number(far_ms * 1'000'000))),
                          {}};
  edit_disk([&](engine::WriteBatch& batch) {
    old.write_image([&](ByteView key, ByteView value) { batch.put(engine::Cf::kDefault, key, value); });
    batch.put(engine::Cf::kDefault, "a", encode_position({LogIndex(9), Term(5)}));
  });
  {
    auto log = engine::open_memory_raft_log(disk_);
    auto batch = log->new_batch();
    batch->put_meta(RegionId(1), 0, encode_position({LogIndex(9), Term(5)}));
    batch->put_entry(RegionId(1), LogIndex(10), encode_entry(entry));
    batch->put_state(RegionId(1), encode_local_state({Term(5), PeerId(1), LogIndex(10)}, LogIndex(10)));
    ASSERT_TRUE(log->write(*batch, engine::Sync::kYes).ok());
  }
  for (int round = 0; round < 3; ++round) {
    start();
    EXPECT_EQ(cluster_id_, 0x1234u);
    EXPECT_GT(Timestamp(next_ts()).physical_ms(), far_ms);
    EXPECT_GT(next_id(), 5000u);
    EXPECT_EQ(bootstrap().header().error().type(), pdpb::ALREADY_BOOTSTRAPPED);
    EXPECT_EQ(call<pdpb::GetAllStoresResponse>(pdpb::GetAllStoresRequest(), &Node::get_all_stores).stores_size(), 1);
    const auto state = call<pdpb::GetGCStateResponse>(pdpb::GetGCStateRequest(), &Node::get_gc_state).gc_state();
    EXPECT_EQ(state.txn_safe_point(), 555u);
    EXPECT_EQ(state.gc_barriers_size(), 1);
    etcdserverpb::RangeRequest all;
    all.set_key(Bytes(1, '\0'));
    all.set_range_end(Bytes(1, '\0'));
    auto found = ask<etcdserverpb::RangeResponse>(node_->etcd(), all, &EtcdKv::range);
    ASSERT_TRUE(found.ok());
    ASSERT_EQ(found->kvs_size(), 2);
    EXPECT_EQ(found->kvs(0).key(), "/owner");
    round % 2 == 0 ? crash() : stop();
  }
}

}  // namespace
}  // namespace cairn::pd
