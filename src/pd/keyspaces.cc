#include "pd/keyspaces.h"

#include <algorithm>
#include <charconv>

#include "base/codec.h"

namespace cairn::pd {
namespace {

using keyspacepb::KeyspaceMeta;
using keyspacepb::KeyspaceState;

constexpr size_t kNameMax = 20;

KeyspaceMeta parse(ByteView bytes) {
  KeyspaceMeta keyspace;
  CHECK(keyspace.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())), "the record of a keyspace");
  return keyspace;
}

// The id of the next new keyspace.
uint32_t next_id(const MetaStore& store, const Keys& keys) {
  uint64_t last = kDefaultKeyspaceId;
  if (const auto value = store.value(keys.keyspace_alloc_id())) {
    ByteView in = *value;
    CHECK(codec::get_u64_be(in, last), "the last keyspace id");
  }
  return static_cast<uint32_t>(last + 1);
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

std::optional<KeyspaceMeta> find_keyspace(const MetaStore& store, const Keys& keys, uint32_t id) {
  const auto value = store.value(keys.keyspace_meta(id));
  if (!value) return std::nullopt;
  return parse(*value);
}

std::optional<KeyspaceMeta> find_keyspace(const MetaStore& store, const Keys& keys, const std::string& name) {
  const auto value = store.value(keys.keyspace_id(name));
  if (!value) return std::nullopt;
  uint32_t id = 0;
  const auto [end, error] = std::from_chars(value->data(), value->data() + value->size(), id);
  CHECK(error == std::errc() && end == value->data() + value->size(), "the id of keyspace {} is {}", name, *value);
  return find_keyspace(store, keys, id);
}

std::vector<KeyspaceMeta> list_keyspaces(const MetaStore& store, const Keys& keys, uint32_t start, uint32_t limit) {
  std::vector<KeyspaceMeta> out;
  store.scan_prefix(keys.keyspace_meta_prefix(), [&](ByteView, const MetaRecord& record) {
    auto keyspace = parse(record.value);
    if (keyspace.id() >= start && (limit == 0 || out.size() < limit)) out.push_back(std::move(keyspace));
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

Result<KeyspaceChange, std::string> create_keyspace(const MetaStore& store, const Keys& keys, const std::string& name,
                                                    uint64_t now_s) {
  if (auto reason = refuse_keyspace_name(name); !reason.empty()) return Err(std::move(reason));
  if (store.value(keys.keyspace_id(name))) return Err(fmt::format("keyspace {} already exists", name));
  const uint32_t id = name == kDefaultKeyspaceName ? kDefaultKeyspaceId : next_id(store, keys);
  if (id > kKeyspaceIdMax) return Err(std::string("there are no keyspace ids left"));
  KeyspaceChange change;
  auto& keyspace = change.keyspace;
  keyspace.set_id(id);
  keyspace.set_name(name);
  keyspace.set_state(keyspacepb::ENABLED);
  keyspace.set_created_at(static_cast<int64_t>(now_s));
  keyspace.set_state_changed_at(static_cast<int64_t>(now_s));
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

Result<KeyspaceChange, std::string> change_keyspace_state(const Keys& keys, KeyspaceMeta keyspace, KeyspaceState to,
                                                          uint64_t now_s) {
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
  const Bytes before = changed.SerializeAsString();
  changed.set_state(to);
  changed.set_state_changed_at(static_cast<int64_t>(now_s));
  change.writes.if_value(keys.keyspace_meta(changed.id()), before)
      .put(keys.keyspace_meta(changed.id()), changed.SerializeAsString());
  return change;
}

}  // namespace cairn::pd
