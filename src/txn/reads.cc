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

// Gathers the pairs of an answer, up to its bound.
class Gathering {
 public:
  explicit Gathering(size_t bytes_max) : bytes_max_(bytes_max) {}
  // False: the answer is too large, and says so.
  bool add(KvPair pair) {
    constexpr size_t kOfAPair = 32;
    bytes_ += pair.key.size() + pair.value.size() + kOfAPair;
    if (bytes_ > bytes_max_) {
      answer_.pairs.clear();
      answer_.error =
          mvcc::Aborted{fmt::format("the answer is larger than {} bytes: ask for fewer keys at a time", bytes_max_)};
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
  const size_t bytes_max_;
  size_t bytes_ = 0;
  FoundPairs answer_;
};

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

Answer<FoundPairs> batch_get(const engine::RegionSnapshot& snapshot, const ReadOptions& options,
                             const std::vector<Bytes>& keys, size_t answer_bytes_max) {
  TRY(check_keys_in_region(snapshot, keys));
  mvcc::PointGetter getter(snapshot, options);
  Gathering pairs(answer_bytes_max);
  for (const auto& key : keys) {
    auto found = getter.get(Key::from_user(key));
    if (!found.ok()) {
      KvPair pair{key, {}, {}, {}};
      if (auto failure = take_failure(std::move(found).error(), pair.error)) return Err(std::move(*failure));
      if (!pairs.add(std::move(pair))) break;
    } else if (*found) {
      const Timestamp commit_ts = options.need_commit_ts ? (*found)->commit_ts : Timestamp();
      if (!pairs.add({key, std::move((*found)->value), {}, commit_ts})) break;
    }
  }
  return pairs.end(getter.figures());
}

Answer<FoundPairs> buffer_batch_get(const engine::RegionSnapshot& snapshot, Timestamp start_ts,
                                    const std::vector<Bytes>& keys, size_t answer_bytes_max) {
  TRY(check_keys_in_region(snapshot, keys));
  mvcc::MvccReader reader(snapshot);
  Gathering pairs(answer_bytes_max);
  for (const auto& user_key : keys) {
    const Key key = Key::from_user(user_key);
    TRY_ASSIGN(auto lock, reader.load_lock(key));
    if (!lock || lock->start_ts != start_ts || !lock->changes_value()) continue;
    KvPair pair{user_key, {}, {}, {}};
    if (lock->kind == mvcc::LockKind::kPut) {
      TRY_ASSIGN(pair.value, reader.load_value(key, start_ts, lock->short_value));
    }
    if (!pairs.add(std::move(pair))) break;
  }
  return pairs.end(reader.figures());
}

Answer<FoundPairs> scan(const engine::RegionSnapshot& snapshot, const ReadOptions& options, const Scan& scan,
                        size_t answer_bytes_max) {
  // The end from which the scan starts must be the region's; the other one is clipped.
  Bytes first = encode_bound(scan.start_key);
  const bool is_outside = scan.reverse ? !first.empty() && (first < snapshot.start_key() ||
                                                            (!snapshot.end_key().empty() && first > snapshot.end_key()))
                                       : !contains(snapshot, first);
  if (is_outside) return Err(engine::RegionError(not_in_region(snapshot, std::move(first))));

  Bytes last = encode_bound(scan.end_key);
  mvcc::ScanBounds bounds{scan.reverse ? std::move(last) : std::move(first), {}, scan.key_only};
  bounds.upper = scan.reverse ? std::move(first) : std::move(last);
  if (!bounds.upper.empty() && bounds.lower >= bounds.upper) return FoundPairs();
  Gathering pairs(answer_bytes_max);
  auto scanner = scan.reverse ? mvcc::backward_scanner(snapshot, options, std::move(bounds))
                              : mvcc::forward_scanner(snapshot, options, std::move(bounds));
  for (uint64_t seen = 0; pairs.size() < scan.limit; ++seen) {
    TRY_ASSIGN(auto row, scanner->next());
    if (!row) break;
    const bool is_sampled = scan.sample_step <= 1 || seen % scan.sample_step == 0;
    if (!is_sampled && !row->error) continue;
    const Timestamp commit_ts = options.need_commit_ts ? row->commit_ts : Timestamp();
    if (!pairs.add({std::move(row->user_key), std::move(row->value), std::move(row->error), commit_ts})) break;
  }
  return pairs.end(scanner->figures());
}

std::optional<KeyError> before_scan_lock(ConcurrencyManager& concurrency, const ScanLock& scan) {
  concurrency.update_max_ts(scan.max_version);
  auto found = concurrency.find_in_range(scan.start_key, scan.end_key,
                                         [&](ByteView, const Lock& lock) { return lock.start_ts <= scan.max_version; });
  if (!found) return std::nullopt;
  return mvcc::KeyIsLocked{found->second.info(found->first)};
}

Answer<std::vector<LockInfo>> scan_lock(const engine::RegionSnapshot& snapshot, const ScanLock& scan) {
  mvcc::MvccReader reader(snapshot);
  std::vector<LockInfo> infos;
  uint64_t room = scan.limit != 0 ? scan.limit : std::numeric_limits<uint64_t>::max();
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
      infos.push_back(std::move(info));
    }
    return room > 0 ? mvcc::MvccReader::Walk::kGoOn : mvcc::MvccReader::Walk::kStop;
  };
  TRY(reader.walk_locks(encode_bound(scan.start_key), encode_bound(scan.end_key), show));
  return infos;
}

}  // namespace cairn::txn
