#include "pd/keyspace/keyspaces.h"

#include <algorithm>
#include <charconv>

#include "base/codec.h"

namespace cairn::pd {
namespace {

using keyspacepb::KeyspaceMeta;
using keyspacepb::KeyspaceState;

constexpr size_t kNameMax = 20;
constexpr size_t kRecordBytesMax = 64 << 10;

// The id of the next new keyspace; nothing if the last one given out cannot be read.
std::optional<uint64_t> next_id(const OwnRecords& records, const Keys& keys) {
  uint64_t last = kDefaultKeyspaceId;
  if (const auto value = records.value(keys.keyspace_alloc_id())) {
    ByteView in = *value;
    if (!codec::get_u64_be(in, last)) return std::nullopt;
  }
  return last + 1;
}

bool may_become(KeyspaceState from, KeyspaceState to) {
  switch (from) {
    case keyspacepb::ENABLED:
      return to == keyspacepb::DISABLED;
    case keyspacepb::DISABLED:
      return to == keyspacepb::ENABLED || to == keyspacepb::ARCHIVED;
    case keyspacepb::ARCHIVED:
      return to == keyspacepb::TOMBSTONE;
    default:
      return false;
  }
}

}  // namespace

std::optional<KeyspaceMeta> parse_keyspace(ByteView value) {
  KeyspaceMeta keyspace;
  if (!keyspace.ParseFromArray(value.data(), static_cast<int>(value.size()))) return std::nullopt;
  return keyspace;
}

std::optional<uint32_t> parse_keyspace_id(ByteView value) {
  uint32_t id = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), id);
  if (error != std::errc() || end != value.data() + value.size()) return std::nullopt;
  return id;
}

std::optional<KeyspaceMeta> find_keyspace(const OwnRecords& records, const Keys& keys, uint32_t id) {
  const auto value = records.value(keys.keyspace_meta(id));
  return value ? parse_keyspace(*value) : std::nullopt;
}

std::optional<KeyspaceMeta> find_keyspace(const OwnRecords& records, const Keys& keys, const std::string& name) {
  const auto value = records.value(keys.keyspace_id(name));
  const auto id = value ? parse_keyspace_id(*value) : std::nullopt;
  return id ? find_keyspace(records, keys, *id) : std::nullopt;
}

std::vector<KeyspaceMeta> list_keyspaces(const OwnRecords& records, const Keys& keys, uint32_t start, uint32_t limit) {
  std::vector<KeyspaceMeta> out;
  records.scan_prefix(keys.keyspace_meta_prefix(), [&](ByteView, ByteView value) {
    auto keyspace = parse_keyspace(value);
    if (!keyspace || keyspace->id() < start || (limit != 0 && out.size() >= limit)) return;
    out.push_back(std::move(*keyspace));
  });
  return out;
}

std::string refuse_keyspace_name(const std::string& name) {
  const bool is_plain = std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
  });
  if (!name.empty() && name.size() <= kNameMax && is_plain) return {};
  return fmt::format("illegal keyspace name \"{}\": up to {} letters, digits, '-' and '_'", name, kNameMax);
}

Result<KeyspaceChange, std::string> create_keyspace(const OwnRecords& records, const Keys& keys,
                                                    const std::string& name, uint64_t now_s,
                                                    const std::map<std::string, std::string>& config) {
  if (auto reason = refuse_keyspace_name(name); !reason.empty()) return Err(std::move(reason));
  if (records.value(keys.keyspace_id(name))) return Err(fmt::format("keyspace {} already exists", name));
  const auto next = name == kDefaultKeyspaceName ? std::optional<uint64_t>(kDefaultKeyspaceId) : next_id(records, keys);
  if (!next) return Err(fmt::format("the record {} is damaged", keys.keyspace_alloc_id()));
  if (*next > kKeyspaceIdMax) return Err(std::string("there are no keyspace ids left"));
  const auto id = static_cast<uint32_t>(*next);
  KeyspaceChange change;
  auto& keyspace = change.keyspace;
  keyspace.set_id(id);
  keyspace.set_name(name);
  keyspace.set_state(keyspacepb::ENABLED);
  keyspace.set_created_at(static_cast<int64_t>(now_s));
  keyspace.set_state_changed_at(static_cast<int64_t>(now_s));
  for (const auto& [key, value] : config) (*keyspace.mutable_config())[key] = value;
  if (keyspace.ByteSizeLong() > kRecordBytesMax) return Err(std::string("the keyspace's config is too large"));
  change.writes.if_absent(keys.keyspace_id(name))
      .if_absent(keys.keyspace_meta(id))
      .put(keys.keyspace_id(name), std::to_string(id))
      .put(keys.keyspace_meta(id), keyspace.SerializeAsString());
  if (id != kDefaultKeyspaceId) {
    Bytes last;
    codec::put_u64_be(last, id);
    change.writes.put(keys.keyspace_alloc_id(), last);
  }
  return change;
}

Result<KeyspaceChange, std::string> change_keyspace_state(const OwnRecords& records, const Keys& keys,
                                                          KeyspaceMeta keyspace, KeyspaceState to, uint64_t now_s) {
  KeyspaceChange change;
  change.keyspace = std::move(keyspace);
  auto& changed = change.keyspace;
  if (!keyspacepb::KeyspaceState_IsValid(to))
    return Err(fmt::format("no such keyspace state: {}", static_cast<int>(to)));
  if (changed.id() == kDefaultKeyspaceId) return Err(std::string("cannot modify default keyspace's state"));
  if (changed.state() == to) return change;
  if (!may_become(changed.state(), to)) {
    return Err(fmt::format("cannot change keyspace state from {} to {}",
                           keyspacepb::KeyspaceState_Name(changed.state()), keyspacepb::KeyspaceState_Name(to)));
  }
  const Bytes before = records.value(keys.keyspace_meta(changed.id())).value_or("");
  changed.set_state(to);
  changed.set_state_changed_at(static_cast<int64_t>(now_s));
  change.writes.if_value(keys.keyspace_meta(changed.id()), before)
      .put(keys.keyspace_meta(changed.id()), changed.SerializeAsString());
  return change;
}

Result<KeyspaceChange, std::string> change_keyspace_config(const OwnRecords& records, const Keys& keys,
                                                           KeyspaceMeta keyspace, const KeyspaceConfigChange& changes) {
  if (keyspace.state() != keyspacepb::ENABLED && keyspace.state() != keyspacepb::DISABLED) {
    return Err(
        fmt::format("cannot change config of keyspace in state {}", keyspacepb::KeyspaceState_Name(keyspace.state())));
  }
  KeyspaceChange change;
  const Bytes before = records.value(keys.keyspace_meta(keyspace.id())).value_or("");
  auto& config = *keyspace.mutable_config();
  for (const auto& [key, value] : changes) {
    if (value) {
      config[key] = *value;
    } else {
      config.erase(key);
    }
  }
  if (keyspace.ByteSizeLong() > kRecordBytesMax) return Err(std::string("the keyspace's config is too large"));
  change.writes.if_value(keys.keyspace_meta(keyspace.id()), before)
      .put(keys.keyspace_meta(keyspace.id()), keyspace.SerializeAsString());
  change.keyspace = std::move(keyspace);
  return change;
}

}  // namespace cairn::pd
