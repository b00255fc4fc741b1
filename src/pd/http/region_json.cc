#include "pd/http/region_json.h"

namespace cairn::pd {
namespace {

const char* role_name(metapb::PeerRole role) {
  switch (role) {
    case metapb::Learner:
      return "Learner";
    case metapb::IncomingVoter:
      return "IncomingVoter";
    case metapb::DemotingVoter:
      return "DemotingVoter";
    default:
      return "Voter";
  }
}

Json peer_json(const metapb::Peer& peer) {
  Json out;
  out["role_name"] = peer.id() == 0 ? "" : role_name(peer.role());
  if (peer.role() == metapb::Learner) out["is_learner"] = true;
  if (peer.id() != 0) out["id"] = peer.id();
  if (peer.store_id() != 0) out["store_id"] = peer.store_id();
  if (peer.role() != metapb::Voter) out["role"] = static_cast<int>(peer.role());
  if (peer.is_witness()) out["is_witness"] = true;
  return out;
}

}  // namespace

Json region_json(const RegionInfo& region) {
  Json out;
  out["id"] = region.meta.id();
  out["start_key"] = hex_key(region.meta.start_key());
  out["end_key"] = hex_key(region.meta.end_key());
  Json epoch = Json::object();
  if (region.meta.region_epoch().conf_ver() != 0) epoch["conf_ver"] = region.meta.region_epoch().conf_ver();
  if (region.meta.region_epoch().version() != 0) epoch["version"] = region.meta.region_epoch().version();
  out["epoch"] = std::move(epoch);
  for (const auto& peer : region.meta.peers()) out["peers"].push_back(peer_json(peer));
  out["leader"] = peer_json(region.leader);
  for (const auto& down : region.down_peers) {
    out["down_peers"].push_back({{"peer", peer_json(down.peer())}, {"down_seconds", down.down_seconds()}});
  }
  for (const auto& peer : region.pending_peers) out["pending_peers"].push_back(peer_json(peer));
  out["cpu_usage"] = 0;
  out["written_bytes"] = region.bytes_written;
  out["read_bytes"] = region.bytes_read;
  out["written_keys"] = region.keys_written;
  out["read_keys"] = region.keys_read;
  out["approximate_size"] = region.approximate_mib;
  out["approximate_keys"] = region.approximate_keys;
  out["approximate_kv_size"] = 0;
  out["approximate_columnar_kv_size"] = 0;
  return out;
}

std::string regions_json(const std::vector<RegionPtr>& regions) {
  std::string out = fmt::format("{{\"count\":{},\"regions\":[", regions.size());
  for (size_t i = 0; i < regions.size(); ++i) {
    if (i > 0) out += ',';
    out += region_json(*regions[i]).dump();
  }
  return out + "]}";
}

}  // namespace cairn::pd
