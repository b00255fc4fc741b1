#include "pd/meta/record_check.h"

#include <optional>

#include "base/codec.h"
#include "metapb.pb.h"
#include "pd/cluster/version.h"
#include "pd/gc/gc_owner.h"
#include "pd/gc/gc_state.h"
#include "pd/keyspace/keyspaces.h"
#include "pd/member/member_records.h"

namespace cairn::pd {
namespace {

// A bound of ids or of timestamps: so far from the end of its type that the next ones do not wrap around, which would
// hand out old ones.
bool is_bound(ByteView value) {
  uint64_t number = 0;
  return codec::get_u64_be(value, number) && value.empty() && number <= INT64_MAX;
}

template <class Message>
bool parse(ByteView value, Message& message) {
  return message.ParseFromArray(value.data(), static_cast<int>(value.size()));
}

// Whether one record is as its key says. Keys of no known kind are left alone.
bool is_sound(const Keys& keys, ByteView key, ByteView value) {
  if (key == keys.cluster()) {
    metapb::Cluster cluster;
    return parse(value, cluster) && Keys(cluster.id()).cluster() == key;
  }
  if (key == keys.bootstrap_time() || key == keys.alloc_id() || key == keys.timestamp()) return is_bound(value);
  if (key == keys.keyspace_alloc_id()) return is_bound(value);
  if (key == keys.cluster_version()) return Version::parse(value).has_value();
  if (key == keys.gc_other_owner()) return GcOwnership().parse_other(value);
  if (key.starts_with(keys.store_prefix())) {
    metapb::Store store;
    return parse(value, store) && keys.store(store.id()) == key && Version::parse(store.version());
  }
  if (key.starts_with(keys.region_prefix())) {
    metapb::Region region;
    return parse(value, region) && keys.region(region.id()) == key;
  }
  if (key.starts_with(keys.keyspace_meta_prefix())) {
    const auto keyspace = parse_keyspace(value);
    return keyspace && keys.keyspace_meta(keyspace->id()) == key;
  }
  if (key.starts_with(keys.keyspace_id_prefix())) return parse_keyspace_id(value).has_value();
  return true;
}

}  // namespace

std::string printable_key(ByteView key) {
  const bool is_text = std::all_of(key.begin(), key.end(), [](char c) { return c >= ' ' && c <= '~'; });
  return is_text ? std::string(key) : to_hex(key);
}

std::string damaged_record(ByteView key) {
  return fmt::format("damaged record in PD's data: {}; put back a copy of PD's data directory from before", key);
}

Result<void, std::string> check_records(const OwnRecords& records, const Keys& keys) {
  std::optional<Bytes> damaged;
  records.scan_prefix(keys.root() + "/", [&](ByteView key, ByteView value) {
    if (!damaged && !is_sound(keys, key, value)) damaged = Bytes(key);
  });
  if (!damaged) damaged = find_damaged_gc_record(records, keys);
  if (!damaged) damaged = find_damaged_member(records);
  if (damaged) return Err(damaged_record(*damaged));
  return {};
}

}  // namespace cairn::pd
