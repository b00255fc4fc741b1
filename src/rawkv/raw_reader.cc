// RawReader: raw reads over one snapshot. Tests: rawkv_test.cc.
#include <algorithm>

#include "base/codec.h"
#include "base/crc.h"
#include "rawkv/cursor.h"
#include "rawkv/rawkv.h"
#include "rawkv/validation.h"
#include "rawkv/value.h"

namespace cairn::rawkv {
namespace {

// What a read ends with whose slices were given up; nobody sees it.
Failure given_up() { return engine::RegionError(engine::ServerIsBusy{"nobody waits for the answer any more", {}}); }

}  // namespace

bool RawReader::is_in_region(ByteView engine_key) const {
  return engine_key >= snapshot_.start_key() && (snapshot_.end_key().empty() || engine_key < snapshot_.end_key());
}

Failure RawReader::not_in_region(ByteView engine_key) const {
  engine::RegionDescription region;
  region.id = snapshot_.region_id();
  region.start_key = Bytes(snapshot_.start_key());
  region.end_key = Bytes(snapshot_.end_key());
  return engine::RegionError(engine::KeyNotInRegion{Bytes(engine_key), std::move(region)});
}

engine::Result<std::optional<Bytes>> RawReader::newest(engine::Cf cf, ByteView engine_key) const {
  if (config_.api_version != ApiVersion::kV2) return snapshot_.get(cf, engine_key);
  engine::IterOptions options;
  options.lower = Bytes(engine_key);
  options.upper = prefix_end(engine_key);
  options.prefix_same_as_start = true;
  const auto it = snapshot_.iterator(cf, std::move(options));
  it->seek(codec::append_ts(engine_key, Timestamp::max()));
  if (it->valid()) return std::optional(Bytes(it->value()));
  TRY(it->status());
  return std::optional<Bytes>();
}

// The value under the key unless it is deleted or expired.
Answer<std::optional<Bytes>> RawReader::get_live(engine::Cf cf, ByteView key, uint64_t* expires_s) const {
  TRY(check_key(config_, key));
  const Bytes stored_key = engine_key(config_.api_version, key);
  if (!is_in_region(stored_key)) return Err(not_in_region(stored_key));
  TRY_ASSIGN(auto stored, newest(cf, stored_key));
  if (!stored) return std::optional<Bytes>();
  TRY_ASSIGN(const StoredValue value, decode_value(config_.api_version, *stored));
  if (!value.is_live(now_s_)) return std::optional<Bytes>();
  if (expires_s) *expires_s = value.expires_s;
  return std::optional(Bytes(value.value));
}

Answer<std::optional<Bytes>> RawReader::get(ByteView cf, ByteView key) const {
  TRY_ASSIGN(const engine::Cf family, check_cf(config_, cf));
  return get_live(family, key, nullptr);
}

// NOLINTBEGIN(*-coroutine-parameters): who calls these awaits them at once, and owns what it passes
runtime::Task<Answer<std::vector<KvPair>>> RawReader::batch_get(ByteView cf, const std::vector<Bytes>& keys,
                                                                runtime::Slices& slices) const {
  CO_TRY_ASSIGN(const engine::Cf family, check_cf(config_, cf));
  Gathered found;
  for (const auto& key : keys) {
    if (!co_await slices.turn()) co_return Err(given_up());
    CO_TRY_ASSIGN(auto value, get_live(family, key, nullptr));
    if (value) CO_TRY(add({key, std::move(*value)}, found));
  }
  co_return std::move(found.pairs);
}

Answer<void> RawReader::add(KvPair pair, Gathered& out) const {
  constexpr size_t kOfAPair = 32;
  out.bytes += pair.key.size() + pair.value.size() + kOfAPair;
  if (out.bytes > config_.answer_bytes_max) {
    return Err(InvalidRequest{
        fmt::format("the answer is larger than {} bytes: ask for fewer keys at a time", config_.answer_bytes_max)});
  }
  out.pairs.push_back(std::move(pair));
  return {};
}

runtime::Task<Answer<std::vector<KvPair>>> RawReader::scan(ByteView cf, const Scan& scan,
                                                           runtime::Slices& slices) const {
  CO_TRY_ASSIGN(const engine::Cf family, check_cf(config_, cf));
  Gathered found;
  CO_TRY(co_await append_scan(family, scan, slices, found));
  co_return std::move(found.pairs);
}

runtime::Task<Answer<std::vector<KvPair>>> RawReader::batch_scan(ByteView cf, const BatchScan& scan,
                                                                 runtime::Slices& slices) const {
  CO_TRY_ASSIGN(const engine::Cf family, check_cf(config_, cf));
  Gathered found;
  for (const auto& range : scan.ranges) {
    const Scan each{range.start, range.end, scan.each_limit, scan.key_only, scan.reverse};
    CO_TRY(co_await append_scan(family, each, slices, found));
  }
  co_return std::move(found.pairs);
}

runtime::Task<Answer<void>> RawReader::append_scan(engine::Cf cf, const Scan& scan, runtime::Slices& slices,
                                                   Gathered& out) const {
  const Bytes start = engine_bound(config_.api_version, scan.start);
  const Bytes end = engine_bound(config_.api_version, scan.end);
  // The end from which the scan starts must be the region's; the other one is clipped.
  const bool is_outside = scan.reverse
                              ? !start.empty() && (ByteView(start) < snapshot_.start_key() ||
                                                   (!snapshot_.end_key().empty() && start > snapshot_.end_key()))
                              : !is_in_region(start);
  if (is_outside) co_return Err(not_in_region(start));

  Cursor::Options options;
  options.cf = cf;
  options.lower = scan.reverse ? end : start;
  options.upper = scan.reverse ? start : end;
  options.direction = scan.reverse ? Cursor::Direction::kBackward : Cursor::Direction::kForward;
  options.key_only = scan.key_only;
  options.now_s = now_s_;
  if (!options.upper.empty() && options.lower >= options.upper) co_return Answer<void>();
  Cursor cursor(snapshot_, config_.api_version, std::move(options));
  for (uint32_t found = 0; found < scan.limit;) {
    if (!co_await slices.turn()) co_return Err(given_up());
    CO_TRY_ASSIGN(const Cursor::Step step, cursor.next());
    if (step == Cursor::Step::kEnd) break;
    if (step == Cursor::Step::kPassed) continue;
    ++found;
    CO_TRY(add({Bytes(cursor.user_key()), scan.key_only ? Bytes() : Bytes(cursor.value())}, out));
  }
  co_return Answer<void>();
}

Answer<std::optional<uint64_t>> RawReader::key_ttl(ByteView cf, ByteView key) const {
  TRY_ASSIGN(const engine::Cf family, check_cf(config_, cf));
  if (config_.api_version == ApiVersion::kV1) return Err(InvalidRequest{"ttl is not enabled"});
  uint64_t expires_s = 0;
  TRY_ASSIGN(auto value, get_live(family, key, &expires_s));
  if (!value) return std::optional<uint64_t>();
  return std::optional(expires_s == 0 ? uint64_t{0} : expires_s - now_s_);
}

runtime::Task<Answer<RawReader::Checksum>> RawReader::checksum(const std::vector<KeyRange>& ranges,
                                                               runtime::Slices& slices) const {
  Checksum sum;
  for (const auto& range : ranges) {
    Cursor::Options options;
    options.lower = engine_bound(config_.api_version, range.start);
    options.upper = engine_bound(config_.api_version, range.end);
    if (!is_in_region(options.lower)) co_return Err(not_in_region(options.lower));
    if (!options.upper.empty() && options.lower >= options.upper) continue;
    options.fill_cache = false;
    options.now_s = now_s_;
    Cursor cursor(snapshot_, config_.api_version, std::move(options));
    while (true) {
      if (!co_await slices.turn()) co_return Err(given_up());
      CO_TRY_ASSIGN(const Cursor::Step step, cursor.next());
      if (step == Cursor::Step::kEnd) break;
      if (step == Cursor::Step::kPassed) continue;
      sum.checksum ^= crc64(cursor.value(), crc64(cursor.user_key()));
      sum.kvs += 1;
      sum.bytes += cursor.user_key().size() + cursor.value().size();
    }
  }
  co_return sum;
}
// NOLINTEND(*-coroutine-parameters)

}  // namespace cairn::rawkv
