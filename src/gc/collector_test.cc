// The collector against a PD and a store that only do what is needed here: locks whose transactions' fates are given.
#include "gc/collector.h"

#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <vector>

#include "base/codec.h"
#include "runtime/simulated/sim_loop.h"

namespace cairn::gc {
namespace {

constexpr uint64_t kEpochMs = 1'700'000'000'000;

struct Lock {
  uint64_t start_ts = 0;
  Bytes primary;
  kvrpcpb::Op type = kvrpcpb::Op::Put;
};

// A transaction, as its primary key would tell.
struct Txn {
  uint64_t commit_ts = 0;       // not 0: committed
  uint64_t alive_until_ms = 0;  // by the clock of timestamps
};

struct World {
  runtime::SimLoop loop{5};
  runtime::SimClock clock{loop};
  runtime::SimExecutors executors{loop, clock, "pd"};
  std::shared_ptr<runtime::Executor> executor = executors.make("gc");

  std::vector<metapb::Region> regions;
  std::map<Bytes, Lock> locks;
  std::map<Bytes, std::map<uint64_t, Lock>> shared;  // by key and start_ts
  std::map<uint64_t, Txn> txns;
  std::map<Bytes, uint64_t> ended;  // key -> commit timestamp; 0: rolled back
  std::vector<Bytes> pessimistic_removed;
  api::GcTurn turn{.is_serving = true,
                   .cluster = ClusterId(7),
                   .member = 3,
                   .other_owner = "",
                   .txn_safe_point = {},
                   .gc_safe_point = {}};
  uint64_t barrier = UINT64_MAX;
  bool is_down = false;   // the store
  bool is_stale = false;  // the next request to the store meets an old epoch
  int scans = 0;
  int advances = 0;

  uint64_t now_ms() { return kEpochMs + static_cast<uint64_t>(loop.now() / 1ms); }
  uint64_t ts_of(Duration ago) { return Timestamp::compose(now_ms() - static_cast<uint64_t>(ago / 1ms), 0).value; }
  void cut(std::vector<Bytes> bounds) {
    regions.clear();
    Bytes start;
    bounds.emplace_back();
    for (auto& end : bounds) {
      metapb::Region region;
      region.set_id(regions.size() + 1);
      region.set_start_key(start);
      region.set_end_key(end);
      region.mutable_region_epoch()->set_version(1);
      region.mutable_region_epoch()->set_conf_ver(1);
      region.add_peers()->set_id(100 + regions.size());
      region.mutable_peers(0)->set_store_id(1);
      regions.push_back(region);
      start = end;
    }
  }
};

class FakePd final : public api::Pd {
 public:
  explicit FakePd(World& world) : w_(world) {}
  void tso(api::Call<pdpb::TsoRequest, pdpb::TsoResponse> call) override {
    call.response().set_count(call.request().count());
    call.response().mutable_timestamp()->set_physical(static_cast<int64_t>(w_.now_ms()));
    call.response().mutable_timestamp()->set_logical(call.request().count());
    call.finish();
  }
  void get_region(api::Call<pdpb::GetRegionRequest, pdpb::GetRegionResponse> call) override {
    for (const auto& region : w_.regions) {
      const auto& key = call.request().region_key();
      if (key < region.start_key() || (!region.end_key().empty() && key >= region.end_key())) continue;
      *call.response().mutable_region() = region;
      *call.response().mutable_leader() = region.peers(0);
    }
    call.finish();
  }
  void advance_txn_safe_point(
      api::Call<pdpb::AdvanceTxnSafePointRequest, pdpb::AdvanceTxnSafePointResponse> call) override {
    ++w_.advances;
    EXPECT_EQ(call.request().header().sender_id(), 3u);
    EXPECT_GT(call.request().target(), w_.turn.txn_safe_point.value);
    w_.turn.txn_safe_point = std::max(w_.turn.txn_safe_point, Timestamp(std::min(call.request().target(), w_.barrier)));
    call.response().set_new_txn_safe_point(w_.turn.txn_safe_point.value);
    call.finish();
  }
  void advance_gc_safe_point(
      api::Call<pdpb::AdvanceGCSafePointRequest, pdpb::AdvanceGCSafePointResponse> call) override {
    ++w_.advances;
    EXPECT_EQ(call.request().header().sender_id(), 3u);
    EXPECT_GT(call.request().target(), w_.turn.gc_safe_point.value);
    EXPECT_LE(call.request().target(), w_.turn.txn_safe_point.value);
    w_.turn.gc_safe_point = Timestamp(call.request().target());
    call.response().set_new_gc_safe_point(w_.turn.gc_safe_point.value);
    call.finish();
  }
  std::unique_ptr<api::RegionHeartbeatStream> open_region_heartbeat(api::RegionHeartbeatSink) override {
    return nullptr;
  }

 private:
  World& w_;
};

class FakeStore final : public api::Tikv {
 public:
  explicit FakeStore(World& world) : w_(world) {}
  void kv_scan_lock(api::Call<kvrpcpb::ScanLockRequest, kvrpcpb::ScanLockResponse> call) override {
    const auto* region = admit(call);
    if (region == nullptr) return;
    ++w_.scans;
    const auto& in = call.request();
    for (const auto& [key, lock] : w_.locks) {
      const Bytes engine_key = codec::encode_bytes(key);
      if (engine_key < region->start_key() || (!region->end_key().empty() && engine_key >= region->end_key())) continue;
      if (key < in.start_key() || (!in.end_key().empty() && key >= in.end_key())) continue;
      if (lock.start_ts > in.max_version()) continue;
      if (static_cast<uint32_t>(call.response().locks_size()) >= in.limit()) break;
      auto& out = *call.response().add_locks();
      out.set_key(key);
      out.set_primary_lock(lock.primary);
      out.set_lock_version(lock.start_ts);
      out.set_lock_ttl(1);
      out.set_lock_type(lock.type);
    }
    add_shared(in, *region, call.response());
    call.finish();
  }
  void kv_check_txn_status(api::Call<kvrpcpb::CheckTxnStatusRequest, kvrpcpb::CheckTxnStatusResponse> call) override {
    if (admit(call) == nullptr) return;
    const auto txn = w_.txns[call.request().lock_ts()];
    const uint64_t start_ms = Timestamp(call.request().lock_ts()).physical_ms();
    if (txn.commit_ts != 0) {
      call.response().set_commit_version(txn.commit_ts);
    } else if (txn.alive_until_ms > Timestamp(call.request().current_ts()).physical_ms()) {
      call.response().set_lock_ttl(txn.alive_until_ms - start_ms);
    } else {
      call.response().set_action(call.request().resolving_pessimistic_lock()
                                     ? kvrpcpb::Action::TTLExpirePessimisticRollback
                                     : kvrpcpb::Action::TTLExpireRollback);
    }
    call.finish();
  }
  void kv_resolve_lock(api::Call<kvrpcpb::ResolveLockRequest, kvrpcpb::ResolveLockResponse> call) override {
    if (admit(call) == nullptr) return;
    for (const auto& key : call.request().keys()) {
      if (end_shared(key, call.request().start_version())) continue;
      EXPECT_EQ(w_.locks.at(key).start_ts, call.request().start_version());
      EXPECT_NE(w_.locks.at(key).type, kvrpcpb::Op::PessimisticLock);
      w_.locks.erase(key);
      w_.ended[key] = call.request().commit_version();
    }
    call.finish();
  }
  void kv_pessimistic_rollback(
      api::Call<kvrpcpb::PessimisticRollbackRequest, kvrpcpb::PessimisticRollbackResponse> call) override {
    if (admit(call) == nullptr) return;
    for (const auto& key : call.request().keys()) {
      if (end_shared(key, call.request().start_version())) continue;
      w_.locks.erase(key);
      w_.pessimistic_removed.push_back(key);
    }
    call.finish();
  }

 private:
  // Tests have shared locks behind all others.
  void add_shared(const kvrpcpb::ScanLockRequest& in, const metapb::Region& region,
                  kvrpcpb::ScanLockResponse& response) {
    auto room = static_cast<int64_t>(in.limit()) - response.locks_size();
    if (in.limit() == 0) room = INT64_MAX;
    for (const auto& [key, locks] : w_.shared) {
      if (codec::encode_bytes(key) < region.start_key() || key < in.start_key() || room <= 0) continue;
      if (!region.end_key().empty() && codec::encode_bytes(key) >= region.end_key()) continue;
      auto& out = *response.add_locks();
      out.set_key(key);
      out.set_lock_type(kvrpcpb::Op::SharedLock);
      for (const auto& [start_ts, lock] : locks) {
        if (start_ts > in.max_version() || room-- <= 0) continue;
        auto& one = *out.add_shared_lock_infos();
        one.set_key(key);
        one.set_primary_lock(lock.primary);
        one.set_lock_version(start_ts);
        one.set_lock_ttl(1);
        one.set_lock_type(lock.type);
      }
      if (out.shared_lock_infos().empty()) response.mutable_locks()->RemoveLast();
    }
  }
  bool end_shared(const Bytes& key, uint64_t start_ts) {
    const auto found = w_.shared.find(key);
    if (found == w_.shared.end()) return false;
    EXPECT_EQ(found->second.erase(start_ts), 1u);
    if (found->second.empty()) w_.shared.erase(found);
    return true;
  }
  template <class Call>
  const metapb::Region* admit(Call& call) {
    if (w_.is_down) {
      call.finish({api::Code::kUnavailable, "down"});
      return nullptr;
    }
    if (std::exchange(w_.is_stale, false)) {
      // As if the region had been split in between.
      for (auto& region : w_.regions) region.mutable_region_epoch()->set_version(2);
    }
    for (const auto& region : w_.regions) {
      if (region.id() != call.request().context().region_id()) continue;
      if (region.region_epoch().version() == call.request().context().region_epoch().version()) return &region;
      for (const auto& now : w_.regions) {
        *call.response().mutable_region_error()->mutable_epoch_not_match()->add_current_regions() = now;
      }
      call.finish();
      return nullptr;
    }
    ADD_FAILURE() << "a request without a region";
    call.finish({api::Code::kInternal, ""});
    return nullptr;
  }
  World& w_;
};

class CollectorTest : public testing::Test {
 protected:
  CollectorTest() { w.cut({codec::encode_bytes("g"), codec::encode_bytes("p")}); }
  ~CollectorTest() override { stop(); }

  void start(Options options = {}) {
    collector =
        std::make_unique<Collector>(Deps{.client = {.pd = pd,
                                                    .connect = [this](StoreId) -> api::Tikv* { return &store; },
                                                    .executor = *w.executor,
                                                    .clock = w.clock,
                                                    .random = runtime::Random(3)},
                                         .ask_turn = [this](std::function<void(api::GcTurn)> done) { done(w.turn); }},
                                    options);
    collector->start();
  }
  void stop() {
    if (!collector) return;
    bool is_done = false;
    collector->stop([&] { is_done = true; });
    EXPECT_TRUE(w.loop.run_until([&] { return is_done; }, 60s));
    collector.reset();
  }
  // A lock of a transaction that began so long ago.
  uint64_t lock(const Bytes& key, Duration ago, Txn txn, kvrpcpb::Op type = kvrpcpb::Op::Put) {
    const uint64_t start_ts = w.ts_of(ago);
    w.locks[key] = {start_ts, key, type};
    w.txns[start_ts] = txn;
    return start_ts;
  }
  Duration age_of(Timestamp safe_point) { return std::chrono::milliseconds(w.now_ms() - safe_point.physical_ms()); }

  World w;
  FakePd pd{w};
  FakeStore store{w};
  std::unique_ptr<Collector> collector;
};

TEST_F(CollectorTest, TheTxnSafePointFollowsAndTheGcSafePointOnceAllClientsKnow) {
  start();
  w.loop.run_for(61s);
  EXPECT_EQ(age_of(w.turn.txn_safe_point), 10min + 1s);
  EXPECT_FALSE(w.turn.gc_safe_point.is_set());
  w.loop.run_for(60s);
  EXPECT_EQ(age_of(w.turn.txn_safe_point), 10min + 1s);
  EXPECT_FALSE(w.turn.gc_safe_point.is_set());
  w.loop.run_for(60s);
  EXPECT_EQ(age_of(w.turn.gc_safe_point), 10min + 121s) << "what was published more than 100 s ago";
  w.loop.run_for(600s);
  EXPECT_EQ(age_of(w.turn.txn_safe_point), 10min + 1s);
  EXPECT_EQ(age_of(w.turn.gc_safe_point), 10min + 121s);
}

TEST_F(CollectorTest, LocksOfTheDeadAreEndedInAllRegionsPageByPage) {
  for (int i = 0; i < 50; ++i) {
    const Bytes key = Bytes(1, static_cast<char>('a' + i % 20)) + std::to_string(i);
    lock(key, 20min + std::chrono::seconds(i), {.commit_ts = i % 3 == 0 ? w.ts_of(19min) : 0});
  }
  lock("young", 1min, {});
  start({.locks_per_page = 3, .judged_at_once = 2});
  w.loop.run_for(61s);
  EXPECT_EQ(w.ended.size(), 50u);
  EXPECT_EQ(std::count_if(w.ended.begin(), w.ended.end(), [](auto& e) { return e.second != 0; }), 17);
  EXPECT_EQ(w.locks.size(), 1u);
  EXPECT_EQ(age_of(w.turn.txn_safe_point), 10min + 1s);
}

TEST_F(CollectorTest, WhoSharesAKeyIsEndedOneByOneThoughTheyAreMoreThanAPage) {
  for (int i = 0; i < 20; ++i) {
    for (const Bytes key : {"y", "z"}) {
      const auto ago = 20min + std::chrono::seconds(i);
      const auto type = i % 2 == 0 ? kvrpcpb::Op::Lock : kvrpcpb::Op::PessimisticLock;
      w.shared[key][w.ts_of(ago)] = {w.ts_of(ago), "p", type};
    }
  }
  const uint64_t alive = w.ts_of(11min);
  w.shared["y"][alive] = {alive, "p", kvrpcpb::Op::Lock};
  w.txns[alive] = {.alive_until_ms = w.now_ms() + 10 * 60'000};
  lock("x", 15min, {});
  start({.locks_per_page = 3});
  w.loop.run_for(61s);
  EXPECT_TRUE(w.locks.empty());
  ASSERT_EQ(w.shared.size(), 1u);
  EXPECT_EQ(w.shared.at("y").size(), 1u);
  EXPECT_EQ(w.turn.txn_safe_point.value, alive - 1);
}

TEST_F(CollectorTest, ATransactionOfManyKeysIsAskedForOnce) {
  const uint64_t start_ts = w.ts_of(20min);
  for (int i = 0; i < 100; ++i)
    w.locks[Bytes(1, static_cast<char>('a' + i % 26)) + std::to_string(i)] = {start_ts, "a0"};
  w.txns[start_ts] = {.commit_ts = start_ts + 5};
  start();
  w.loop.run_for(61s);
  EXPECT_TRUE(w.locks.empty());
  EXPECT_EQ(w.ended.at("a0"), start_ts + 5);
  EXPECT_EQ(w.ended.size(), 100u);
}

TEST_F(CollectorTest, ATransactionThatLivesHoldsBothSafePointsUntilItEnds) {
  const uint64_t alive = lock("h", 11min, {.alive_until_ms = w.now_ms() + 10 * 60'000});
  lock("b", 12min, {});
  start();
  w.loop.run_for(9min);
  EXPECT_EQ(w.turn.txn_safe_point.value, alive - 1);
  EXPECT_EQ(w.turn.gc_safe_point.value, alive - 1);
  EXPECT_TRUE(w.locks.contains("h"));
  EXPECT_FALSE(w.locks.contains("b"));
  w.loop.run_for(5min);
  EXPECT_TRUE(w.locks.empty());
  EXPECT_GT(w.turn.txn_safe_point.value, alive);
  EXPECT_GT(w.turn.gc_safe_point.value, alive);
}

TEST_F(CollectorTest, ATransactionThatLocksOnlyNowHoldsTheGcSafePointThoughTheTxnSafePointHasPassedIt) {
  start();
  w.loop.run_for(61s);
  const uint64_t late = lock("h", 11min, {.alive_until_ms = w.now_ms() + 30 * 60'000});
  ASSERT_LT(late, w.turn.txn_safe_point.value);
  w.loop.run_for(20min);
  EXPECT_LT(w.turn.gc_safe_point.value, late);
  EXPECT_TRUE(w.locks.contains("h"));
}

TEST_F(CollectorTest, NobodyHoldsForEver) {
  lock("h", 23h, {.alive_until_ms = w.now_ms() + uint64_t{365} * 24 * 3600'000});
  start();
  w.loop.run_for(59min);
  EXPECT_TRUE(w.locks.contains("h"));
  w.loop.run_for(4min);
  EXPECT_FALSE(w.locks.contains("h"));
}

TEST_F(CollectorTest, PessimisticLocksAreTakenAwayWithoutAWord) {
  const uint64_t start_ts = lock("p1", 20min, {}, kvrpcpb::Op::PessimisticLock);
  w.locks["q"] = {start_ts, "p1", kvrpcpb::Op::PessimisticLock};
  w.locks["r"] = {start_ts, "p1", kvrpcpb::Op::Put};
  start();
  w.loop.run_for(61s);
  EXPECT_EQ(w.pessimistic_removed, (std::vector<Bytes>{"p1", "q"}));
  EXPECT_EQ(w.ended, (std::map<Bytes, uint64_t>{{"r", 0}}));
}

TEST_F(CollectorTest, NothingHappensWhileAnotherOwnsTheGarbageOrTheNodeDoesNotLead) {
  lock("a", 20min, {});
  w.turn.other_owner = "a SQL server is registered";
  start();
  w.loop.run_for(10min);
  w.turn.other_owner = "";
  w.turn.is_serving = false;
  w.loop.run_for(10min);
  EXPECT_EQ(w.scans, 0);
  EXPECT_EQ(w.advances, 0);
  w.turn.is_serving = true;
  w.loop.run_for(2min);
  EXPECT_GT(w.advances, 0);
  EXPECT_TRUE(w.locks.empty());
}

TEST_F(CollectorTest, ARoundThatFailsMovesNothingAndTheNextTriesAgain) {
  w.is_down = true;
  start();
  w.loop.run_for(5min);
  EXPECT_EQ(w.advances, 0);
  w.is_down = false;
  w.loop.run_for(2min);
  EXPECT_GT(w.advances, 0);
}

TEST_F(CollectorTest, ABarrierIsRespectedAndWhatLiesBelowItIsCollected) {
  w.barrier = w.ts_of(9min);
  start();
  w.loop.run_for(20min);
  EXPECT_EQ(w.turn.txn_safe_point.value, w.barrier);
  EXPECT_EQ(w.turn.gc_safe_point.value, w.barrier);
}

TEST_F(CollectorTest, RegionsThatChangeMeanwhileAreFoundAgain) {
  lock("a", 20min, {});
  lock("h", 20min, {});
  w.is_stale = true;
  start();
  w.loop.run_for(61s);
  EXPECT_TRUE(w.locks.empty());
  EXPECT_GT(w.advances, 0);
}

TEST_F(CollectorTest, RegionsWithBoundsOfRawKeysAreAllVisited) {
  w.cut({"k1", "k2", "k3"});
  start();
  w.loop.run_for(61s);
  EXPECT_EQ(w.scans, 4);
  EXPECT_GT(w.advances, 0);
}

TEST_F(CollectorTest, StoppingEndsARoundThatCannotGetOn) {
  w.is_down = true;
  start();
  w.loop.run_for(61s);
  stop();  // checks that it ends
}

TEST_F(CollectorTest, ALifeTimeThatBecameLongerTakesNothingBack) {
  w.turn.txn_safe_point = Timestamp(w.ts_of(1min));
  w.turn.gc_safe_point = Timestamp(w.ts_of(2min));
  start();
  w.loop.run_for(5min);
  EXPECT_EQ(w.turn.txn_safe_point.physical_ms(), kEpochMs - 60'000);
  EXPECT_EQ(w.turn.gc_safe_point, w.turn.txn_safe_point) << "the rest of what was published is collected";
}

}  // namespace
}  // namespace cairn::gc
