#include "store/api_version.h"

#include <optional>
#include <vector>

#include "base/redact.h"
#include "raft_cmdpb.pb.h"
#include "replica/keys.h"
#include "replica/wire.h"

namespace cairn::store {
namespace {

using engine::Cf;

// Bytes of entries read from the log at once.
constexpr size_t kReadBytesMax = 4 << 20;

// Ranges of engine keys whose layout differs from version to version. V1TTL knows raw values only, whatever their key.
std::vector<std::pair<Bytes, Bytes>> ranges_at_stake(kvrpcpb::APIVersion a, kvrpcpb::APIVersion b) {
  if (a == kvrpcpb::APIVersion::V1TTL || b == kvrpcpb::APIVersion::V1TTL) return {{"", ""}};
  return {{"", "m"}, {"n", "t"}, {"u", ""}};
}

using Ranges = std::vector<std::pair<Bytes, Bytes>>;

bool is_at_stake(const Ranges& ranges, ByteView key) {
  for (const auto& [start, end] : ranges) {
    if (replica::in_range(key, start, end)) return true;
  }
  return false;
}

engine::Result<std::optional<Bytes>> find_in_engine(engine::KvEngine& kv, const Ranges& ranges) {
  const auto snapshot = kv.snapshot();
  for (Cf cf : engine::kDataCfs) {
    for (const auto& [start, end] : ranges) {
      engine::IterOptions range;
      range.lower = replica::data_key(start);
      range.upper = replica::data_end_key(end);
      range.fill_cache = false;
      const auto iterator = snapshot->iterator(cf, range);
      iterator->seek_to_first();
      TRY(iterator->status());
      if (iterator->valid()) return std::optional(Bytes(iterator->key().substr(1)));
    }
  }
  return std::optional<Bytes>();
}

std::optional<Bytes> find_in_entry(const raft::Entry& entry, const Ranges& ranges) {
  raft_cmdpb::RaftCmdRequest command;
  if (entry.type != raft::EntryType::kNormal || entry.data.empty()) return std::nullopt;
  const ByteView data = entry.data.view();
  CHECK(command.ParseFromArray(data.data(), static_cast<int>(data.size())), "a log entry that cannot be read");
  for (const auto& request : command.requests()) {
    if (request.cmd_type() == raft_cmdpb::Put && is_at_stake(ranges, request.put().key())) return request.put().key();
  }
  return std::nullopt;
}

// What a crash left to be applied from the log is data too.
engine::Result<std::optional<Bytes>> find_in_log(Shared& shared, const Ranges& ranges) {
  const auto& log = shared.deps.raft_log;
  TRY_ASSIGN(const auto regions, log.regions());
  for (RegionId region : regions) {
    TRY_ASSIGN(const auto state_bytes, log.state(region));
    const auto state = state_bytes ? replica::decode_raft_state(*state_bytes) : std::nullopt;
    TRY_ASSIGN(const auto apply_bytes, shared.deps.kv.get(Cf::kRaft, replica::apply_state_key(region)));
    const auto apply = apply_bytes ? replica::decode_apply_state(*apply_bytes) : std::nullopt;
    if (!state) continue;
    // A region that is known from its log alone came with a split that is still to be applied.
    LogIndex at = (apply ? apply->applied : replica::kInitialIndex).next();
    while (at <= state->last_index) {
      std::vector<Bytes> entries;
      TRY_ASSIGN(const size_t read, log.entries(region, at, state->last_index.next(), kReadBytesMax, entries));
      if (read == 0) break;
      for (const auto& entry : entries) {
        if (auto key = find_in_entry(replica::decode_entry(entry), ranges)) return key;
      }
      at = at + read;
    }
  }
  return std::optional<Bytes>();
}

}  // namespace

kvrpcpb::APIVersion to_proto(rawkv::ApiVersion version) {
  switch (version) {
    case rawkv::ApiVersion::kV1:
      return kvrpcpb::APIVersion::V1;
    case rawkv::ApiVersion::kV1Ttl:
      return kvrpcpb::APIVersion::V1TTL;
    case rawkv::ApiVersion::kV2:
      return kvrpcpb::APIVersion::V2;
  }
  CHECK(false, "an API version {}", static_cast<int>(version));
  __builtin_unreachable();
}

Result<void, StoreError> check_api_version(Shared& shared, kvrpcpb::APIVersion known) {
  const auto wanted = to_proto(shared.options.api_version);
  if (known == wanted) return {};
  const auto ranges = ranges_at_stake(known, wanted);
  auto found = find_in_engine(shared.deps.kv, ranges);
  if (found.ok() && !*found) found = find_in_log(shared, ranges);
  if (!found.ok()) return Err(StoreError{StoreError::Kind::kEngine, found.error().message});
  if (!*found) return {};
  return Err(StoreError{
      StoreError::Kind::kOtherApiVersion,
      fmt::format("unable to switch `storage.api-version` from {} to {}: found a key that only {} can read: {}",
                  kvrpcpb::APIVersion_Name(known), kvrpcpb::APIVersion_Name(wanted), kvrpcpb::APIVersion_Name(known),
                  log::user_text(**found))});
}

}  // namespace cairn::store
