// Shared and exclusive locks against a naive model: random transactions on a few keys, request by request.
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "runtime/random.h"
#include "txn/testing/world.h"

namespace cairn::txn {
namespace {

using mvcc::LockKind;
using testing::World;

// Who holds a key, and how.
struct Holders {
  bool is_shared = false;
  bool is_closed = false;
  std::map<uint64_t, bool> prewritten;  // by start_ts

  bool operator==(const Holders&) const = default;
};

class Model {
 public:
  // Whether the transaction gets the key.
  bool lock(uint64_t txn, const Bytes& key, bool is_shared) {
    Holders& held = keys_[key];
    if (held.prewritten.empty()) held = {is_shared, false, {}};
    const bool is_own = held.prewritten.contains(txn);
    if (is_own && (!held.is_shared || is_shared)) return true;
    if (held.is_shared && !is_shared) held.is_closed = true;
    if (!held.prewritten.empty() && !(held.is_shared && is_shared && !held.is_closed)) return false;
    held.prewritten[txn] = false;
    return true;
  }
  // Its locks go: all, or those not prewritten.
  void release(uint64_t txn, bool is_all) {
    for (auto& [key, held] : keys_) {
      const auto found = held.prewritten.find(txn);
      if (found != held.prewritten.end() && (is_all || !found->second)) held.prewritten.erase(found);
    }
  }
  std::vector<Bytes> keys_of(uint64_t txn) const {
    std::vector<Bytes> keys;
    for (const auto& [key, held] : keys_) {
      if (held.prewritten.contains(txn)) keys.push_back(key);
    }
    return keys;
  }
  Holders& at(const Bytes& key) { return keys_[key]; }
  const std::map<Bytes, Holders>& keys() const { return keys_; }

 private:
  std::map<Bytes, Holders> keys_;
};

class Play {
 public:
  Play(uint64_t seed, SchedulerLimits limits) : dice_(seed), world_(limits) {}

  void run(int steps) {
    for (int i = 0; i < steps && !::testing::Test::HasFailure(); ++i) {
      step();
      compare();
    }
    // What is left is resolved all at once.
    ResolveLock resolve;
    for (const uint64_t txn : live_) resolve.txns.push_back({Timestamp(txn), Timestamp()});
    EXPECT_FALSE(world_.run(std::move(resolve)).error);
    for (const uint64_t txn : live_) model_.release(txn, true);
    compare();
  }

 private:
  void step() {
    if (live_.size() < 5) live_.insert(++now_);
    auto chosen = std::next(live_.begin(), static_cast<std::ptrdiff_t>(dice_.below(live_.size())));
    const uint64_t txn = *chosen;
    switch (dice_.below(10)) {
      default:
        return lock(txn);
      case 6:
        return prewrite(txn);
      case 7:
        return give_back(txn);
      case 8:
      case 9:
        end(txn);
        live_.erase(chosen);
    }
  }
  void lock(uint64_t txn) {
    PessimisticLock command;
    const Bytes key(1, static_cast<char>('a' + dice_.below(3)));
    const bool is_shared = dice_.below(3) != 0;
    command.keys.push_back({key, false, is_shared});
    command.primary = "p";
    command.start_ts = Timestamp(txn);
    command.for_update_ts = Timestamp(++now_);
    command.wait_timeout_ms = -1;
    // A prewritten lock is not taken again.
    const Holders& held = model_.at(key);
    const auto own = held.prewritten.find(txn);
    if (own != held.prewritten.end() && own->second) return;
    const auto result = world_.run(std::move(command));
    const bool is_locked = model_.lock(txn, key, is_shared);
    ASSERT_EQ(!result.error, is_locked) << txn << " " << key << (result.error ? to_string(*result.error) : "");
    if (is_locked) return;
    const auto* locked = std::get_if<mvcc::KeyIsLocked>(&*result.error);
    ASSERT_TRUE(locked) << to_string(*result.error);
    EXPECT_EQ(locked->lock.holders().size(), model_.at(key).prewritten.size());
  }
  void give_back(uint64_t txn) {
    PessimisticRollback command{{}, Timestamp(txn), Timestamp::max()};
    if (dice_.below(2) == 0) command.keys = model_.keys_of(txn);
    EXPECT_FALSE(world_.run(std::move(command)).error);
    model_.release(txn, false);
  }
  void prewrite(uint64_t txn) {
    Prewrite command;
    for (const Bytes& key : model_.keys_of(txn)) {
      Mutation mutation{.op = model_.at(key).is_shared ? Mutation::Op::kSharedLock : Mutation::Op::kPut, .key = key};
      mutation.pessimistic_action = Mutation::PessimisticAction::kPessimisticCheck;
      command.mutations.push_back(std::move(mutation));
    }
    command.primary = "p";
    command.start_ts = Timestamp(txn);
    command.for_update_ts = Timestamp(++now_);
    command.use_async_commit = dice_.below(2) == 0;
    const auto result = world_.run(std::move(command));
    ASSERT_TRUE(result.errors.empty()) << to_string(result.errors.front());
    for (const Bytes& key : model_.keys_of(txn)) model_.at(key).prewritten[txn] = true;
  }
  void end(uint64_t txn) {
    const auto keys = model_.keys_of(txn);
    if (dice_.below(2) == 0) {
      prewrite(txn);
      // Above what async commit may have asked for.
      const Timestamp commit_ts(now_ += 10);
      if (dice_.below(2) == 0) {
        EXPECT_FALSE(world_.run(Commit{keys, Timestamp(txn), commit_ts}).error);
      } else {
        EXPECT_FALSE(world_.run(ResolveLock{{{Timestamp(txn), commit_ts}}, {}}).error);
      }
    } else {
      EXPECT_FALSE(world_.run(BatchRollback{keys, Timestamp(txn)}).error);
    }
    model_.release(txn, true);
  }
  void compare() {
    std::map<Bytes, Holders> expected, found;
    for (const auto& [key, held] : model_.keys()) {
      if (!held.prewritten.empty()) expected[key] = held;
    }
    world_.loop().run_for(std::chrono::milliseconds(1));  // what is pipelined
    const auto snapshot = world_.snapshot();
    mvcc::MvccReader reader(*snapshot);
    const auto note = [&](const mvcc::Key& key, const mvcc::LockRecord& record) {
      Holders& held = found[key.user];
      if (const auto* shared = std::get_if<mvcc::SharedLocks>(&record)) {
        held = {true, shared->is_closed(), {}};
        for (const auto& [start_ts, lock] : shared->locks()) held.prewritten[start_ts.value] = !lock.is_pessimistic();
      } else {
        const auto& lock = std::get<mvcc::Lock>(record);
        held.prewritten[lock.start_ts.value] = !lock.is_pessimistic();
      }
      return mvcc::MvccReader::Walk::kGoOn;
    };
    ASSERT_TRUE(reader.walk_locks({}, {}, note).ok());
    ASSERT_EQ(found.size(), expected.size());
    for (const auto& [key, held] : expected) EXPECT_TRUE(found[key] == held) << key;
  }

  runtime::Random dice_;
  World world_;
  Model model_;
  uint64_t now_ = 10;
  std::set<uint64_t> live_;
};

TEST(SharedLocks, AreHeldAsTheModelSays) {
  for (uint64_t seed = 0; seed < 60 && !::testing::Test::HasFailure(); ++seed) {
    SCOPED_TRACE(seed);
    SchedulerLimits limits;
    limits.pessimistic_locks.in_memory = seed % 2 == 0;
    limits.pipelined = seed % 3 == 0;
    limits.resolve_batch_keys = 1 + seed % 3;
    Play(seed, limits).run(200);
  }
}

// Random transactions that wait for one another.
class Crowd {
 public:
  Crowd(uint64_t seed, SchedulerLimits limits) : dice_(seed), world_(limits) {}

  void run(int steps) {
    for (int i = 0; i < steps && !::testing::Test::HasFailure(); ++i) {
      step();
      world_.loop().run_for(std::chrono::milliseconds(dice_.below(30)));
      waits_seen_ += world_.scheduler().lock_waiting().waiters();
      // Those behind the first are held back, and those behind these; but not for so long.
      const bool is_settled =
          world_.loop().run_until([this] { return wrong_wait().empty(); }, std::chrono::milliseconds(300));
      EXPECT_TRUE(is_settled) << wrong_wait();
    }
  }
  size_t waits_seen() const { return waits_seen_; }

 private:
  void step() {
    if (live_.size() < 6) live_.insert(++now_);
    auto chosen = std::next(live_.begin(), static_cast<std::ptrdiff_t>(dice_.below(live_.size())));
    const uint64_t txn = *chosen;
    switch (dice_.below(8)) {
      default:
        return lock(txn);
      case 5:
        world_.run(PessimisticRollback{{}, Timestamp(txn), Timestamp::max()});
        return;
      case 6:
        world_.run(ResolveLock{{{Timestamp(txn), Timestamp()}}, {}});
        return;
      case 7:
        world_.run(BatchRollback{{"a", "b"}, Timestamp(txn)});
        live_.erase(chosen);
    }
  }
  void lock(uint64_t txn) {
    PessimisticLock command;
    command.keys.push_back({Bytes(1, static_cast<char>('a' + dice_.below(2))), false, dice_.below(2) == 0});
    command.primary = "p";
    command.start_ts = Timestamp(txn);
    command.for_update_ts = Timestamp(++now_);
    command.is_first_lock = dice_.below(4) == 0;
    if (dice_.below(2) == 0) command.wake_up_mode = WakeUpMode::kForceLock;
    world_.start(std::move(command), world_.store().request());
  }
  // One who waits for somebody who has not the key; empty: there is none.
  std::string wrong_wait() {
    const auto snapshot = world_.snapshot();
    mvcc::MvccReader reader(*snapshot);
    for (const auto& wait : world_.scheduler().lock_waiting().waits()) {
      const auto record = reader.load_lock_record(mvcc::Key::from_user(wait.edge.key)).value();
      if (record && mvcc::lock_of(*record, wait.edge.wait_for)) continue;
      return fmt::format("{} waits for {}, which has not the key {}{}", wait.edge.txn, wait.edge.wait_for,
                         wait.edge.key, record ? "" : ": it is free");
    }
    return "";
  }

  runtime::Random dice_;
  World world_;
  uint64_t now_ = 10;
  std::set<uint64_t> live_;
  size_t waits_seen_ = 0;
};

TEST(SharedLocks, WhoWaitsWaitsForThoseWhoHaveTheKey) {
  for (uint64_t seed = 0; seed < 60 && !::testing::Test::HasFailure(); ++seed) {
    SCOPED_TRACE(seed);
    SchedulerLimits limits;
    limits.pessimistic_locks.in_memory = seed % 2 == 0;
    limits.pipelined = seed % 3 == 0;
    Crowd crowd(seed, limits);
    crowd.run(200);
    EXPECT_GT(crowd.waits_seen(), 0u);
  }
}

}  // namespace
}  // namespace cairn::txn
