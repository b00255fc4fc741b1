#include "sim/replica_reader.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/codec.h"
#include "replica/keys.h"
#include "store/store.h"

namespace cairn::sim {

std::optional<std::pair<Bytes, Bytes>> part_in(const engine::RegionDescription& region, std::pair<Bytes, Bytes> range) {
  if (codec::encode_bytes(range.first) < region.start_key) {
    const auto start = codec::decode_bytes(region.start_key);
    if (!start) return std::nullopt;
    range.first = *start;
  }
  if (!region.end_key.empty() && codec::encode_bytes(range.second) > region.end_key) {
    const auto end = codec::decode_bytes(region.end_key);
    if (!end) return std::nullopt;
    range.second = *end;
  }
  return range;
}

std::optional<ReplicaReader::Target> ReplicaReader::draw(ByteView engine_key) {
  std::vector<Target> found;
  for (StoreHost* host : stores_) {
    if (host->store() == nullptr) continue;
    for (const auto& status : host->store()->regions()) {
      const auto& region = status.region;
      const auto self = std::find_if(region.peers.begin(), region.peers.end(),
                                     [&](const auto& peer) { return peer.id == status.peer; });
      if (self == region.peers.end() || !replica::in_range(engine_key, region.start_key, region.end_key)) continue;
      Target target{.node = host->node(), .region = region, .context = {}, .name = {}};
      const bool is_learner = self->role == engine::PeerDescription::Role::kLearner;
      target.name = fmt::format("{} ({} of region {})", host->name(),
                                is_learner ? "learner" : (status.is_leader ? "leader" : "follower"), region.id);
      auto& context = target.context;
      context.set_region_id(region.id.value);
      context.mutable_region_epoch()->set_conf_ver(region.epoch.conf_ver);
      context.mutable_region_epoch()->set_version(region.epoch.version);
      context.mutable_peer()->set_id(self->id.value);
      context.mutable_peer()->set_store_id(self->store.value);
      if (is_learner) context.mutable_peer()->set_role(metapb::PeerRole::Learner);
      context.set_replica_read(!status.is_leader || dice_.chance(0.5));
      if (is_api_v2_) context.set_api_version(kvrpcpb::APIVersion::V2);
      found.push_back(std::move(target));
    }
  }
  if (found.empty()) return std::nullopt;
  return std::move(found[dice_.below(found.size())]);
}

}  // namespace cairn::sim
