#include "replica/keys.h"

#include "base/codec.h"

namespace cairn::replica {
namespace {

using namespace std::string_view_literals;

Bytes region_key(ByteView prefix, RegionId region, char suffix) {
  Bytes key(prefix);
  codec::put_u64_be(key, region.value);
  key.push_back(suffix);
  return key;
}

}  // namespace

Bytes data_key(ByteView engine_key) {
  Bytes key;
  key.reserve(engine_key.size() + 1);
  key.push_back('z');
  key.append(engine_key);
  return key;
}

Bytes data_end_key(ByteView engine_key) { return engine_key.empty() ? Bytes("{") : data_key(engine_key); }

ByteView store_ident_key() { return "\x01\x01"sv; }
ByteView prepare_bootstrap_key() { return "\x01\x02"sv; }
Bytes apply_state_key(RegionId region) { return region_key("\x01\x02"sv, region, '\x03'); }
Bytes region_state_key(RegionId region) { return region_key("\x01\x03"sv, region, '\x01'); }
ByteView region_state_begin() { return "\x01\x03"sv; }
ByteView region_state_end() { return "\x01\x04"sv; }

std::optional<RegionId> region_of_state_key(ByteView key) {
  if (key.size() != 11 || !key.starts_with(region_state_begin()) || key.back() != '\x01') return std::nullopt;
  key.remove_prefix(2);
  uint64_t id = 0;
  if (!codec::get_u64_be(key, id)) return std::nullopt;
  return RegionId(id);
}

}  // namespace cairn::replica
