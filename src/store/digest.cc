#include "store/digest.h"

#include "base/codec.h"
#include "base/crc.h"
#include "raft_serverpb.pb.h"
#include "replica/keys.h"

namespace cairn::store {
namespace {

engine::Error corrupt(RegionId region, const char* what) {
  return {engine::Error::Kind::kCorruption, fmt::format("region {}: its {} does not parse", region, what)};
}

engine::Result<RegionDigest> digest_region(const engine::Snapshot& snapshot, RegionId region, ByteView start,
                                           ByteView end) {
  RegionDigest digest{.region = region};
  TRY_ASSIGN(const auto apply_bytes, snapshot.get(engine::Cf::kRaft, replica::apply_state_key(region)));
  raft_serverpb::RaftApplyState apply;
  if (!apply_bytes || !apply.ParseFromString(*apply_bytes)) return Err(corrupt(region, "apply state"));
  digest.applied = LogIndex(apply.applied_index());
  for (size_t i = 0; i < digest.cfs.size(); ++i) {
    const auto pairs = snapshot.iterator(
        engine::kDataCfs[i],
        {.lower = replica::data_key(start), .upper = replica::data_end_key(end), .fill_cache = false});
    uint64_t crc = 0;
    Bytes lengths;
    for (pairs->seek_to_first(); pairs->valid(); pairs->next()) {
      lengths.clear();
      codec::put_u64_be(lengths, pairs->key().size());
      codec::put_u64_be(lengths, pairs->value().size());
      crc = crc64(pairs->value(), crc64(pairs->key(), crc64(lengths, crc)));
      ++digest.entries;
    }
    TRY(pairs->status());
    digest.cfs[i] = crc;
  }
  return digest;
}

}  // namespace

engine::Result<std::vector<RegionDigest>> digest_regions(const engine::KvEngine& kv) {
  std::vector<RegionDigest> all;
  const auto snapshot = kv.snapshot();
  const auto states = snapshot->iterator(
      engine::Cf::kRaft, {.lower = Bytes(replica::region_state_begin()), .upper = Bytes(replica::region_state_end())});
  for (states->seek_to_first(); states->valid(); states->next()) {
    const auto region = replica::region_of_state_key(states->key());
    if (!region) continue;
    raft_serverpb::RegionLocalState state;
    if (!state.ParseFromArray(states->value().data(), static_cast<int>(states->value().size()))) {
      return Err(corrupt(*region, "state"));
    }
    if (state.state() == raft_serverpb::PeerState::Tombstone) continue;
    TRY_ASSIGN(auto digest, digest_region(*snapshot, *region, state.region().start_key(), state.region().end_key()));
    all.push_back(digest);
  }
  TRY(states->status());
  return all;
}

}  // namespace cairn::store
