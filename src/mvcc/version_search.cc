#include "mvcc/version_search.h"

#include "base/codec.h"
#include "mvcc/record.h"

namespace cairn::mvcc {

engine::Result<std::optional<Timestamp>> timestamp_at(const engine::Iterator& it, ByteView encoded_key) {
  if (!it.valid()) {
    TRY(it.status());
    return std::optional<Timestamp>();
  }
  const ByteView at = it.key();
  if (at.size() != encoded_key.size() + codec::kTimestampSize || !at.starts_with(encoded_key)) {
    return std::optional<Timestamp>();
  }
  return std::optional(codec::split_ts(at)->ts);
}

engine::Result<Version> version_at(const engine::Iterator& it, Timestamp commit_ts) {
  TRY_ASSIGN(Write write, Write::decode(it.value()));
  return Version{commit_ts, std::move(write)};
}

engine::Result<std::optional<Timestamp>> move_to_version(WriteCursor& it, ByteView encoded_key, Timestamp ts) {
  for (int step = 0; step < kNearSeekSteps; ++step) {
    TRY_ASSIGN(auto at, timestamp_at(it.here(), encoded_key));
    if (!at || *at <= ts) return at;
    it.next();
  }
  it.seek(codec::append_ts(encoded_key, ts));
  return timestamp_at(it.here(), encoded_key);
}

engine::Result<std::optional<Version>> find_change(WriteCursor& it, ByteView encoded_key, Timestamp ts) {
  const auto none = std::optional<Version>();
  while (true) {
    TRY_ASSIGN(auto at, timestamp_at(it.here(), encoded_key));
    if (!at) return none;
    CHECK(*at <= ts, "version {} is newer than the timestamp {}", *at, ts);
    TRY_ASSIGN(auto version, version_at(it.here(), *at));
    if (version.write.is_fenced_off(ts)) return none;
    if (version.write.changes_value()) return std::optional(std::move(version));
    const LastChange& below = version.write.last_change;
    if (below.is_not_exist()) return none;
    if (below.is_at() && below.versions >= static_cast<uint64_t>(kNearSeekSteps)) {
      if (below.commit_ts >= *at) return Err(record::corruption("last change above its record", it.value()));
      it.seek(codec::append_ts(encoded_key, below.commit_ts));
    } else {
      it.next();
    }
  }
}

}  // namespace cairn::mvcc
