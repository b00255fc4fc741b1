#include "server/key_mode.h"

#include <fmt/format.h>

namespace cairn::server {
namespace {

using rawkv::KeyMode;

template <class Keys>
NamedKeys all_of(const Keys& keys) {
  NamedKeys named;
  named.keys.assign(keys.begin(), keys.end());
  return named;
}

template <class Items>
NamedKeys keys_of_each(const Items& items) {
  NamedKeys named;
  named.keys.reserve(static_cast<size_t>(items.size()));
  for (const auto& item : items) named.keys.emplace_back(item.key());
  return named;
}

NamedKeys one(ByteView key) { return {{key}, {}}; }

// In a reverse scan the upper bound comes first.
NamedKeys::Range range_of(ByteView first, ByteView second, bool reverse) {
  return reverse ? NamedKeys::Range{second, first} : NamedKeys::Range{first, second};
}

template <class Ranges>
NamedKeys ranges_of_each(const Ranges& ranges, bool reverse) {
  NamedKeys named;
  for (const auto& range : ranges) named.ranges.push_back(range_of(range.start_key(), range.end_key(), reverse));
  return named;
}

KeyMode mode_of(Family family, kvrpcpb::APIVersion asked) {
  if (family == Family::kRaw) return KeyMode::kRaw;
  return asked == kvrpcpb::APIVersion::V2 ? KeyMode::kTransaction : KeyMode::kSql;
}

const char* describe(KeyMode mode) {
  switch (mode) {
    case KeyMode::kRaw:
      return "raw requests take keys that begin with 'r'";
    case KeyMode::kTransaction:
      return "transactions of API V2 take keys that begin with 'x'";
    case KeyMode::kSql:
      return "transactions of API V1 take keys that begin with 'm' or 't' here";
    case KeyMode::kUnknown:
      break;
  }
  return "no request takes it";
}

}  // namespace

NamedKeys named_keys(const kvrpcpb::GetRequest& request) { return one(request.key()); }
NamedKeys named_keys(const kvrpcpb::BatchGetRequest& request) { return all_of(request.keys()); }
NamedKeys named_keys(const kvrpcpb::ScanRequest& request) {
  return {{}, {range_of(request.start_key(), request.end_key(), request.reverse())}};
}
NamedKeys named_keys(const kvrpcpb::PrewriteRequest& request) { return keys_of_each(request.mutations()); }
NamedKeys named_keys(const kvrpcpb::PessimisticLockRequest& request) { return keys_of_each(request.mutations()); }
NamedKeys named_keys(const kvrpcpb::FlushRequest& request) { return keys_of_each(request.mutations()); }
NamedKeys named_keys(const kvrpcpb::BufferBatchGetRequest& request) { return all_of(request.keys()); }
NamedKeys named_keys(const kvrpcpb::DeleteRangeRequest& request) {
  return {{}, {{request.start_key(), request.end_key()}}};
}
NamedKeys named_keys(const ::coprocessor::Request& request) {
  NamedKeys named;
  for (const auto& range : request.ranges()) named.ranges.push_back({range.start(), range.end()});
  for (const auto& task : request.tasks()) {
    for (const auto& range : task.ranges()) named.ranges.push_back({range.start(), range.end()});
  }
  return named;
}
NamedKeys named_keys(const kvrpcpb::RawGetRequest& request) { return one(request.key()); }
NamedKeys named_keys(const kvrpcpb::RawBatchGetRequest& request) { return all_of(request.keys()); }
NamedKeys named_keys(const kvrpcpb::RawGetKeyTTLRequest& request) { return one(request.key()); }
NamedKeys named_keys(const kvrpcpb::RawPutRequest& request) { return one(request.key()); }
NamedKeys named_keys(const kvrpcpb::RawBatchPutRequest& request) { return keys_of_each(request.pairs()); }
NamedKeys named_keys(const kvrpcpb::RawDeleteRequest& request) { return one(request.key()); }
NamedKeys named_keys(const kvrpcpb::RawBatchDeleteRequest& request) { return all_of(request.keys()); }
NamedKeys named_keys(const kvrpcpb::RawDeleteRangeRequest& request) {
  return {{}, {{request.start_key(), request.end_key()}}};
}
NamedKeys named_keys(const kvrpcpb::RawScanRequest& request) {
  return {{}, {range_of(request.start_key(), request.end_key(), request.reverse())}};
}
NamedKeys named_keys(const kvrpcpb::RawBatchScanRequest& request) {
  return ranges_of_each(request.ranges(), request.reverse());
}
NamedKeys named_keys(const kvrpcpb::RawChecksumRequest& request) { return ranges_of_each(request.ranges(), false); }
NamedKeys named_keys(const kvrpcpb::RawCASRequest& request) { return one(request.key()); }

std::optional<std::string> check_key_modes(const NamedKeys& named, Family family, kvrpcpb::APIVersion asked) {
  const KeyMode wanted = mode_of(family, asked);
  for (ByteView key : named.keys) {
    if (rawkv::key_mode(key) == wanted) continue;
    return fmt::format("InvalidKeyMode: {}, not {}", describe(wanted), to_hex(key));
  }
  for (const auto& range : named.ranges) {
    if (rawkv::range_mode(range.start, range.end) == wanted) continue;
    return fmt::format("InvalidKeyRangeMode: {}, not those of [{}, {})", describe(wanted), to_hex(range.start),
                       to_hex(range.end));
  }
  return std::nullopt;
}

}  // namespace cairn::server
