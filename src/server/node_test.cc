#include "server/node.h"

#include <gtest/gtest.h>

#include "base/codec.h"
#include "server/testing/single_store.h"

namespace cairn::server {
namespace {

using testing::SingleStore;

constexpr uint64_t ts(uint64_t physical_ms) { return physical_ms << 18; }

kvrpcpb::PrewriteResponse prewrite(SingleStore& world, std::vector<std::pair<Bytes, Bytes>> puts, uint64_t start) {
  kvrpcpb::PrewriteRequest request;
  *request.mutable_context() = world.context();
  for (const auto& [key, value] : puts) {
    auto& mutation = *request.add_mutations();
    mutation.set_op(kvrpcpb::Op::Put);
    mutation.set_key(key);
    mutation.set_value(value);
  }
  request.set_primary_lock(puts.front().first);
  request.set_start_version(start);
  request.set_lock_ttl(3000);
  return world.ask(&Node::kv_prewrite, request).value();
}

kvrpcpb::CommitResponse commit(SingleStore& world, std::vector<Bytes> keys, uint64_t start, uint64_t at) {
  kvrpcpb::CommitRequest request;
  *request.mutable_context() = world.context();
  for (const auto& key : keys) request.add_keys(key);
  request.set_start_version(start);
  request.set_commit_version(at);
  return world.ask(&Node::kv_commit, request).value();
}

kvrpcpb::GetResponse get(SingleStore& world, const Bytes& key, uint64_t at) {
  kvrpcpb::GetRequest request;
  *request.mutable_context() = world.context();
  request.set_key(key);
  request.set_version(at);
  return world.ask(&Node::kv_get, request).value();
}

kvrpcpb::RawPutResponse raw_put(SingleStore& world, const Bytes& key, const Bytes& value) {
  kvrpcpb::RawPutRequest request;
  *request.mutable_context() = world.context(key);
  request.set_key(key);
  request.set_value(value);
  return world.ask(&Node::raw_put, request).value();
}

kvrpcpb::RawGetResponse raw_get(SingleStore& world, const Bytes& key) {
  kvrpcpb::RawGetRequest request;
  *request.mutable_context() = world.context(key);
  request.set_key(key);
  return world.ask(&Node::raw_get, request).value();
}

TEST(Node, CommitsATransactionAndReadsItAtAndBeforeItsTimestamp) {
  SingleStore world;
  const Bytes large(1000, 'x');
  ASSERT_TRUE(prewrite(world, {{"a", "1"}, {"b", large}}, ts(2000)).errors().empty());
  const auto committed = commit(world, {"a", "b"}, ts(2000), ts(2001));
  EXPECT_FALSE(committed.has_error()) << committed.ShortDebugString();
  EXPECT_EQ(committed.commit_version(), ts(2001));
  EXPECT_GT(committed.exec_details_v2().time_detail_v2().total_rpc_wall_time_ns(), 0u);
  EXPECT_EQ(get(world, "a", ts(2001)).value(), "1");
  EXPECT_EQ(get(world, "b", ts(2002)).value(), large);
  EXPECT_TRUE(get(world, "a", ts(2000)).not_found());
}

TEST(Node, ScansAndBatchGetsFindWhatIsThere) {
  SingleStore world;
  ASSERT_TRUE(prewrite(world, {{"a", "1"}, {"b", "2"}, {"c", "3"}}, ts(2000)).errors().empty());
  ASSERT_FALSE(commit(world, {"a", "b", "c"}, ts(2000), ts(2001)).has_error());
  kvrpcpb::BatchGetRequest batch;
  *batch.mutable_context() = world.context();
  for (const char* key : {"a", "x", "c"}) batch.add_keys(key);
  batch.set_version(ts(3000));
  EXPECT_EQ(world.ask(&Node::kv_batch_get, batch).value().pairs_size(), 2);
  kvrpcpb::ScanRequest scan;
  *scan.mutable_context() = world.context();
  scan.set_start_key("c");
  scan.set_end_key("a");
  scan.set_reverse(true);
  scan.set_limit(10);
  scan.set_version(ts(3000));
  const auto found = world.ask(&Node::kv_scan, scan).value();
  ASSERT_EQ(found.pairs_size(), 2) << found.ShortDebugString();
  EXPECT_EQ(found.pairs(0).key(), "b");
  EXPECT_EQ(found.pairs(1).key(), "a");
}

TEST(Node, ALockInTheWayIsToldAndResolved) {
  SingleStore world;
  ASSERT_TRUE(prewrite(world, {{"a", "1"}}, ts(2000)).errors().empty());
  const auto locked = get(world, "a", ts(2001));
  ASSERT_TRUE(locked.error().has_locked()) << locked.ShortDebugString();
  EXPECT_EQ(locked.error().locked().lock_version(), ts(2000));
  kvrpcpb::CheckTxnStatusRequest check;
  *check.mutable_context() = world.context();
  check.set_primary_key("a");
  check.set_lock_ts(ts(2000));
  check.set_current_ts(ts(9000));
  EXPECT_EQ(world.ask(&Node::kv_check_txn_status, check).value().action(), kvrpcpb::Action::TTLExpireRollback);
  EXPECT_TRUE(get(world, "a", ts(9000)).not_found());
  EXPECT_TRUE(commit(world, {"a"}, ts(2000), ts(9001)).error().has_txn_lock_not_found());
}

TEST(Node, AConflictingPrewriteWritesNothing) {
  SingleStore world;
  ASSERT_TRUE(prewrite(world, {{"a", "1"}}, ts(2000)).errors().empty());
  ASSERT_FALSE(commit(world, {"a"}, ts(2000), ts(2005)).has_error());
  const auto refused = prewrite(world, {{"0", "x"}, {"a", "2"}}, ts(2003));
  ASSERT_EQ(refused.errors_size(), 1);
  EXPECT_EQ(refused.errors(0).conflict().conflict_commit_ts(), ts(2005));
  EXPECT_TRUE(get(world, "0", ts(9000)).not_found());
}

kvrpcpb::PessimisticLockRequest lock_request(SingleStore& world, std::vector<Bytes> keys, uint64_t start, uint64_t at) {
  kvrpcpb::PessimisticLockRequest request;
  *request.mutable_context() = world.context();
  for (const auto& key : keys) {
    request.add_mutations()->set_op(kvrpcpb::Op::PessimisticLock);
    request.mutable_mutations()->rbegin()->set_key(key);
  }
  request.set_primary_lock(keys.front());
  request.set_start_version(start);
  request.set_for_update_ts(at);
  request.set_lock_ttl(20000);
  return request;
}

TEST(Node, APessimisticTransactionLocksPrewritesAndCommits) {
  SingleStore world;
  ASSERT_TRUE(prewrite(world, {{"a", "1"}}, ts(2000)).errors().empty());
  ASSERT_FALSE(commit(world, {"a"}, ts(2000), ts(2001)).has_error());
  auto request = lock_request(world, {"a", "b"}, ts(3000), ts(3000));
  request.set_return_values(true);
  const auto locked = world.ask(&Node::kv_pessimistic_lock, request).value();
  ASSERT_TRUE(locked.errors().empty()) << locked.ShortDebugString();
  ASSERT_EQ(locked.values_size(), 2);
  ASSERT_EQ(locked.not_founds_size(), 2) << "one for each key";
  EXPECT_EQ(locked.values(0), "1");
  EXPECT_FALSE(locked.not_founds(0));
  EXPECT_TRUE(locked.not_founds(1));
  EXPECT_EQ(get(world, "a", ts(4000)).value(), "1") << "readers pass over the lock";

  kvrpcpb::PrewriteRequest write;
  *write.mutable_context() = world.context();
  write.set_primary_lock("a");
  write.set_start_version(ts(3000));
  write.set_for_update_ts(ts(3000));
  for (const char* key : {"a", "b"}) {
    auto& mutation = *write.add_mutations();
    mutation.set_op(kvrpcpb::Op::Put);
    mutation.set_key(key);
    mutation.set_value("2");
    write.add_pessimistic_actions(kvrpcpb::PrewriteRequest::DO_PESSIMISTIC_CHECK);
  }
  auto& constraint = *write.add_for_update_ts_constraints();
  constraint.set_index(1);
  constraint.set_expected_for_update_ts(ts(2999));
  EXPECT_NE(world.ask(&Node::kv_prewrite, write).value().errors(0).abort().find("PessimisticLockNotFound"),
            std::string::npos);
  constraint.set_expected_for_update_ts(ts(3000));
  const auto written = world.ask(&Node::kv_prewrite, write).value();
  ASSERT_TRUE(written.errors().empty()) << written.ShortDebugString();
  ASSERT_FALSE(commit(world, {"a", "b"}, ts(3000), ts(5000)).has_error());
  EXPECT_EQ(get(world, "b", ts(5000)).value(), "2");

  // A statement that did not see the commit is told of it, or locks over it by force.
  auto late = lock_request(world, {"a"}, ts(3500), ts(3500));
  const auto refused = world.ask(&Node::kv_pessimistic_lock, late).value();
  ASSERT_EQ(refused.errors_size(), 1);
  EXPECT_EQ(refused.errors(0).conflict().conflict_commit_ts(), ts(5000));
  EXPECT_EQ(refused.errors(0).conflict().reason(), kvrpcpb::WriteConflict::PessimisticRetry);
  late.set_wake_up_mode(kvrpcpb::PessimisticLockWakeUpMode::WakeUpModeForceLock);
  const auto forced = world.ask(&Node::kv_pessimistic_lock, late).value();
  ASSERT_EQ(forced.results_size(), 1) << forced.ShortDebugString();
  EXPECT_EQ(forced.results(0).type(), kvrpcpb::PessimisticLockKeyResultType::LockResultLockedWithConflict);
  EXPECT_EQ(forced.results(0).locked_with_conflict_ts(), ts(5000));
  EXPECT_EQ(forced.results(0).value(), "2");
  EXPECT_TRUE(forced.results(0).existence());
}

TEST(Node, APessimisticLockWaitsUntilTheOtherIsGivenBackOrItsTimeIsOver) {
  SingleStore world;
  auto first = lock_request(world, {"a"}, ts(3000), ts(3000));
  ASSERT_TRUE(world.ask(&Node::kv_pessimistic_lock, first).value().errors().empty());
  auto second = lock_request(world, {"a"}, ts(3001), ts(3001));
  second.set_wake_up_mode(kvrpcpb::PessimisticLockWakeUpMode::WakeUpModeForceLock);
  const auto timed_out = world.ask(&Node::kv_pessimistic_lock, second).value();
  ASSERT_EQ(timed_out.errors_size(), 1) << timed_out.ShortDebugString();
  EXPECT_EQ(timed_out.errors(0).locked().lock_version(), ts(3000));
  EXPECT_GE(timed_out.errors(0).locked().duration_to_last_update_ms(), 1000u);
  EXPECT_EQ(timed_out.results(0).type(), kvrpcpb::PessimisticLockKeyResultType::LockResultFailed);

  std::optional<api::Reply<kvrpcpb::PessimisticLockResponse>> waiting;
  world.node->kv_pessimistic_lock(api::make_call<kvrpcpb::PessimisticLockRequest, kvrpcpb::PessimisticLockResponse>(
      second, [&waiting](api::Reply<kvrpcpb::PessimisticLockResponse> r) { waiting.emplace(std::move(r)); }));
  world.loop.run_for(300ms);
  EXPECT_FALSE(waiting);
  kvrpcpb::PessimisticRollbackRequest give_back;
  *give_back.mutable_context() = world.context();
  give_back.set_start_version(ts(3000));
  give_back.set_for_update_ts(ts(3000));
  give_back.add_keys("a");
  EXPECT_TRUE(world.ask(&Node::kv_pessimistic_rollback, give_back).value().errors().empty());
  world.loop.run_for(300ms);
  ASSERT_TRUE(waiting && waiting->ok());
  EXPECT_TRUE(waiting->value().errors().empty()) << waiting->value().ShortDebugString();
  EXPECT_EQ(waiting->value().results(0).type(), kvrpcpb::PessimisticLockKeyResultType::LockResultNormal);
}

TEST(Node, ADeadlockIsToldWithItsCycle) {
  SingleStore world;
  ASSERT_TRUE(
      world.ask(&Node::kv_pessimistic_lock, lock_request(world, {"a"}, ts(3000), ts(3000))).value().errors().empty());
  ASSERT_TRUE(
      world.ask(&Node::kv_pessimistic_lock, lock_request(world, {"b"}, ts(3001), ts(3001))).value().errors().empty());
  std::optional<api::Reply<kvrpcpb::PessimisticLockResponse>> waiting;
  world.node->kv_pessimistic_lock(api::make_call<kvrpcpb::PessimisticLockRequest, kvrpcpb::PessimisticLockResponse>(
      lock_request(world, {"b"}, ts(3000), ts(3002)),
      [&waiting](api::Reply<kvrpcpb::PessimisticLockResponse> r) { waiting.emplace(std::move(r)); }));
  world.loop.run_for(100ms);
  const auto closing = world.ask(&Node::kv_pessimistic_lock, lock_request(world, {"a"}, ts(3001), ts(3003))).value();
  ASSERT_EQ(closing.errors_size(), 1) << closing.ShortDebugString();
  const auto& deadlock = closing.errors(0).deadlock();
  EXPECT_EQ(deadlock.lock_ts(), ts(3000));
  EXPECT_EQ(deadlock.lock_key(), "a");
  EXPECT_EQ(deadlock.deadlock_key(), "b");
  ASSERT_EQ(deadlock.wait_chain_size(), 2);
  EXPECT_EQ(deadlock.wait_chain(0).txn(), ts(3000));
  EXPECT_EQ(deadlock.wait_chain(1).txn(), ts(3001));
  EXPECT_NE(deadlock.wait_chain(1).key_hash(), 0u);
  kvrpcpb::GetLockWaitInfoRequest info;
  *info.mutable_context() = world.context();
  const auto now = world.ask(&Node::get_lock_wait_info, info).value();
  ASSERT_EQ(now.entries_size(), 1) << now.ShortDebugString();
  EXPECT_EQ(now.entries(0).txn(), ts(3000));
  EXPECT_EQ(now.entries(0).wait_for_txn(), ts(3001));
  EXPECT_EQ(now.entries(0).key(), "b");
  EXPECT_GE(now.entries(0).wait_time(), 100u);
  EXPECT_EQ(world.ask(&Node::get_wait_for_entries, deadlock::WaitForEntriesRequest()).value().entries_size(), 1);

  world.loop.run_for(2s);
  EXPECT_TRUE(waiting.has_value());
  EXPECT_EQ(world.ask(&Node::get_lock_wait_info, info).value().entries_size(), 0);
  kvrpcpb::GetLockWaitHistoryRequest history;
  *history.mutable_context() = world.context();
  const auto ended = world.ask(&Node::get_lock_wait_history, history).value();
  ASSERT_EQ(ended.entries_size(), 2) << ended.ShortDebugString();
  EXPECT_EQ(ended.entries(0).txn(), ts(3001));
  EXPECT_EQ(ended.entries(1).txn(), ts(3000));
  EXPECT_GE(ended.entries(1).wait_time(), 900u);
}

TEST(Node, LocksOfMemoryAreSeenByThoseWhoLookAtLocks) {
  SingleStore world;
  ASSERT_TRUE(
      world.ask(&Node::kv_pessimistic_lock, lock_request(world, {"a"}, ts(3000), ts(3000))).value().errors().empty());
  kvrpcpb::ScanLockRequest scan;
  *scan.mutable_context() = world.context();
  scan.set_max_version(ts(9000));
  const auto locks = world.ask(&Node::kv_scan_lock, scan).value();
  ASSERT_EQ(locks.locks_size(), 1) << locks.ShortDebugString();
  EXPECT_EQ(locks.locks(0).lock_type(), kvrpcpb::Op::PessimisticLock);
  kvrpcpb::MvccGetByKeyRequest look;
  *look.mutable_context() = world.context();
  look.set_key("a");
  EXPECT_EQ(world.ask(&Node::mvcc_get_by_key, look).value().info().lock().start_ts(), ts(3000));
}

TEST(Node, RawValuesIncludingEmptyOnesComeBack) {
  SingleStore world;
  EXPECT_TRUE(raw_put(world, "k", "v").error().empty());
  EXPECT_TRUE(raw_put(world, "empty", "").error().empty());
  EXPECT_EQ(raw_get(world, "k").value(), "v");
  EXPECT_FALSE(raw_get(world, "empty").not_found());
  EXPECT_TRUE(raw_get(world, "absent").not_found());
  kvrpcpb::RawCASRequest cas;
  *cas.mutable_context() = world.context();
  cas.set_key("k");
  cas.set_previous_value("v");
  cas.set_value("w");
  const auto swapped = world.ask(&Node::raw_compare_and_swap, cas).value();
  EXPECT_TRUE(swapped.succeed());
  EXPECT_EQ(swapped.previous_value(), "v");
  kvrpcpb::RawScanRequest scan;
  *scan.mutable_context() = world.context();
  scan.set_limit(10);
  EXPECT_EQ(world.ask(&Node::raw_scan, scan).value().kvs_size(), 2);
}

TEST(Node, BadInputIsRefusedInWordsAndChangesNothing) {
  SingleStore world({.cluster = ClusterId(testing::OnePagePd::kCluster)});
  EXPECT_FALSE(prewrite(world, {{Bytes(9000, 'k'), "v"}}, ts(2000)).errors(0).abort().empty());
  EXPECT_FALSE(prewrite(world, {{"", "v"}}, ts(2000)).errors(0).abort().empty());
  EXPECT_FALSE(commit(world, {"a"}, ts(2000), ts(2000)).error().abort().empty());
  EXPECT_FALSE(raw_put(world, Bytes(9000, 'k'), "v").error().empty());
  kvrpcpb::RawGetRequest stranger;
  *stranger.mutable_context() = world.context();
  stranger.mutable_context()->set_cluster_id(1);
  const auto reply = world.ask(&Node::raw_get, stranger);
  ASSERT_FALSE(reply.ok());
  EXPECT_EQ(reply.error().code, api::Code::kInvalidArgument);
}

TEST(Node, ARequestForTheWrongRegionEpochOrKeyIsARegionError) {
  SingleStore world;
  kvrpcpb::RawGetRequest request;
  *request.mutable_context() = world.context();
  request.mutable_context()->set_region_id(999);
  EXPECT_TRUE(world.ask(&Node::raw_get, request).value().region_error().has_region_not_found());
  *request.mutable_context() = world.context();
  request.mutable_context()->mutable_region_epoch()->set_version(99);
  EXPECT_TRUE(world.ask(&Node::raw_get, request).value().region_error().has_epoch_not_match());
}

TEST(Node, SplitsARegionAndRefusesKeysOutsideOfThePart) {
  SingleStore world;
  ASSERT_TRUE(raw_put(world, "b", "left").error().empty());
  ASSERT_TRUE(raw_put(world, "y", "right").error().empty());
  kvrpcpb::SplitRegionRequest split;
  *split.mutable_context() = world.context();
  split.add_split_keys("m");
  split.set_is_raw_kv(true);
  const auto parts = world.ask(&Node::split_region, split).value();
  ASSERT_EQ(parts.regions_size(), 2) << parts.ShortDebugString();
  EXPECT_EQ(parts.left().end_key(), "m");
  EXPECT_EQ(parts.right().start_key(), "m");
  world.loop.run_for(15s);
  EXPECT_EQ(raw_get(world, "b").value(), "left");
  EXPECT_EQ(raw_get(world, "y").value(), "right");
  kvrpcpb::RawGetRequest outside;
  *outside.mutable_context() = world.context("b");
  outside.set_key("y");
  EXPECT_TRUE(world.ask(&Node::raw_get, outside).value().region_error().has_key_not_in_region());
}

TEST(Node, ShowsTheVersionsOfAKey) {
  SingleStore world;
  ASSERT_TRUE(prewrite(world, {{"a", "1"}}, ts(2000)).errors().empty());
  ASSERT_FALSE(commit(world, {"a"}, ts(2000), ts(2001)).has_error());
  ASSERT_TRUE(prewrite(world, {{"a", "2"}}, ts(2002)).errors().empty());
  kvrpcpb::MvccGetByKeyRequest request;
  *request.mutable_context() = world.context();
  request.set_key("a");
  const auto shown = world.ask(&Node::mvcc_get_by_key, request).value();
  EXPECT_EQ(shown.info().lock().start_ts(), ts(2002)) << shown.ShortDebugString();
  ASSERT_EQ(shown.info().writes_size(), 1);
  EXPECT_EQ(shown.info().writes(0).commit_ts(), ts(2001));
  kvrpcpb::MvccGetByStartTsRequest by_ts;
  *by_ts.mutable_context() = world.context();
  by_ts.set_start_ts(ts(2000));
  EXPECT_EQ(world.ask(&Node::mvcc_get_by_start_ts, by_ts).value().key(), "a");
}

TEST(Node, APastDeadlineIsABusyServer) {
  SingleStore world;
  kvrpcpb::RawScanRequest scan;
  *scan.mutable_context() = world.context();
  scan.mutable_context()->set_max_execution_duration_ms(1);
  scan.set_limit(1);
  std::optional<api::Reply<kvrpcpb::RawScanResponse>> reply;
  world.executors.pause();
  world.node->raw_scan(api::make_call<kvrpcpb::RawScanRequest, kvrpcpb::RawScanResponse>(
      scan, [&reply](api::Reply<kvrpcpb::RawScanResponse> r) { reply.emplace(std::move(r)); }));
  world.loop.run_for(5ms);
  world.executors.resume();
  world.loop.run_until([&reply] { return reply.has_value(); }, 10s);
  ASSERT_TRUE(reply && reply->ok());
  EXPECT_EQ(reply->value().region_error().server_is_busy().reason(), "deadline is exceeded");
}

kvrpcpb::UnsafeDestroyRangeResponse destroy(SingleStore& world, const Bytes& start, const Bytes& end) {
  kvrpcpb::UnsafeDestroyRangeRequest request;  // without a context: it is the store that is meant, not a region
  request.set_start_key(start);
  request.set_end_key(end);
  return world.ask(&Node::unsafe_destroy_range, request).value();
}

TEST(Node, ADestroyedRangeIsGoneWithItsLocksAndStaysGoneAfterACrash) {
  SingleStore world;
  for (const char* key : {"a", "b", "c"}) {
    ASSERT_EQ(prewrite(world, {{key, Bytes(300, 'v')}}, ts(5)).errors_size(), 0);
    ASSERT_FALSE(commit(world, {key}, ts(5), ts(6)).has_error());
  }
  ASSERT_EQ(prewrite(world, {{"bb", Bytes(300, 'v')}}, ts(7)).errors_size(), 0);
  ASSERT_TRUE(world.kv->flush().ok());
  EXPECT_EQ(destroy(world, "b", "c").error(), "");
  EXPECT_FALSE(get(world, "a", ts(9)).not_found());
  EXPECT_TRUE(get(world, "b", ts(9)).not_found());
  EXPECT_TRUE(get(world, "bb", ts(9)).not_found());
  EXPECT_FALSE(get(world, "c", ts(9)).not_found());
  EXPECT_EQ(world.disk->stats().kv_unflushed_batches, 0u) << "whoever was told so does not ask again";
}

TEST(Node, ARangeToBeDestroyedHasTwoEndsInOrder) {
  SingleStore world;
  ASSERT_EQ(prewrite(world, {{"a", "v"}}, ts(5)).errors_size(), 0);
  EXPECT_NE(destroy(world, "", "z").error(), "");
  EXPECT_NE(destroy(world, "a", "").error(), "");
  EXPECT_NE(destroy(world, "b", "a").error(), "");
  EXPECT_EQ(destroy(world, "a", "a").error(), "");
  EXPECT_TRUE(get(world, "a", ts(9)).has_error()) << "the lock is still there";
}

// A node of API V2, and the context of a V2 request for the user key.
struct V2World : SingleStore {
  V2World() : SingleStore({.api_version = ApiVersion::kV2}) {}
  kvrpcpb::Context of(const Bytes& user_key) {
    auto context = SingleStore::context(codec::encode_bytes(user_key));
    context.set_api_version(kvrpcpb::APIVersion::V2);
    return context;
  }
  template <class Req>
  Req keyed(const Bytes& key) {
    Req request;
    *request.mutable_context() = of(key);
    request.set_key(key);
    return request;
  }
  kvrpcpb::RawPutResponse put(const Bytes& key, const Bytes& value, uint64_t ttl = 0) {
    auto request = keyed<kvrpcpb::RawPutRequest>(key);
    request.set_value(value);
    request.set_ttl(ttl);
    return ask(&Node::raw_put, request).value();
  }
  kvrpcpb::RawGetResponse get(const Bytes& key) {
    return ask(&Node::raw_get, keyed<kvrpcpb::RawGetRequest>(key)).value();
  }
};

TEST(NodeOfV2, PutsGetsSwapsAndExpires) {
  V2World world;
  ASSERT_EQ(world.put("ra", "1").ShortDebugString().find("error"), std::string::npos);
  EXPECT_EQ(world.get("ra").value(), "1");
  EXPECT_EQ(world.get("ra").error(), "");
  EXPECT_TRUE(world.get("rb").not_found());
  ASSERT_EQ(world.put("rt", "2", 5).error(), "");
  EXPECT_EQ(world.ask(&Node::raw_get_key_ttl, world.keyed<kvrpcpb::RawGetKeyTTLRequest>("rt")).value().ttl(), 5u);
  auto swap = world.keyed<kvrpcpb::RawCASRequest>("ra");
  swap.set_previous_value("1");
  swap.set_value("3");
  EXPECT_TRUE(world.ask(&Node::raw_compare_and_swap, swap).value().succeed());
  EXPECT_EQ(world.ask(&Node::raw_compare_and_swap, swap).value().previous_value(), "3");
  ASSERT_EQ(world.ask(&Node::raw_delete, world.keyed<kvrpcpb::RawDeleteRequest>("ra")).value().error(), "");
  EXPECT_TRUE(world.get("ra").not_found());
  world.loop.run_for(6s);
  EXPECT_TRUE(world.get("rt").not_found());
}

TEST(NodeOfV2, RefusesKeysAndVersionsThatAreNotItsOwn) {
  V2World world;
  EXPECT_NE(world.put("xa", "1").error().find("InvalidKeyMode"), std::string::npos);
  auto old = world.keyed<kvrpcpb::RawGetRequest>("ra");
  old.mutable_context()->set_api_version(kvrpcpb::APIVersion::V1);
  EXPECT_NE(world.ask(&Node::raw_get, old).value().error().find("ApiVersionNotMatched"), std::string::npos);
  auto get = world.keyed<kvrpcpb::GetRequest>("ra");
  get.set_version(ts(3000));
  EXPECT_NE(world.ask(&Node::kv_get, get).value().error().abort().find("InvalidKeyMode"), std::string::npos);
}

TEST(NodeOfV2, TransactionsAndRawDataDoNotMeet) {
  V2World world;
  kvrpcpb::PrewriteRequest prewrite;
  *prewrite.mutable_context() = world.of("xa");
  auto& mutation = *prewrite.add_mutations();
  mutation.set_op(kvrpcpb::Op::Put);
  mutation.set_key("xa");
  mutation.set_value(Bytes(300, 'v'));  // in the default column family, where raw versions are
  prewrite.set_primary_lock("xa");
  prewrite.set_start_version(ts(2000));
  prewrite.set_lock_ttl(3000);
  ASSERT_TRUE(world.ask(&Node::kv_prewrite, prewrite).value().errors().empty());
  kvrpcpb::CommitRequest commit;
  *commit.mutable_context() = world.of("xa");
  commit.add_keys("xa");
  commit.set_start_version(ts(2000));
  commit.set_commit_version(ts(2001));
  ASSERT_FALSE(world.ask(&Node::kv_commit, commit).value().has_error());
  ASSERT_EQ(world.put("ra", "raw").error(), "");
  auto get = world.keyed<kvrpcpb::GetRequest>("xa");
  get.set_version(ts(3000));
  EXPECT_EQ(world.ask(&Node::kv_get, get).value().value(), Bytes(300, 'v'));
  kvrpcpb::RawScanRequest scan;
  *scan.mutable_context() = world.of("r");
  scan.set_start_key("r");
  scan.set_end_key("s");
  scan.set_limit(10);
  const auto pairs = world.ask(&Node::raw_scan, scan).value();
  ASSERT_EQ(pairs.kvs_size(), 1) << pairs.ShortDebugString();
  EXPECT_EQ(pairs.kvs(0).key(), "ra");
}

TEST(NodeOfV2, RegionsAreBoundedByEncodedKeysAlsoForRawData) {
  V2World world;
  for (const char* key : {"ra", "rb", "rc"}) ASSERT_EQ(world.put(key, key).error(), "");
  kvrpcpb::SplitRegionRequest split;
  *split.mutable_context() = world.of("r");
  split.add_split_keys("rb");
  split.set_is_raw_kv(true);
  const auto regions = world.ask(&Node::split_region, split).value();
  ASSERT_EQ(regions.regions_size(), 2) << regions.ShortDebugString();
  EXPECT_EQ(regions.regions(1).start_key(), codec::encode_bytes("rb"));
  world.loop.run_for(5s);  // the new region finds its leader, and that its timestamp
  for (const char* key : {"ra", "rb", "rc"}) {
    EXPECT_EQ(world.get(key).value(), key);
    EXPECT_EQ(world.put(key, "2").ShortDebugString().find("error"), std::string::npos);
    EXPECT_EQ(world.get(key).value(), "2");
  }
}

}  // namespace
}  // namespace cairn::server
