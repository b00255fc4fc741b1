// Garbage collection under faults: stores compact all the time, crash and come back, regions split and move, and nobody
// at or above the safe point sees anything of it.
#include <gtest/gtest.h>

#include <cstdlib>
#include <memory>
#include <string>
#include <utility>

#include "api/pd.h"
#include "base/codec.h"
#include "base/log.h"
#include "replica/keys.h"
#include "sim/nemesis.h"
#include "sim/versions_workload.h"
#include "sim/world.h"

namespace cairn::sim {
namespace {

// Looks and compacts so often that most versions go while the workload runs.
store::GcOptions eager() {
  store::GcOptions gc;
  gc.poll_interval = 200ms;
  gc.check_interval = 300ms;
  gc.tombstones_threshold = 1;
  gc.redundant_rows_threshold = 1;
  gc.redundant_rows_percent_threshold = 0;
  gc.ratio_threshold = 0;
  gc.batch_keys = 3;
  return gc;
}

struct Outcome {
  Report report;
  uint64_t commits = 0;
  uint64_t looks = 0;
  uint64_t collections = 0;
  size_t records = 0;  // in the end, of the first store
};

size_t count_records(engine::KvEngine& data) {
  size_t count = 0;
  auto snapshot = data.snapshot();
  auto it = snapshot->iterator(engine::Cf::kWrite, {});
  for (it->seek_to_first(); it->valid(); it->next()) ++count;
  return count;
}

runtime::Task<void> counted(runtime::Task<void> task, int* left) {
  co_await std::move(task);
  --*left;
}

Outcome play(uint64_t seed, bool has_faults) {
  Outcome out;
  World world(seed, {.clients = 3, .store_gc = eager()});
  auto fail = [&world](std::string what) { world.fail(std::move(what)); };
  // The keys lie where the nemesis splits.
  world.watch().allow_gc();
  SafePoint safe_point;
  VersionsWorkload versions(fail, safe_point, {.cluster = kCluster, .prefix = "bank/account/"});
  int left = 0;
  bool is_over = false;
  if (!world.bring_up()) {
    out.report = world.report();
    return out;
  }
  auto start = [&](size_t client, runtime::Task<void> task) {
    ++left;
    runtime::spawn(world.client(client).executor(), counted(std::move(task), &left));
  };
  for (size_t i = 0; i < 3; ++i) {
    auto& host = world.client(i);
    start(i, versions.run(&host.client(), &host.executor(), world.loop().random().next()));
  }
  start(0, versions.collect(&world.client(0).client(), &world.client(0).pd(), &world.client(0).executor()));
  if (has_faults) {
    runtime::spawn(world.client(0).executor(),
                   rage(&world, &world.client(0).executor(), 6s, world.loop().random().next(), &is_over));
    world.loop().run_until([&is_over] { return is_over; }, 20s);
    world.loop().run_for(3s);
  } else {
    world.loop().run_for(12s);
  }
  world.heal();
  const uint64_t commits = versions.commits(), looks = versions.looks();
  const uint64_t collections = versions.collections();
  const bool is_alive = world.loop().run_until(
      [&] {
        return world.is_failed() || (versions.commits() > commits + 20 && versions.looks() > looks + 5 &&
                                     versions.collections() > collections);
      },
      60s);
  if (!is_alive) world.fail("no progress after the faults are over");
  versions.stop();
  if (!world.loop().run_until([&left] { return left == 0; }, 60s)) world.fail("the workload does not end");
  world.loop().run_for(2s);
  if (!world.is_failed() && world.wait_for_replicas()) world.watch().check_end(versions.safe_point());
  if (!world.is_failed()) out.records = count_records(*world.stores()[0]->data());
  if (!world.is_failed()) world.stop_nodes();
  out.report = world.report();
  out.commits = versions.commits();
  out.looks = versions.looks();
  out.collections = versions.collections();
  return out;
}

// A PD that looks whether the safe point that it is told of could still be held, and does not answer.
class SilentPd final : public api::Pd {
 public:
  explicit SilentPd(SafePoint& safe_point) : safe_point_(safe_point) {}
  using Call = api::Call<pdpb::UpdateServiceGCSafePointRequest, pdpb::UpdateServiceGCSafePointResponse>;
  void update_service_gc_safe_point(Call call) override {
    is_told_ = true;
    Hold hold(&safe_point_);
    could_be_held_ = could_be_held_ || hold.move_to(Timestamp(call.request().safe_point()));
  }
  std::unique_ptr<api::RegionHeartbeatStream> open_region_heartbeat(api::RegionHeartbeatSink) override {
    return nullptr;
  }
  bool is_told() const { return is_told_; }
  bool could_be_held() const { return could_be_held_; }

 private:
  SafePoint& safe_point_;
  bool is_told_ = false;
  bool could_be_held_ = false;
};

class OldVersionsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    chosen_ = std::getenv("CAIRN_SIM_SEED");
    ASSERT_EQ(log::init({.level = chosen_ == nullptr ? "fatal" : "info", .file = ""}), "");
  }
  const char* chosen_ = nullptr;
};

TEST_F(OldVersionsTest, TheyGoWhileTheClusterWorks) {
  const Outcome out = play(1, false);
  EXPECT_TRUE(out.report.failures.empty()) << out.report.to_string();
  EXPECT_GT(out.commits, 100u);
  EXPECT_GT(out.looks, 50u);
  EXPECT_GT(out.collections, 0u);
  EXPECT_GT(out.records, 0u);
  EXPECT_LT(out.records, out.commits / 2) << "most versions are old, and went";
}

TEST_F(OldVersionsTest, NobodyHoldsWhatTheCollectorTellsPdOf) {
  World world(1, {.clients = 1, .store_gc = eager()});
  ASSERT_TRUE(world.bring_up());
  auto& host = world.client(0);
  SafePoint safe_point;
  SilentPd pd(safe_point);
  VersionsWorkload versions([&world](std::string what) { world.fail(std::move(what)); }, safe_point,
                            {.cluster = kCluster, .prefix = "bank/account/"});
  int left = 1;
  runtime::spawn(host.executor(), counted(versions.collect(&host.client(), &pd, &host.executor()), &left));
  EXPECT_TRUE(world.loop().run_until([&pd] { return pd.is_told(); }, 10s));
  EXPECT_FALSE(pd.could_be_held());
  versions.stop();
  EXPECT_TRUE(world.loop().run_until([&left] { return left == 0; }, 10s));
  world.stop_nodes();
}

TEST_F(OldVersionsTest, NobodyAboveTheSafePointSeesThemGoWhateverFails) {
  if (chosen_ != nullptr) {
    const Outcome out = play(std::strtoull(chosen_, nullptr, 10), true);
    EXPECT_TRUE(out.report.failures.empty()) << out.report.to_string();
    return;
  }
  uint64_t commits = 0, records = 0;
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    const Outcome out = play(seed, true);
    EXPECT_TRUE(out.report.failures.empty()) << "CAIRN_SIM_SEED=" << seed << "\n" << out.report.to_string();
    commits += out.commits;
    records += out.records;
  }
  EXPECT_LT(records, commits / 2);
}

TEST_F(OldVersionsTest, TheSameSeedPlaysTheSameWorldTwice) {
  for (uint64_t seed = 201; seed <= 203; ++seed) {
    EXPECT_EQ(play(seed, true).report.to_string(), play(seed, true).report.to_string()) << seed;
  }
}

}  // namespace
}  // namespace cairn::sim
