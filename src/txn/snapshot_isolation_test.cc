// Random transactions over one region, command by command in any order, with crashed clients, repeated requests and
// resolvers: two phases, async commit and 1PC mixed, optimistic and pessimistic, with pessimistic locks in memory and
// in the column family that get lost, and leaders that change, with and without a hand-over; and pipelined
// transactions, which flush each key once or more, with requests that come again or late. At the end the history in the
// write column family is judged:
//
//   atomic      all keys of a transaction are committed at one timestamp, or none is
//   honest      what was acknowledged as committed is, what was acknowledged as rolled back is not
//   snapshot    each read saw exactly the newest version at or below its timestamp, reads under locks included
//   no lost update   the intervals [start_ts, commit_ts] of the changes of a key are disjoint; a pessimistic
//                    transaction's interval begins where it locked the key
//   last flush wins  a pipelined transaction's keys hold what it flushed last
//   locked or written  at no time a key holds a transaction's prewrite lock and its commit record
//   clean            in the end no lock is left, and no value without its record
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "base/codec.h"
#include "mvcc/mvcc_reader.h"
#include "mvcc/write.h"
#include "runtime/random.h"
#include "txn/testing/world.h"

namespace cairn::txn {
namespace {

using mvcc::WriteKind;

struct Txn {
  enum class Stage { kOpen, kPrewritten, kCommitted, kRolledBack, kGivenUp };
  Stage stage = Stage::kOpen;
  Timestamp start_ts;
  std::vector<Bytes> keys;  // to write; the first is the primary
  Bytes value;
  bool use_async_commit = false;
  bool try_one_pc = false;
  Timestamp max_commit_ts;
  Timestamp commit_ts;
  bool is_pessimistic = false;
  std::map<Bytes, Timestamp> locked_at;  // the for_update_ts of each key that was locked
  Timestamp for_update_ts;
  bool is_pipelined = false;
  uint64_t generation = 0;
  std::map<Bytes, Bytes> flushed;  // by key, the value of the last flush
  std::vector<Prewrite> flushes;   // that got an answer
};

struct Read {
  Timestamp at;
  Bytes key;
  std::optional<Bytes> value;
};

class Play {
 public:
  explicit Play(uint64_t seed) : dice_(seed) { world_.set_cold_reads(seed % 2 == 0 ? 0.2 : 0); }

  void run(int steps) {
    for (int i = 0; i < steps; ++i) step();
    for (int round = 0; round < 20 && resolve_some_lock(); ++round) {
    }
    while (resolve_some_lock()) {
    }
  }

  void judge() {
    std::map<Bytes, std::map<Timestamp, mvcc::Write>> history;
    const auto snapshot = world_.snapshot();
    auto locks = snapshot->iterator(engine::Cf::kLock, {});
    locks->seek_to_first();
    ASSERT_FALSE(locks->valid()) << "a lock is left";
    std::map<Bytes, Bytes> values;
    auto long_values = snapshot->iterator(engine::Cf::kDefault, {});
    for (long_values->seek_to_first(); long_values->valid(); long_values->next()) {
      values.emplace(long_values->key(), long_values->value());
    }
    auto it = snapshot->iterator(engine::Cf::kWrite, {});
    for (it->seek_to_first(); it->valid(); it->next()) {
      const auto at = codec::split_ts(it->key());
      auto write = mvcc::Write::decode(it->value());
      ASSERT_TRUE(write.ok());
      if (write->kind == WriteKind::kRollback) continue;
      if (write->kind == WriteKind::kPut && !write->short_value) {
        const auto value = values.find(codec::append_ts(at->encoded_key, write->start_ts));
        ASSERT_NE(value, values.end()) << "a value is lost";
        write->short_value = value->second;
        values.erase(value);
      }
      history[*codec::decode_bytes(at->encoded_key)].emplace(at->ts, std::move(*write));
    }

    ASSERT_TRUE(values.empty()) << values.size() << " values have no record";

    for (const Txn& txn : txns_) {
      std::set<Timestamp> commit_ts;
      size_t committed = 0;
      for (const Bytes& key : txn.keys) {
        for (const auto& [ts, write] : history[key]) {
          if (write.start_ts != txn.start_ts) continue;
          if (txn.is_pipelined) {
            ASSERT_EQ(*write.short_value, txn.flushed.at(key)) << txn.start_ts.value;
          }
          commit_ts.insert(ts);
          ++committed;
        }
      }
      ASSERT_TRUE(committed == 0 || committed == txn.keys.size()) << "transaction " << txn.start_ts.value << " is torn";
      ASSERT_LE(commit_ts.size(), 1u) << "transaction " << txn.start_ts.value;
      if (txn.stage == Txn::Stage::kCommitted) {
        ASSERT_EQ(committed, txn.keys.size()) << "lost: " << txn.start_ts.value;
      }
      if (txn.stage == Txn::Stage::kRolledBack) {
        ASSERT_EQ(committed, 0u) << "undead: " << txn.start_ts.value;
      }
      committed_ += committed != 0 ? 1 : 0;
      committed_pessimistic_ += committed != 0 && txn.is_pessimistic ? 1 : 0;
      committed_pipelined_ += committed != 0 && txn.is_pipelined ? 1 : 0;
    }
    for (const Read& read : reads_) {
      std::optional<Bytes> expected;
      for (const auto& [ts, write] : history[read.key]) {
        if (ts > read.at) break;
        if (write.kind == WriteKind::kPut) expected = write.short_value;
        if (write.kind == WriteKind::kDelete) expected.reset();
      }
      ASSERT_EQ(read.value, expected) << "key " << read.key << " at " << read.at.value;
    }
    for (const auto& [key, versions] : history) {
      Timestamp previous;
      for (const auto& [ts, write] : versions) {
        ASSERT_LE(previous, since(write.start_ts, key)) << "lost update of " << key;
        previous = ts;
      }
    }
  }

  size_t committed() const { return committed_; }
  size_t committed_pessimistic() const { return committed_pessimistic_; }
  size_t committed_pipelined() const { return committed_pipelined_; }
  size_t reads() const { return reads_.size(); }
  size_t lost() const { return lost_; }

 private:
  Timestamp tso() { return Timestamp::compose(++clock_, 0); }
  bool chance(uint64_t one_in) { return dice_.below(one_in) == 0; }
  Txn* pick(Txn::Stage stage) {
    std::vector<Txn*> candidates;
    for (Txn& txn : txns_) {
      if (txn.stage == stage) candidates.push_back(&txn);
    }
    return candidates.empty() ? nullptr : candidates[dice_.below(candidates.size())];
  }

  void step() {
    switch (dice_.below(8)) {
      case 0:
        begin();
        break;
      case 1:
      case 2:
        read();
        break;
      case 3:
        if (Txn* txn = pick(Txn::Stage::kOpen)) {
          if (txn->is_pipelined) {
            chance(5) ? heart_beat(*txn) : flush(*txn);
          } else if (txn->is_pessimistic && (txn->locked_at.size() < txn->keys.size() || chance(6))) {
            for (size_t n = 1 + dice_.below(3); n > 0 && txn->stage == Txn::Stage::kOpen; --n) lock(*txn);
          } else {
            prewrite(*txn);
          }
        }
        break;
      case 4:
        if (Txn* txn = pick(Txn::Stage::kPrewritten)) commit(*txn);
        break;
      case 5:
        if (chance(2)) resolve_some_lock();
        if (chance(6)) lose_some_lock();
        if (chance(6)) change_leader();
        if (chance(6)) ASSERT_NO_FATAL_FAILURE(look_at_locks());
        break;
      case 6:
        if (Txn* txn = pick(Txn::Stage::kCommitted)) repeat(*txn);
        if (Txn* txn = pick(Txn::Stage::kRolledBack)) {
          ASSERT_FALSE(world_.run(late_request_of(*txn)).errors.empty()) << "a late one of " << txn->start_ts.value;
        }
        break;
      case 7:
        if (Txn* txn = pick(Txn::Stage::kOpen); txn && chance(3)) {
          if (chance(2)) {
            rollback(*txn);
          } else {
            txn->stage = Txn::Stage::kGivenUp;  // the client is gone
          }
        }
        break;
      default:
        break;
    }
  }

  void begin() {
    Txn txn;
    txn.start_ts = tso();
    std::set<Bytes> keys;
    for (uint64_t n = 1 + dice_.below(3); n > 0; --n) keys.insert(Bytes(1, static_cast<char>('a' + dice_.below(5))));
    txn.keys.assign(keys.begin(), keys.end());
    txn.value = fmt::format("v{}", txn.start_ts.physical_ms());
    txn.use_async_commit = chance(2);
    txn.try_one_pc = chance(4);
    txn.is_pessimistic = chance(2);
    if (chance(4)) txn.value.resize(300, 'v');
    if (chance(3)) {
      txn.is_pipelined = true;
      txn.is_pessimistic = txn.use_async_commit = txn.try_one_pc = false;
    }
    if (chance(4)) txn.max_commit_ts = txn.start_ts + (uint64_t{2} << 18);
    txns_.push_back(std::move(txn));
  }

  void read() {
    Timestamp at = tso();
    if (Txn* txn = pick(Txn::Stage::kOpen); txn && chance(2)) at = txn->start_ts;
    const Bytes key(1, static_cast<char>('a' + dice_.below(5)));
    ReadOptions options;
    options.read_ts = at;
    ASSERT_FALSE(before_read(world_.concurrency(), options, {key}));
    auto got = get(*world_.snapshot(), options, key);
    ASSERT_TRUE(got.ok());
    if (got->error) {
      const LockInfo lock = std::get<mvcc::KeyIsLocked>(*got->error).lock;
      if (chance(2)) {
        resolve(lock, at);
        return;
      }
      // Push it away and read below it.
      CheckTxnStatus check{.primary = lock.primary, .lock_ts = lock.start_ts, .caller_start_ts = at};
      check.current_ts = lock.start_ts;  // not expired
      auto status = world_.run(check);
      if (status.error || status.action != TxnStatusAction::kMinCommitTsPushed) return;
      options.resolved_locks = {lock.start_ts};
      got = get(*world_.snapshot(), options, key);
      ASSERT_TRUE(got.ok());
      if (got->error) return;
    }
    reads_.push_back({at, key, got->value});
  }

  // Where the key's value was last what the transaction knows it to be.
  Timestamp since(Timestamp start_ts, const Bytes& key) const {
    for (const Txn& txn : txns_) {
      if (txn.start_ts != start_ts) continue;
      const auto locked = txn.locked_at.find(key);
      return locked == txn.locked_at.end() ? start_ts : locked->second;
    }
    return start_ts;
  }

  // Locks the next key, or one again.
  void lock(Txn& txn) {
    const Bytes key =
        txn.keys[txn.locked_at.size() < txn.keys.size() ? txn.locked_at.size() : dice_.below(txn.keys.size())];
    PessimisticLock command;
    command.keys = {{key, false}};
    command.primary = txn.keys.front();
    command.start_ts = txn.start_ts;
    command.for_update_ts = chance(3) ? std::max(txn.start_ts, txn.for_update_ts) : tso();
    command.min_commit_ts = command.for_update_ts.next();
    command.wait_timeout_ms = -1;
    command.return_values = chance(2);
    if (chance(2)) command.wake_up_mode = WakeUpMode::kForceLock;
    auto result = world_.run(command);
    if (result.error) {
      if (const auto* locked = std::get_if<mvcc::KeyIsLocked>(&*result.error)) {
        if (chance(2)) resolve(locked->lock, tso());
      } else if (!std::holds_alternative<mvcc::WriteConflict>(*result.error)) {
        EXPECT_NE(to_string(*result.error).find("RolledBack"), std::string::npos) << to_string(*result.error);
        rollback(txn);
      }
      return;
    }
    const LockedKey& locked = result.keys.front();
    const Timestamp at = locked.conflict_ts.is_set() ? locked.conflict_ts : command.for_update_ts;
    if (command.return_values || locked.conflict_ts.is_set()) reads_.push_back({at, key, locked.value});
    if (chance(6)) return;  // it never hears the answer
    txn.locked_at[key] = std::max(txn.locked_at[key], at);
    txn.for_update_ts = std::max(txn.for_update_ts, at);
  }

  // As a crash may lose a pessimistic lock that was not yet replicated.
  void lose_some_lock() {
    for (const LockInfo& found : world_.locks()) {
      if (found.kind != mvcc::LockKind::kPessimistic) continue;
      engine::WriteData data;
      data.changes.push_back(engine::Modify::del(engine::Cf::kLock, codec::encode_bytes(found.key)));
      ASSERT_TRUE(world_.store().write_now(data).ok());
      return;
    }
  }

  // A crash loses the locks of memory; a transfer of leadership hands them over, and may come to nothing then.
  void change_leader() {
    auto& locks = world_.scheduler().pessimistic_locks();
    const RegionId region = world_.store().region().id;
    if (chance(2)) {
      auto handed_over = locks.begin_hand_over(region, term_);
      if (!handed_over.changes.empty()) {
        engine::WriteData data;
        data.changes = std::move(handed_over.changes);
        ASSERT_TRUE(world_.store().write_now(data).ok());
      }
      locks.begin_transfer(handed_over.kept);
      EXPECT_TRUE(locks.is_transferring(region));
      if (chance(3)) return locks.end_hand_over(region, term_);
    }
    lost_ += locks.size();
    world_.store().set_term(term_ = Term(term_.value + 1));
    if (chance(2)) locks.drop(region);
    world_.concurrency().update_max_ts(tso());
  }

  Prewrite prewrite_of(const Txn& txn) const {
    Prewrite command;
    for (const Bytes& key : txn.keys) command.mutations.push_back({Mutation::Op::kPut, key, txn.value});
    if (txn.is_pessimistic) {
      for (auto& mutation : command.mutations) {
        mutation.pessimistic_action = Mutation::PessimisticAction::kPessimisticCheck;
        // The lock that is there may be of a later request, after the one that was answered was lost.
        if (const auto at = txn.locked_at.find(mutation.key); at != txn.locked_at.end()) {
          mutation.expected_for_update_ts = at->second;
        }
      }
      command.for_update_ts = std::max(txn.start_ts, txn.for_update_ts);
    }
    command.primary = txn.keys.front();
    command.start_ts = txn.start_ts;
    command.min_commit_ts = txn.start_ts.next();
    command.use_async_commit = txn.use_async_commit;
    if (txn.use_async_commit) command.secondaries.assign(txn.keys.begin() + 1, txn.keys.end());
    command.try_one_pc = txn.try_one_pc;
    command.max_commit_ts = txn.max_commit_ts;
    return command;
  }

  void prewrite(Txn& txn) {
    Prewrite command = prewrite_of(txn);
    // In two parts, as if the keys lay in two regions: either may be lost, in either order.
    if (txn.keys.size() > 1 && !txn.try_one_pc && chance(3)) {
      Prewrite part = command;
      const size_t cut = 1 + dice_.below(txn.keys.size() - 1);
      const auto middle = part.mutations.begin() + static_cast<std::ptrdiff_t>(cut);
      part.mutations =
          chance(2) ? std::vector(middle, part.mutations.end()) : std::vector(part.mutations.begin(), middle);
      auto first = world_.run(part);
      if (!first.errors.empty() && !on_errors(txn, first.errors)) return;
      if (chance(2)) {
        if (chance(4)) txn.stage = Txn::Stage::kGivenUp;
        return;  // the rest comes later
      }
    }
    auto result = world_.run(command);
    if (!result.errors.empty()) {
      on_errors(txn, result.errors);
      return;
    }
    if (chance(6)) {
      txn.stage = Txn::Stage::kGivenUp;  // it never hears the answer
    } else if (result.one_pc_commit_ts.is_set()) {
      txn.stage = Txn::Stage::kCommitted;
      txn.commit_ts = result.one_pc_commit_ts;
    } else if (txn.use_async_commit && result.min_commit_ts.is_set()) {
      txn.stage = Txn::Stage::kCommitted;  // whoever finds the locks will say the same
      txn.commit_ts = result.min_commit_ts;
    } else {
      txn.stage = Txn::Stage::kPrewritten;
      txn.commit_ts = tso();
    }
  }

  // Flushes some of the keys, the primary with the first of them, with what may not be the last word on them.
  void flush(Txn& txn) {
    Prewrite command;
    command.generation = ++txn.generation;
    command.primary = txn.keys.front();
    command.start_ts = txn.start_ts;
    for (const Bytes& key : txn.keys) {
      const bool is_first_of_all = txn.flushed.empty() && key == txn.keys.front();
      if (!is_first_of_all && chance(2)) continue;
      const Bytes value = chance(2) ? txn.value : fmt::format("{}g{}", txn.start_ts.physical_ms(), txn.generation);
      command.mutations.push_back({Mutation::Op::kPut, key, value});
    }
    if (command.mutations.empty()) return;
    auto result = world_.run(command);
    if (!result.errors.empty()) {
      on_errors(txn, result.errors);
      return;
    }
    txn.flushes.push_back(command);
    for (const auto& mutation : command.mutations) txn.flushed[mutation.key] = mutation.value;
    // It comes again, or an earlier one comes late.
    if (chance(3)) {
      auto again = world_.run(txn.flushes[dice_.below(txn.flushes.size())]);
      if (!again.errors.empty() && !on_errors(txn, again.errors)) return;  // a resolver was faster
    }
    const auto snapshot = world_.snapshot();
    auto own = runtime::testing::run_now(
        [&](auto& slices) { return buffer_batch_get(*snapshot, txn.start_ts, txn.keys, slices); });
    ASSERT_TRUE(own.ok());
    for (const KvPair& pair : own->pairs) EXPECT_EQ(pair.value, txn.flushed.at(pair.key));
    if (txn.flushed.size() == txn.keys.size() && chance(2)) {
      txn.stage = Txn::Stage::kPrewritten;
      txn.commit_ts = tso();
    }
  }

  void heart_beat(Txn& txn) {
    const Timestamp bound = tso();
    auto result = world_.run(TxnHeartBeat{txn.keys.front(), txn.start_ts, 1, bound});
    if (!result.error) world_.scheduler().learn({.start_ts = txn.start_ts, .min_commit_ts = bound});
  }

  // What may still be under way when the transaction has ended.
  Prewrite late_request_of(const Txn& txn) {
    return txn.flushes.empty() ? prewrite_of(txn) : txn.flushes[dice_.below(txn.flushes.size())];
  }

  void look_at_locks() {
    const auto snapshot = world_.snapshot();
    mvcc::MvccReader reader(*snapshot);
    std::vector<std::pair<mvcc::Key, mvcc::Lock>> prewritten;
    const auto note = [&](const mvcc::Key& key, const mvcc::LockRecord& found) {
      const auto& lock = std::get<mvcc::Lock>(found);
      if (!lock.is_pessimistic()) prewritten.emplace_back(key, lock);
      return mvcc::MvccReader::Walk::kGoOn;
    };
    ASSERT_TRUE(reader.walk_locks({}, {}, note).ok());
    for (const auto& [key, lock] : prewritten) {
      auto record = reader.commit_record(key, lock.start_ts);
      ASSERT_TRUE(record.ok());
      ASSERT_TRUE(std::holds_alternative<mvcc::NoRecord>(*record)) << key.user << " of " << lock.start_ts.value;
    }
  }

  // False: the transaction is over.
  bool on_errors(Txn& txn, const std::vector<KeyError>& errors) {
    if (const auto* locked = std::get_if<mvcc::KeyIsLocked>(&errors.front())) {
      if (chance(2)) resolve(locked->lock, txn.start_ts);
      return true;
    }
    EXPECT_TRUE(txn.is_pessimistic ? std::holds_alternative<mvcc::PessimisticLockNotFound>(errors.front())
                                   : std::holds_alternative<mvcc::WriteConflict>(errors.front()))
        << to_string(errors.front());
    rollback(txn);
    return false;
  }

  void commit(Txn& txn) {
    const Timestamp commit_ts = txn.commit_ts;
    if (chance(5)) {
      txn.stage = Txn::Stage::kGivenUp;
      return;
    }
    auto result = world_.run(Commit{{txn.keys.front()}, txn.start_ts, commit_ts});
    if (result.error) {
      if (std::holds_alternative<mvcc::CommitTsExpired>(*result.error)) {
        txn.commit_ts = tso();  // again, later
        return;
      }
      EXPECT_TRUE(std::holds_alternative<mvcc::TxnLockNotFound>(*result.error)) << to_string(*result.error);
      txn.stage = Txn::Stage::kGivenUp;
      return;
    }
    txn.stage = Txn::Stage::kCommitted;
    txn.commit_ts = commit_ts;
  }

  // What a committed transaction's client may still send: secondaries, or the same again.
  void repeat(Txn& txn) {
    if (chance(2)) {
      auto result = world_.run(Commit{txn.keys, txn.start_ts, txn.commit_ts});
      ASSERT_FALSE(result.error) << to_string(*result.error);
    } else {
      auto result = world_.run(late_request_of(txn));
      ASSERT_TRUE(result.errors.empty()) << to_string(result.errors.front());
    }
    if (chance(2)) {
      auto result = world_.run(ResolveLock{{{txn.start_ts, txn.commit_ts}}, {}});
      ASSERT_FALSE(result.error) << to_string(*result.error);
    }
  }

  void rollback(Txn& txn) {
    auto result = world_.run(BatchRollback{txn.keys, txn.start_ts});
    if (!result.error) txn.stage = Txn::Stage::kRolledBack;
    if (result.error) txn.stage = Txn::Stage::kGivenUp;
  }

  bool resolve_some_lock() {
    const auto locks = world_.locks();
    if (locks.empty()) return false;
    resolve(locks[dice_.below(locks.size())], tso());
    return true;
  }

  // As an older client does, which knows no async commit.
  void clean_up(const LockInfo& lock) {
    auto fate = world_.run(Cleanup{lock.primary, lock.start_ts, Timestamp()});
    ASSERT_FALSE(fate.error) << to_string(*fate.error);
    auto resolved = world_.run(ResolveLock{{{lock.start_ts, fate.commit_ts}}, {lock.key}});
    ASSERT_FALSE(resolved.error) << to_string(*resolved.error);
  }

  // As a client does when it meets the lock: the primary decides; it is always expired here.
  void resolve(const LockInfo& lock, Timestamp caller) {
    if (lock.kind != mvcc::LockKind::kPessimistic && !lock.use_async_commit && chance(6)) return clean_up(lock);
    CheckTxnStatus check{.primary = lock.primary, .lock_ts = lock.start_ts, .caller_start_ts = caller};
    check.current_ts = tso();
    check.rollback_if_not_exist = true;
    const bool is_pessimistic = lock.kind == mvcc::LockKind::kPessimistic;
    check.resolving_pessimistic_lock = is_pessimistic && chance(2);
    auto status = world_.run(check);
    ASSERT_FALSE(status.error) << to_string(*status.error);
    if (is_pessimistic && !status.lock) {
      auto dropped = world_.run(PessimisticRollback{{lock.key}, lock.start_ts, Timestamp::max()});
      ASSERT_FALSE(dropped.error);
      return;
    }
    Timestamp commit_ts = status.commit_ts;
    if (status.lock && status.lock->use_async_commit) {
      auto fate = fate_of_async_commit(*status.lock, check);
      if (!fate) return;
      commit_ts = *fate;
    } else if (status.lock) {
      return;  // its time to live is not over
    }
    ResolveLock command;
    command.txns = {{lock.start_ts, commit_ts}};
    if (chance(2)) command.keys = {lock.key};
    auto resolved = world_.run(command);
    ASSERT_FALSE(resolved.error) << to_string(*resolved.error);
  }

  std::optional<Timestamp> fate_of_async_commit(const LockInfo& primary, CheckTxnStatus check) {
    if (primary.secondaries.empty()) return primary.min_commit_ts;
    auto secondaries = world_.run(CheckSecondaryLocks{primary.secondaries, primary.start_ts});
    EXPECT_FALSE(secondaries.error);
    if (secondaries.locks.empty()) return secondaries.commit_ts;
    Timestamp commit_ts = primary.min_commit_ts;
    for (const LockInfo& lock : secondaries.locks) {
      if (!lock.use_async_commit) {  // it fell back: an ordinary transaction
        check.force_sync_commit = true;
        auto status = world_.run(check);
        EXPECT_FALSE(status.error);
        return status.lock ? std::nullopt : std::optional(status.commit_ts);
      }
      commit_ts = std::max(commit_ts, lock.min_commit_ts);
    }
    return commit_ts;
  }

  static SchedulerLimits limits() {
    SchedulerLimits limits;
    limits.pessimistic_locks.region_bytes_max = 450;  // three locks or so: there is not always room
    return limits;
  }

  testing::World world_{limits()};
  Term term_{1};
  size_t lost_ = 0;
  runtime::Random dice_;
  uint64_t clock_ = 10;
  std::vector<Txn> txns_;
  std::vector<Read> reads_;
  size_t committed_ = 0;
  size_t committed_pessimistic_ = 0;
  size_t committed_pipelined_ = 0;
};

TEST(SnapshotIsolation, HoldsUnderAnyOrderOfCommands) {
  size_t committed = 0;
  size_t committed_pessimistic = 0;
  size_t committed_pipelined = 0;
  size_t reads = 0;
  size_t lost = 0;
  for (uint64_t seed = 1; seed <= 150; ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    Play play(seed);
    play.run(350);
    play.judge();
    if (::testing::Test::HasFatalFailure() || ::testing::Test::HasNonfatalFailure()) return;
    committed += play.committed();
    committed_pessimistic += play.committed_pessimistic();
    committed_pipelined += play.committed_pipelined();
    reads += play.reads();
    lost += play.lost();
  }
  EXPECT_GT(committed, 500u) << "the play is too tame to show anything";
  EXPECT_GT(committed_pessimistic, 100u);
  EXPECT_GT(committed_pipelined, 50u);
  EXPECT_GT(reads, 2000u);
  EXPECT_GT(lost, 100u);
}

}  // namespace
}  // namespace cairn::txn
