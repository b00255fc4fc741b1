// What answers say beside the data: errors where clients of each vintage look for them, commit timestamps, siblings of
// a region that has moved, health, and what it all cost.
#include <gtest/gtest.h>

#include "base/codec.h"
#include "mvcc/lock.h"
#include "server/node.h"
#include "server/testing/single_store.h"
#include "txn/concurrency_manager.h"

namespace cairn::server {
namespace {

using testing::SingleStore;

constexpr uint64_t ts(uint64_t physical_ms) { return physical_ms << 18; }

template <class Req>
Req ask_for(SingleStore& world) {
  Req request;
  *request.mutable_context() = world.context();
  return request;
}

kvrpcpb::PrewriteResponse prewrite(SingleStore& world, const std::vector<std::pair<Bytes, Bytes>>& puts,
                                   uint64_t start) {
  auto request = ask_for<kvrpcpb::PrewriteRequest>(world);
  for (const auto& [key, value] : puts) {
    auto& mutation = *request.add_mutations();
    mutation.set_op(kvrpcpb::Op::Put);
    mutation.set_key(key);
    mutation.set_value(value);
  }
  request.set_primary_lock(puts.front().first);
  request.set_start_version(start);
  request.set_lock_ttl(3000);
  auto response = world.ask(&Node::kv_prewrite, request).value();
  EXPECT_TRUE(response.errors().empty()) << response.ShortDebugString();
  return response;
}

kvrpcpb::CommitResponse commit(SingleStore& world, const std::vector<std::pair<Bytes, Bytes>>& puts, uint64_t start,
                               uint64_t at) {
  auto request = ask_for<kvrpcpb::CommitRequest>(world);
  for (const auto& [key, value] : puts) request.add_keys(key);
  request.set_start_version(start);
  request.set_commit_version(at);
  auto response = world.ask(&Node::kv_commit, request).value();
  EXPECT_FALSE(response.has_error()) << response.ShortDebugString();
  return response;
}

void put(SingleStore& world, const std::vector<std::pair<Bytes, Bytes>>& puts, uint64_t start, uint64_t at) {
  prewrite(world, puts, start);
  commit(world, puts, start, at);
}

kvrpcpb::GetRequest get_request(SingleStore& world, const Bytes& key, uint64_t at) {
  auto request = ask_for<kvrpcpb::GetRequest>(world);
  request.set_key(key);
  request.set_version(at);
  return request;
}

kvrpcpb::BatchGetRequest batch_get_request(SingleStore& world, const std::vector<Bytes>& keys, uint64_t at) {
  auto request = ask_for<kvrpcpb::BatchGetRequest>(world);
  for (const auto& key : keys) request.add_keys(key);
  request.set_version(at);
  return request;
}

kvrpcpb::ScanRequest scan_request(SingleStore& world, uint32_t limit, uint64_t at) {
  auto request = ask_for<kvrpcpb::ScanRequest>(world);
  request.set_limit(limit);
  request.set_version(at);
  return request;
}

// The lock of an async commit whose write is not applied yet.
txn::ConcurrencyManager::Guard lock_in_memory(SingleStore& world, const Bytes& key, uint64_t start) {
  mvcc::Lock lock;
  lock.kind = mvcc::LockKind::kPut;
  lock.primary = key;
  lock.start_ts = Timestamp(start);
  lock.min_commit_ts = Timestamp(start + 1);
  lock.ttl_ms = 3000;
  lock.use_async_commit = true;
  return *world.store->concurrency().publish(key, [&](Timestamp) { return std::optional(lock); });
}

TEST(Answers, ALockInMemoryIsToldInTheErrorAndInAPair) {
  SingleStore world;
  put(world, {{"a", "1"}, {"b", "1"}}, ts(2000), ts(2001));
  const auto guard = lock_in_memory(world, "b", ts(2500));
  const auto batch = world.ask(&Node::kv_batch_get, batch_get_request(world, {"a", "b"}, ts(3000))).value();
  EXPECT_EQ(batch.error().locked().lock_version(), ts(2500)) << batch.ShortDebugString();
  ASSERT_EQ(batch.pairs_size(), 1) << "clients that look at pairs only must not take it for an empty answer";
  EXPECT_EQ(batch.pairs(0).error().locked().key(), "b");
  const auto scan = world.ask(&Node::kv_scan, scan_request(world, 10, ts(3000))).value();
  EXPECT_EQ(scan.error().locked().lock_version(), ts(2500)) << scan.ShortDebugString();
  ASSERT_EQ(scan.pairs_size(), 1);
  EXPECT_EQ(scan.pairs(0).error().locked().key(), "b");
  EXPECT_EQ(world.ask(&Node::kv_get, get_request(world, "b", ts(3000))).value().error().locked().key(), "b");
}

TEST(Answers, ACommitTimestampComesWhereItIsAskedForAndOnlyThere) {
  SingleStore world;
  put(world, {{"a", "1"}, {"b", Bytes(1000, 'x')}}, ts(2000), ts(2001));
  auto one = get_request(world, "a", ts(3000));
  EXPECT_EQ(world.ask(&Node::kv_get, one).value().commit_ts(), 0u);
  one.set_need_commit_ts(true);
  EXPECT_EQ(world.ask(&Node::kv_get, one).value().commit_ts(), ts(2001));
  auto many = batch_get_request(world, {"a", "b", "c"}, ts(3000));
  const auto untold = world.ask(&Node::kv_batch_get, many).value();
  ASSERT_EQ(untold.pairs_size(), 2);
  for (const auto& pair : untold.pairs()) EXPECT_EQ(pair.commit_ts(), 0u) << pair.key();
  many.set_need_commit_ts(true);
  const auto told = world.ask(&Node::kv_batch_get, many).value();
  ASSERT_EQ(told.pairs_size(), 2);
  for (const auto& pair : told.pairs()) EXPECT_EQ(pair.commit_ts(), ts(2001)) << pair.key();
  const auto scan = world.ask(&Node::kv_scan, scan_request(world, 10, ts(3000))).value();
  ASSERT_EQ(scan.pairs_size(), 2);
  EXPECT_EQ(scan.pairs(0).commit_ts(), 0u) << "a scan has no way to ask for it";
  // A lock of a transaction that the client knows to be committed does not say when: it is in the way.
  prewrite(world, {{"a", "2"}}, ts(4000));
  many.set_version(ts(5000));
  many.mutable_context()->add_committed_locks(ts(4000));
  EXPECT_TRUE(world.ask(&Node::kv_batch_get, many).value().pairs(0).error().has_locked());
  many.set_need_commit_ts(false);
  EXPECT_EQ(world.ask(&Node::kv_batch_get, many).value().pairs(0).value(), "2");
}

TEST(Answers, AScanIsNeverCutWithoutASign) {
  SingleStore world({.answer_bytes_max = 1000});
  std::vector<std::pair<Bytes, Bytes>> puts;
  std::vector<Bytes> keys;
  for (char key = 'a'; key <= 'j'; ++key) puts.emplace_back(Bytes(1, key), Bytes(100, 'v'));
  for (const auto& [key, value] : puts) keys.push_back(key);
  put(world, puts, ts(2000), ts(2001));
  EXPECT_EQ(world.ask(&Node::kv_scan, scan_request(world, 5, ts(3000))).value().pairs_size(), 5);
  const auto too_large = [](const auto& response) {
    EXPECT_NE(response.error().abort().find("larger than 1000 bytes"), std::string::npos)
        << response.ShortDebugString();
    ASSERT_EQ(response.pairs_size(), 1);
    EXPECT_FALSE(response.pairs(0).error().abort().empty());
  };
  too_large(world.ask(&Node::kv_scan, scan_request(world, 4'000'000'000, ts(3000))).value());
  too_large(world.ask(&Node::kv_batch_get, batch_get_request(world, keys, ts(3000))).value());
  auto keys_only = scan_request(world, 4'000'000'000, ts(3000));
  keys_only.set_key_only(true);
  EXPECT_EQ(world.ask(&Node::kv_scan, keys_only).value().pairs_size(), 10) << "a great limit alone is no mistake";
}

TEST(Answers, ARequestWithAnOldEpochIsToldOfAllThatCameOfItsRegion) {
  SingleStore world;
  const auto before = world.context();
  auto split = ask_for<kvrpcpb::SplitRegionRequest>(world);
  for (const char* key : {"d", "m", "t"}) split.add_split_keys(key);
  ASSERT_EQ(world.ask(&Node::split_region, split).value().regions_size(), 4);
  const auto told = [](const errorpb::Error& error) {
    ASSERT_EQ(error.epoch_not_match().current_regions_size(), 4) << error.ShortDebugString();
    EXPECT_EQ(error.epoch_not_match().current_regions(0).start_key(), codec::encode_bytes("t")) << "its own first";
    EXPECT_EQ(error.epoch_not_match().current_regions(1).start_key(), codec::encode_bytes("m"));
    EXPECT_EQ(error.epoch_not_match().current_regions(3).start_key(), "");
    for (const auto& region : error.epoch_not_match().current_regions()) EXPECT_EQ(region.peers_size(), 1);
  };
  kvrpcpb::GetRequest get;
  *get.mutable_context() = before;
  get.set_key("a");
  get.set_version(ts(3000));
  told(world.ask(&Node::kv_get, get).value().region_error());
  kvrpcpb::ScanRequest scan;
  *scan.mutable_context() = before;
  scan.set_limit(1);
  scan.set_version(ts(3000));
  told(world.ask(&Node::kv_scan, scan).value().region_error());
  kvrpcpb::CommitRequest write;
  *write.mutable_context() = before;
  write.add_keys("a");
  write.set_start_version(ts(2000));
  write.set_commit_version(ts(2001));
  told(world.ask(&Node::kv_commit, write).value().region_error());
  kvrpcpb::RawPutRequest raw;
  *raw.mutable_context() = before;
  raw.set_key("a");
  raw.set_value("v");
  told(world.ask(&Node::raw_put, raw).value().region_error());
}

TEST(Answers, AStoreThatIsWellSaysSoWithAGrowingNumber) {
  SingleStore world;
  const auto first = world.ask(&Node::get_health_feedback, ask_for<kvrpcpb::GetHealthFeedbackRequest>(world)).value();
  EXPECT_EQ(first.health_feedback().store_id(), world.store->id().value);
  EXPECT_EQ(first.health_feedback().slow_score(), 1);
  EXPECT_GT(first.health_feedback().feedback_seq_no(), 0u);
  const auto second = world.node->health_feedback();
  ASSERT_TRUE(second);
  EXPECT_EQ(second->feedback_seq_no(), first.health_feedback().feedback_seq_no() + 1);
  EXPECT_EQ(second->slow_score(), 1);
}

TEST(Answers, AReadSaysWhatItLookedAtAndWhatItFound) {
  SingleStore world;
  for (uint64_t i = 0; i < 5; ++i) put(world, {{"a", "value"}}, ts(2000 + 2 * i), ts(2001 + 2 * i));
  put(world, {{"b", Bytes(1000, 'x')}}, ts(3000), ts(3001));
  const auto of = [](const auto& response) { return response.exec_details_v2().scan_detail_v2(); };
  const size_t key_bytes = codec::encode_bytes("a").size();
  const auto newest = of(world.ask(&Node::kv_get, get_request(world, "a", ts(4000))).value());
  EXPECT_EQ(newest.processed_versions(), 1u);
  EXPECT_EQ(newest.total_versions(), 1u) << newest.ShortDebugString();
  EXPECT_EQ(newest.processed_versions_size(), key_bytes + 5);
  const auto nothing = of(world.ask(&Node::kv_get, get_request(world, "x", ts(4000))).value());
  EXPECT_EQ(nothing.processed_versions(), 0u);
  EXPECT_EQ(nothing.total_versions(), 1u) << "it was looked for";
  const auto both = of(world.ask(&Node::kv_batch_get, batch_get_request(world, {"a", "b", "x"}, ts(4000))).value());
  EXPECT_EQ(both.processed_versions(), 2u);
  EXPECT_EQ(both.total_versions(), 3u);
  EXPECT_EQ(both.processed_versions_size(), 2 * key_bytes + 1005);
}

TEST(Answers, AReadSaysWhereItsTimeWent) {
  SingleStore world;
  put(world, {{"a", "1"}}, ts(2000), ts(2001));
  const auto response = world.ask(&Node::kv_batch_get, batch_get_request(world, {"a"}, ts(3000))).value();
  const auto& times = response.exec_details_v2().time_detail_v2();
  EXPECT_EQ(times.wait_wall_time_ns() + times.process_wall_time_ns(), times.total_rpc_wall_time_ns());
  EXPECT_EQ(times.kv_read_wall_time_ns(), times.total_rpc_wall_time_ns());
  const auto& scan = response.exec_details_v2().scan_detail_v2();
  EXPECT_EQ(scan.read_pool_schedule_wait_nanos() + scan.get_snapshot_nanos(), times.wait_wall_time_ns());
}

TEST(Answers, AWriteSaysHowLongEachOfItsStagesTook) {
  SingleStore world;
  const auto response = prewrite(world, {{"a", "1"}}, ts(2000));
  const auto& write = response.exec_details_v2().write_detail();
  EXPECT_GT(write.persist_log_nanos(), 0u) << write.ShortDebugString();
  EXPECT_GT(write.commit_log_nanos(), 0u);
  EXPECT_GT(write.apply_batch_wait_nanos() + write.apply_log_nanos(), 0u);
  const auto& times = response.exec_details_v2().time_detail_v2();
  EXPECT_LE(write.store_batch_wait_nanos() + write.commit_log_nanos() + write.apply_batch_wait_nanos() +
                write.apply_log_nanos(),
            times.total_rpc_wall_time_ns());
  EXPECT_GT(response.exec_details_v2().scan_detail_v2().total_versions(), 0u) << "a prewrite looks for conflicts";
}

TEST(Answers, ALockThatWasWaitedForSaysHowLong) {
  SingleStore world;
  const auto lock = [&world](uint64_t start) {
    auto request = ask_for<kvrpcpb::PessimisticLockRequest>(world);
    request.add_mutations()->set_op(kvrpcpb::Op::PessimisticLock);
    request.mutable_mutations(0)->set_key("a");
    request.set_primary_lock("a");
    request.set_start_version(start);
    request.set_for_update_ts(start);
    request.set_lock_ttl(20000);
    return world.ask(&Node::kv_pessimistic_lock, request).value();
  };
  EXPECT_EQ(lock(ts(2000)).exec_details_v2().write_detail().pessimistic_lock_wait_nanos(), 0u);
  const auto late = lock(ts(2001));
  EXPECT_EQ(late.errors_size(), 1);
  EXPECT_GE(late.exec_details_v2().write_detail().pessimistic_lock_wait_nanos(), 1'000'000'000u);
}

}  // namespace
}  // namespace cairn::server
