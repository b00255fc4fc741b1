#include "server/errors.h"

#include <gtest/gtest.h>

#include <utility>

namespace cairn::server {
namespace {

engine::RegionDescription region() {
  engine::RegionDescription out;
  out.id = RegionId(7);
  out.start_key = "b";
  out.end_key = "d";
  out.epoch = {3, 4};
  out.peers = {{PeerId(1), StoreId(2), engine::PeerDescription::Role::kLearner}};
  return out;
}

// How many sub-messages are set besides the message.
int sub_messages(const errorpb::Error& error) {
  std::vector<const google::protobuf::FieldDescriptor*> fields;
  error.GetReflection()->ListFields(error, &fields);
  return static_cast<int>(fields.size()) - 1;
}

// One of each alternative, by its index.
template <size_t... I>
std::vector<engine::RegionError> one_of_each(std::index_sequence<I...>) {
  return {engine::RegionError(std::in_place_index<I>)...};
}

TEST(Errors, EveryRegionErrorHasAMessageAndExactlyOneSubMessage) {
  for (const auto& error : one_of_each(std::make_index_sequence<std::variant_size_v<engine::RegionError>>())) {
    const auto proto = to_proto(error);
    EXPECT_FALSE(proto.message().empty()) << error.index();
    if (std::holds_alternative<engine::OtherRegionError>(error)) {
      EXPECT_EQ(sub_messages(proto), 0) << "only words";
    } else {
      EXPECT_EQ(sub_messages(proto), 1) << proto.ShortDebugString();
    }
  }
}

TEST(Errors, ALeaderIsNamedIfItIsKnown) {
  EXPECT_FALSE(to_proto(engine::RegionError(engine::NotLeader{RegionId(7), {}})).not_leader().has_leader());
  const auto proto =
      to_proto(engine::RegionError(engine::NotLeader{RegionId(7), engine::PeerDescription{PeerId(1), StoreId(2), {}}}));
  EXPECT_EQ(proto.not_leader().region_id(), 7u);
  EXPECT_EQ(proto.not_leader().leader().id(), 1u);
  EXPECT_EQ(proto.not_leader().leader().store_id(), 2u);
}

TEST(Errors, CurrentRegionsComeWithEngineKeysEpochAndPeers) {
  const auto proto = to_proto(engine::RegionError(engine::EpochNotMatch{{region()}}));
  ASSERT_EQ(proto.epoch_not_match().current_regions_size(), 1);
  const auto& out = proto.epoch_not_match().current_regions(0);
  EXPECT_EQ(out.id(), 7u);
  EXPECT_EQ(out.start_key(), "b");
  EXPECT_EQ(out.end_key(), "d");
  EXPECT_EQ(out.region_epoch().conf_ver(), 3u);
  EXPECT_EQ(out.region_epoch().version(), 4u);
  EXPECT_EQ(out.peers(0).role(), metapb::PeerRole::Learner);
}

TEST(Errors, ABusyServerSaysForHowLong) {
  const auto proto = to_proto(engine::RegionError(engine::ServerIsBusy{"full", 250ms}));
  EXPECT_EQ(proto.server_is_busy().reason(), "full");
  EXPECT_EQ(proto.server_is_busy().backoff_ms(), 250u);
}

TEST(Errors, APassedDeadlineIsABusyServerWithTheTextThatClientsKnow) {
  EXPECT_EQ(deadline_exceeded().server_is_busy().reason(), "deadline is exceeded");
}

TEST(Errors, ALockIsToldWhole) {
  mvcc::LockInfo lock;
  lock.primary = "p";
  lock.start_ts = Timestamp(5);
  lock.key = "k";
  lock.ttl_ms = 3000;
  lock.txn_size = 2;
  lock.kind = mvcc::LockKind::kDelete;
  lock.use_async_commit = true;
  lock.min_commit_ts = Timestamp(6);
  lock.secondaries = {"s1", "s2"};
  const auto proto = to_proto(mvcc::KeyError(mvcc::KeyIsLocked{lock}));
  EXPECT_EQ(proto.locked().primary_lock(), "p");
  EXPECT_EQ(proto.locked().lock_version(), 5u);
  EXPECT_EQ(proto.locked().key(), "k");
  EXPECT_EQ(proto.locked().lock_ttl(), 3000u);
  EXPECT_EQ(proto.locked().lock_type(), kvrpcpb::Op::Del);
  EXPECT_TRUE(proto.locked().use_async_commit());
  EXPECT_EQ(proto.locked().min_commit_ts(), 6u);
  EXPECT_EQ(proto.locked().secondaries_size(), 2);
}

TEST(Errors, OfASharedLockOnlyThoseWhoHoldItAreTold) {
  mvcc::LockInfo lock{.primary = {}, .start_ts = {}, .key = "k", .kind = mvcc::LockKind::kShared};
  lock.shared.push_back({.primary = "p", .start_ts = Timestamp(5), .key = "k", .kind = mvcc::LockKind::kLock});
  const auto proto = to_proto(lock);
  EXPECT_EQ(proto.lock_type(), kvrpcpb::Op::SharedLock);
  EXPECT_EQ(proto.key(), "k");
  EXPECT_EQ(proto.lock_version(), 0u);
  ASSERT_EQ(proto.shared_lock_infos_size(), 1);
  EXPECT_EQ(proto.shared_lock_infos(0).lock_version(), 5u);
  EXPECT_EQ(proto.shared_lock_infos(0).lock_type(), kvrpcpb::Op::Lock);
}

TEST(Errors, AConflictMayBeRetriedAndACommitBehindARollbackToo) {
  mvcc::WriteConflict conflict{Timestamp(5), Timestamp(6), Timestamp(7), "k", "p", mvcc::ConflictReason::kOptimistic};
  const auto proto = to_proto(mvcc::KeyError(conflict));
  EXPECT_EQ(proto.conflict().conflict_ts(), 6u);
  EXPECT_EQ(proto.conflict().conflict_commit_ts(), 7u);
  EXPECT_EQ(proto.conflict().reason(), kvrpcpb::WriteConflict::Optimistic);
  EXPECT_FALSE(proto.retryable().empty());

  const auto gone = to_proto(mvcc::KeyError(mvcc::TxnLockNotFound{"k", Timestamp(5), Timestamp(9)}));
  EXPECT_EQ(gone.txn_lock_not_found().key(), "k");
  EXPECT_FALSE(gone.retryable().empty());
}

TEST(Errors, EveryKeyErrorSaysSomething) {
  EXPECT_FALSE(to_proto(mvcc::KeyError(mvcc::Committed{"k", Timestamp(5), Timestamp(9)})).abort().empty());
  EXPECT_FALSE(to_proto(mvcc::KeyError(mvcc::Aborted{})).abort().empty());
  EXPECT_TRUE(to_proto(mvcc::KeyError(mvcc::TxnNotFound{Timestamp(5), "p"})).has_txn_not_found());
  EXPECT_TRUE(to_proto(mvcc::KeyError(mvcc::AlreadyExist{"k"})).has_already_exist());
  EXPECT_TRUE(to_proto(mvcc::KeyError(mvcc::CommitTsExpired{})).has_commit_ts_expired());
  EXPECT_TRUE(to_proto(mvcc::KeyError(mvcc::AssertionFailed{})).has_assertion_failed());
  EXPECT_TRUE(to_proto(mvcc::KeyError(mvcc::PrimaryMismatch{})).has_primary_mismatch());
}

TEST(Errors, ARefusalInWordsFindsTheFieldThatTheResponseHas) {
  kvrpcpb::PrewriteResponse prewrite;
  put_refusal(prewrite, "no");
  EXPECT_EQ(prewrite.errors(0).abort(), "no");
  kvrpcpb::GetResponse get;
  put_refusal(get, "no");
  EXPECT_EQ(get.error().abort(), "no");
  kvrpcpb::RawPutResponse put;
  put_refusal(put, "no");
  EXPECT_EQ(put.error(), "no");
  kvrpcpb::RawScanResponse scan;
  put_refusal(scan, "no");
  EXPECT_EQ(scan.region_error().message(), "no");
  EXPECT_EQ(scan.kvs_size(), 0) << "it would be taken for a pair";
  kvrpcpb::RawBatchGetResponse batch;
  put_refusal(batch, "no");
  EXPECT_EQ(batch.region_error().message(), "no");
  EXPECT_EQ(batch.pairs_size(), 0);
}

// In messages that got `error` later than `pairs`, some clients look at the one and some at the others.
template <class Response>
void expect_error_and_pair() {
  kvrpcpb::KeyError error;
  error.mutable_locked()->set_key("k");
  Response response;
  put_key_error(response, error);
  EXPECT_EQ(response.error().locked().key(), "k");
  ASSERT_EQ(response.pairs_size(), 1);
  EXPECT_EQ(response.pairs(0).error().locked().key(), "k");
  Response refused;
  put_refusal(refused, "no");
  EXPECT_EQ(refused.error().abort(), "no");
  ASSERT_EQ(refused.pairs_size(), 1);
  EXPECT_EQ(refused.pairs(0).error().abort(), "no");
}

TEST(Errors, AnErrorOfTheWholeRequestIsInThePairsToo) {
  expect_error_and_pair<kvrpcpb::BatchGetResponse>();
  expect_error_and_pair<kvrpcpb::ScanResponse>();
  expect_error_and_pair<kvrpcpb::BufferBatchGetResponse>();
}

TEST(Errors, ABrokenEngineIsARegionErrorOfWordsAndAFullDiskIsNamed) {
  EXPECT_FALSE(to_proto(engine::Error{engine::Error::Kind::kIo, "broken"}).message().empty());
  EXPECT_TRUE(to_proto(engine::Error{engine::Error::Kind::kNoSpace, "full"}).has_disk_full());
}

}  // namespace
}  // namespace cairn::server
