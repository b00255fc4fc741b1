// MetaGroup with three members on the simulated loop: messages are lost and delayed, members crash, and what was
// acknowledged is there on all of them in the end, in one order.
#include "pd/meta/meta_group.h"

#include <gtest/gtest.h>

#include "engine/memory/memory_engine.h"
#include "pd/member/peer_transport.h"
#include "runtime/simulated/sim_loop.h"

namespace cairn::pd {
namespace {

// A clock by which work takes time: each look at it is a little later.
class SlowClock final : public runtime::Clock {
 public:
  SlowClock(const runtime::Clock& clock, Duration step) : clock_(clock), step_(step) {}
  Instant now() const override { return clock_.now() + step_ * ++looks_; }
  WallTime wall_now() const override { return clock_.wall_now(); }

 private:
  const runtime::Clock& clock_;
  const Duration step_;
  mutable int64_t looks_ = 0;
};

// The members and the network between them.
class Cluster {
 public:
  // `look`: how long each look at the clock takes.
  explicit Cluster(uint64_t seed, Duration look = {}) : loop_(seed), slow_clock_(clock_, look) {
    for (uint64_t id = 1; id <= 3; ++id) {
      options_.members.push_back({id, fmt::format("pd{}", id), {}, {}});
      members_.push_back(std::make_unique<Member>(*this, id));
    }
    options_.raft_log_gc_entries = 30;
    for (uint64_t id = 1; id <= 3; ++id) start(id);
  }
  ~Cluster() {
    for (uint64_t id = 1; id <= 3; ++id) {
      if (member(id).group) crash(id);
    }
  }

  void start(uint64_t id) { EXPECT_EQ(try_start(id), ""); }
  // Why the member does not start; it is to be crashed then.
  std::string try_start(uint64_t id) {
    auto& m = member(id);
    m.executors = std::make_unique<runtime::SimExecutors>(loop_, clock_, fmt::format("pd{}", id));
    m.home = m.executors->make("pd");
    m.log_home = m.executors->make("pd-log");
    m.kv = engine::open_memory_kv(m.disk);
    m.log = engine::open_memory_raft_log(m.log_disk);
    Options options = options_;
    options.member_id = id;
    m.group = std::make_unique<MetaGroup>(
        options,
        MetaGroup::World{slow_clock_, *m.home, *m.log_home, *m.kv, *m.log, &m, loop_.random().next(),
                         [](const std::string& what) { FAIL() << what; }},
        MetaGroup::Listener{[](bool) {}});
    const auto opened = m.group->open();
    if (!opened.ok()) return opened.error();
    m.home->post([&m] { m.group->start(); });
    return "";
  }

  void crash(uint64_t id) {
    auto& m = member(id);
    m.executors->kill();
    m.disk->crash(loop_.random());
    if (m.log_disk != m.disk) m.log_disk->crash(loop_.random());
    m.group.reset();
    m.kv.reset();
    m.log.reset();
    m.home.reset();
    m.log_home.reset();
    m.executors.reset();
  }

  MetaGroup* leader() {
    for (auto& m : members_) {
      if (m->group && m->group->is_leader()) return m->group.get();
    }
    return nullptr;
  }

  bool put(const Bytes& key, const Bytes& value) {
    if (!loop_.run_until([&] { return leader() != nullptr; }, std::chrono::seconds(60))) return false;
    MetaTxn txn;
    txn.publish(key, value);
    auto outcome = std::make_shared<std::optional<CommandResult>>();
    leader()->propose(MetaStore::encode_own(txn), [outcome](CommandResult r) { *outcome = std::move(r); });
    loop_.run_until([&] { return outcome->has_value(); }, std::chrono::seconds(5));
    return outcome->has_value() && (*outcome)->status.ok();
  }

  struct Member final : PeerTransport {
    Member(Cluster& c, uint64_t i) : cluster(c), id(i) {}
    void send(uint64_t to, Bytes message) override { cluster.deliver(to, std::move(message)); }
    void set_address(const MemberInfo&) override {}
    void on_heard_of(uint64_t) override {}
    Cluster& cluster;
    uint64_t id;
    std::shared_ptr<engine::MemoryDisk> disk = std::make_shared<engine::MemoryDisk>();
    std::shared_ptr<engine::MemoryDisk> log_disk = disk;
    std::unique_ptr<runtime::SimExecutors> executors;
    std::shared_ptr<runtime::Executor> home;
    std::shared_ptr<runtime::Executor> log_home;
    std::unique_ptr<engine::KvEngine> kv;
    std::unique_ptr<engine::RaftLogEngine> log;
    std::unique_ptr<MetaGroup> group;
  };
  Member& member(uint64_t id) { return *members_[id - 1]; }

  runtime::SimLoop loop_;
  double loss_ = 0;

 private:
  void deliver(uint64_t to, Bytes message) {
    auto& m = member(to);
    if (!m.group || loop_.random().chance(loss_)) return;
    const auto delay =
        loop_.random().between(Duration(std::chrono::microseconds(100)), Duration(std::chrono::milliseconds(20)));
    m.home->after(delay, [&m, message = std::move(message)] {
      if (m.group) m.group->receive(message);
    });
  }

  runtime::SimClock clock_{loop_, std::chrono::hours(500'000)};
  SlowClock slow_clock_;
  Options options_;
  std::vector<std::unique_ptr<Member>> members_;
};

TEST(MetaGroup, ThreeMembersElectOneLeaderAndAgree) {
  Cluster cluster(1);
  ASSERT_TRUE(cluster.put("/k", "v"));
  cluster.loop_.run_for(std::chrono::seconds(2));
  for (uint64_t id = 1; id <= 3; ++id) EXPECT_EQ(cluster.member(id).group->store().value("/k"), "v") << id;
}

TEST(MetaGroup, AMemberThatWasAwayForLongCatchesUpFromASnapshot) {
  Cluster cluster(2);
  ASSERT_TRUE(cluster.put("/first", "1"));
  uint64_t away = 1;
  while (cluster.member(away).group->is_leader()) ++away;
  cluster.crash(away);
  for (int i = 0; i < 200; ++i) {
    ASSERT_TRUE(cluster.put("/k", std::to_string(i)));
    if (i % 20 == 0) cluster.loop_.run_for(std::chrono::milliseconds(500));
  }
  cluster.start(away);
  EXPECT_TRUE(cluster.loop_.run_until([&] { return cluster.member(away).group->store().value("/k") == "199"; },
                                      std::chrono::seconds(30)));
  cluster.crash(away);
  cluster.start(away);
  EXPECT_TRUE(cluster.loop_.run_until([&] { return cluster.member(away).group->store().value("/k") == "199"; },
                                      std::chrono::seconds(30)));
}

TEST(MetaGroup, AMemberThatWasToldOfASnapshotButCouldNotTellItsLogGoesOnBehindIt) {
  Cluster cluster(2);
  uint64_t away = 1;
  ASSERT_TRUE(cluster.put("/first", "1"));
  while (cluster.member(away).group->is_leader()) ++away;
  cluster.crash(away);
  for (int i = 0; i < 200; ++i) {
    ASSERT_TRUE(cluster.put("/k", std::to_string(i)));
    if (i % 20 == 0) cluster.loop_.run_for(std::chrono::milliseconds(500));
  }
  cluster.start(away);
  const auto& store = [&]() -> const MetaStore& { return cluster.member(away).group->store(); };
  // It is in the store from the moment at which it is installed; the log is written by another actor.
  ASSERT_TRUE(cluster.loop_.run_until([&] { return store().value("/k").has_value(); }, std::chrono::seconds(30)));
  for (int i = 0; i < 3; ++i) {
    cluster.crash(away);
    cluster.start(away);
    ASSERT_TRUE(cluster.put("/k", fmt::format("again {}", i)));
    EXPECT_TRUE(cluster.loop_.run_until([&] { return store().value("/k") == fmt::format("again {}", i); },
                                        std::chrono::seconds(30)));
  }
}

// Its own log is longer than the snapshot, but not the group's.
TEST(MetaGroup, AMemberThatLedAloneForgetsItsLogThoughACrashCutsTheInstallShort) {
  Cluster cluster(5);
  ASSERT_TRUE(cluster.put("/k", "first"));
  auto* led = cluster.leader();
  ASSERT_NE(led, nullptr);
  uint64_t alone = 1;
  while (cluster.member(alone).group.get() != led) ++alone;
  for (uint64_t id = 1; id <= 3; ++id) {
    if (id != alone) cluster.crash(id);
  }
  for (int i = 0; i < 400; ++i) {
    MetaTxn txn;
    txn.publish("/k", "of nobody but this one");
    led->propose(MetaStore::encode_own(txn), [](const CommandResult& result) { EXPECT_FALSE(result.status.ok()); });
  }
  cluster.loop_.run_for(std::chrono::milliseconds(100));
  const uint64_t last = led->last_index();
  ASSERT_GE(last, 400u);
  cluster.crash(alone);
  for (uint64_t id = 1; id <= 3; ++id) {
    if (id != alone) cluster.start(id);
  }
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(cluster.put("/k", std::to_string(i)));
    if (i % 20 == 0) cluster.loop_.run_for(std::chrono::milliseconds(500));
  }
  cluster.start(alone);
  auto& member = cluster.member(alone);
  ASSERT_TRUE(
      cluster.loop_.run_until([&] { return member.group->store().value("/k") == "99"; }, std::chrono::seconds(30)));
  cluster.crash(alone);
  cluster.start(alone);
  EXPECT_LT(member.group->last_index(), last) << "entries that nobody has committed";
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(cluster.put("/k", fmt::format("again {}", i)));
    EXPECT_TRUE(cluster.loop_.run_until([&] { return member.group->store().value("/k") == fmt::format("again {}", i); },
                                        std::chrono::seconds(30)));
    cluster.crash(alone);
    cluster.start(alone);
  }
}

TEST(MetaGroup, AMemberWhoseLogIsGoneIsNoNewOne) {
  for (const bool is_flushed : {false, true}) {
    Cluster cluster(1);
    ASSERT_TRUE(cluster.put("/k", "v"));
    cluster.loop_.run_for(std::chrono::seconds(2));
    auto& member = cluster.member(1);
    if (is_flushed) ASSERT_TRUE(member.kv->flush().ok());
    cluster.crash(1);
    member.log_disk = std::make_shared<engine::MemoryDisk>();
    const auto why = cluster.try_start(1);
    EXPECT_NE(why.find("Put back the log that belongs to the data"), std::string::npos) << why;
  }
}

// The first start was cut short between its two writes, or all that was applied since was lost with it.
TEST(MetaGroup, AMemberWhoseDataWereNotFlushedYetIsNoNewOneFromItsNextStartOn) {
  Cluster cluster(1);
  ASSERT_TRUE(cluster.put("/k", "v"));
  cluster.loop_.run_for(std::chrono::seconds(2));
  auto& member = cluster.member(1);
  cluster.crash(1);
  member.log_disk = std::exchange(member.disk, std::make_shared<engine::MemoryDisk>());
  cluster.start(1);
  cluster.crash(1);
  member.log_disk = std::make_shared<engine::MemoryDisk>();
  const auto why = cluster.try_start(1);
  EXPECT_NE(why.find("Put back the log that belongs to the data"), std::string::npos) << why;
}

TEST(MetaGroup, ALogThatEndsBeforeTheDataIsNoInterruptedInstall) {
  Cluster cluster(1);
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(cluster.put("/k", std::to_string(i)));
  cluster.loop_.run_for(std::chrono::seconds(2));
  auto& member = cluster.member(1);
  ASSERT_TRUE(member.kv->flush().ok());
  const LogIndex last(member.group->last_index());
  cluster.crash(1);
  {
    auto log = engine::open_memory_raft_log(member.disk);
    auto batch = log->new_batch();
    const LogIndex half(last.value / 2);
    batch->cut_suffix(RegionId(1), half.next(), last);
    batch->put_state(RegionId(1), encode_local_state({Term(1), PeerId(), half}, half));
    ASSERT_TRUE(log->write(*batch, engine::Sync::kYes).ok());
  }
  const auto why = cluster.try_start(1);
  EXPECT_NE(why.find(fmt::format("ends at {}", last.value / 2)), std::string::npos) << why;
}

// A call that needs no command does not wait for all commands before it.
TEST(MetaGroup, ManyCommandsAreAppliedInTurns) {
  Cluster cluster(4, std::chrono::microseconds(100));
  ASSERT_TRUE(cluster.put("/k", "v"));
  auto* leader = cluster.leader();
  ASSERT_NE(leader, nullptr);
  size_t done = 0;
  for (int i = 0; i < 1000; ++i) {
    MetaTxn txn;
    txn.publish(fmt::format("/k{}", i), "v");
    leader->propose(MetaStore::encode_own(txn), [&](const CommandResult& result) {
      EXPECT_TRUE(result.status.ok());
      ++done;
    });
  }
  EXPECT_EQ(leader->proposals(), 1000u);
  size_t last = 0;
  size_t longest = 0;
  EXPECT_TRUE(cluster.loop_.run_until(
      [&] {
        longest = std::max(longest, done - last);
        last = done;
        return done == 1000;
      },
      std::chrono::seconds(10)));
  EXPECT_LE(longest, 200u);
  EXPECT_EQ(leader->proposals(), 0u);
  EXPECT_EQ(leader->store().value("/k999"), "v");
}

TEST(MetaGroup, WhatWasAcknowledgedSurvivesCrashesAndLosses) {
  for (uint64_t seed = 1; seed <= 8; ++seed) {
    SCOPED_TRACE(seed);
    Cluster cluster(seed);
    cluster.loss_ = 0.05;
    std::map<Bytes, Bytes> acknowledged;
    for (int i = 0; i < 120; ++i) {
      const Bytes key = fmt::format("/k{}", i);
      if (cluster.put(key, std::to_string(i))) acknowledged[key] = std::to_string(i);
      if (i % 15 != 14) continue;
      const uint64_t id = cluster.loop_.random().between(1, 3);
      cluster.crash(id);
      cluster.loop_.run_for(std::chrono::milliseconds(static_cast<int64_t>(cluster.loop_.random().below(3000))));
      cluster.start(id);
    }
    EXPECT_GT(acknowledged.size(), 60);
    cluster.loss_ = 0;
    ASSERT_TRUE(cluster.put("/last", "x"));
    cluster.loop_.run_for(std::chrono::seconds(5));
    for (uint64_t id = 1; id <= 3; ++id) {
      const auto& store = cluster.member(id).group->store();
      EXPECT_EQ(store.revision(), cluster.member(1).group->store().revision());
      for (const auto& [key, value] : acknowledged) ASSERT_EQ(store.value(key), value) << key << " on " << id;
    }
  }
}

}  // namespace
}  // namespace cairn::pd
