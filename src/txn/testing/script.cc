#include "txn/testing/script.h"

#include <charconv>
#include <limits>
#include <map>
#include <set>
#include <sstream>
#include <vector>

#include "base/codec.h"
#include "mvcc/shared_locks.h"
#include "mvcc/write.h"
#include "txn/testing/world.h"

namespace cairn::txn::testing {
namespace {

using mvcc::LockKind;
using mvcc::WriteKind;
using runtime::testing::run_now;

// "12" is a raw timestamp, "5ms" one of that physical time, "5ms+1" has a logical part, "max" the largest.
Timestamp parse_ts(const std::string& text) {
  if (text == "max") return Timestamp::max();
  const size_t ms = text.find("ms");
  if (ms == std::string::npos) return Timestamp(std::stoull(text));
  const uint64_t logical = text.size() > ms + 2 ? std::stoull(text.substr(ms + 3)) : 0;
  return Timestamp::compose(std::stoull(text.substr(0, ms)), logical);
}

std::string show(Timestamp ts) {
  if (ts.is_max()) return "max";
  if (ts.physical_ms() == 0) return fmt::format("{}", ts);
  return ts.logical() == 0 ? fmt::format("{}ms", ts.physical_ms())
                           : fmt::format("{}ms+{}", ts.physical_ms(), ts.logical());
}

// "x*300" is 300 times x.
Bytes parse_value(const std::string& text) {
  const size_t star = text.find('*');
  return star == std::string::npos ? text : Bytes(std::stoul(text.substr(star + 1)), text[0]);
}

std::string show_value(const Bytes& value) {
  return value.size() > 20 ? fmt::format("{}*{}", value[0], value.size()) : value;
}

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> parts;
  std::istringstream in(text);
  for (std::string part; std::getline(in, part, separator);) {
    if (!part.empty()) parts.push_back(part);
  }
  return parts;
}

std::string join(const std::vector<std::string>& parts) { return fmt::format("{}", fmt::join(parts, ",")); }

// A command line: positional words, and options "name=value" or plain flags after them.
class Line {
 public:
  explicit Line(const std::string& text) : words_(split(text, ' ')) {}
  const std::string& name() const { return words_.at(0); }
  const std::string& word(size_t i) const { return words_.at(i); }
  Timestamp ts(size_t i) const { return parse_ts(words_.at(i)); }
  std::vector<Bytes> from(size_t i) const {
    return {words_.begin() + static_cast<std::ptrdiff_t>(std::min(i, words_.size())), words_.end()};
  }
  bool has(const std::string& flag) const {
    for (const auto& word : words_) {
      if (word == flag) return true;
    }
    return false;
  }
  std::string option(const std::string& name, const std::string& otherwise = "") const {
    for (const auto& word : words_) {
      if (word.starts_with(name + "=")) return word.substr(name.size() + 1);
    }
    return otherwise;
  }
  uint64_t number(const std::string& name) const { return std::stoull(option(name, "0")); }
  Timestamp ts_option(const std::string& name) const { return parse_ts(option(name, "0")); }
  std::vector<Timestamp> ts_list(const std::string& name) const {
    std::vector<Timestamp> list;
    for (const auto& part : split(option(name), ',')) list.push_back(parse_ts(part));
    return list;
  }

 private:
  std::vector<std::string> words_;
};

const char* lock_kind_name(LockKind kind) {
  switch (kind) {
    case LockKind::kPut:
      return "put";
    case LockKind::kDelete:
      return "delete";
    case LockKind::kLock:
      return "lock";
    case LockKind::kPessimistic:
      return "pessimistic";
    case LockKind::kShared:
      return "shared";
  }
  return "?";
}

const char* write_kind_name(WriteKind kind) {
  switch (kind) {
    case WriteKind::kPut:
      return "put";
    case WriteKind::kDelete:
      return "delete";
    case WriteKind::kLock:
      return "lock";
    case WriteKind::kRollback:
      return "rollback";
  }
  return "?";
}

std::string show(const mvcc::LastChange& last) {
  if (last.is_unknown()) return "";
  return last.is_not_exist() ? " last_change=none"
                             : fmt::format(" last_change={}/{}", show(last.commit_ts), last.versions);
}

std::string show(const Lock& lock) {
  std::string out = fmt::format("{} start={} primary={}", lock_kind_name(lock.kind), show(lock.start_ts), lock.primary);
  if (lock.ttl_ms) out += fmt::format(" ttl={}", lock.ttl_ms);
  if (lock.short_value) out += " value=" + show_value(*lock.short_value);
  if (lock.for_update_ts.is_set()) out += " for_update=" + show(lock.for_update_ts);
  if (lock.txn_size) {
    const bool is_max = lock.txn_size == std::numeric_limits<uint64_t>::max();
    out += is_max ? " txn_size=max" : fmt::format(" txn_size={}", lock.txn_size);
  }
  if (lock.min_commit_ts.is_set()) out += " min_commit=" + show(lock.min_commit_ts);
  if (lock.use_async_commit) out += " async=[" + join(lock.secondaries) + "]";
  for (Timestamp ts : lock.rollback_ts) out += " rollback_ts=" + show(ts);
  out += show(lock.last_change);
  if (lock.txn_source) out += fmt::format(" source={}", lock.txn_source);
  if (lock.locked_with_conflict) out += " with_conflict";
  if (lock.generation) out += fmt::format(" generation={}", lock.generation);
  return out;
}

std::string show(const mvcc::LockRecord& record) {
  if (const auto* lock = std::get_if<Lock>(&record)) return show(*lock);
  const auto& shared = std::get<mvcc::SharedLocks>(record);
  std::vector<std::string> locks;
  for (const auto& [start_ts, lock] : shared.locks()) locks.push_back("(" + show(lock) + ")");
  return fmt::format("shared{} {}", shared.is_closed() ? " closed" : "", fmt::join(locks, " "));
}

std::string show(const Write& write) {
  std::string out = fmt::format("{} start={}", write_kind_name(write.kind), show(write.start_ts));
  if (write.is_protected_rollback()) out += " protected";
  if (write.kind != WriteKind::kRollback && write.short_value) out += " value=" + show_value(*write.short_value);
  if (write.has_overlapped_rollback) out += " overlapped_rollback";
  if (write.gc_fence) out += " gc_fence=" + show(*write.gc_fence);
  out += show(write.last_change);
  if (write.txn_source) out += fmt::format(" source={}", write.txn_source);
  return out;
}

std::string show(const LockInfo& info) {
  if (info.kind == LockKind::kShared) {
    std::vector<std::string> locks;
    for (const auto& lock : info.shared) locks.push_back("(" + show(lock) + ")");
    return fmt::format("{} shared {}", info.key, fmt::join(locks, " "));
  }
  std::string out = fmt::format("{} {} start={} primary={} ttl={}", info.key, lock_kind_name(info.kind),
                                show(info.start_ts), info.primary, info.ttl_ms);
  if (info.min_commit_ts.is_set()) out += " min_commit=" + show(info.min_commit_ts);
  if (info.use_async_commit) out += " async=[" + join(info.secondaries) + "]";
  if (info.for_update_ts.is_set()) out += " for_update=" + show(info.for_update_ts);
  return out;
}

std::string show(const KeyError& error) {
  struct Show {
    std::string operator()(const mvcc::KeyIsLocked& e) { return "locked " + show(e.lock); }
    std::string operator()(const mvcc::WriteConflict& e) {
      static const char* const kReasons[] = {"unknown",     "optimistic",      "pessimistic_retry", "self_rolled_back",
                                             "rc_check_ts", "lazy_uniqueness", "not_locked_key"};
      return fmt::format("conflict {} start={} with {}@{} reason={}", e.key, show(e.start_ts),
                         show(e.conflict_start_ts), show(e.conflict_commit_ts), kReasons[static_cast<int>(e.reason)]);
    }
    std::string operator()(const mvcc::AlreadyExist& e) { return "already_exist " + e.key; }
    std::string operator()(const mvcc::CommitTsExpired& e) {
      return fmt::format("commit_ts_expired {} attempted={} min_commit={}", e.key, show(e.attempted_commit_ts),
                         show(e.min_commit_ts));
    }
    std::string operator()(const mvcc::TxnNotFound& e) { return "txn_not_found " + e.primary + " " + show(e.start_ts); }
    std::string operator()(const mvcc::AssertionFailed& e) {
      return fmt::format("assertion_failed {} existing={}@{}", e.key, show(e.existing_start_ts),
                         show(e.existing_commit_ts));
    }
    std::string operator()(const mvcc::PrimaryMismatch& e) { return "primary_mismatch " + show(e.lock); }
    std::string operator()(const mvcc::TxnLockNotFound& e) { return "txn_lock_not_found " + e.key; }
    std::string operator()(const mvcc::Committed& e) { return "committed " + e.key + "@" + show(e.commit_ts); }
    std::string operator()(const mvcc::PessimisticLockNotFound& e) {
      return fmt::format("pessimistic_lock_not_found {} reason={}", e.key, e.reason);
    }
    std::string operator()(const mvcc::Deadlock& e) { return "deadlock " + e.lock_key; }
    std::string operator()(const mvcc::Aborted& e) { return "abort " + e.text; }
  };
  return std::visit(Show{}, error);
}

// A key is missing where a command names it "-" (empty).
Bytes bound(const std::string& word) { return word == "-" ? Bytes() : word; }

class Script {
 public:
  explicit Script(SchedulerLimits limits) : limits_(limits), world_(std::make_unique<World>(limits)) {}

  std::string run(const std::string& text) {
    const Line line(text);
    const Bytes before = records();
    std::string out = answer(line);
    const Bytes after = records();
    return before == after ? out : out + after;
  }

 private:
  std::string answer(const Line& line) {
    const std::string& name = line.name();
    if (name == "prewrite" || name == "flush") return prewrite(line);
    if (name == "commit") {
      auto r = world_->run(Commit{keys(line, 3), line.ts(1), line.ts(2)});
      return r.error ? error(*r.error) : "ok\n";
    }
    if (name == "lock") return lock(line);
    if (name == "pessimistic_rollback") {
      return plain(world_->run(PessimisticRollback{keys(line, 3), line.ts(1), line.ts(2)}).error);
    }
    if (name == "rollback") return plain(world_->run(BatchRollback{keys(line, 2), line.ts(1)}).error);
    if (name == "cleanup") {
      auto r = world_->run(Cleanup{line.word(2), line.ts(1), line.ts_option("now")});
      if (r.error) return error(*r.error);
      return r.commit_ts.is_set() ? "committed@" + show(r.commit_ts) + "\n" : "ok\n";
    }
    if (name == "check_txn_status") return check_txn_status(line);
    if (name == "check_secondary_locks") return check_secondary_locks(line);
    if (name == "resolve") return resolve(line);
    if (name == "heartbeat") {
      auto r = world_->run(TxnHeartBeat{line.word(2), line.ts(1), line.number("ttl"), line.ts_option("min_commit")});
      return r.error ? error(*r.error) : fmt::format("ttl={}\n", r.lock_ttl_ms);
    }
    if (name == "delete_range") return plain(world_->run(DeleteRange{bound(line.word(1)), bound(line.word(2))}).error);
    if (name == "buffer_get") {
      const auto snapshot = world_->snapshot();
      const std::vector<Bytes> names = keys(line, 2);
      return show_pairs(run_now([&](auto& slices) { return buffer_batch_get(*snapshot, line.ts(1), names, slices); }),
                        false);
    }
    if (name == "broadcast") {
      world_->scheduler().learn({line.ts(1), line.ts_option("min_commit"), line.ts_option("commit"),
                                 line.has("rolled_back"), line.has("completed")});
      return "ok\n";
    }
    if (name == "get" || name == "batch_get") return get(line);
    if (name == "scan" || name == "reverse_scan") return scan(line);
    if (name == "scan_locks") return scan_locks(line);
    if (name == "plant_lock") return plant_lock(line);
    if (name == "plant_write") return plant_write(line);
    if (name == "max_ts") return show(world_->concurrency().max_ts()) + "\n";
    if (name == "reset") {
      world_ = std::make_unique<World>(limits_);
      return "ok\n";
    }
    return "unknown command\n";
  }

  static std::string error(const KeyError& e) { return "error " + show(e) + "\n"; }
  static std::string plain(const std::optional<KeyError>& e) { return e ? error(*e) : "ok\n"; }

  // The words from `i` on that are no options.
  static std::vector<Bytes> keys(const Line& line, size_t i) {
    std::vector<Bytes> result;
    for (auto& word : line.from(i)) {
      if (word.find('=') == std::string::npos) result.push_back(word);
    }
    return result;
  }

  static std::optional<Mutation> parse_mutation(const std::string& word) {
    static const std::map<std::string, Mutation::Op> kOps = {{"put", Mutation::Op::kPut},
                                                             {"delete", Mutation::Op::kDelete},
                                                             {"lock", Mutation::Op::kLock},
                                                             {"insert", Mutation::Op::kInsert},
                                                             {"check_not_exists", Mutation::Op::kCheckNotExists},
                                                             {"shared_lock", Mutation::Op::kSharedLock}};
    const size_t colon = word.find(':');
    if (colon == std::string::npos || !kOps.contains(word.substr(0, colon))) return std::nullopt;
    Mutation mutation;
    mutation.op = kOps.at(word.substr(0, colon));
    std::string rest = word.substr(colon + 1);
    if (const size_t mark = rest.find('~'); mark != std::string::npos) {
      const auto how = split(rest.substr(mark + 1), '@');
      mutation.pessimistic_action = how[0] == "locked"       ? Mutation::PessimisticAction::kPessimisticCheck
                                    : how[0] == "constraint" ? Mutation::PessimisticAction::kConstraintCheck
                                                             : Mutation::PessimisticAction::kSkipCheck;
      if (how.size() > 1) mutation.expected_for_update_ts = parse_ts(how[1]);
      rest.resize(mark);
    }
    if (const size_t mark = rest.find('!'); mark != std::string::npos) {
      mutation.assertion = rest.substr(mark + 1) == "exists" ? Assertion::kExist : Assertion::kNotExist;
      rest.resize(mark);
    }
    const size_t equals = rest.find('=');
    mutation.key = rest.substr(0, equals);
    if (equals != std::string::npos) mutation.value = parse_value(rest.substr(equals + 1));
    return mutation;
  }

  std::string prewrite(const Line& line) {
    Prewrite command;
    command.start_ts = line.ts(1);
    for (const auto& word : line.from(2)) {
      if (auto mutation = parse_mutation(word)) command.mutations.push_back(std::move(*mutation));
    }
    command.primary = line.option("primary", command.mutations.front().key);
    command.lock_ttl_ms = line.number("ttl");
    command.txn_size = line.number("txn_size");
    command.txn_source = line.number("source");
    command.min_commit_ts = line.ts_option("min_commit");
    command.max_commit_ts = line.ts_option("max_commit");
    command.use_async_commit = line.has("async");
    command.secondaries = split(line.option("secondaries"), ',');
    command.try_one_pc = line.has("one_pc");
    command.skip_constraint_check = line.has("skip_check");
    command.for_update_ts = line.ts_option("for_update");
    command.is_retry_request = line.has("retry");
    command.generation = line.number("generation");
    const std::string level = line.option("assertions");
    command.assertion_level = level == "strict" ? AssertionLevel::kStrict
                              : level == "fast" ? AssertionLevel::kFast
                                                : AssertionLevel::kOff;
    auto r = world_->run(std::move(command));
    std::string out;
    for (const auto& e : r.errors) out += error(e);
    if (!r.errors.empty()) return out;
    out = "ok";
    if (r.min_commit_ts.is_set()) out += " min_commit=" + show(r.min_commit_ts);
    if (r.one_pc_commit_ts.is_set()) out += " one_pc_commit=" + show(r.one_pc_commit_ts);
    return out + "\n";
  }

  static bool take_suffix(Bytes& word, ByteView suffix) {
    if (!word.ends_with(suffix)) return false;
    word.resize(word.size() - suffix.size());
    return true;
  }

  // lock START FOR_UPDATE KEYS ...
  std::string lock(const Line& line) {
    static const std::set<std::string> kFlags = {"values", "existence", "if_exists", "force", "wait"};
    PessimisticLock command;
    command.start_ts = line.ts(1);
    command.for_update_ts = line.ts(2);
    for (auto& word : keys(line, 3)) {
      if (kFlags.contains(word)) continue;
      PessimisticLock::Target target{word};
      target.is_shared = take_suffix(target.key, "~shared");
      target.must_not_exist = take_suffix(target.key, "!absent");
      command.keys.push_back(std::move(target));
    }
    command.primary = line.option("primary", command.keys.front().key);
    command.lock_ttl_ms = line.number("ttl");
    command.min_commit_ts = line.ts_option("min_commit");
    command.wait_timeout_ms = line.has("wait") ? 0 : -1;
    command.return_values = line.has("values");
    command.check_existence = line.has("existence");
    command.lock_only_if_exists = line.has("if_exists");
    if (line.has("force")) command.wake_up_mode = WakeUpMode::kForceLock;
    const auto names = command.keys;
    auto r = world_->run(std::move(command));
    if (r.error) return error(*r.error);
    std::string out;
    for (size_t i = 0; i < r.keys.size(); ++i) {
      const LockedKey& key = r.keys[i];
      out += names[i].key + (key.is_locked ? " locked" : " not locked");
      if (key.conflict_ts.is_set()) out += " over " + show(key.conflict_ts);
      if (key.value) out += " value=" + show_value(*key.value);
      if (key.exists) out += " exists";
      out += "\n";
    }
    return out;
  }

  std::string check_txn_status(const Line& line) {
    static const char* const kActions[] = {"no_action",
                                           "ttl_expire_rollback",
                                           "lock_not_exist_rollback",
                                           "min_commit_ts_pushed",
                                           "ttl_expire_pessimistic_rollback",
                                           "lock_not_exist_do_nothing"};
    CheckTxnStatus command;
    command.lock_ts = line.ts(1);
    command.primary = line.word(2);
    command.caller_start_ts = line.ts_option("caller");
    command.current_ts = line.ts_option("now");
    command.rollback_if_not_exist = line.has("rollback_if_not_exist");
    command.force_sync_commit = line.has("force_sync_commit");
    command.resolving_pessimistic_lock = line.has("resolving_pessimistic_lock");
    command.verify_is_primary = line.has("verify_is_primary");
    auto r = world_->run(command);
    if (r.error) return error(*r.error);
    std::string out = kActions[static_cast<int>(r.action)];
    if (r.lock_ttl_ms) out += fmt::format(" ttl={}", r.lock_ttl_ms);
    if (r.commit_ts.is_set()) out += " committed@" + show(r.commit_ts);
    if (r.lock) out += " lock=(" + show(*r.lock) + ")";
    return out + "\n";
  }

  std::string check_secondary_locks(const Line& line) {
    auto r = world_->run(CheckSecondaryLocks{keys(line, 2), line.ts(1)});
    if (r.error) return error(*r.error);
    if (r.commit_ts.is_set()) return "committed@" + show(r.commit_ts) + "\n";
    if (r.locks.empty()) return "rolled back\n";
    std::string out;
    for (const auto& lock : r.locks) out += "locked " + show(lock) + "\n";
    return out;
  }

  // resolve START->COMMIT ... [keys a b]
  std::string resolve(const Line& line) {
    ResolveLock command;
    bool is_key = false;
    for (const auto& word : line.from(1)) {
      const size_t arrow = word.find("->");
      if (word == "keys") {
        is_key = true;
      } else if (is_key) {
        command.keys.push_back(word);
      } else {
        const std::string to = word.substr(arrow + 2);
        command.txns.push_back({parse_ts(word.substr(0, arrow)), to == "rollback" ? Timestamp() : parse_ts(to)});
      }
    }
    return plain(world_->run(std::move(command)).error);
  }

  static ReadOptions read_options(const Line& line) {
    ReadOptions options;
    options.read_ts = parse_ts(line.option("at"));
    options.resolved_locks = line.ts_list("resolved");
    options.committed_locks = line.ts_list("committed");
    options.is_replica_read = line.has("replica_read");
    options.need_commit_ts = line.has("need_commit_ts");
    if (line.has("rc")) options.isolation = IsolationLevel::kRc;
    if (line.has("rc_check_ts")) options.isolation = IsolationLevel::kRcCheckTs;
    return options;
  }

  static std::string show_pairs(const Answer<FoundPairs>& pairs, bool with_commit_ts) {
    if (!pairs.ok()) return "failed\n";
    std::string out;
    if (pairs->error) return error(*pairs->error);
    for (const auto& pair : pairs->pairs) {
      out += pair.error       ? error(*pair.error)
             : with_commit_ts ? fmt::format("{}={} @{}\n", pair.key, show_value(pair.value), show(pair.commit_ts))
                              : fmt::format("{}={}\n", pair.key, show_value(pair.value));
    }
    return out.empty() ? "nothing\n" : out;
  }

  std::string get(const Line& line) {
    const ReadOptions options = read_options(line);
    std::vector<Bytes> names;
    for (auto& word : keys(line, 1)) {
      if (word != "rc" && word != "rc_check_ts" && word != "replica_read" && word != "need_commit_ts")
        names.push_back(word);
    }
    if (auto e = before_read(world_->concurrency(), options, names)) return error(*e);
    if (line.name() == "batch_get") {
      const auto snapshot = world_->snapshot();
      return show_pairs(run_now([&](auto& slices) { return batch_get(*snapshot, options, names, slices); }),
                        options.need_commit_ts);
    }
    auto r = txn::get(*world_->snapshot(), options, names.at(0));
    if (!r.ok()) return "failed\n";
    if (r->error) return error(*r->error);
    if (!r->value) return "not found\n";
    return "value=" + show_value(*r->value) + (options.need_commit_ts ? " @" + show(r->commit_ts) : "") + "\n";
  }

  std::string scan(const Line& line) {
    const ReadOptions options = read_options(line);
    Scan scan;
    scan.start_key = bound(line.word(1));
    scan.end_key = bound(line.word(2));
    scan.limit = static_cast<uint32_t>(std::stoul(line.option("limit", "100")));
    scan.sample_step = static_cast<uint32_t>(line.number("sample_step"));
    scan.reverse = line.name() == "reverse_scan";
    scan.key_only = line.has("key_only");
    const auto snapshot = world_->snapshot();
    return show_pairs(run_now([&](auto& slices) { return txn::scan(*snapshot, options, scan, slices); }),
                      options.need_commit_ts);
  }

  std::string scan_locks(const Line& line) {
    ScanLock scan{parse_ts(line.option("at")), bound(line.word(1)), bound(line.word(2)),
                  static_cast<uint32_t>(line.number("limit"))};
    if (auto e = before_scan_lock(world_->concurrency(), scan)) return error(*e);
    const auto snapshot = world_->snapshot();
    auto found = run_now([&](auto& slices) { return scan_lock(*snapshot, scan, slices); });
    if (!found.ok()) return "failed\n";
    std::string out;
    for (const auto& lock : found->locks) out += show(lock) + "\n";
    return out.empty() ? "nothing\n" : out;
  }

  std::string plant_lock(const Line& line) {
    static const std::map<std::string, LockKind> kKinds = {{"put", LockKind::kPut},
                                                           {"delete", LockKind::kDelete},
                                                           {"lock", LockKind::kLock},
                                                           {"pessimistic", LockKind::kPessimistic}};
    Lock lock;
    lock.kind = kKinds.at(line.word(2));
    lock.start_ts = line.ts_option("start");
    lock.primary = line.option("primary");
    lock.ttl_ms = line.number("ttl");
    lock.for_update_ts = line.ts_option("for_update");
    lock.min_commit_ts = line.ts_option("min_commit");
    lock.locked_with_conflict = line.has("with_conflict");
    lock.generation = line.number("generation");
    if (const auto value = line.option("value"); !value.empty()) lock.short_value = value;
    return plant(engine::Modify::put(engine::Cf::kLock, codec::encode_bytes(line.word(1)), lock.encode()));
  }

  std::string plant_write(const Line& line) {
    static const std::map<std::string, WriteKind> kKinds = {{"put", WriteKind::kPut},
                                                            {"delete", WriteKind::kDelete},
                                                            {"lock", WriteKind::kLock},
                                                            {"rollback", WriteKind::kRollback}};
    Write write;
    write.kind = kKinds.at(line.word(3));
    write.start_ts = line.ts_option("start");
    if (const auto value = line.option("value"); !value.empty()) write.short_value = value;
    if (const auto fence = line.option("gc_fence"); !fence.empty()) write.gc_fence = parse_ts(fence);
    if (const auto last = line.option("last_change"); !last.empty()) {
      write.last_change = last == "none"
                              ? mvcc::LastChange::not_exist()
                              : mvcc::LastChange::at(parse_ts(split(last, '/')[0]), std::stoull(split(last, '/')[1]));
    }
    const Bytes key = codec::append_ts(codec::encode_bytes(line.word(1)), line.ts(2));
    return plant(engine::Modify::put(engine::Cf::kWrite, key, write.encode()));
  }

  std::string plant(engine::Modify change) {
    engine::WriteData data;
    data.changes.push_back(std::move(change));
    return world_->store().write_now(data).ok() ? "ok\n" : "failed\n";
  }

  // All records of the region, a line each.
  std::string records() {
    const auto snapshot = world_->snapshot();
    std::string out;
    for (engine::Cf cf : {engine::Cf::kLock, engine::Cf::kWrite, engine::Cf::kDefault}) {
      auto it = snapshot->iterator(cf, {});
      for (it->seek_to_first(); it->valid(); it->next()) {
        if (cf == engine::Cf::kLock) {
          out +=
              "  lock " + *codec::decode_bytes(it->key()) + " " + show(*mvcc::decode_lock_record(it->value())) + "\n";
          continue;
        }
        const auto at = codec::split_ts(it->key());
        const std::string place = *codec::decode_bytes(at->encoded_key) + "@" + show(at->ts);
        out += cf == engine::Cf::kWrite ? "  write " + place + " " + show(*Write::decode(it->value())) + "\n"
                                        : "  value " + place + " " + show_value(Bytes(it->value())) + "\n";
      }
    }
    return out.empty() ? "  nothing\n" : out;
  }

  const SchedulerLimits limits_;
  std::unique_ptr<World> world_;
};

}  // namespace

std::string run_script(const std::string& script, SchedulerLimits limits) {
  Script interpreter(limits);
  std::string out;
  std::istringstream in(script);
  bool in_answer = false;
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with("> ")) {
      out += line + "\n" + interpreter.run(line.substr(2));
      in_answer = true;
    } else if (line.empty() || line.starts_with("#")) {
      out += line + "\n";
      in_answer = false;
    } else if (!in_answer) {
      out += line + "\n";  // stray text stays and makes the comparison readable
    }
  }
  return out;
}

}  // namespace cairn::txn::testing
