// Transactions as a client sends them that is large, mistaken or hostile; and records that are damaged on disk.
#include <gtest/gtest.h>

#include <limits>
#include <map>

#include "base/codec.h"
#include "mvcc/lock.h"
#include "mvcc/write.h"
#include "server/node.h"
#include "server/testing/single_store.h"
#include "txn/scheduler.h"

namespace cairn::server {
namespace {

using testing::SingleStore;

constexpr uint64_t ts(uint64_t physical_ms) { return physical_ms << 18; }
constexpr uint64_t kMaxTs = std::numeric_limits<uint64_t>::max();

template <class Req>
Req ask_for(SingleStore& world) {
  Req request;
  *request.mutable_context() = world.context();
  return request;
}

template <class Req>
void add_put(Req& request, const Bytes& key, const Bytes& value) {
  auto& mutation = *request.add_mutations();
  mutation.set_op(kvrpcpb::Op::Put);
  mutation.set_key(key);
  mutation.set_value(value);
}

kvrpcpb::PrewriteRequest prewrite_request(SingleStore& world, const std::vector<Bytes>& keys, uint64_t start) {
  auto request = ask_for<kvrpcpb::PrewriteRequest>(world);
  for (const auto& key : keys) add_put(request, key, "v");
  request.set_primary_lock(keys.empty() ? "p" : keys.front());
  request.set_start_version(start);
  request.set_lock_ttl(3000);
  return request;
}

kvrpcpb::FlushRequest flush_request(SingleStore& world, std::vector<std::pair<Bytes, Bytes>> puts, uint64_t start,
                                    uint64_t generation) {
  auto request = ask_for<kvrpcpb::FlushRequest>(world);
  for (const auto& [key, value] : puts) add_put(request, key, value);
  request.set_primary_key("a");
  request.set_start_ts(start);
  request.set_generation(generation);
  request.set_lock_ttl(3000);
  return request;
}

kvrpcpb::CommitResponse commit(SingleStore& world, std::vector<Bytes> keys, uint64_t start, uint64_t at) {
  auto request = ask_for<kvrpcpb::CommitRequest>(world);
  for (const auto& key : keys) request.add_keys(key);
  request.set_start_version(start);
  request.set_commit_version(at);
  return world.ask(&Node::kv_commit, request).value();
}

kvrpcpb::GetResponse get(SingleStore& world, const Bytes& key, uint64_t at) {
  auto request = ask_for<kvrpcpb::GetRequest>(world);
  request.set_key(key);
  request.set_version(at);
  return world.ask(&Node::kv_get, request).value();
}

kvrpcpb::ScanLockResponse scan_locks(SingleStore& world) {
  auto request = ask_for<kvrpcpb::ScanLockRequest>(world);
  request.set_max_version(ts(50'000));
  return world.ask(&Node::kv_scan_lock, request).value();
}

TEST(NodeTxn, ATransactionFlushedInPartsIsReadBackAndCommittedByRange) {
  SingleStore world;
  ASSERT_TRUE(
      world.ask(&Node::kv_flush, flush_request(world, {{"a", "1"}, {"b", "1"}}, ts(2000), 1)).value().errors().empty());
  ASSERT_TRUE(
      world.ask(&Node::kv_flush, flush_request(world, {{"b", Bytes(500, 'x')}}, ts(2000), 2)).value().errors().empty());
  auto read = ask_for<kvrpcpb::BufferBatchGetRequest>(world);
  read.set_version(ts(2000));
  for (const char* key : {"a", "b", "c"}) read.add_keys(key);
  const auto own = world.ask(&Node::kv_buffer_batch_get, read).value();
  ASSERT_EQ(own.pairs_size(), 2) << own.ShortDebugString();
  EXPECT_EQ(own.pairs(1).value(), Bytes(500, 'x'));
  EXPECT_EQ(own.exec_details_v2().scan_detail_v2().processed_versions(), 2u);

  const auto locked = get(world, "b", ts(3000));
  EXPECT_EQ(locked.error().locked().txn_size(), kMaxTs) << "its keys are not resolved one by one";
  EXPECT_EQ(locked.error().locked().min_commit_ts(), ts(2000) + 1) << "a reader may push it";

  auto beat = ask_for<kvrpcpb::TxnHeartBeatRequest>(world);
  beat.set_primary_lock("a");
  beat.set_start_version(ts(2000));
  beat.set_advise_lock_ttl(9000);
  beat.set_min_commit_ts(ts(4000));
  EXPECT_EQ(world.ask(&Node::kv_txn_heart_beat, beat).value().lock_ttl(), 9000u);
  EXPECT_EQ(commit(world, {"a"}, ts(2000), ts(3999)).error().commit_ts_expired().min_commit_ts(), ts(4000));
  ASSERT_FALSE(commit(world, {"a"}, ts(2000), ts(4001)).has_error());
  auto resolve = ask_for<kvrpcpb::ResolveLockRequest>(world);
  resolve.set_start_version(ts(2000));
  resolve.set_commit_version(ts(4001));
  EXPECT_FALSE(world.ask(&Node::kv_resolve_lock, resolve).value().has_error());
  EXPECT_EQ(get(world, "b", ts(5000)).value(), Bytes(500, 'x'));
}

TEST(NodeTxn, AFlushNeedsAGenerationAndAStart) {
  SingleStore world;
  const auto refused = [&](const kvrpcpb::FlushRequest& request) {
    return world.ask(&Node::kv_flush, request).value().errors(0).abort();
  };
  EXPECT_EQ(refused(flush_request(world, {{"a", "1"}}, ts(2000), 0)),
            "generation should be greater than 0 for Flush requests");
  EXPECT_FALSE(refused(flush_request(world, {{"a", "1"}}, 0, 1)).empty());
  EXPECT_FALSE(refused(flush_request(world, {{"", "1"}}, ts(2000), 1)).empty());
  EXPECT_TRUE(scan_locks(world).locks().empty());
}

TEST(NodeTxn, WhatIsToldOfTransactionsIsRememberedIfItCanBeTrue) {
  SingleStore world;
  auto told = ask_for<kvrpcpb::BroadcastTxnStatusRequest>(world);
  const auto add = [&told](uint64_t start, uint64_t min_commit, uint64_t commit_at, bool rolled_back) {
    auto& status = *told.add_txn_status();
    status.set_start_ts(start);
    status.set_min_commit_ts(min_commit);
    status.set_commit_ts(commit_at);
    status.set_rolled_back(rolled_back);
  };
  add(ts(2000), ts(3000), 0, false);
  add(ts(2001), 0, ts(2500), false);
  add(ts(2002), 0, ts(2000), false);  // committed before it began
  add(ts(2003), 0, ts(2500), true);   // both
  add(0, 0, 0, true);
  ASSERT_TRUE(world.ask(&Node::broadcast_txn_status, told).ok());
  std::map<uint64_t, std::optional<txn::TxnStatus>> known;
  world.store->on_shard_at(0, [&known](store::ShardHandle& shard) {
    for (uint64_t start : {ts(2000), ts(2001), ts(2002), ts(2003), uint64_t{0}}) {
      known[start] = shard.scheduler().statuses().find(Timestamp(start));
    }
  });
  world.loop.run_for(10ms);
  ASSERT_EQ(known.size(), 5u);
  EXPECT_EQ(known[ts(2000)].value().min_commit_ts.value, ts(3000));
  EXPECT_EQ(known[ts(2001)].value().commit_ts.value, ts(2500));
  EXPECT_FALSE(known[ts(2002)] || known[ts(2003)] || known[0]);
}

TEST(NodeTxn, AKeyThatStandsTwiceInOneRequestIsAnsweredTwiceAndLockedOnce) {
  SingleStore world;
  auto lock = ask_for<kvrpcpb::PessimisticLockRequest>(world);
  for (const char* key : {"b", "a", "b"}) {
    lock.add_mutations()->set_op(kvrpcpb::Op::PessimisticLock);
    lock.mutable_mutations()->rbegin()->set_key(key);
  }
  lock.set_primary_lock("a");
  lock.set_start_version(ts(2000));
  lock.set_for_update_ts(ts(2000));
  lock.set_return_values(true);
  const auto locked = world.ask(&Node::kv_pessimistic_lock, lock).value();
  ASSERT_TRUE(locked.errors().empty()) << locked.ShortDebugString();
  EXPECT_EQ(locked.values_size(), 3);
  EXPECT_EQ(locked.not_founds_size(), 3);
  EXPECT_EQ(scan_locks(world).locks_size(), 2);
  uint64_t now_ms = 51'000;  // above the scan
  for (const Bytes mode : {"two phases", "async commit", "1PC"}) {
    auto request = prewrite_request(world, {mode + "b", mode + "a", mode + "b"}, ts(3000));
    request.mutable_mutations(2)->set_value("last");
    request.set_use_async_commit(mode == "async commit");
    request.set_try_one_pc(mode == "1PC");
    const auto answer = world.ask(&Node::kv_prewrite, request).value();
    ASSERT_TRUE(answer.errors().empty()) << mode << answer.ShortDebugString();
    EXPECT_EQ(answer.min_commit_ts() != 0, mode == "async commit");
    EXPECT_EQ(answer.one_pc_commit_ts() != 0, mode == "1PC");
    now_ms += 1000;
    if (mode != "1PC") ASSERT_FALSE(commit(world, {mode + "a", mode + "b"}, ts(3000), ts(now_ms)).has_error());
    EXPECT_EQ(get(world, mode + "b", ts(now_ms) + 5).value(), "last");
  }
}

TEST(NodeTxn, KeysInAnyOrderAPrimaryElsewhereAndNoMutationsAreFine) {
  SingleStore world;
  EXPECT_TRUE(
      world.ask(&Node::kv_prewrite, prewrite_request(world, {"c", "a", "b"}, ts(2000))).value().errors().empty());
  auto elsewhere = prewrite_request(world, {"x", "y"}, ts(2001));
  elsewhere.set_primary_lock("in another region");
  EXPECT_TRUE(world.ask(&Node::kv_prewrite, elsewhere).value().errors().empty());
  EXPECT_EQ(scan_locks(world).locks(4).primary_lock(), "in another region");
  for (int mode = 0; mode < 3; ++mode) {
    auto nothing = prewrite_request(world, {}, ts(2002));
    nothing.set_use_async_commit(mode == 1);
    nothing.set_try_one_pc(mode == 2);
    EXPECT_TRUE(world.ask(&Node::kv_prewrite, nothing).value().errors().empty()) << mode;
  }
  EXPECT_EQ(scan_locks(world).locks_size(), 5);
  EXPECT_FALSE(commit(world, {}, ts(2000), ts(2001)).has_error());
}

TEST(NodeTxn, TimestampsThatCannotBeAreRefusedInWords) {
  SingleStore world;
  for (const uint64_t start : {uint64_t{0}, kMaxTs}) {
    const auto words = [start](const auto& error) { EXPECT_FALSE(error.abort().empty()) << start; };
    words(world.ask(&Node::kv_prewrite, prewrite_request(world, {"a"}, start)).value().errors(0));
    auto rollback = ask_for<kvrpcpb::BatchRollbackRequest>(world);
    rollback.add_keys("a");
    rollback.set_start_version(start);
    words(world.ask(&Node::kv_batch_rollback, rollback).value().error());
    auto cleanup = ask_for<kvrpcpb::CleanupRequest>(world);
    cleanup.set_key("a");
    cleanup.set_start_version(start);
    words(world.ask(&Node::kv_cleanup, cleanup).value().error());
    auto check = ask_for<kvrpcpb::CheckTxnStatusRequest>(world);
    check.set_primary_key("a");
    check.set_lock_ts(start);
    check.set_rollback_if_not_exist(true);
    words(world.ask(&Node::kv_check_txn_status, check).value().error());
    auto secondaries = ask_for<kvrpcpb::CheckSecondaryLocksRequest>(world);
    secondaries.add_keys("a");
    secondaries.set_start_version(start);
    words(world.ask(&Node::kv_check_secondary_locks, secondaries).value().error());
    auto resolve = ask_for<kvrpcpb::ResolveLockRequest>(world);
    resolve.set_start_version(start);
    words(world.ask(&Node::kv_resolve_lock, resolve).value().error());
    auto beat = ask_for<kvrpcpb::TxnHeartBeatRequest>(world);
    beat.set_primary_lock("a");
    beat.set_start_version(start);
    words(world.ask(&Node::kv_txn_heart_beat, beat).value().error());
    auto lock = ask_for<kvrpcpb::PessimisticLockRequest>(world);
    lock.add_mutations()->set_op(kvrpcpb::Op::PessimisticLock);
    lock.mutable_mutations(0)->set_key("a");
    lock.set_primary_lock("a");
    lock.set_start_version(start);
    words(world.ask(&Node::kv_pessimistic_lock, lock).value().errors(0));
    auto give_back = ask_for<kvrpcpb::PessimisticRollbackRequest>(world);
    give_back.add_keys("a");
    give_back.set_start_version(start);
    words(world.ask(&Node::kv_pessimistic_rollback, give_back).value().errors(0));
  }
  EXPECT_FALSE(commit(world, {"a"}, ts(2001), ts(2000)).error().abort().empty());
  EXPECT_FALSE(commit(world, {"a"}, ts(2001), kMaxTs).error().abort().empty());
  auto shown = ask_for<kvrpcpb::MvccGetByKeyRequest>(world);
  shown.set_key("a");
  EXPECT_EQ(world.ask(&Node::mvcc_get_by_key, shown).value().info().writes_size(), 0);
}

TEST(NodeTxn, ATimestampFarAheadIsBelievedIfPdsClockHasJumped) {
  SingleStore world;
  const uint64_t future = ts(3'600'000);
  world.pd.jump_to(future);
  EXPECT_TRUE(get(world, "a", future).not_found());
  EXPECT_GE(world.store->concurrency().max_ts(), Timestamp(future));
  ASSERT_TRUE(world.ask(&Node::kv_prewrite, prewrite_request(world, {"a"}, future)).value().errors().empty());
  EXPECT_FALSE(commit(world, {"a"}, future, future + 1).has_error());
  const auto refused = get(world, "a", ts(7'200'000));
  EXPECT_NE(refused.region_error().message().find("invalid max_ts update"), Bytes::npos) << refused.ShortDebugString();
}

TEST(NodeTxn, ATimestampFarAheadOfPdsRaisesNothing) {
  SingleStore world;  // whose PD begins at its first second
  const auto before = world.store->concurrency().max_ts();
  const uint64_t future = ts(3'600'000);
  const auto refused = [](const auto& response) {
    EXPECT_NE(response.region_error().message().find("invalid max_ts update"), std::string::npos)
        << response.ShortDebugString();
  };
  refused(get(world, "a", future));
  auto scan = ask_for<kvrpcpb::ScanRequest>(world);
  scan.set_limit(1);
  scan.set_version(future);
  refused(world.ask(&Node::kv_scan, scan).value());
  auto batch = ask_for<kvrpcpb::BatchGetRequest>(world);
  batch.add_keys("a");
  batch.set_version(future);
  refused(world.ask(&Node::kv_batch_get, batch).value());
  auto locks = ask_for<kvrpcpb::ScanLockRequest>(world);
  locks.set_max_version(future);
  refused(world.ask(&Node::kv_scan_lock, locks).value());
  refused(world.ask(&Node::kv_prewrite, prewrite_request(world, {"a"}, future)).value());
  auto check = ask_for<kvrpcpb::CheckTxnStatusRequest>(world);
  check.set_primary_key("a");
  check.set_lock_ts(ts(2000));
  check.set_current_ts(future);
  refused(world.ask(&Node::kv_check_txn_status, check).value());
  auto cleanup = ask_for<kvrpcpb::CleanupRequest>(world);
  cleanup.set_key("a");
  cleanup.set_start_version(future);
  refused(world.ask(&Node::kv_cleanup, cleanup).value());
  auto rollback = ask_for<kvrpcpb::BatchRollbackRequest>(world);
  rollback.add_keys("a");
  rollback.set_start_version(future);
  refused(world.ask(&Node::kv_batch_rollback, rollback).value());
  auto resolve = ask_for<kvrpcpb::ResolveLockRequest>(world);
  resolve.add_keys("a");
  resolve.set_start_version(future);
  refused(world.ask(&Node::kv_resolve_lock, resolve).value());
  check.set_current_ts(kMaxTs);
  check.set_caller_start_ts(kMaxTs);
  EXPECT_TRUE(world.ask(&Node::kv_check_txn_status, check).value().error().has_txn_not_found());
  EXPECT_TRUE(get(world, "a", kMaxTs).not_found()) << "the newest may be read";
  EXPECT_LT(world.store->concurrency().max_ts().value, ts(100'000));
  EXPECT_GE(world.store->concurrency().max_ts(), before);
}

TEST(NodeTxn, WhoAsksForAReadIndexReadsAtThatTimestampWhateverItNames) {
  SingleStore world;
  auto request = ask_for<kvrpcpb::ReadIndexRequest>(world);
  request.set_start_ts(ts(9000));
  ASSERT_FALSE(world.ask(&Node::read_index, request).value().has_region_error());
  EXPECT_GE(world.store->concurrency().max_ts().value, ts(9000));
}

TEST(NodeTxn, ATransactionTooLargeForOneEntryIsToldSo) {
  SingleStore world;
  auto request = prewrite_request(world, {}, ts(2000));
  for (char key = 'a'; key < 'k'; ++key) add_put(request, Bytes(1, key), Bytes(1 << 20, key));
  const auto refused = world.ask(&Node::kv_prewrite, request).value();
  EXPECT_GT(refused.region_error().raft_entry_too_large().entry_size(), 10u << 20) << refused.region_error().message();
  for (char key = 'k'; key < 'x'; ++key) {
    for (char second = 'a'; second < 'j'; ++second) add_put(request, Bytes(1, key) + second, Bytes(1 << 20, key));
  }
  ASSERT_GT(request.ByteSizeLong(), 120u << 20);
  EXPECT_TRUE(world.ask(&Node::kv_prewrite, request).value().region_error().has_raft_entry_too_large())
      << "not busy: waiting does not make it smaller";
  EXPECT_TRUE(scan_locks(world).locks().empty());
}

TEST(NodeTxn, AKeyThatIsTooLongIsRefusedByName) {
  SingleStore world;
  const Bytes key(9000, 'k');
  const auto says = [](const kvrpcpb::KeyError& error) {
    EXPECT_NE(error.abort().find("KeyTooLarge"), std::string::npos) << error.ShortDebugString();
  };
  says(world.ask(&Node::kv_prewrite, prewrite_request(world, {key}, ts(2000))).value().errors(0));
  auto request = prewrite_request(world, {"a"}, ts(2000));
  request.set_primary_lock(key);
  says(world.ask(&Node::kv_prewrite, request).value().errors(0));
  says(world.ask(&Node::kv_flush, flush_request(world, {{key, "v"}}, ts(2000), 1)).value().errors(0));
  auto lock = ask_for<kvrpcpb::PessimisticLockRequest>(world);
  lock.add_mutations()->set_op(kvrpcpb::Op::PessimisticLock);
  lock.mutable_mutations(0)->set_key(key);
  lock.set_primary_lock("a");
  lock.set_start_version(ts(2000));
  says(world.ask(&Node::kv_pessimistic_lock, lock).value().errors(0));
}

TEST(NodeTxn, AKeyOutsideTheRegionIsARegionErrorInEachCommand) {
  SingleStore world;
  auto split = ask_for<kvrpcpb::SplitRegionRequest>(world);
  split.add_split_keys("m");
  ASSERT_EQ(world.ask(&Node::split_region, split).value().regions_size(), 2);
  world.loop.run_for(15s);
  const auto left = world.context(codec::encode_bytes("a"));
  const auto outside = [](const auto& response) {
    EXPECT_TRUE(response.region_error().has_key_not_in_region()) << response.ShortDebugString();
  };
  auto prewrite = prewrite_request(world, {"a", "y"}, ts(2000));
  *prewrite.mutable_context() = left;
  outside(world.ask(&Node::kv_prewrite, prewrite).value());
  auto flush = flush_request(world, {{"a", "1"}, {"y", "1"}}, ts(2000), 1);
  *flush.mutable_context() = left;
  outside(world.ask(&Node::kv_flush, flush).value());
  kvrpcpb::BufferBatchGetRequest own;
  *own.mutable_context() = left;
  own.add_keys("y");
  own.set_version(ts(2000));
  outside(world.ask(&Node::kv_buffer_batch_get, own).value());
  kvrpcpb::CommitRequest commit;
  *commit.mutable_context() = left;
  commit.add_keys("y");
  commit.set_start_version(ts(2000));
  commit.set_commit_version(ts(2001));
  outside(world.ask(&Node::kv_commit, commit).value());
  kvrpcpb::CheckTxnStatusRequest check;
  *check.mutable_context() = left;
  check.set_primary_key("y");
  check.set_lock_ts(ts(2000));
  outside(world.ask(&Node::kv_check_txn_status, check).value());
  kvrpcpb::CheckSecondaryLocksRequest secondaries;
  *secondaries.mutable_context() = left;
  secondaries.add_keys("y");
  secondaries.set_start_version(ts(2000));
  outside(world.ask(&Node::kv_check_secondary_locks, secondaries).value());
  kvrpcpb::ResolveLockRequest resolve;
  *resolve.mutable_context() = left;
  resolve.add_keys("y");
  resolve.set_start_version(ts(2000));
  outside(world.ask(&Node::kv_resolve_lock, resolve).value());
  kvrpcpb::GetRequest get_outside;
  *get_outside.mutable_context() = left;
  get_outside.set_key("y");
  get_outside.set_version(ts(2000));
  outside(world.ask(&Node::kv_get, get_outside).value());
}

// Puts bytes where a record should be, below all checks.
void plant(SingleStore& world, engine::Cf cf, const Bytes& key, const Bytes& value) {
  auto batch = world.kv->new_batch();
  batch->put(cf, "z" + key, value);
  ASSERT_TRUE(world.kv->write(*batch).ok());
}

TEST(NodeTxn, ADamagedLockIsAnErrorInWordsAndNothingElseFails) {
  SingleStore world;
  const std::vector<Bytes> damages = {"", "?", "P", Bytes("P\xff\xff\xff\xff", 5), Bytes("P\x02", 2) + "a" + "\x80"};
  for (const Bytes& bytes : damages) {
    plant(world, engine::Cf::kLock, codec::encode_bytes("bad"), bytes);
    const auto damaged = [&bytes](const auto& response) {
      EXPECT_NE(response.region_error().message().find("the storage engine failed"), std::string::npos)
          << to_hex(bytes) << ": " << response.ShortDebugString();
    };
    damaged(get(world, "bad", ts(3000)));
    damaged(scan_locks(world));
    damaged(world.ask(&Node::kv_prewrite, prewrite_request(world, {"bad"}, ts(2000))).value());
    damaged(commit(world, {"bad"}, ts(2000), ts(2001)));
    auto scan = ask_for<kvrpcpb::ScanRequest>(world);
    scan.set_limit(10);
    scan.set_version(ts(3000));
    damaged(world.ask(&Node::kv_scan, scan).value());
    auto resolve = ask_for<kvrpcpb::ResolveLockRequest>(world);
    resolve.set_start_version(ts(2000));
    damaged(world.ask(&Node::kv_resolve_lock, resolve).value());
    auto shown = ask_for<kvrpcpb::MvccGetByKeyRequest>(world);
    shown.set_key("bad");
    EXPECT_FALSE(world.ask(&Node::mvcc_get_by_key, shown).value().error().empty());
  }
  EXPECT_TRUE(world.ask(&Node::kv_prewrite, prewrite_request(world, {"good"}, ts(2000))).value().errors().empty());
  EXPECT_FALSE(commit(world, {"good"}, ts(2000), ts(2001)).has_error());
  EXPECT_EQ(get(world, "good", ts(3000)).value(), "v");
}

TEST(NodeTxn, ADamagedVersionOrALostValueIsAnErrorInWords) {
  SingleStore world;
  const auto damaged = [](const auto& response) {
    EXPECT_NE(response.region_error().message().find("the storage engine failed"), std::string::npos)
        << response.ShortDebugString();
  };
  const Bytes at = codec::append_ts(codec::encode_bytes("bad"), Timestamp(ts(2000)));
  for (const Bytes& bytes : {Bytes(), Bytes("?"), Bytes("P\xff", 2), Bytes("P\x01v\x09", 4), Bytes("P\x01", 2)}) {
    plant(world, engine::Cf::kWrite, at, bytes);  // the last one is sound, but its value is not there
    damaged(get(world, "bad", ts(3000)));
    auto scan = ask_for<kvrpcpb::ScanRequest>(world);
    scan.set_limit(10);
    scan.set_version(ts(3000));
    damaged(world.ask(&Node::kv_scan, scan).value());
    scan.set_reverse(true);
    damaged(world.ask(&Node::kv_scan, scan).value());
  }
  plant(world, engine::Cf::kWrite, at, "?");
  damaged(world.ask(&Node::kv_prewrite, prewrite_request(world, {"bad"}, ts(2500))).value());
  damaged(commit(world, {"bad"}, ts(1999), ts(2001)));
  plant(world, engine::Cf::kWrite, "no timestamp", "P\x01");
  auto scan = ask_for<kvrpcpb::ScanRequest>(world);
  scan.set_start_key("c");
  scan.set_limit(10);
  scan.set_version(ts(3000));
  damaged(world.ask(&Node::kv_scan, scan).value());
}

TEST(NodeTxn, RecordsThatNoTransactionCanHaveWrittenStopNothingButTheirKey) {
  SingleStore world;
  // Committed before it began.
  mvcc::Write write{.kind = mvcc::WriteKind::kPut, .start_ts = Timestamp(ts(3000))};
  write.short_value = "v";
  plant(world, engine::Cf::kWrite, codec::append_ts(codec::encode_bytes("w"), Timestamp(ts(2000))), write.encode());
  auto cleanup = ask_for<kvrpcpb::CleanupRequest>(world);
  cleanup.set_key("w");
  cleanup.set_start_version(ts(2000));
  const auto refused = world.ask(&Node::kv_cleanup, cleanup).value();
  EXPECT_NE(refused.region_error().message().find("the storage engine failed"), std::string::npos)
      << refused.ShortDebugString();

  // A lock that several share, of whom one is damaged: in the way of everybody but readers.
  plant(world, engine::Cf::kLock, codec::encode_bytes("s"), Bytes("Hh\x01\x02?"));
  EXPECT_TRUE(commit(world, {"s"}, ts(2000), ts(2001)).has_region_error());
  EXPECT_TRUE(world.ask(&Node::kv_prewrite, prewrite_request(world, {"s"}, ts(2000))).value().has_region_error());
  EXPECT_TRUE(get(world, "s", ts(3000)).not_found());
}

kvrpcpb::PessimisticLockRequest lock_request(SingleStore& world, const Bytes& key, uint64_t start, kvrpcpb::Op op) {
  auto request = ask_for<kvrpcpb::PessimisticLockRequest>(world);
  auto& mutation = *request.add_mutations();
  mutation.set_op(op);
  mutation.set_key(key);
  request.set_primary_lock("p");
  request.set_start_version(start);
  request.set_for_update_ts(start);
  request.set_wait_timeout(-1);
  request.set_lock_ttl(3000);
  return request;
}

TEST(NodeTxn, AKeyIsSharedAndToldWithAllWhoShareIt) {
  SingleStore world;
  for (const uint64_t start : {ts(2000), ts(2001)}) {
    const auto lock = lock_request(world, "k", start, kvrpcpb::Op::SharedPessimisticLock);
    ASSERT_TRUE(world.ask(&Node::kv_pessimistic_lock, lock).value().errors().empty());
  }
  for (const bool by_force : {false, true}) {
    auto alone = lock_request(world, "k", ts(2002), kvrpcpb::Op::PessimisticLock);
    if (by_force) alone.set_wake_up_mode(kvrpcpb::PessimisticLockWakeUpMode::WakeUpModeForceLock);
    const auto refused = world.ask(&Node::kv_pessimistic_lock, alone).value();
    ASSERT_EQ(refused.errors_size(), 1) << refused.ShortDebugString();
    const auto& locked = refused.errors(0).locked();
    EXPECT_EQ(locked.lock_type(), kvrpcpb::Op::SharedLock);
    EXPECT_EQ(locked.key(), "k");
    EXPECT_EQ(locked.lock_version(), 0u);
    ASSERT_EQ(locked.shared_lock_infos_size(), 2);
    EXPECT_EQ(locked.shared_lock_infos(1).lock_version(), ts(2001));
    EXPECT_EQ(locked.shared_lock_infos(1).lock_type(), kvrpcpb::Op::PessimisticLock);
    EXPECT_EQ(locked.shared_lock_infos(1).primary_lock(), "p");
    EXPECT_EQ(locked.shared_lock_infos(1).key(), "k");
  }
  auto prewrite = ask_for<kvrpcpb::PrewriteRequest>(world);
  auto& mutation = *prewrite.add_mutations();
  mutation.set_op(kvrpcpb::Op::SharedLock);
  mutation.set_key("k");
  prewrite.add_pessimistic_actions(kvrpcpb::PrewriteRequest::DO_PESSIMISTIC_CHECK);
  prewrite.set_primary_lock("p");
  prewrite.set_start_version(ts(2000));
  prewrite.set_for_update_ts(ts(2000));
  ASSERT_TRUE(world.ask(&Node::kv_prewrite, prewrite).value().errors().empty());
  const auto found = scan_locks(world);
  ASSERT_EQ(found.locks_size(), 1);
  ASSERT_EQ(found.locks(0).shared_lock_infos_size(), 2);
  EXPECT_EQ(found.locks(0).shared_lock_infos(0).lock_type(), kvrpcpb::Op::Lock);
  auto shown = ask_for<kvrpcpb::MvccGetByStartTsRequest>(world);
  shown.set_start_ts(ts(2001));
  EXPECT_EQ(world.ask(&Node::mvcc_get_by_start_ts, shown).value().key(), "k");
  ASSERT_FALSE(commit(world, {"k"}, ts(2000), ts(2010)).has_error());
  auto give_back = ask_for<kvrpcpb::PessimisticRollbackRequest>(world);
  give_back.add_keys("k");
  give_back.set_start_version(ts(2001));
  give_back.set_for_update_ts(ts(2001));
  ASSERT_TRUE(world.ask(&Node::kv_pessimistic_rollback, give_back).value().errors().empty());
  EXPECT_TRUE(scan_locks(world).locks().empty());
}

TEST(NodeTxn, TheVersionsShownCarryAllTheirParts) {
  SingleStore world;
  const auto key = codec::encode_bytes("k");
  mvcc::Write write{.kind = mvcc::WriteKind::kLock, .start_ts = Timestamp(5)};
  write.last_change = mvcc::LastChange::at(Timestamp(3), 7);
  write.has_overlapped_rollback = true;
  write.gc_fence = Timestamp(9);
  plant(world, engine::Cf::kWrite, codec::append_ts(key, Timestamp(8)), write.encode());
  mvcc::Lock lock{.kind = mvcc::LockKind::kLock, .primary = "p", .start_ts = Timestamp(10), .ttl_ms = 11};
  lock.txn_size = 12;
  lock.last_change = mvcc::LastChange::not_exist();
  lock.rollback_ts = {Timestamp(13)};
  plant(world, engine::Cf::kLock, key, lock.encode());
  auto request = ask_for<kvrpcpb::MvccGetByKeyRequest>(world);
  request.set_key("k");
  const auto info = world.ask(&Node::mvcc_get_by_key, request).value().info();
  ASSERT_EQ(info.writes_size(), 1);
  EXPECT_EQ(info.writes(0).last_change_ts(), 3u);
  EXPECT_EQ(info.writes(0).versions_to_last_change(), 7u);
  EXPECT_TRUE(info.writes(0).has_overlapped_rollback() && info.writes(0).has_gc_fence());
  EXPECT_EQ(info.writes(0).gc_fence(), 9u);
  EXPECT_EQ(info.lock().versions_to_last_change(), 1u);
  EXPECT_EQ(info.lock().txn_size(), 12u);
  EXPECT_EQ(info.lock().ttl(), 11u);
  EXPECT_EQ(info.lock().rollback_ts(0), 13u);
}

}  // namespace
}  // namespace cairn::server
