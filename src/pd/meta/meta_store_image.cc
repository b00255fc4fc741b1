// Of MetaStore: its image on disk and in snapshots.
#include <fmt/format.h>

#include "base/codec.h"
#include "pd/meta/meta_store.h"
#include "pd/meta/record_check.h"

namespace cairn::pd {
namespace {

constexpr char kFormatPrefix = 'F';
constexpr char kHistoryPrefix = 'h';
constexpr char kKeyPrefix = 'k';
constexpr char kLeasePrefix = 'l';
constexpr char kOwnPrefix = 'p';
constexpr char kRevisionPrefix = 'r';

}  // namespace

Result<void, std::string> MetaStore::check_format(ByteView value) {
  uint64_t format = 0;
  if (!codec::get_var_u64(value, format) || format == 0) return Err(damaged_record("the format of the data"));
  if (format <= kFormat) return {};
  return Err(
      fmt::format("PD's data are of format {}, and this version knows {}: they were written by a newer Cairn. "
                  "Start that one, or put back a copy of PD's data directory from before",
                  format, kFormat));
}

Bytes MetaStore::image_format_key() { return Bytes(1, kFormatPrefix); }
Bytes MetaStore::image_format_value(uint32_t format) {
  Bytes out;
  codec::put_var_u64(out, format);
  return out;
}

Bytes MetaStore::image_key(ByteView key) { return Bytes(1, kKeyPrefix).append(key); }
Bytes MetaStore::image_keys_end() { return Bytes(1, static_cast<char>(kKeyPrefix + 1)); }
Bytes MetaStore::image_own_key(ByteView key) { return Bytes(1, kOwnPrefix).append(key); }
Bytes MetaStore::image_lease_key(int64_t id) {
  Bytes out(1, kLeasePrefix);
  codec::put_i64_be(out, id);
  return out;
}
Bytes MetaStore::image_history_begin() { return Bytes(1, kHistoryPrefix); }
Bytes MetaStore::image_history_key(int64_t revision, uint64_t place) {
  Bytes out(1, kHistoryPrefix);
  codec::put_i64_be(out, revision);
  codec::put_u64_be(out, place);
  return out;
}
Bytes MetaStore::image_revision_key() { return Bytes(1, kRevisionPrefix); }

Bytes MetaStore::image_value(const MetaRecord& record) {
  Bytes out;
  codec::put_var_i64(out, record.create_revision);
  codec::put_var_i64(out, record.mod_revision);
  codec::put_var_i64(out, record.version);
  codec::put_var_i64(out, record.lease);
  return out.append(record.value);
}

Bytes MetaStore::image_lease_value(const Lease& lease) {
  Bytes out;
  codec::put_var_i64(out, lease.ttl_seconds);
  return out;
}

Bytes MetaStore::image_revision_value() const {
  Bytes out;
  codec::put_var_i64(out, revision_);
  codec::put_var_i64(out, compacted_);
  codec::put_var_i64(out, history_.first());
  return out;
}

void MetaStore::write_image(const PutPair& put) const {
  put(image_format_key(), image_format_value());
  visit({"", std::nullopt}, [&](const Bytes& key, const MetaRecord& record) {
    put(image_key(key), image_value(record));
    return true;
  });
  for (const auto& [id, lease] : leases_) put(image_lease_key(id), image_lease_value(lease));
  own_.scan_prefix("", [&](ByteView key, ByteView value) { put(image_own_key(key), value); });
  uint64_t place = 0;
  for (size_t i = 0; i < history_.size(); ++i) {
    const auto& change = history_.at(i);
    place = i > 0 && history_.at(i - 1).revision == change.revision ? place + 1 : 1;
    put(image_history_key(change.revision, place), History::encode(change));
  }
  put(image_revision_key(), image_revision_value());
}

bool MetaStore::is_image_key(ByteView key) {
  const char prefix = key.empty() ? '\0' : key.front();
  return prefix == kKeyPrefix || prefix == kLeasePrefix || prefix == kOwnPrefix || prefix == kRevisionPrefix ||
         prefix == kHistoryPrefix || prefix == kFormatPrefix;
}

bool MetaStore::load_pair(ByteView key, ByteView value) {
  uint8_t prefix = 0;
  if (!codec::get_u8(key, prefix)) return false;
  if (prefix == kFormatPrefix) return check_format(value).ok();
  if (prefix == kRevisionPrefix) {
    if (!codec::get_var_i64(value, revision_) || !codec::get_var_i64(value, compacted_)) return false;
    return value.empty() || codec::get_var_i64(value, loaded_first_);
  }
  if (prefix == kHistoryPrefix) {
    MetaChange change;
    uint64_t place = 0;
    if (!codec::get_i64_be(key, change.revision) || !codec::get_u64_be(key, place)) return false;
    if (!History::decode(value, change)) return false;
    loaded_.emplace(std::pair(change.revision, place), std::move(change));
    return true;
  }
  if (prefix == kLeasePrefix) {
    int64_t id = 0;
    return codec::get_i64_be(key, id) && codec::get_var_i64(value, leases_[id].ttl_seconds);
  }
  if (prefix == kOwnPrefix) {
    own_.put(key, value);
    return true;
  }
  if (prefix != kKeyPrefix) return false;
  MetaRecord record;
  if (!codec::get_var_i64(value, record.create_revision) || !codec::get_var_i64(value, record.mod_revision) ||
      !codec::get_var_i64(value, record.version) || !codec::get_var_i64(value, record.lease)) {
    return false;
  }
  record.value = Bytes(value);
  if (record.lease != 0) leases_[record.lease].keys.insert(Bytes(key));
  records_.put(key, std::move(record));
  return true;
}

Result<void, std::string> MetaStore::finish_load() {
  take_changed_own();  // they are on disk
  for (const auto& [id, lease] : leases_) {
    // Keys name their lease, and every lease has a record with its time to live.
    if (lease.ttl_seconds <= 0) return Err(damaged_record(fmt::format("lease {}", id)));
  }
  if (revision_ < 1 || revision_ > INT64_MAX / 2) return Err(damaged_record("the revision of the keys"));
  // Data from before there was a history begins one here.
  const int64_t first = loaded_first_ != 0 ? loaded_first_ : revision_ + 1;
  if (first < 2 || first > revision_ + 1) return Err(damaged_record("the begin of the history"));
  history_ = History();
  history_.cut(first);
  for (auto& [place, change] : loaded_) {
    if (change.revision > revision_) return Err(damaged_record(fmt::format("a change at {}", change.revision)));
    if (change.revision >= first) history_.add(std::move(change));
  }
  loaded_.clear();
  return {};
}

}  // namespace cairn::pd
