#include "txn/reads.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "mvcc/lock_conflict.h"
#include "mvcc/point_getter.h"
#include "mvcc/scanner.h"

namespace cairn::txn {

using mvcc::Key;
using mvcc::Lock;
using mvcc::LockVerdict;

namespace {

bool looks_at_memory_locks(const ReadOptions& options) { return options.isolation != IsolationLevel::kRc; }

engine::KeyNotInRegion not_in_region(const engine::RegionSnapshot& snapshot, Bytes engine_key) {
  engine::RegionDescription region;
  region.id = snapshot.region_id();
  region.start_key = Bytes(snapshot.start_key());
  region.end_key = Bytes(snapshot.end_key());
  return {std::move(engine_key), std::move(region)};
}

bool contains(const engine::RegionSnapshot& snapshot, ByteView engine_key) {
  return engine_key >= snapshot.start_key() && (snapshot.end_key().empty() || engine_key < snapshot.end_key());
}

// An error of a key goes into the answer, one of the engine becomes a Failure.
std::optional<Failure> take_failure(mvcc::Error&& error, std::optional<KeyError>& key_error) {
  if (auto* of_engine = std::get_if<engine::Error>(&error)) return std::move(*of_engine);
  key_error = std::get<KeyError>(std::move(error));
  return std::nullopt;
}

// The bytes of an answer, up to their bound.
class Room {
 public:
  explicit Room(size_t bytes_max) : bytes_max_(bytes_max) {}
  // Takes them, and a little for what they are part of. False: there is no room.
  bool take(size_t bytes) {
    constexpr size_t kOfAPart = 32;
    bytes_ += bytes + kOfAPart;
    return bytes_ <= bytes_max_;
  }
  KeyError error() const {
    return mvcc::Aborted{fmt::format("the answer is larger than {} bytes: ask for fewer keys at a time", bytes_max_)};
  }

 private:
  const size_t bytes_max_;
  size_t bytes_ = 0;
};

// Gathers the pairs of an answer, up to its bound.
class Gathering {
 public:
  explicit Gathering(size_t bytes_max) : room_(bytes_max) {}
  // False: the answer is too large, and says so.
  bool add(KvPair pair) {
    if (!room_.take(pair.key.size() + pair.value.size())) {
      answer_.pairs.clear();
      answer_.error = room_.error();
      return false;
    }
    answer_.pairs.push_back(std::move(pair));
    return true;
  }
  size_t size() const { return answer_.pairs.size(); }
  FoundPairs end(const ReadFigures& figures) {
    answer_.figures = figures;
    return std::move(answer_);
  }

 private:
  Room room_;
  FoundPairs answer_;
};

// What a read ends with whose slices were given up; nobody sees it.
Failure given_up() { return engine::RegionError(engine::ServerIsBusy{"nobody waits for the answer any more", {}}); }

size_t bytes_of(const LockInfo& lock) {
  size_t bytes = sizeof(LockInfo) + lock.key.size() + lock.primary.size();
  for (const auto& key : lock.secondaries) bytes += key.size();
  for (const auto& shared : lock.shared) bytes += bytes_of(shared);
  return bytes;
}

// Locks that one step of a scan of locks looks at: each opens an iterator.
constexpr int kLocksAStep = 64;

Bytes encode_bound(ByteView user_key) { return user_key.empty() ? Bytes() : codec::encode_bytes(user_key); }

}  // namespace

std::optional<KeyError> before_read(ConcurrencyManager& concurrency, const ReadOptions& options,
                                    const std::vector<Bytes>& keys, bool stale_read) {
  if (!stale_read) concurrency.update_max_ts(options.read_ts);
  if (!looks_at_memory_locks(options)) return std::nullopt;
  for (const auto& key : keys) {
    // A lock that is to be read through must be read from the engine, where it is not yet.
    auto found = concurrency.find(key, [&](ByteView at, const Lock& lock) {
      return mvcc::judge_lock(at, lock, options) != LockVerdict::kIgnore;
    });
    if (found) return mvcc::conflict_error(found->first, found->second, options);
  }
  return std::nullopt;
}

std::optional<KeyError> before_range_read(ConcurrencyManager& concurrency, const ReadOptions& options,
                                          const KeyRange& range, bool stale_read) {
  if (!stale_read) concurrency.update_max_ts(options.read_ts);
  if (!looks_at_memory_locks(options)) return std::nullopt;
  auto found = concurrency.find_in_range(range.start, range.end, [&](ByteView at, const Lock& lock) {
    return mvcc::judge_lock(at, lock, options) != LockVerdict::kIgnore;
  });
  if (!found) return std::nullopt;
  return mvcc::conflict_error(found->first, found->second, options);
}

Result<void, engine::RegionError> check_keys_in_region(const engine::RegionSnapshot& snapshot,
                                                       const std::vector<Bytes>& keys) {
  for (const auto& key : keys) {
    Bytes engine_key = codec::encode_bytes(key);
    if (!contains(snapshot, engine_key)) {
      return Err(engine::RegionError(not_in_region(snapshot, std::move(engine_key))));
    }
  }
  return {};
}

Answer<GetResult> get(const engine::RegionSnapshot& snapshot, const ReadOptions& options, ByteView key) {
  TRY(check_keys_in_region(snapshot, {Bytes(key)}));
  mvcc::PointGetter getter(snapshot, options);
  auto found = getter.get(Key::from_user(Bytes(key)));
  GetResult result;
  result.figures = getter.figures();
  if (!found.ok()) {
    if (auto failure = take_failure(std::move(found).error(), result.error)) return Err(std::move(*failure));
    return result;
  }
  if (auto& value = *found) {
    result.value = std::move(value->value);
    if (options.need_commit_ts) result.commit_ts = value->commit_ts;
  }
  return result;
}

// NOLINTBEGIN(*-coroutine-parameters): who calls these awaits them at once, and owns what it passes
runtime::Task<Answer<FoundPairs>> batch_get(const engine::RegionSnapshot& snapshot, const ReadOptions& options,
                                            const std::vector<Bytes>& keys, runtime::Slices& slices,
                                            size_t answer_bytes_max) {
  CO_TRY(check_keys_in_region(snapshot, keys));
  mvcc::PointGetter getter(snapshot, options);
  Gathering pairs(answer_bytes_max);
  for (const auto& key : keys) {
    if (!co_await slices.turn()) co_return Err(given_up());
    auto found = getter.get(Key::from_user(key));
    if (!found.ok()) {
      KvPair pair{key, {}, {}, {}};
      if (auto failure = take_failure(std::move(found).error(), pair.error)) co_return Err(std::move(*failure));
      if (!pairs.add(std::move(pair))) break;
    } else if (*found) {
      const Timestamp commit_ts = options.need_commit_ts ? (*found)->commit_ts : Timestamp();
      if (!pairs.add({key, std::move((*found)->value), {}, commit_ts})) break;
    }
  }
  co_return pairs.end(getter.figures());
}

runtime::Task<Answer<FoundPairs>> buffer_batch_get(const engine::RegionSnapshot& snapshot, Timestamp start_ts,
                                                   const std::vector<Bytes>& keys, runtime::Slices& slices,
                                                   size_t answer_bytes_max) {
  CO_TRY(check_keys_in_region(snapshot, keys));
  mvcc::MvccReader reader(snapshot);
  Gathering pairs(answer_bytes_max);
  for (const auto& user_key : keys) {
    if (!co_await slices.turn()) co_return Err(given_up());
    const Key key = Key::from_user(user_key);
    CO_TRY_ASSIGN(auto lock, reader.load_lock(key));
    if (!lock || lock->start_ts != start_ts || !lock->changes_value()) continue;
    KvPair pair{user_key, {}, {}, {}};
    if (lock->kind == mvcc::LockKind::kPut) {
      CO_TRY_ASSIGN(pair.value, reader.load_value(key, start_ts, lock->short_value));
    }
    if (!pairs.add(std::move(pair))) break;
  }
  co_return pairs.end(reader.figures());
}

runtime::Task<Answer<FoundPairs>> scan(const engine::RegionSnapshot& snapshot, const ReadOptions& options,
                                       const Scan& scan, runtime::Slices& slices, size_t answer_bytes_max) {
  // The end from which the scan starts must be the region's; the other one is clipped.
  Bytes first = encode_bound(scan.start_key);
  const bool is_outside = scan.reverse ? !first.empty() && (first < snapshot.start_key() ||
                                                            (!snapshot.end_key().empty() && first > snapshot.end_key()))
                                       : !contains(snapshot, first);
  if (is_outside) co_return Err(engine::RegionError(not_in_region(snapshot, std::move(first))));

  Bytes last = encode_bound(scan.end_key);
  mvcc::ScanBounds bounds{scan.reverse ? std::move(last) : std::move(first), {}, scan.key_only};
  bounds.upper = scan.reverse ? std::move(first) : std::move(last);
  if (!bounds.upper.empty() && bounds.lower >= bounds.upper) co_return FoundPairs();
  Gathering pairs(answer_bytes_max);
  auto scanner = scan.reverse ? mvcc::backward_scanner(snapshot, options, std::move(bounds))
                              : mvcc::forward_scanner(snapshot, options, std::move(bounds));
  uint64_t seen = 0;
  while (pairs.size() < scan.limit) {
    if (!co_await slices.turn()) co_return Err(given_up());
    CO_TRY_ASSIGN(auto step, scanner->step());
    if (step.is_at_end) break;
    auto& row = step.row;
    if (!row) continue;
    const bool is_sampled = scan.sample_step <= 1 || seen % scan.sample_step == 0;
    ++seen;
    if (!is_sampled && !row->error) continue;
    const Timestamp commit_ts = options.need_commit_ts ? row->commit_ts : Timestamp();
    if (!pairs.add({std::move(row->user_key), std::move(row->value), std::move(row->error), commit_ts})) break;
  }
  co_return pairs.end(scanner->figures());
}

std::optional<KeyError> before_scan_lock(ConcurrencyManager& concurrency, const ScanLock& scan) {
  concurrency.update_max_ts(scan.max_version);
  auto found = concurrency.find_in_range(scan.start_key, scan.end_key,
                                         [&](ByteView, const Lock& lock) { return lock.start_ts <= scan.max_version; });
  if (!found) return std::nullopt;
  return mvcc::KeyIsLocked{found->second.info(found->first)};
}

runtime::Task<Answer<FoundLocks>> scan_lock(const engine::RegionSnapshot& snapshot, const ScanLock& scan,
                                            runtime::Slices& slices, size_t answer_bytes_max) {
  mvcc::MvccReader reader(snapshot);
  FoundLocks found;
  Room bytes(answer_bytes_max);
  uint64_t room = scan.limit != 0 ? scan.limit : std::numeric_limits<uint64_t>::max();
  Bytes from = encode_bound(scan.start_key);
  bool is_at_end = false;
  int in_step = 0;  // keys looked at
  const auto show = [&](const Key& key, const mvcc::LockRecord& record) {
    LockInfo info = mvcc::lock_info(record, key.user);
    if (info.kind == mvcc::LockKind::kShared) {
      // Each of those who share the key counts as a lock.
      std::erase_if(info.shared, [&](const LockInfo& lock) { return lock.start_ts > scan.max_version; });
      if (info.shared.size() > room) info.shared.resize(room);
    }
    const bool matches =
        info.kind == mvcc::LockKind::kShared ? !info.shared.empty() : info.start_ts <= scan.max_version;
    if (matches) {
      room -= info.holders().size();
      if (!bytes.take(bytes_of(info))) found.error = bytes.error();
      found.locks.push_back(std::move(info));
    }
    if (room == 0 || found.error) return mvcc::MvccReader::Walk::kStop;
    if (++in_step < kLocksAStep) return mvcc::MvccReader::Walk::kGoOn;
    from = key.encoded + '\0';
    is_at_end = false;
    return mvcc::MvccReader::Walk::kStop;
  };
  while (!is_at_end) {
    if (!co_await slices.turn()) co_return Err(given_up());
    is_at_end = true;
    in_step = 0;
    CO_TRY(reader.walk_locks(from, encode_bound(scan.end_key), show));
  }
  if (found.error) found.locks.clear();
  co_return std::move(found);
}
// NOLINTEND(*-coroutine-parameters)

}  // namespace cairn::txn
