// Watchers over a MetaStore: by example, and each event once whatever the pace of the reader.
#include "pd/meta/watchers.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace cairn::pd {
namespace {

namespace etcd = etcdserverpb;

class WatchersTest : public ::testing::Test {
 protected:
  void put(const Bytes& key, const Bytes& value) {
    etcd::TxnRequest txn;
    auto& op = *txn.add_success()->mutable_request_put();
    op.set_key(key);
    op.set_value(value);
    apply(MetaStore::encode_txn(txn));
  }
  void del(const Bytes& key, const Bytes& end = "") {
    etcd::TxnRequest txn;
    auto& op = *txn.add_success()->mutable_request_delete_range();
    op.set_key(key);
    op.set_range_end(end);
    apply(MetaStore::encode_txn(txn));
  }
  void apply(const Bytes& command) {
    ASSERT_TRUE(store_.apply(command)->status.ok());
    for (const auto stream : watchers_.on_applied()) touched_.insert(stream);
  }
  static etcd::WatchRequest watch(const Bytes& key, const Bytes& end = "", int64_t from = 0) {
    etcd::WatchRequest request;
    request.mutable_create_request()->set_key(key);
    request.mutable_create_request()->set_range_end(end);
    request.mutable_create_request()->set_start_revision(from);
    return request;
  }
  // Opens a stream of one watch and takes the answer.
  etcd::WatchResponse begin(uint64_t stream, const etcd::WatchRequest& request) {
    watchers_.open(stream);
    EXPECT_TRUE(watchers_.request(stream, request).ok());
    auto created = watchers_.next(stream);
    EXPECT_TRUE(created && created->created());
    return created.value_or(etcd::WatchResponse());
  }
  // All that the stream has to say: "put a=1", "delete a".
  std::vector<std::string> events(uint64_t stream) {
    std::vector<std::string> out;
    while (auto message = watchers_.next(stream)) {
      for (const auto& event : message->events()) {
        const bool is_put = event.type() == mvccpb::Event::PUT;
        std::string text = is_put ? "put " + event.kv().key() + "=" + event.kv().value() : "delete " + event.kv().key();
        if (event.has_prev_kv()) text += " was " + event.prev_kv().value();
        out.push_back(text);
      }
      if (message->compact_revision() != 0) out.push_back("compacted " + std::to_string(message->compact_revision()));
      if (message->events_size() == 0 && !message->canceled()) {
        out.push_back("at " + std::to_string(message->header().revision()) + " of " +
                      std::to_string(message->watch_id()));
      }
    }
    return out;
  }
  using Events = std::vector<std::string>;

  MetaStore store_;
  Watchers watchers_{store_};
  std::set<uint64_t> touched_;
};

TEST_F(WatchersTest, AWatchHasTheChangesOfItsKeysFromNowOn) {
  put("a", "0");
  EXPECT_EQ(begin(1, watch("a")).header().revision(), 2);
  begin(2, watch("a", "c"));
  put("a", "1");
  put("b", "1");
  put("c", "1");
  del("a");
  EXPECT_EQ(touched_, (std::set<uint64_t>{1, 2}));
  EXPECT_EQ(events(1), (Events{"put a=1", "delete a"}));
  EXPECT_EQ(events(2), (Events{"put a=1", "put b=1", "delete a"}));
  EXPECT_EQ(events(2), Events{});
}

TEST_F(WatchersTest, AWatchBeginsAtAnyRevisionThatIsKept) {
  put("a", "1");
  put("a", "2");
  begin(1, watch("a", "", 2));
  EXPECT_EQ(events(1), (Events{"put a=1", "put a=2"}));
  begin(2, watch("a", "", 5));
  put("a", "3");
  EXPECT_EQ(events(2), Events{}) << "it begins at 5";
  put("a", "4");
  EXPECT_EQ(events(2), Events{"put a=4"});
  apply(MetaStore::encode_compact(4));
  begin(3, watch("a", "", 4));
  EXPECT_EQ(events(3), (Events{"put a=3", "put a=4"}));
  begin(4, watch("a", "", 3));
  EXPECT_EQ(events(4), Events{"compacted 4"});
  EXPECT_EQ(watchers_.size(), 3u);
}

TEST_F(WatchersTest, FiltersAndEarlierValuesAreAsAskedFor) {
  auto request = watch(Bytes(1, '\0'), Bytes(1, '\0'));
  request.mutable_create_request()->set_prev_kv(true);
  begin(1, request);
  request.mutable_create_request()->add_filters(etcd::WatchCreateRequest::NOPUT);
  begin(2, request);
  request.mutable_create_request()->set_filters(0, etcd::WatchCreateRequest::NODELETE);
  begin(3, request);
  put("a", "1");
  put("a", "2");
  del("a");
  EXPECT_EQ(events(1), (Events{"put a=1", "put a=2 was 1", "delete a was 2"}));
  EXPECT_EQ(events(2), (Events{"delete a was 2"}));
  EXPECT_EQ(events(3), (Events{"put a=1", "put a=2 was 1"}));
}

TEST_F(WatchersTest, RefusalsAreInEtcdsWords) {
  const auto refused = begin(1, watch("b", "a"));
  EXPECT_TRUE(refused.canceled());
  EXPECT_EQ(refused.watch_id(), -1);
  EXPECT_EQ(refused.cancel_reason(), "mvcc: watcher range is empty");
  auto request = watch("a");
  request.mutable_create_request()->set_watch_id(7);
  EXPECT_EQ(begin(1, request).watch_id(), 7);
  EXPECT_EQ(begin(1, request).cancel_reason(), "mvcc: duplicate watch ID provided on the WatchStream");
  EXPECT_EQ(begin(1, watch("a")).watch_id(), 0);
  EXPECT_EQ(begin(1, watch("a")).watch_id(), 1);
}

TEST_F(WatchersTest, ACancelledWatchIsSilentAndItsStreamGoesOn) {
  begin(1, watch("a"));
  begin(1, watch("a"));
  put("a", "1");
  etcd::WatchRequest cancel;
  cancel.mutable_cancel_request()->set_watch_id(0);
  ASSERT_TRUE(watchers_.request(1, cancel).ok());
  cancel.mutable_cancel_request()->set_watch_id(99);
  ASSERT_TRUE(watchers_.request(1, cancel).ok());
  const auto cancelled = watchers_.next(1);
  EXPECT_TRUE(cancelled->canceled());
  EXPECT_EQ(cancelled->watch_id(), 0);
  EXPECT_EQ(cancelled->compact_revision(), 0);
  EXPECT_EQ(events(1), Events{"put a=1"});
  watchers_.close(1);
  EXPECT_EQ(watchers_.size(), 0u);
  put("a", "2");
}

TEST_F(WatchersTest, ProgressIsToldOnceAllIsSeen) {
  auto request = watch("a");
  request.mutable_create_request()->set_progress_notify(true);
  begin(1, request);
  begin(2, watch("a"));
  put("b", "1");
  EXPECT_EQ(watchers_.on_progress_turn(), (std::set<uint64_t>{1}));
  EXPECT_EQ(events(1), Events{"at 2 of 0"});
  put("a", "1");
  EXPECT_EQ(events(1), Events{"put a=1"});
  (void)watchers_.on_progress_turn();
  EXPECT_EQ(events(1), Events{}) << "it has had an event since";
  put("a", "2");
  etcd::WatchRequest progress;
  progress.mutable_progress_request();
  ASSERT_TRUE(watchers_.request(2, progress).ok());
  EXPECT_EQ(events(2), (Events{"put a=1", "put a=2", "at 4 of -1"}));
}

TEST_F(WatchersTest, ALargeRevisionComesInFragmentsIfAskedFor) {
  for (const bool fragment : {false, true}) {
    auto request = watch("k", "l", store_.revision() + 1);
    request.mutable_create_request()->set_fragment(fragment);
    begin(fragment ? 2 : 1, request);
  }
  etcd::TxnRequest txn;
  for (int i = 0; i < 10; ++i) {
    auto& op = *txn.add_success()->mutable_request_put();
    op.set_key("k" + std::to_string(i));
    op.set_value(Bytes(300 << 10, 'x'));
  }
  apply(MetaStore::encode_txn(txn));
  put("k", "after");
  auto whole = watchers_.next(1);
  EXPECT_EQ(whole->events_size(), 10);
  EXPECT_FALSE(whole->fragment());
  EXPECT_EQ(events(1), Events{"put k=after"});
  std::vector<int> sizes;
  std::vector<bool> fragments;
  while (auto part = watchers_.next(2)) {
    sizes.push_back(part->events_size());
    fragments.push_back(part->fragment());
  }
  EXPECT_EQ(sizes, (std::vector<int>{4, 4, 3}));
  EXPECT_EQ(fragments, (std::vector<bool>{true, true, false}));
}

TEST_F(WatchersTest, WhatWasDividedHasAnEndEvenIfTheRestIsOfOthers) {
  auto request = watch("k", "l");
  request.mutable_create_request()->set_fragment(true);
  begin(1, request);
  etcd::TxnRequest txn;
  for (const char* key : {"k1", "k2", "k3", "k4", "z"}) {
    auto& op = *txn.add_success()->mutable_request_put();
    op.set_key(key);
    op.set_value(Bytes(300 << 10, 'x'));
  }
  apply(MetaStore::encode_txn(txn));
  const auto first = watchers_.next(1);
  ASSERT_TRUE(first);
  EXPECT_EQ(first->events_size(), 4);
  EXPECT_TRUE(first->fragment());
  const auto last = watchers_.next(1);
  ASSERT_TRUE(last) << "the client waits for it, and tells nobody of what it has";
  EXPECT_FALSE(last->fragment());
  EXPECT_FALSE(watchers_.next(1));
}

TEST_F(WatchersTest, WhoReadsTooSlowlyIsToldThatItWasCompacted) {
  begin(1, watch("a"));
  begin(2, watch("b"));
  for (int i = 0; i < (1 << 16) + 1; ++i) put("a", "1");
  EXPECT_EQ(events(1), Events{"compacted " + std::to_string(store_.history().first())});
  EXPECT_EQ(store_.history().size(), (1u << 16) / 4 * 3);
  put("b", "1");
  EXPECT_EQ(events(2), Events{"put b=1"}) << "it had missed nothing";
}

TEST_F(WatchersTest, ADeletionThatIsTooLargeToKeepIsToldAsACompaction) {
  for (int i = 0; i < 5000; ++i) put("k" + std::to_string(i), "");
  begin(1, watch("k1"));
  del("k", "l");
  put("k1", "after");
  EXPECT_EQ(events(1), Events{"compacted " + std::to_string(store_.revision())});
  begin(1, watch("k1", "", store_.revision()));
  EXPECT_EQ(events(1), Events{"put k1=after"});
}

RC_GTEST_PROP(Watchers, EachEventComesOnceInOrderAtAnyPace, ()) {
  MetaStore store;
  Watchers watchers(store);
  std::vector<std::string> expected;
  std::vector<std::string> had;
  etcd::WatchRequest request;
  request.mutable_create_request()->set_key("b");
  request.mutable_create_request()->set_range_end("d");
  request.mutable_create_request()->set_fragment(*rc::gen::arbitrary<bool>());
  watchers.open(1);
  (void)watchers.request(1, request);
  const auto read_one = [&] {
    const auto message = watchers.next(1);
    if (!message) return false;
    for (const auto& event : message->events()) {
      had.push_back(event.kv().key() + "@" + std::to_string(event.kv().mod_revision()));
    }
    return true;
  };
  const int steps = *rc::gen::inRange(1, 60);
  for (int step = 0; step < steps; ++step) {
    if (*rc::gen::inRange(0, 3) == 0) {
      read_one();
      continue;
    }
    etcd::TxnRequest txn;
    const auto drawn = *rc::gen::container<std::string>(rc::gen::inRange('a', 'f'));
    for (const char key : std::set<char>(drawn.begin(), drawn.end())) {
      auto& put = *txn.add_success()->mutable_request_put();
      put.set_key(Bytes(1, key));
      put.set_value(Bytes(*rc::gen::inRange(0, 2) * (500 << 10), 'x'));
      if (key >= 'b' && key < 'd') expected.push_back(Bytes(1, key) + "@" + std::to_string(store.revision() + 1));
    }
    (void)store.apply(MetaStore::encode_txn(txn));
    (void)watchers.on_applied();
  }
  while (read_one()) {
  }
  // What did not fit into the history any more is not asked for here: 60 steps are far from its end.
  if (store.history().first() == 2) RC_ASSERT(had == expected);
}

}  // namespace
}  // namespace cairn::pd
