// History by example, and MetaStore's reads of earlier revisions against a model that keeps every state.
#include "pd/meta/history.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <set>

#include "pd/meta/meta_store.h"

namespace cairn::pd {
namespace {

namespace etcd = etcdserverpb;

MetaChange change(int64_t revision, const Bytes& key, const Bytes& value) {
  return {revision, key, MetaRecord{value, revision, revision, 1, 0}, std::nullopt};
}

TEST(History, WhatIsTooMuchGoesFromItsOldEndInWholeRevisions) {
  History history({.changes = 8, .bytes = 1 << 20});
  for (int64_t revision = 2; revision <= 5; ++revision) {
    history.add(change(revision, "a", ""));
    history.add(change(revision, "b", ""));
  }
  EXPECT_FALSE(history.cut_wanted());
  history.add(change(6, "a", ""));
  ASSERT_EQ(history.cut_wanted(), 4) << "two changes would do, they are one revision";
  history.cut(4);
  EXPECT_EQ(history.first(), 4);
  EXPECT_EQ(history.size(), 5u);
  EXPECT_TRUE(history.knows_state(3));
  EXPECT_FALSE(history.knows_state(2));
  EXPECT_EQ(history.position_of(5), 2u);
  history.add(change(7, "x", Bytes(2 << 20, 'x')));
  ASSERT_EQ(history.cut_wanted(), 8);
  history.cut(8);
  EXPECT_EQ(history.bytes(), 0u);
}

TEST(History, AChangeIsReadBackFromTheDisk) {
  MetaChange first{7, "key", MetaRecord{"after", 1, 7, 3, 9}, MetaRecord{"before", 1, 6, 2, 0}};
  for (const bool is_deletion : {false, true}) {
    if (is_deletion) first.after.reset();
    MetaChange again;
    ASSERT_TRUE(History::decode(History::encode(first), again));
    EXPECT_EQ(again.key, first.key);
    EXPECT_EQ(again.after, first.after);
    EXPECT_EQ(again.before, first.before);
  }
}

etcd::RangeRequest all_at(int64_t revision) {
  etcd::RangeRequest range;
  range.set_key(Bytes(1, '\0'));
  range.set_range_end(Bytes(1, '\0'));
  range.set_revision(revision);
  return range;
}

std::string text_of(const etcd::RangeResponse& response) {
  std::string out = std::to_string(response.count()) + ":";
  for (const auto& kv : response.kvs()) out += kv.ShortDebugString() + ";";
  return out;
}

RC_GTEST_PROP(MetaStoreHistory, EveryKeptRevisionReadsAsItWas, ()) {
  MetaStore store;
  std::map<int64_t, std::string> states;
  const int steps = *rc::gen::inRange(1, 30);
  for (int step = 0; step < steps; ++step) {
    etcd::TxnRequest txn;
    const auto drawn = *rc::gen::container<std::string>(rc::gen::inRange('a', 'f'));
    for (const char key : std::set<char>(drawn.begin(), drawn.end())) {
      auto& op = *txn.add_success();
      if (*rc::gen::arbitrary<bool>()) {
        op.mutable_request_put()->set_key(Bytes(1, key));
        op.mutable_request_put()->set_value(std::to_string(step));
      } else {
        op.mutable_request_delete_range()->set_key(Bytes(1, key));
        if (*rc::gen::inRange(0, 4) == 0) op.mutable_request_delete_range()->set_range_end(Bytes(1, '\0'));
      }
    }
    RC_ASSERT(store.apply(MetaStore::encode_txn(txn))->status.ok());
    states[store.revision()] = text_of(*store.range(all_at(0)));
    if (*rc::gen::inRange(0, 8) == 0) {
      (void)store.apply(MetaStore::encode_compact(*rc::gen::inRange<int64_t>(1, store.revision() + 1)));
    }
  }
  // Kept on disk and read again, it is the same.
  MetaStore copy;
  store.write_image([&](ByteView key, ByteView value) { RC_ASSERT(copy.load_pair(key, value)); });
  RC_ASSERT(copy.finish_load().ok());
  RC_ASSERT(copy.history().size() == store.history().size());
  for (const auto& [revision, state] : states) {
    for (const auto* read : {&store, &copy}) {
      const auto found = read->range(all_at(revision));
      if (revision < store.compacted_revision()) {
        RC_ASSERT(found.error().message == "etcdserver: mvcc: required revision has been compacted");
      } else {
        RC_ASSERT(found.ok());
        RC_ASSERT(text_of(*found) == state);
      }
    }
  }
}

TEST(MetaStoreHistory, DataFromBeforeThereWasAHistoryBeginsOneNow) {
  MetaStore store;
  ASSERT_TRUE(store.load_pair(MetaStore::image_key("a"), MetaStore::image_value({"1", 2, 5, 1, 0})));
  ASSERT_TRUE(store.load_pair(MetaStore::image_revision_key(), Bytes("\x0a\x02", 2)));  // revision 5, compacted 1
  ASSERT_TRUE(store.finish_load().ok());
  EXPECT_EQ(store.revision(), 5);
  EXPECT_EQ(store.history().first(), 6);
  EXPECT_TRUE(store.range(all_at(5)).ok());
  EXPECT_EQ(store.range(all_at(4)).error().message, "etcdserver: mvcc: required revision has been compacted");
}

}  // namespace
}  // namespace cairn::pd
