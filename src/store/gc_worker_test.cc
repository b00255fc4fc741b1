// Garbage collection on stores: from PD's safe point to what the engine holds.
#include "store/gc_worker.h"

#include <gtest/gtest.h>

#include "base/codec.h"
#include "mvcc/write.h"
#include "rawkv/value.h"
#include "replica/keys.h"
#include "store/testing/cluster.h"

namespace cairn::store {
namespace {

using engine::Cf;
using Node = TestCluster::Node;

StoreOptions eager() {
  auto options = TestCluster::quick();
  options.gc.poll_interval = 1s;
  options.gc.check_interval = 2s;
  options.gc.redundant_rows_threshold = 1;
  options.gc.tombstones_threshold = 1;
  options.gc.batch_keys = 3;
  return options;
}

// Writes versions of keys through Raft, in the form of committed transactions.
runtime::Task<void> write_task(engine::RegionStore* regions, engine::RegionRequest request, engine::WriteData data,
                               bool* is_done) {
  auto written = co_await regions->write(std::move(request), engine::WriteBasis::nothing(), std::move(data));
  *is_done = written.ok();
}
bool commit(TestCluster& cluster, uint64_t region, const Bytes& user_key, uint64_t commit_ts, mvcc::WriteKind kind,
            size_t value_size) {
  const Bytes key = codec::encode_bytes(user_key);
  mvcc::Write write;
  write.kind = kind;
  write.start_ts = Timestamp(commit_ts - 1);
  engine::WriteData data;
  if (kind == mvcc::WriteKind::kPut && value_size <= 255) write.short_value = Bytes(value_size, 'v');
  if (kind == mvcc::WriteKind::kPut && value_size > 255) {
    data.changes.push_back(
        engine::Modify::put(Cf::kDefault, codec::append_ts(key, Timestamp(commit_ts - 1)), Bytes(value_size, 'v')));
  }
  data.changes.push_back(engine::Modify::put(Cf::kWrite, codec::append_ts(key, Timestamp(commit_ts)), write.encode()));
  Node* leader = cluster.wait_for_leader(region);
  bool is_done = false;
  leader->store->on_shard(RegionId(region), [&](ShardHandle& shard) {
    runtime::spawn(shard.executor(), write_task(&shard.regions(), cluster.request(region), data, &is_done));
  });
  return cluster.run_until([&] { return is_done; });
}

size_t count(Node& node, Cf cf, const Bytes& user_key) {
  engine::IterOptions options;
  options.lower = replica::data_key(codec::encode_bytes(user_key));
  options.upper = prefix_end(options.lower);
  auto snapshot = node.kv->snapshot();
  auto it = snapshot->iterator(cf, options);
  size_t count = 0;
  for (it->seek_to_first(); it->valid(); it->next()) ++count;
  return count;
}

TEST(GcWorker, old_versions_go_on_every_store_once_pd_moves_the_safe_point) {
  TestCluster cluster(1, eager());
  for (int i = 0; i < 3; ++i) cluster.add();
  const uint64_t region = cluster.pd.regions.begin()->first;
  cluster.replicate_everywhere(region);
  for (uint64_t ts = 10; ts <= 100; ts += 10) {
    ASSERT_TRUE(commit(cluster, region, "short", ts, mvcc::WriteKind::kPut, 10));
    ASSERT_TRUE(commit(cluster, region, "long", ts + 1, mvcc::WriteKind::kPut, 300));
    ASSERT_TRUE(
        commit(cluster, region, "gone", ts + 2, ts == 100 ? mvcc::WriteKind::kDelete : mvcc::WriteKind::kPut, 300));
  }
  auto flush = [&] {
    for (size_t i = 0; i < 3; ++i) ASSERT_TRUE(cluster.node(i).kv->flush().ok());
  };
  flush();
  cluster.run_for(10s);
  for (size_t i = 0; i < 3; ++i) EXPECT_EQ(count(cluster.node(i), Cf::kWrite, "short"), 10u) << "no safe point";
  auto are_all = [&](size_t shorts, size_t longs, size_t gone_records, size_t gone_values) {
    for (size_t i = 0; i < 3; ++i) {
      auto& node = cluster.node(i);
      if (count(node, Cf::kWrite, "short") != shorts || count(node, Cf::kWrite, "long") != longs ||
          count(node, Cf::kDefault, "long") != longs || count(node, Cf::kWrite, "gone") != gone_records ||
          count(node, Cf::kDefault, "gone") != gone_values) {
        return false;
      }
    }
    return true;
  };
  // Several steps, as one compaction of the engine in memory does not reach everything.
  for (cluster.pd.safe_point = 73; cluster.pd.safe_point < 80; ++cluster.pd.safe_point) {
    cluster.run_for(5s);
    flush();
  }
  EXPECT_TRUE(are_all(4, 4, 4, 3)) << count(cluster.node(0), Cf::kWrite, "short");
  for (cluster.pd.safe_point = 500; cluster.pd.safe_point < 507; ++cluster.pd.safe_point) {
    cluster.run_for(5s);
    flush();
  }
  EXPECT_TRUE(are_all(1, 1, 0, 0)) << count(cluster.node(0), Cf::kWrite, "gone");
}

// Puts a pair of the default column family through Raft.
bool put_raw(TestCluster& cluster, uint64_t region, const Bytes& engine_key, const Bytes& stored) {
  engine::WriteData data;
  data.changes.push_back(engine::Modify::put(Cf::kDefault, engine_key, stored));
  Node* leader = cluster.wait_for_leader(region);
  bool is_done = false;
  leader->store->on_shard(RegionId(region), [&](ShardHandle& shard) {
    runtime::spawn(shard.executor(), write_task(&shard.regions(), cluster.request(region), data, &is_done));
  });
  return cluster.run_until([&] { return is_done; });
}

void compact(TestCluster& cluster, Node& node) {
  std::atomic<bool> canceled{false};
  ASSERT_TRUE(node.kv->flush().ok());
  ASSERT_TRUE(node.kv->compact(Cf::kDefault, {}, {}, canceled).ok());
  cluster.run_for(5s);  // leftovers wait a little
}

TEST(GcWorker, old_versions_and_tombstones_of_raw_keys_of_v2_go) {
  auto options = eager();
  options.api_version = rawkv::ApiVersion::kV2;
  TestCluster cluster(1, options);
  auto& node = cluster.add();
  const uint64_t region = cluster.pd.regions.begin()->first;
  const auto put = [&](const char* key, uint64_t ts, const Bytes& stored) {
    return put_raw(cluster, region, codec::append_ts(codec::encode_bytes(key), Timestamp(ts)), stored);
  };
  for (uint64_t ts = 10; ts <= 50; ts += 10) {
    ASSERT_TRUE(put("ra", ts, rawkv::encode_value(rawkv::ApiVersion::kV2, "v", 0)));
    ASSERT_TRUE(
        put("rb", ts, ts == 50 ? rawkv::encode_tombstone() : rawkv::encode_value(rawkv::ApiVersion::kV2, "v", 0)));
    ASSERT_TRUE(put("xa", ts, "a transaction's value"));
  }
  compact(cluster, node);
  EXPECT_EQ(count(node, Cf::kDefault, "ra"), 5u) << "no safe point";
  cluster.pd.safe_point = 35;
  cluster.run_for(5s);
  for (int i = 0; i < 6; ++i) compact(cluster, node);  // each of the engine in memory sees a part
  EXPECT_EQ(count(node, Cf::kDefault, "ra"), 3u);
  EXPECT_EQ(count(node, Cf::kDefault, "rb"), 3u);
  cluster.pd.safe_point = 60;
  cluster.run_for(5s);
  for (int i = 0; i < 6; ++i) compact(cluster, node);
  EXPECT_EQ(count(node, Cf::kDefault, "ra"), 1u);
  EXPECT_EQ(count(node, Cf::kDefault, "rb"), 0u) << "the tombstone went with what it hid";
  EXPECT_EQ(count(node, Cf::kDefault, "xa"), 5u);
}

TEST(GcWorker, expired_values_of_v1ttl_go_without_a_safe_point) {
  auto options = eager();
  options.api_version = rawkv::ApiVersion::kV1Ttl;
  TestCluster cluster(1, options);
  auto& node = cluster.add();
  const uint64_t region = cluster.pd.regions.begin()->first;
  ASSERT_TRUE(put_raw(cluster, region, "a", rawkv::encode_value(rawkv::ApiVersion::kV1Ttl, "v", 1)));
  ASSERT_TRUE(put_raw(cluster, region, "b", rawkv::encode_value(rawkv::ApiVersion::kV1Ttl, "v", 0)));
  cluster.run_for(2s);
  for (int i = 0; i < 6; ++i) compact(cluster, node);
  EXPECT_FALSE(cluster.local(node, "a"));
  EXPECT_TRUE(cluster.local(node, "b"));
}

TEST(GcWorker, without_the_filter_old_versions_stay) {
  auto options = eager();
  options.gc.enable_compaction_filter = false;
  TestCluster cluster(1, options);
  cluster.add();
  const uint64_t region = cluster.pd.regions.begin()->first;
  for (uint64_t ts = 10; ts <= 50; ts += 10) {
    ASSERT_TRUE(commit(cluster, region, "k", ts, mvcc::WriteKind::kPut, 10));
  }
  ASSERT_TRUE(cluster.node(0).kv->flush().ok());
  cluster.pd.safe_point = 100;
  cluster.run_for(20s);
  EXPECT_EQ(count(cluster.node(0), Cf::kWrite, "k"), 5u);
}

TEST(GcWorker, keys_of_regions_that_are_not_here_are_left_alone) {
  TestCluster cluster(1, eager());
  cluster.add();
  const uint64_t region = cluster.pd.regions.begin()->first;
  ASSERT_TRUE(cluster.put("a", "1"));
  ASSERT_TRUE(commit(cluster, region, "k", 10, mvcc::WriteKind::kDelete, 0));
  // Something that no region of this store covers, as a region that has gone may leave it for a moment.
  auto batch = cluster.node(0).kv->new_batch();
  const Bytes stray = codec::append_ts("{" + codec::encode_bytes("k"), Timestamp(10));
  mvcc::Write deletion;
  deletion.kind = mvcc::WriteKind::kDelete;
  deletion.start_ts = Timestamp(9);
  batch->put(Cf::kWrite, stray, deletion.encode());
  ASSERT_TRUE(cluster.node(0).kv->write(*batch).ok());
  ASSERT_TRUE(cluster.node(0).kv->flush().ok());
  cluster.pd.safe_point = 100;
  EXPECT_TRUE(cluster.run_until([&] { return count(cluster.node(0), Cf::kWrite, "k") == 0; }));
  cluster.run_for(10s);
  EXPECT_TRUE(cluster.node(0).kv->get(Cf::kWrite, stray)->has_value());
}

TEST(GcFilters, leftovers_are_bounded_and_the_safe_point_only_grows) {
  int calls = 0;
  runtime::SimLoop loop(1);
  runtime::SimClock clock(loop);
  auto filters = std::make_shared<GcFilters>(rawkv::ApiVersion::kV1, clock, [&calls] { ++calls; });
  EXPECT_EQ(filters->begin(Cf::kWrite), nullptr) << "a store that knows no safe point drops nothing";
  EXPECT_TRUE(filters->set_safe_point(Timestamp(7)));
  EXPECT_FALSE(filters->set_safe_point(Timestamp(5)));
  EXPECT_EQ(filters->safe_point(), Timestamp(7));
  EXPECT_NE(filters->begin(Cf::kWrite), nullptr);
  EXPECT_EQ(filters->begin(Cf::kDefault), nullptr);
  for (int i = 0; i < 3000; ++i) filters->on_leftover(fmt::format("{:05}{}", i, Bytes(10'000, 'k')));
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(filters->take_leftovers(10).size(), 10u);
  const size_t rest = filters->take_leftovers(10'000).size();
  EXPECT_GT(rest, 1000u);
  EXPECT_LT(rest, 2000u);
  filters->on_leftover("a");
  EXPECT_EQ(calls, 2);
  filters->close();
  filters->on_leftover("b");
  EXPECT_EQ(calls, 2);
  EXPECT_TRUE(filters->take_leftovers(10).empty());
  EXPECT_EQ(filters->begin(Cf::kWrite), nullptr);
}

}  // namespace
}  // namespace cairn::store
