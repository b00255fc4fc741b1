// RawReader: raw reads over one snapshot. Tests: rawkv_test.cc.
#include <algorithm>

#include "base/crc.h"
#include "rawkv/rawkv.h"
#include "rawkv/validation.h"
#include "rawkv/value.h"

namespace cairn::rawkv {

bool RawReader::is_in_region(ByteView key) const {
  return key >= snapshot_.start_key() && (snapshot_.end_key().empty() || key < snapshot_.end_key());
}

Failure RawReader::not_in_region(ByteView key) const {
  engine::RegionDescription region;
  region.id = snapshot_.region_id();
  region.start_key = Bytes(snapshot_.start_key());
  region.end_key = Bytes(snapshot_.end_key());
  return engine::RegionError(engine::KeyNotInRegion{Bytes(key), std::move(region)});
}

// The value under the key unless it is expired.
Answer<std::optional<Bytes>> RawReader::get_live(engine::Cf cf, ByteView key, uint64_t* expires_s) const {
  TRY(check_key(config_, key));
  if (!is_in_region(key)) return Err(not_in_region(key));
  TRY_ASSIGN(auto stored, snapshot_.get(cf, key));
  if (!stored) return std::optional<Bytes>();
  TRY_ASSIGN(const StoredValue value, decode_value(config_.api_version, *stored));
  if (value.is_expired(now_s_)) return std::optional<Bytes>();
  if (expires_s) *expires_s = value.expires_s;
  return std::optional(Bytes(value.value));
}

Answer<std::optional<Bytes>> RawReader::get(ByteView cf, ByteView key) const {
  TRY_ASSIGN(const engine::Cf family, check_cf(cf));
  return get_live(family, key, nullptr);
}

Answer<std::vector<KvPair>> RawReader::batch_get(ByteView cf, const std::vector<Bytes>& keys) const {
  TRY_ASSIGN(const engine::Cf family, check_cf(cf));
  std::vector<KvPair> pairs;
  for (const auto& key : keys) {
    TRY_ASSIGN(auto value, get_live(family, key, nullptr));
    if (value) pairs.push_back({key, std::move(*value)});
  }
  return pairs;
}

Answer<std::vector<KvPair>> RawReader::scan(ByteView cf, const Scan& scan) const {
  TRY_ASSIGN(const engine::Cf family, check_cf(cf));
  std::vector<KvPair> pairs;
  TRY(append_scan(family, scan, pairs));
  return pairs;
}

Answer<std::vector<KvPair>> RawReader::batch_scan(ByteView cf, const std::vector<KeyRange>& ranges, uint32_t each_limit,
                                                  bool key_only, bool reverse) const {
  TRY_ASSIGN(const engine::Cf family, check_cf(cf));
  std::vector<KvPair> pairs;
  for (const auto& range : ranges) {
    TRY(append_scan(family, {range.start, range.end, each_limit, key_only, reverse}, pairs));
  }
  return pairs;
}

Answer<void> RawReader::append_scan(engine::Cf cf, const Scan& scan, std::vector<KvPair>& out) const {
  if (scan.limit > config_.scan_limit_max) {
    return Err(InvalidRequest{fmt::format("scan limit {} exceeds {}", scan.limit, config_.scan_limit_max)});
  }
  // The end from which the scan starts must be the region's; the other one is clipped.
  const bool is_outside =
      scan.reverse ? !scan.start.empty() && (ByteView(scan.start) < snapshot_.start_key() ||
                                             (!snapshot_.end_key().empty() && scan.start > snapshot_.end_key()))
                   : !is_in_region(scan.start);
  if (is_outside) return Err(not_in_region(scan.start));

  engine::IterOptions options;
  options.lower = scan.reverse ? scan.end : scan.start;
  options.upper = scan.reverse ? scan.start : scan.end;
  options.key_only = scan.key_only && config_.api_version == ApiVersion::kV1;
  if (!options.upper.empty() && options.lower >= options.upper) return {};
  auto it = snapshot_.iterator(cf, std::move(options));
  uint32_t found = 0;
  for (scan.reverse ? it->seek_to_last() : it->seek_to_first(); found < scan.limit && it->valid();
       scan.reverse ? it->prev() : it->next()) {
    Bytes value;
    if (!scan.key_only || config_.api_version != ApiVersion::kV1) {
      TRY_ASSIGN(const StoredValue stored, decode_value(config_.api_version, it->value()));
      if (stored.is_expired(now_s_)) continue;
      if (!scan.key_only) value = Bytes(stored.value);
    }
    out.push_back({Bytes(it->key()), std::move(value)});
    ++found;
  }
  TRY(it->status());
  return {};
}

Answer<std::optional<uint64_t>> RawReader::key_ttl(ByteView cf, ByteView key) const {
  TRY_ASSIGN(const engine::Cf family, check_cf(cf));
  if (config_.api_version == ApiVersion::kV1) return Err(InvalidRequest{"ttl is not enabled"});
  uint64_t expires_s = 0;
  TRY_ASSIGN(auto value, get_live(family, key, &expires_s));
  if (!value) return std::optional<uint64_t>();
  return std::optional(expires_s == 0 ? uint64_t{0} : expires_s - now_s_);
}

Answer<RawReader::Checksum> RawReader::checksum(const std::vector<KeyRange>& ranges) const {
  Checksum sum;
  for (const auto& range : ranges) {
    if (!is_in_region(range.start)) return Err(not_in_region(range.start));
    engine::IterOptions options;
    options.lower = range.start;
    options.upper = range.end;
    options.fill_cache = false;
    auto it = snapshot_.iterator(engine::Cf::kDefault, std::move(options));
    for (it->seek_to_first(); it->valid(); it->next()) {
      TRY_ASSIGN(const StoredValue stored, decode_value(config_.api_version, it->value()));
      if (stored.is_expired(now_s_)) continue;
      sum.checksum ^= crc64(stored.value, crc64(it->key()));
      sum.kvs += 1;
      sum.bytes += it->key().size() + stored.value.size();
    }
    TRY(it->status());
  }
  return sum;
}

}  // namespace cairn::rawkv
