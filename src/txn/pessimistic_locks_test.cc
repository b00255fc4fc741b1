#include "txn/pessimistic_locks.h"

#include <gtest/gtest.h>

#include "base/codec.h"
#include "mvcc/lock.h"
#include "runtime/random.h"
#include "txn/merged_iterator.h"
#include "txn/testing/world.h"

namespace cairn::txn {
namespace {

using engine::Cf;
using engine::Modify;
using testing::World;

PessimisticLock lock(uint64_t start_ts, std::vector<Bytes> keys, uint64_t for_update_ts = 0) {
  PessimisticLock command;
  for (auto& key : keys) command.keys.push_back({std::move(key), false});
  command.primary = command.keys.front().key;
  command.start_ts = Timestamp(start_ts);
  command.for_update_ts = Timestamp(for_update_ts ? for_update_ts : start_ts);
  command.wait_timeout_ms = -1;
  return command;
}
Prewrite prewrite(uint64_t start_ts, const Bytes& key) {
  Prewrite command;
  command.mutations = {{Mutation::Op::kPut, key, "v"}};
  command.mutations[0].pessimistic_action = Mutation::PessimisticAction::kPessimisticCheck;
  command.primary = key;
  command.start_ts = command.for_update_ts = Timestamp(start_ts);
  return command;
}
PessimisticRollback release(uint64_t start_ts, std::vector<Bytes> keys) {
  return {std::move(keys), Timestamp(start_ts), Timestamp::max()};
}

PessimisticLocks& locks_of(World& world) { return world.scheduler().pessimistic_locks(); }
constexpr RegionId kRegion{1};

// The keys with a lock, where it is and of what kind: "a:memory b:family(put)".
std::string show(World& world) {
  std::string out;
  const auto family = world.store().snapshot_now();
  const auto merged = locks_of(world).frozen(family);
  const auto it = merged->iterator(Cf::kLock, {});
  for (it->seek_to_first(); it->valid(); it->next()) {
    const auto in_family = family->get(Cf::kLock, it->key());
    EXPECT_TRUE(in_family.ok());
    const auto found = mvcc::Lock::decode(it->value());
    EXPECT_TRUE(found.ok());
    out += (out.empty() ? "" : " ") + *codec::decode_bytes(it->key()) + (*in_family ? ":family" : ":memory") +
           (found->is_pessimistic() ? "" : "(prewritten)");
  }
  return out;
}
void apply(World& world, std::vector<Modify> changes) {
  engine::WriteData data;
  data.changes = std::move(changes);
  EXPECT_TRUE(world.store().write_now(data).ok());
}

TEST(PessimisticLocks, StayInMemoryUntilThePrewriteIsApplied) {
  World world;
  EXPECT_FALSE(world.run(lock(10, {"a", "b"})).error);
  EXPECT_EQ(show(world), "a:memory b:memory");
  EXPECT_EQ(world.store().snapshot_now()->applied_index(), LogIndex(0)) << "nothing was replicated";
  EXPECT_TRUE(world.run(lock(11, {"a"})).error) << "others see them";
  EXPECT_FALSE(world.run(lock(10, {"a"}, 12)).error) << "the transaction itself may lock again";
  EXPECT_EQ(world.store().snapshot_now()->applied_index(), LogIndex(0));
  EXPECT_TRUE(world.run(prewrite(10, "a")).errors.empty());
  EXPECT_EQ(show(world), "a:family(prewritten) b:memory");
  EXPECT_FALSE(world.run(release(10, {"b"})).error);
  EXPECT_FALSE(world.run(Commit{{"a"}, Timestamp(10), Timestamp(13)}).error);
  EXPECT_EQ(show(world), "");
  EXPECT_EQ(locks_of(world).size(), 0u);
  EXPECT_EQ(locks_of(world).bytes(), 0u);
}

TEST(PessimisticLocks, GoThroughRaftWhenThereIsNoRoom) {
  SchedulerLimits limits;
  limits.pessimistic_locks.region_bytes_max = 300;
  World world(limits);
  EXPECT_FALSE(world.run(lock(10, {"a"})).error);
  EXPECT_FALSE(world.run(lock(10, {"b", "c", "d"})).error);
  EXPECT_EQ(show(world), "a:memory b:family c:family d:family") << "all of a request, or none";
  EXPECT_FALSE(world.run(lock(10, {"a", "b"}, 11)).error);
  EXPECT_EQ(show(world), "a:memory b:family c:family d:family") << "what is locked stays where it is";
  EXPECT_FALSE(world.run(release(10, {})).error);
  EXPECT_EQ(show(world), "");

  limits.pessimistic_locks = {.in_memory = true, .bytes_max = 10};
  World full(limits);
  EXPECT_FALSE(full.run(lock(10, {"a"})).error);
  EXPECT_EQ(show(full), "a:family");
  limits.pessimistic_locks = {.in_memory = false};
  World off(limits);
  EXPECT_FALSE(off.run(lock(10, {"a"})).error);
  EXPECT_EQ(show(off), "a:family");
}

TEST(PessimisticLocks, OfAnOlderTermAreNeverSeen) {
  World world;
  EXPECT_FALSE(world.run(lock(10, {"a", "b"})).error);
  world.store().set_term(Term(2));
  EXPECT_EQ(show(world), "");
  EXPECT_FALSE(world.run(lock(11, {"a"})).error);
  EXPECT_EQ(show(world), "a:memory");
  EXPECT_EQ(locks_of(world).size(), 1u) << "those of the older term are gone";
  locks_of(world).on_leader(kRegion, Term(2));
  EXPECT_EQ(locks_of(world).size(), 1u);
  locks_of(world).on_leader(kRegion, Term(3));
  EXPECT_EQ(locks_of(world).size(), 0u);
  EXPECT_EQ(locks_of(world).bytes(), 0u);
}

TEST(PessimisticLocks, AreReplicatedBeforeLeadershipIsHandedOver) {
  World world;
  EXPECT_FALSE(world.run(lock(10, {"a", "b"})).error);
  auto handed_over = locks_of(world).begin_hand_over(kRegion, Term(1));
  EXPECT_EQ(handed_over.changes.size(), 2u);
  EXPECT_FALSE(world.run(lock(11, {"c"})).error);
  EXPECT_EQ(show(world), "a:memory b:memory c:family") << "from now on all goes through Raft";
  apply(world, std::move(handed_over.changes));
  EXPECT_FALSE(world.run(release(10, {"b"})).error);
  EXPECT_EQ(show(world), "a:family c:family") << "what goes meanwhile goes from both";
  locks_of(world).begin_transfer(handed_over.kept);
  EXPECT_TRUE(locks_of(world).is_transferring(kRegion));
  EXPECT_EQ(locks_of(world).size(), 0u);
  EXPECT_EQ(show(world), "a:family c:family");
  EXPECT_FALSE(world.run(lock(12, {"d"})).error);
  EXPECT_EQ(show(world), "a:family c:family d:family");
  locks_of(world).end_hand_over(kRegion, Term(1));
  EXPECT_FALSE(world.run(lock(12, {"e"})).error);
  EXPECT_EQ(show(world), "a:family c:family d:family e:memory");
}

TEST(PessimisticLocks, ThatAreBeingReplacedAreNotHandedOver) {
  World world;
  EXPECT_FALSE(world.run(lock(10, {"a", "b"})).error);
  const auto snapshot = world.store().snapshot_now();
  // A prewrite of a is proposed, and not yet applied.
  mvcc::Lock prewritten;
  prewritten.start_ts = Timestamp(10);
  std::vector<Modify> changes = {Modify::put(Cf::kLock, codec::encode_bytes("a"), prewritten.encode())};
  const auto kept = locks_of(world).keep(*snapshot, {}, changes);
  ASSERT_EQ(changes.size(), 1u);
  auto handed_over = locks_of(world).begin_hand_over(kRegion, Term(1));
  ASSERT_EQ(handed_over.changes.size(), 1u);
  EXPECT_EQ(handed_over.changes[0].key, codec::encode_bytes("b"));
  apply(world, std::move(changes));
  apply(world, std::move(handed_over.changes));
  locks_of(world).settle(kept);
  locks_of(world).begin_transfer(handed_over.kept);
  EXPECT_EQ(show(world), "a:family(prewritten) b:family");

  // If the prewrite is refused, its lock stays as it was.
  World other;
  EXPECT_FALSE(other.run(lock(10, {"a"})).error);
  changes = {Modify::put(Cf::kLock, codec::encode_bytes("a"), prewritten.encode())};
  locks_of(other).give_up(locks_of(other).keep(*other.store().snapshot_now(), {}, changes));
  EXPECT_EQ(locks_of(other).begin_hand_over(kRegion, Term(1)).changes.size(), 1u);
}

TEST(PessimisticLocks, AreHiddenByALockInTheColumnFamily) {
  World world;
  EXPECT_FALSE(world.run(lock(10, {"a"})).error);
  // The prewrite is applied, and memory has not heard of it.
  mvcc::Lock prewritten;
  prewritten.start_ts = Timestamp(10);
  prewritten.primary = "a";
  prewritten.short_value = "v";
  const Bytes key = codec::encode_bytes("a");
  apply(world, {Modify::put(Cf::kLock, key, prewritten.encode())});
  const auto base = world.store().snapshot_now();
  const PessimisticLocks::View view(*base, locks_of(world));
  const auto frozen = locks_of(world).frozen(base);
  for (const engine::RegionSnapshot* snapshot : {static_cast<const engine::RegionSnapshot*>(&view), frozen.get()}) {
    const auto found = snapshot->get(Cf::kLock, key);
    ASSERT_TRUE(found.ok() && *found);
    EXPECT_EQ(**found, prewritten.encode());
    const auto it = snapshot->iterator(Cf::kLock, {});
    it->seek_to_first();
    ASSERT_TRUE(it->valid());
    EXPECT_EQ(it->value(), prewritten.encode());
    it->next();
    EXPECT_FALSE(it->valid());
  }
}

TEST(PessimisticLocks, FollowTheirKeysWhenTheRegionIsSplit) {
  World world;
  EXPECT_FALSE(world.run(lock(10, {"a", "b", "c"})).error);
  const auto snapshot = world.store().snapshot_now();
  // A rollback of b is being replicated while the region is split.
  std::vector<Modify> changes = {Modify::del(Cf::kLock, codec::encode_bytes("b")),
                                 Modify::put(Cf::kWrite, "record", "")};
  const auto kept = locks_of(world).keep(*snapshot, {}, changes);
  EXPECT_EQ(changes.size(), 1u);
  const size_t bytes = locks_of(world).bytes();
  locks_of(world).split(kRegion, RegionId(2), "", codec::encode_bytes("c"), Term(6));
  EXPECT_EQ(show(world), "c:memory");
  EXPECT_EQ(locks_of(world).size(), 3u);
  EXPECT_EQ(locks_of(world).bytes(), bytes);
  locks_of(world).settle(kept);
  EXPECT_EQ(locks_of(world).size(), 2u) << "b went, wherever it was";
  locks_of(world).on_leader(RegionId(2), Term(6));
  EXPECT_EQ(locks_of(world).size(), 2u);
  locks_of(world).on_leader(RegionId(2), Term(7));
  EXPECT_EQ(locks_of(world).size(), 1u) << "another led the child first";
}

TEST(PessimisticLocks, WaitForTheElectionOfTheChildAndGoWithALostOne) {
  using Campaign = PessimisticLocks::Campaign;
  const RegionId child(2);
  for (const bool is_won : {true, false}) {
    World world;
    EXPECT_FALSE(world.run(lock(10, {"a", "c"})).error);
    locks_of(world).split(kRegion, child, codec::encode_bytes("c"), "", Term(6));
    locks_of(world).on_no_leader(child, Term(5), Campaign::kNo);
    locks_of(world).on_no_leader(child, Term(6), Campaign::kInThisTerm);
    EXPECT_EQ(locks_of(world).size(), 2u);
    if (is_won) {
      locks_of(world).on_leader(child, Term(6));
      EXPECT_EQ(locks_of(world).size(), 2u);
      locks_of(world).on_no_leader(child, Term(6), Campaign::kNo);
    } else {
      locks_of(world).on_no_leader(child, Term(7), Campaign::kInThisTerm);
    }
    EXPECT_EQ(locks_of(world).size(), 1u);
  }
}

TEST(PessimisticLocks, MoveToAnotherShardWithTheChildThatLivesThere) {
  World world;
  EXPECT_FALSE(world.run(lock(10, {"a", "b", "c"})).error);
  // What will be refused, as the split comes first.
  std::vector<Modify> changes = {Modify::del(Cf::kLock, codec::encode_bytes("b")),
                                 Modify::put(Cf::kWrite, "record", "")};
  const auto doomed = locks_of(world).keep(*world.store().snapshot_now(), {}, changes);
  const size_t bytes = locks_of(world).bytes();
  const RegionId child(2);
  locks_of(world).split(kRegion, child, "", codec::encode_bytes("c"), Term(6));
  EXPECT_EQ(locks_of(world).begin_hand_over(child, Term(6)).changes.size(), 2u) << "none is about to go";
  PessimisticLocks others({});
  others.adopt(locks_of(world).take(child));
  EXPECT_EQ(locks_of(world).size(), 1u);
  EXPECT_EQ(others.size(), 2u);
  EXPECT_EQ(locks_of(world).bytes() + others.bytes(), bytes);
  locks_of(world).give_up(doomed);
  EXPECT_EQ(others.begin_hand_over(child, Term(6)).changes.size(), 2u) << "none is about to go";
  others.adopt(locks_of(world).take(child));
  EXPECT_EQ(others.size(), 0u) << "nothing has come";
}

// Both of them prewrite the key for one transaction: its client has asked again.
TEST(PessimisticLocks, ADoomedCommandOfTheParentDoesNotKeepWhatTheChildIsReplacing) {
  World world;
  EXPECT_FALSE(world.run(lock(10, {"a"})).error);
  const Bytes key = codec::encode_bytes("a");
  std::vector<Modify> changes = {Modify::del(Cf::kLock, key), Modify::put(Cf::kWrite, "record", "")};
  const auto of_child = locks_of(world).keep(*world.store().snapshot_now(), {}, changes);
  const PessimisticLocks::Kept of_parent{RegionId(77), of_child.term, {{key, Timestamp(10)}}, {}};
  locks_of(world).give_up(of_parent);
  EXPECT_TRUE(locks_of(world).begin_hand_over(kRegion, of_child.term).changes.empty())
      << "the lock would come after what replaces it";
}

TEST(PessimisticLocks, GoWithTheRangeThatIsDeleted) {
  World world;
  EXPECT_FALSE(world.run(lock(10, {"a", "b", "c"})).error);
  EXPECT_FALSE(world.run(DeleteRange{"b", "c", false}).error);
  EXPECT_EQ(show(world), "a:memory c:memory");
  EXPECT_FALSE(world.run(DeleteRange{"", "", true}).error);
  EXPECT_EQ(show(world), "a:memory c:memory");
  EXPECT_FALSE(world.run(DeleteRange{"", "", false}).error);
  EXPECT_EQ(show(world), "");
}

TEST(PessimisticLocks, GoWithTheRangeThatIsDeletedThoughAChildHasThem) {
  World world;
  EXPECT_FALSE(world.run(lock(10, {"a", "b", "c"})).error);
  std::vector<Modify> changes = {Modify::delete_range(Cf::kLock, codec::encode_bytes("b"), "")};
  const auto kept = locks_of(world).keep(*world.store().snapshot_now(), {}, changes);
  locks_of(world).split(kRegion, RegionId(2), "", codec::encode_bytes("c"), Term(6));
  locks_of(world).settle(kept);
  EXPECT_EQ(locks_of(world).size(), 1u) << "only a";
}

TEST(PessimisticLocks, AreRefusedByAFollowerWhateverTheRequestSays) {
  World world;
  auto request = world.store().request();
  request.replica_read = true;
  world.store().set_error_hook([](const engine::RegionRequest& asked) -> std::optional<engine::RegionError> {
    if (asked.replica_read || asked.stale_read) return std::nullopt;
    return engine::NotLeader{asked.region, std::nullopt};
  });
  EXPECT_FALSE(world.run_raw(lock(10, {"a"}), request).ok());
}

// The merged iterator against a plain map.
TEST(MergedIterator, WalksBothInOrderInBothDirections) {
  runtime::Random dice(7);
  for (int round = 0; round < 200; ++round) {
    auto engine = engine::open_memory_kv(std::make_shared<engine::MemoryDisk>());
    auto batch = engine->new_batch();
    std::map<Bytes, Bytes> expected, laid_in;
    for (char c = 'b'; c <= 'h'; ++c) {
      const Bytes key(1, c);
      if (dice.chance(0.4)) laid_in[key] = expected[key] = "pair";
      if (dice.chance(0.4)) {
        expected[key] = "base";
        batch->put(Cf::kLock, key, "base");
      }
    }
    ASSERT_TRUE(engine->write(*batch).ok());
    const auto snapshot = engine->snapshot();
    const auto it = merged_iterator(snapshot->iterator(Cf::kLock, {}), Pairs(laid_in.begin(), laid_in.end()));
    auto at = expected.end();  // end: invalid
    for (int i = 0; i < 40; ++i) {
      const Bytes target(1, static_cast<char>('a' + dice.below(9)));
      switch (at == expected.end() ? dice.below(4) : dice.below(10)) {
        case 0:
          it->seek(target);
          at = expected.lower_bound(target);
          break;
        case 1:
          it->seek_for_prev(target);
          at = expected.upper_bound(target);
          at = at == expected.begin() ? expected.end() : std::prev(at);
          break;
        case 2:
          it->seek_to_first();
          at = expected.begin();
          break;
        case 3:
          it->seek_to_last();
          at = expected.empty() ? expected.end() : std::prev(expected.end());
          break;
        case 4:
        case 5:
        case 6:
          it->prev();
          at = at == expected.begin() ? expected.end() : std::prev(at);
          break;
        default:
          it->next();
          ++at;
          break;
      }
      ASSERT_EQ(it->valid(), at != expected.end());
      if (at == expected.end()) continue;
      ASSERT_EQ(it->key(), at->first);
      ASSERT_EQ(it->value(), at->second);
    }
  }
}

}  // namespace
}  // namespace cairn::txn
