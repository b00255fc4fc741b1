#include "replica/region_check.h"

#include "replica/keys.h"

namespace cairn::replica {

std::optional<engine::RegionError> check_request(const engine::RegionRequest& request, const PeerView& view) {
  const auto& region = *view.region;
  if (request.store.is_set() && request.store != view.store) {
    return engine::StoreNotMatch{request.store, view.store};
  }
  if (!view.is_initialized) return engine::RegionNotInitialized{region.id};
  if (!view.is_leader && !request.replica_read && !request.stale_read) return engine::NotLeader{region.id, view.leader};
  if (request.peer.is_set() && request.peer != view.peer) return engine::MismatchPeerId{request.peer, view.peer};
  // A client that saw a term at least two older has seen another leader than the one before this.
  if (request.term.is_set() && view.term > request.term.next()) return engine::StaleCommand{};
  if (request.epoch.version != 0 && !version_matches(request.epoch, region.epoch)) {
    return engine::EpochNotMatch{{region}};
  }
  return std::nullopt;
}

bool version_matches(const engine::RegionEpoch& asked, const engine::RegionEpoch& actual) {
  return asked.version == actual.version;
}

std::optional<engine::RegionError> check_key(ByteView engine_key, const engine::RegionDescription& region) {
  if (in_range(engine_key, region.start_key, region.end_key)) return std::nullopt;
  return engine::KeyNotInRegion{Bytes(engine_key), region};
}

}  // namespace cairn::replica
