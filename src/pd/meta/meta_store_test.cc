// MetaStore: etcd's semantics by example, and against a naive model.
#include "pd/meta/meta_store.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace cairn::pd {
namespace {

namespace etcd = etcdserverpb;

CommandResult execute(MetaStore& store, const Bytes& command) {
  auto result = store.apply(command);
  EXPECT_TRUE(result.ok()) << (result.ok() ? "" : result.error());
  return result.ok() ? std::move(*result) : CommandResult();
}

CommandResult run(MetaStore& store, const etcd::TxnRequest& txn) { return execute(store, MetaStore::encode_txn(txn)); }
CommandResult run(MetaStore& store, const MetaTxn& txn) { return execute(store, MetaStore::encode_own(txn)); }

CommandResult put(MetaStore& store, const Bytes& key, const Bytes& value, int64_t lease = 0) {
  etcd::TxnRequest txn;
  auto& op = *txn.add_success()->mutable_request_put();
  op.set_key(key);
  op.set_value(value);
  op.set_lease(lease);
  op.set_prev_kv(true);
  return run(store, txn);
}

TEST(MetaStore, RevisionsAndVersionsCountAsInEtcd) {
  MetaStore store;
  EXPECT_EQ(store.revision(), 1);
  put(store, "a", "1");
  EXPECT_EQ(put(store, "a", "2").txn.responses(0).response_put().prev_kv().value(), "1");
  const auto* record = store.get("a");
  EXPECT_EQ(record->create_revision, 2);
  EXPECT_EQ(record->mod_revision, 3);
  EXPECT_EQ(record->version, 2);
  etcd::TxnRequest nothing;
  nothing.add_success()->mutable_request_delete_range()->set_key("zz");
  EXPECT_EQ(run(store, nothing).txn.header().revision(), 3);
}

TEST(MetaStore, AnElectionTakesTheKeyOnce) {
  MetaStore store;
  etcd::TxnRequest campaign;
  auto& compare = *campaign.add_compare();
  compare.set_key("/leader");
  compare.set_target(etcd::Compare::CREATE);
  campaign.add_success()->mutable_request_put()->set_key("/leader");
  EXPECT_TRUE(run(store, campaign).txn.succeeded());
  EXPECT_FALSE(run(store, campaign).txn.succeeded());
  EXPECT_EQ(store.revision(), 2);
}

TEST(MetaStore, AnAbsentKeyHasNoValueToCompareWith) {
  MetaStore store;
  etcd::TxnRequest txn;
  auto& compare = *txn.add_compare();
  compare.set_key("k");
  compare.set_target(etcd::Compare::VALUE);
  txn.add_success()->mutable_request_put()->set_key("k");
  EXPECT_FALSE(run(store, txn).txn.succeeded());
}

TEST(MetaStore, AKeyIsPutOnceInATransaction) {
  MetaStore store;
  etcd::TxnRequest txn;
  txn.add_success()->mutable_request_put()->set_key("k");
  txn.add_success()->mutable_request_put()->set_key("k");
  EXPECT_EQ(run(store, txn).status.message, "etcdserver: duplicate key given in txn request");
  EXPECT_EQ(store.get("k"), nullptr);
}

TEST(MetaStore, NothingOfTheEtcdApiTouchesPdsOwnRecords) {
  MetaStore store;
  run(store, MetaTxn().put("/pd/a", "own"));
  EXPECT_EQ(store.revision(), 1) << "they are no keys of etcd's";
  EXPECT_EQ(store.get("/pd/a"), nullptr);
  put(store, "/pd/a", "garbage");
  EXPECT_EQ(store.own().value("/pd/a"), "own");
  etcd::TxnRequest all;
  auto& del = *all.add_success()->mutable_request_delete_range();
  del.set_key(Bytes(1, '\0'));
  del.set_range_end(Bytes(1, '\0'));
  EXPECT_EQ(run(store, all).txn.responses(0).response_delete_range().deleted(), 1);
  EXPECT_EQ(store.own().value("/pd/a"), "own");
}

TEST(MetaStore, PdsTransactionsHappenWholeOrNotAtAll) {
  MetaStore store;
  EXPECT_TRUE(run(store, MetaTxn().if_absent("a").put("a", "1").put("b", "1")).txn.succeeded());
  EXPECT_FALSE(run(store, MetaTxn().if_absent("a").put("a", "2")).txn.succeeded());
  EXPECT_FALSE(run(store, MetaTxn().if_value("a", "1").if_value("b", "2").del("a")).txn.succeeded());
  EXPECT_FALSE(run(store, MetaTxn().if_value("c", "").put("c", "1")).txn.succeeded()) << "absent is not empty";
  EXPECT_TRUE(run(store, MetaTxn().if_value("a", "1").del("a").publish("/seen", "x")).txn.succeeded());
  EXPECT_FALSE(store.own().value("a"));
  EXPECT_EQ(store.own().value("b"), "1");
  EXPECT_EQ(store.value("/seen"), "x");
  EXPECT_EQ(store.revision(), 2);
}

TEST(MetaStore, RecordsOfOldMoveOutOfTheEtcdKeySpaceOnce) {
  MetaStore store;
  const Bytes id("\0\0\0\0\0\0\0\7", 8);
  put(store, "/pd/cluster_id", id);
  put(store, "/pd/7/alloc_id", "x");
  put(store, "/pd/8/alloc_id", "of another cluster");
  put(store, "/tidb/store/gcworker/saved_safe_point", "99");
  ASSERT_TRUE(store.has_records_to_adopt());
  execute(store, MetaStore::encode_adopt());
  EXPECT_EQ(store.own().value("/pd/cluster_id"), id);
  EXPECT_EQ(store.own().value("/pd/7/alloc_id"), "x");
  EXPECT_EQ(store.own().value("/pd/7/gc/txn_safe_point"), "99");
  EXPECT_EQ(store.own().size(), 3u);
  EXPECT_EQ(store.get("/pd/7/alloc_id"), nullptr);
  EXPECT_NE(store.get("/pd/8/alloc_id"), nullptr);
  EXPECT_NE(store.get("/tidb/store/gcworker/saved_safe_point"), nullptr);
  put(store, "/pd/cluster_id", "garbage");
  put(store, "/pd/7/alloc_id", "garbage");
  EXPECT_FALSE(store.has_records_to_adopt());
  execute(store, MetaStore::encode_adopt());
  EXPECT_EQ(store.own().value("/pd/7/alloc_id"), "x");
}

TEST(MetaStore, ASafePointOfOldThatAClientSpoiltIsMadeGoodByWhatWasCollected) {
  for (const char* spoilt : {"", "garbage", "99x", "7"}) {
    MetaStore store;
    put(store, "/pd/cluster_id", Bytes("\0\0\0\0\0\0\0\7", 8));
    put(store, "/pd/7/gc/safe_point", "1f");
    put(store, "/tidb/store/gcworker/saved_safe_point", spoilt);
    execute(store, MetaStore::encode_adopt());
    EXPECT_EQ(store.own().value("/pd/7/gc/txn_safe_point"), "31") << spoilt;
  }
}

TEST(MetaStore, ADamagedCommandIsAnErrorAndNoCrash) {
  MetaStore store;
  for (const Bytes& command : {Bytes(), Bytes("\0", 1), Bytes("\1\xff\xff"), Bytes("\2"), Bytes("\3\1"), Bytes("\4"),
                               Bytes("\5"), Bytes("\5\1"), Bytes("\5\0\7", 3), Bytes("\7")}) {
    EXPECT_FALSE(store.apply(command).ok()) << to_hex(command);
  }
}

TEST(MetaStore, ARefusedTransactionChangesNothing) {
  MetaStore store;
  etcd::TxnRequest txn;
  txn.add_success()->mutable_request_put()->set_key("a");
  auto& second = *txn.add_success()->mutable_request_put();
  second.set_key("b");
  second.set_lease(99);
  const auto result = run(store, txn);
  EXPECT_EQ(result.status.code, api::Code::kNotFound);
  EXPECT_EQ(result.status.message, "etcdserver: requested lease not found");
  EXPECT_EQ(store.keys(), 0);
  EXPECT_EQ(store.revision(), 1);
}

// What one request makes the node build and look at is bounded as a whole, however many parts it has.
TEST(MetaStore, TheAnswerToATransactionIsBoundedAsAWhole) {
  MetaStore store;
  const Bytes large(MetaStore::kAnswerBytesMax / 3, 'x');
  put(store, "large", large);
  const auto reads = [](etcd::TxnRequest txn, const Bytes& key, int count) {
    auto& nested = *txn.add_success()->mutable_request_txn();
    for (int i = 0; i < count; ++i) nested.add_success()->mutable_request_range()->set_key(key);
    return txn;
  };
  EXPECT_TRUE(run(store, reads({}, "large", 2)).status.ok());
  EXPECT_EQ(run(store, reads({}, "large", 4)).status.code, api::Code::kResourceExhausted);
  etcd::TxnRequest put_first;
  put_first.add_success()->mutable_request_put()->set_key("new");
  put_first.mutable_success(0)->mutable_request_put()->set_value(large);
  EXPECT_EQ(run(store, reads(put_first, "new", 4)).status.code, api::Code::kResourceExhausted) << "of its own making";
  EXPECT_EQ(store.get("new"), nullptr);
  for (const char* key : {"large2", "large3", "large4"}) put(store, key, large);
  etcd::TxnRequest delete_all;
  auto& del = *delete_all.add_success()->mutable_request_delete_range();
  del.set_key("large");
  del.set_range_end("m");
  del.set_prev_kv(true);
  EXPECT_EQ(run(store, delete_all).status.code, api::Code::kResourceExhausted);
  del.set_prev_kv(false);
  EXPECT_EQ(run(store, delete_all).txn.responses(0).response_delete_range().deleted(), 4);
}

// A thousand operations in nested transactions.
etcd::TxnRequest nest(const std::function<void(etcd::RequestOp&, int)>& fill, int count) {
  etcd::TxnRequest txn;
  for (int i = 0; i < count; ++i) {
    if (i % 100 == 0) txn.add_success();
    fill(*txn.mutable_success(i / 100)->mutable_request_txn()->add_success(), i);
  }
  return txn;
}

TEST(MetaStore, ATransactionLooksAtABoundedNumberOfKeys) {
  MetaStore store;
  for (int i = 0; i < 2000; ++i) put(store, fmt::format("k{:04}", i), "v");
  const auto counts = [](int count) {
    etcd::TxnRequest txn;
    for (int i = 0; i < count; ++i) {
      auto& range = *txn.add_success()->mutable_request_range();
      range.set_key("k");
      range.set_range_end("l");
      range.set_count_only(true);
    }
    return txn;
  };
  const auto compares = [](int count) {
    etcd::TxnRequest txn;
    for (int i = 0; i < count; ++i) {
      auto& compare = *txn.add_compare();
      compare.set_key("k");
      compare.set_range_end("l");
      compare.set_target(etcd::Compare::VERSION);
      compare.set_result(etcd::Compare::GREATER);
    }
    txn.add_success()->mutable_request_put()->set_key("new");
    return txn;
  };
  EXPECT_TRUE(run(store, counts(128)).status.ok()) << "counting is one look";
  EXPECT_EQ(run(store, compares(100)).status.code, api::Code::kResourceExhausted);
  EXPECT_EQ(store.get("new"), nullptr);
  EXPECT_TRUE(run(store, compares(60)).txn.succeeded());
  const auto filtered = nest(
      [](etcd::RequestOp& op, int) {
        op.mutable_request_range()->set_key("k");
        op.mutable_request_range()->set_range_end("l");
        op.mutable_request_range()->set_min_mod_revision(1'000'000);
      },
      100);
  EXPECT_EQ(run(store, filtered).status.code, api::Code::kResourceExhausted);
}

TEST(MetaStore, ATransactionWritesABoundedNumberOfKeysHoweverItIsNested) {
  MetaStore store;
  const auto puts = [](int count) {
    return nest([](etcd::RequestOp& op, int i) { op.mutable_request_put()->set_key(std::to_string(i)); }, count);
  };
  EXPECT_TRUE(run(store, puts(4000)).status.ok());
  EXPECT_EQ(run(store, puts(4097)).status.message, "etcdserver: too many operations in txn request");
  EXPECT_EQ(MetaStore::check_shape(puts(4097)).message, "etcdserver: too many operations in txn request");
  EXPECT_EQ(store.keys(), 4000u);
}

TEST(MetaStore, BranchesMayPutTheSameKeyAndBothCountAfterwards) {
  etcd::TxnRequest txn;
  auto& nested = *txn.add_success()->mutable_request_txn();
  nested.add_success()->mutable_request_put()->set_key("a");
  nested.add_failure()->mutable_request_put()->set_key("a");
  nested.add_failure()->mutable_request_put()->set_key("b");
  EXPECT_TRUE(MetaStore::check_shape(txn).ok());
  for (const char* key : {"a", "b"}) {
    auto again = txn;
    again.add_success()->mutable_request_put()->set_key(key);
    EXPECT_EQ(MetaStore::check_shape(again).message, "etcdserver: duplicate key given in txn request") << key;
  }
}

// All keys of a lease go in one revision, so in one step.
TEST(MetaStore, ALeaseHasABoundedNumberOfKeys) {
  MetaStore store;
  execute(store, MetaStore::encode_lease_grant(7, 60));
  const auto puts = [](int from, int count) {
    return nest(
        [&](etcd::RequestOp& op, int i) {
          op.mutable_request_put()->set_key(fmt::format("k{:04}", from + i));
          op.mutable_request_put()->set_lease(7);
        },
        count);
  };
  const Bytes refusal = "etcdserver: too many keys are attached to the lease";
  ASSERT_TRUE(run(store, puts(0, 4000)).status.ok());
  EXPECT_EQ(run(store, puts(4000, 97)).status.message, refusal);
  ASSERT_TRUE(run(store, puts(4000, 96)).status.ok());
  EXPECT_EQ(put(store, "one more", "", 7).status.message, refusal);
  EXPECT_TRUE(put(store, "k0000", "again", 7).status.ok());
  // Likewise a deletion takes so many of them from their leases.
  execute(store, MetaStore::encode_lease_grant(8, 60));
  EXPECT_TRUE(put(store, "other", "", 8).status.ok());
  etcd::TxnRequest all;
  auto& del = *all.add_success()->mutable_request_delete_range();
  del.set_key("k");
  del.set_range_end(Bytes(1, '\0'));
  EXPECT_EQ(run(store, all).status.code, api::Code::kResourceExhausted);
  del.set_range_end("k3");
  EXPECT_EQ(run(store, all).txn.responses(0).response_delete_range().deleted(), 3000);
  EXPECT_EQ(store.leases().at(7).keys.size(), 1096u);
  const auto revision = store.revision();
  ASSERT_TRUE(execute(store, MetaStore::encode_lease_revoke(7)).status.ok());
  EXPECT_EQ(store.keys(), 1u);
  EXPECT_EQ(store.revision(), revision + 1);
}

TEST(MetaStore, AnAnswerHoldsABoundedNumberOfKeys) {
  MetaStore store;
  for (int i = 0; i < 33'000; ++i) put(store, fmt::format("k{:05}", i), "");
  etcd::RangeRequest request;
  request.set_key("k");
  request.set_range_end("l");
  EXPECT_EQ(store.range(request).error().code, api::Code::kResourceExhausted);
  request.set_limit(32'000);
  const auto found = store.range(request);
  ASSERT_TRUE(found.ok());
  EXPECT_EQ(found->kvs_size(), 32'000);
  EXPECT_EQ(found->count(), 33'000);
  EXPECT_TRUE(found->more());
}

// The image on disk as the changes make it.
void follow(MetaStore& store, std::map<Bytes, Bytes>& image) {
  for (const auto& change : store.take_changes()) {
    if (change.value) {
      image[change.key] = *change.value;
    } else if (change.end.empty()) {
      image.erase(change.key);
    } else {
      image.erase(image.lower_bound(change.key), image.lower_bound(change.end));
    }
  }
}

TEST(MetaStore, ADeletionOfManyKeysIsOneRevisionAndOneChangeOnDisk) {
  MetaStore store;
  std::map<Bytes, Bytes> image;
  const auto delete_range = [&](const Bytes& key, const Bytes& end) {
    etcd::TxnRequest txn;
    auto& del = *txn.add_success()->mutable_request_delete_range();
    del.set_key(key);
    del.set_range_end(end);
    const auto result = run(store, txn);
    EXPECT_TRUE(result.status.ok());
    return result.txn.responses(0).response_delete_range().deleted();
  };
  for (int i = 0; i < 30'000; ++i) put(store, fmt::format("k{:05}", i), "v");
  run(store, MetaTxn().put("kept", "own"));
  follow(store, image);
  const auto revision = store.revision();
  EXPECT_EQ(delete_range("k1", "k2"), 10'000);
  EXPECT_EQ(store.revision(), revision + 1);
  EXPECT_EQ(store.keys(), 20'000u);
  EXPECT_EQ(store.get("k10000"), nullptr);
  put(store, "k15000", "again");
  EXPECT_EQ(store.get("k15000")->version, 1);
  const auto changes = store.take_changes();
  EXPECT_EQ(changes.size(), 4u) << "the range, the end of the history before it, the new key and its history";
  EXPECT_EQ(delete_range("k15", "k16"), 1);
  EXPECT_EQ(delete_range("k2", Bytes(1, '\0')), 10'000);
  EXPECT_EQ(store.keys(), 10'000u);
  EXPECT_EQ(store.bytes(), 10'000u * (7 + MetaStore::kRecordOverhead));
  while (store.has_remains()) store.free_some(1000);
  EXPECT_EQ(store.own().value("kept"), "own");
}

TEST(MetaStore, RevokingALeaseDeletesItsKeysInOneRevision) {
  MetaStore store;
  ASSERT_TRUE(execute(store, MetaStore::encode_lease_grant(7, 60)).status.ok());
  EXPECT_FALSE(execute(store, MetaStore::encode_lease_grant(7, 60)).status.ok());
  put(store, "a", "1", 7);
  put(store, "b", "1", 7);
  put(store, "c", "1", 7);
  put(store, "c", "2", 0);  // detached
  ASSERT_TRUE(execute(store, MetaStore::encode_lease_revoke(7)).status.ok());
  EXPECT_EQ(store.keys(), 1);
  EXPECT_EQ(store.revision(), 6);
  EXPECT_EQ(execute(store, MetaStore::encode_lease_revoke(7)).status.code, api::Code::kNotFound);
}

TEST(MetaStore, RangesLimitSortAndCount) {
  MetaStore store;
  for (const char* key : {"c", "a", "d", "b"}) put(store, key, key);
  etcd::RangeRequest request;
  request.set_key("a");
  request.set_range_end(Bytes(1, '\0'));
  request.set_limit(2);
  request.set_sort_target(etcd::RangeRequest::CREATE);
  request.set_sort_order(etcd::RangeRequest::DESCEND);
  auto found = store.range(request);
  ASSERT_TRUE(found.ok());
  EXPECT_EQ(found->count(), 4);
  EXPECT_TRUE(found->more());
  EXPECT_EQ(found->kvs(0).key(), "b");
  EXPECT_EQ(found->kvs(1).key(), "d");
  request.set_revision(2);
  EXPECT_EQ(store.range(request)->count(), 1);
  request.set_revision(7);
  EXPECT_EQ(store.range(request).error().code, api::Code::kOutOfRange);
}

TEST(MetaStore, ItsImageMakesTheSameStoreAgain) {
  MetaStore store;
  execute(store, MetaStore::encode_lease_grant(7, 60));
  put(store, "a", "1", 7);
  put(store, "b", "");
  run(store, MetaTxn().put("a", "own"));
  MetaStore copy;
  store.write_image([&](ByteView key, ByteView value) { ASSERT_TRUE(copy.load_pair(key, value)); });
  EXPECT_TRUE(copy.finish_load().ok());
  EXPECT_EQ(copy.own().value("a"), "own");
  EXPECT_EQ(copy.revision(), store.revision());
  EXPECT_EQ(*copy.get("a"), *store.get("a"));
  EXPECT_EQ(*copy.get("b"), *store.get("b"));
  EXPECT_EQ(copy.leases().at(7).keys, std::set<Bytes>{"a"});
}

RC_GTEST_PROP(MetaStore, AgreesWithANaiveModel, ()) {
  MetaStore store;
  std::map<Bytes, MetaRecord> model;
  std::map<Bytes, Bytes> image;
  int64_t revision = 1;
  auto key = [] { return Bytes(1, static_cast<char>('a' + *rc::gen::inRange(0, 6))); };
  const int steps = *rc::gen::inRange(1, 60);
  for (int step = 0; step < steps; ++step) {
    etcd::TxnRequest txn;
    const auto guard = key();
    auto& compare = *txn.add_compare();
    compare.set_key(guard);
    compare.set_target(etcd::Compare::VERSION);
    compare.set_result(
        *rc::gen::element(etcd::Compare::EQUAL, etcd::Compare::GREATER, etcd::Compare::LESS, etcd::Compare::NOT_EQUAL));
    compare.set_version(*rc::gen::inRange(0, 4));
    const auto put_key = key();
    const auto from = key();
    const auto to = key();
    txn.add_success()->mutable_request_put()->set_key(put_key);
    txn.mutable_success(0)->mutable_request_put()->set_value(std::to_string(step));
    auto& del = *txn.add_failure()->mutable_request_delete_range();
    del.set_key(from);
    del.set_range_end(to);

    const int64_t version = model.contains(guard) ? model[guard].version : 0;
    const int64_t wanted = compare.version();
    const bool holds = compare.result() == etcd::Compare::EQUAL     ? version == wanted
                       : compare.result() == etcd::Compare::GREATER ? version > wanted
                       : compare.result() == etcd::Compare::LESS    ? version < wanted
                                                                    : version != wanted;
    if (holds) {
      ++revision;
      auto& record = model[put_key];
      if (record.version == 0) record.create_revision = revision;
      record.mod_revision = revision;
      ++record.version;
      record.value = std::to_string(step);
    } else if (std::erase_if(model, [&](const auto& item) { return item.first >= from && item.first < to; }) > 0) {
      ++revision;
    }
    RC_ASSERT(run(store, txn).txn.succeeded() == holds);
    RC_ASSERT(store.revision() == revision);
    RC_ASSERT(store.keys() == model.size());
    for (const auto& [name, record] : model) RC_ASSERT(store.get(name) != nullptr && *store.get(name) == record);
    follow(store, image);
    std::erase_if(image, [](const auto& pair) { return pair.first.front() == 'h'; });  // history_test.cc
    std::map<Bytes, Bytes> expected;
    for (const auto& [name, record] : model) expected[MetaStore::image_key(name)] = MetaStore::image_value(record);
    RC_ASSERT(image == expected);
  }
}

}  // namespace
}  // namespace cairn::pd
