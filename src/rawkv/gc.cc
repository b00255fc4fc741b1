#include "rawkv/gc.h"

#include <utility>

#include "base/codec.h"
#include "base/metrics.h"

namespace cairn::rawkv {

using engine::Cf;

bool is_raw_data_key(ByteView data_key) {
  return data_key.size() > 1 && data_key[0] == 'z' && data_key[1] == kRawPrefix;
}

VersionRule::Fate VersionRule::judge(Timestamp ts, const StoredValue& value) {
  if (ts > safe_point_) return Fate::kStays;
  if (std::exchange(has_first_, true)) return Fate::kGoes;
  return value.is_live(now_s_) ? Fate::kStays : Fate::kGoesLast;
}

VersionFilter::VersionFilter(Timestamp safe_point, uint64_t now_s, std::function<void(ByteView key)> on_leftover)
    : rule_(safe_point, now_s), on_leftover_(std::move(on_leftover)) {
  CHECK(safe_point.is_set(), "a store that knows no safe point drops nothing");
}

VersionFilter::Verdict VersionFilter::judge(ByteView data_key, ByteView value) {
  if (!is_raw_data_key(data_key)) return Verdict::kKeep;
  const auto parts = codec::split_ts(data_key);
  const auto stored = decode_value(ApiVersion::kV2, value);
  if (!parts || !stored.ok()) return Verdict::kKeep;
  if (parts->encoded_key != ByteView(key_)) {
    key_ = Bytes(parts->encoded_key);
    rule_.begin_key();
  }
  switch (rule_.judge(parts->ts, *stored)) {
    case VersionRule::Fate::kStays:
      return Verdict::kKeep;
    case VersionRule::Fate::kGoesLast:
      on_leftover_(parts->encoded_key);
      return Verdict::kKeep;
    case VersionRule::Fate::kGoes:
      break;
  }
  return Verdict::kDrop;
}

ExpiryFilter::Verdict ExpiryFilter::judge(ByteView data_key, ByteView value) {
  if (!data_key.starts_with('z')) return Verdict::kKeep;
  const auto stored = decode_value(ApiVersion::kV1Ttl, value);
  if (!stored.ok() || !stored->is_expired(now_s_)) return Verdict::kKeep;
  static auto& pairs = metrics::counter("tikv_ttl_expire_kv_count_total", "Expired pairs that compactions dropped");
  static auto& bytes = metrics::counter("tikv_ttl_expire_kv_size_total", "Bytes of those");
  pairs.add();
  bytes.add(data_key.size() + value.size());
  return Verdict::kDrop;
}

engine::Result<CollectedVersions> collect_versions(const engine::Snapshot& snapshot, ByteView data_key,
                                                   Timestamp safe_point, uint64_t now_s, size_t changes_max,
                                                   engine::WriteBatch& batch) {
  engine::IterOptions options;
  options.lower = Bytes(data_key);
  options.upper = prefix_end(data_key);
  options.fill_cache = false;
  const auto it = snapshot.iterator(Cf::kDefault, std::move(options));
  CollectedVersions done;
  VersionRule rule(safe_point, now_s);
  Bytes last;  // that which goes when all below it are gone
  for (it->seek(codec::append_ts(data_key, safe_point)); it->valid(); it->next()) {
    const auto parts = codec::split_ts(it->key());
    if (!parts || parts->encoded_key != data_key) break;
    if (done.versions >= changes_max) {
      done.is_done = false;
      break;
    }
    TRY_ASSIGN(const StoredValue stored, decode_value(ApiVersion::kV2, it->value()));
    switch (rule.judge(parts->ts, stored)) {
      case VersionRule::Fate::kStays:
        break;
      case VersionRule::Fate::kGoes:
        batch.del(Cf::kDefault, it->key());
        ++done.versions;
        break;
      case VersionRule::Fate::kGoesLast:
        last = Bytes(it->key());
        break;
    }
  }
  TRY(it->status());
  if (done.is_done && !last.empty()) {
    batch.del(Cf::kDefault, last);
    ++done.versions;
  }
  return done;
}

}  // namespace cairn::rawkv
