// Delays in the stages of a command before its write, as the metrics and the command's own figures show them.
// Tests of the stages behind it: store/metrics_test.cc.
#include "txn/metrics.h"

#include <gtest/gtest.h>

#include "runtime/async.h"
#include "txn/testing/world.h"

namespace cairn::txn {
namespace {

using engine::RegionError;
using engine::RegionSnapshotPtr;
using testing::World;

constexpr Duration kDelay = std::chrono::milliseconds(150);

// The world's, and what was spent at once: by computing.
class SpentClock final : public runtime::Clock {
 public:
  explicit SpentClock(const runtime::Clock& inner) : inner_(inner) {}
  Instant now() const override { return inner_.now() + spent; }
  WallTime wall_now() const override { return inner_.wall_now(); }
  Duration spent{};

 private:
  const runtime::Clock& inner_;
};

// A view of which each look takes long.
class SlowView final : public engine::RegionSnapshot {
 public:
  SlowView(RegionSnapshotPtr inner, SpentClock& clock, Duration look)
      : inner_(std::move(inner)), clock_(clock), look_(look) {}
  engine::Result<std::optional<Bytes>> get(engine::Cf cf, ByteView key, engine::ReadTier tier) const override {
    clock_.spent += look_;
    return inner_->get(cf, key, tier);
  }
  std::unique_ptr<engine::Iterator> iterator(engine::Cf cf, engine::IterOptions options) const override {
    clock_.spent += look_;
    return inner_->iterator(cf, std::move(options));
  }
  RegionId region_id() const override { return inner_->region_id(); }
  Term term() const override { return inner_->term(); }
  Result<engine::WriteBasis, RegionError> write_basis() const override { return inner_->write_basis(); }
  LogIndex applied_index() const override { return inner_->applied_index(); }
  ByteView start_key() const override { return inner_->start_key(); }
  ByteView end_key() const override { return inner_->end_key(); }

 private:
  const RegionSnapshotPtr inner_;
  SpentClock& clock_;
  const Duration look_;
};

class SlowStages final : public engine::RegionStore {
 public:
  SlowStages(engine::LocalRegionStore& inner, SpentClock& clock) : inner_(inner), clock_(clock) {}
  runtime::Task<Result<RegionSnapshotPtr, RegionError>> snapshot(engine::RegionRequest request) override {
    if (of_snapshot > Duration()) co_await runtime::sleep(inner_.executor(), of_snapshot);
    CO_TRY_ASSIGN(auto view, co_await inner_.snapshot(std::move(request)));
    co_return std::make_shared<SlowView>(std::move(view), clock_, of_look);
  }
  runtime::Task<Result<LogIndex, RegionError>> write(engine::RegionRequest request, engine::WriteBasis basis,
                                                     engine::WriteData data) override {
    if (of_write > Duration()) co_await runtime::sleep(inner_.executor(), of_write);
    co_return co_await inner_.write(std::move(request), basis, std::move(data));
  }
  bool is_busy(RegionId region) const override { return inner_.is_busy(region); }
  runtime::Executor& executor() override { return inner_.executor(); }

  Duration of_snapshot{}, of_look{}, of_write{};

 private:
  engine::LocalRegionStore& inner_;
  SpentClock& clock_;
};

runtime::Task<void> into(Scheduler* scheduler, Prewrite command, engine::RegionRequest request, CommandFigures* figures,
                         bool* is_over) {
  static_cast<void>(co_await scheduler->run(std::move(command), std::move(request), figures));
  *is_over = true;
}

class Stages : public ::testing::Test {
 protected:
  // Runs a prewrite of key "a", and says which stages took at least half of the delay by the histograms, and by what
  // the command says of itself.
  std::pair<std::vector<std::string>, std::vector<std::string>> slow_ones() {
    const auto& metrics = metrics_of(Prewrite());
    const std::vector<std::pair<const char*, const metrics::Histogram*>> all = {
        {"latch", &metrics.latch_wait},
        {"snapshot", &metrics::histogram("tikv_storage_engine_async_request_duration_seconds", "", metrics::kStepTimes,
                                         {{"type", "snapshot"}})},
        {"compute", &metrics.process},
        {"block read", &metrics.block_read}};
    std::vector<uint64_t> before;
    for (const auto& [name, histogram] : all) before.push_back(histogram->sum());
    CommandFigures figures;
    bool is_over = false;
    runtime::spawn(world.executor(), into(&scheduler, put(20, "a"), world.store().request(), &figures, &is_over));
    EXPECT_TRUE(world.loop().run_until([&] { return is_over; }, std::chrono::seconds(10)));
    std::pair<std::vector<std::string>, std::vector<std::string>> slow;
    for (size_t i = 0; i < all.size(); ++i) {
      if (Duration(static_cast<int64_t>(all[i].second->sum() - before[i])) >= kDelay / 2) {
        slow.first.emplace_back(all[i].first);
      }
    }
    for (const auto& [name, took] :
         {std::pair("latch", figures.latch_wait), std::pair("snapshot", figures.snapshot_wait),
          std::pair("compute", figures.process), std::pair("pool", figures.pool_wait),
          std::pair("lock", figures.lock_wait)}) {
      if (took >= kDelay / 2) slow.second.emplace_back(name);
    }
    return slow;
  }

  static Prewrite put(uint64_t start_ts, const Bytes& key) {
    Prewrite command;
    command.mutations.push_back({Mutation::Op::kPut, key, "v"});
    command.primary = key;
    command.start_ts = Timestamp(start_ts);
    return command;
  }

  World world;
  SpentClock clock{world.clock()};
  SlowStages store{world.store(), clock};
  Scheduler scheduler{store, world.concurrency(), clock, world.deadlocks(), {}};
};

using Slow = std::pair<std::vector<std::string>, std::vector<std::string>>;

TEST_F(Stages, NoneIsSlowByItself) { EXPECT_EQ(slow_ones(), Slow()); }

TEST_F(Stages, ACommandOfTheSameKeyShowsInTheWaitForTheLatch) {
  store.of_write = kDelay;
  bool is_first_over = false;
  runtime::spawn(world.executor(), into(&scheduler, put(10, "a"), world.store().request(), nullptr, &is_first_over));
  EXPECT_EQ(slow_ones(), Slow({"latch"}, {"latch"}));
  EXPECT_TRUE(is_first_over);
}

TEST_F(Stages, AViewThatComesLateShowsInTheSnapshot) {
  store.of_snapshot = kDelay;
  EXPECT_EQ(slow_ones(), Slow({"snapshot"}, {"snapshot"}));
}

TEST_F(Stages, LooksThatTakeLongShowInTheComputing) {
  store.of_look = kDelay;
  EXPECT_EQ(slow_ones(), Slow({"compute"}, {"compute"}));
}

TEST_F(Stages, AWriteThatTakesLongShowsInNoneOfThese) {
  store.of_write = kDelay;
  EXPECT_EQ(slow_ones(), Slow());
}

}  // namespace
}  // namespace cairn::txn
