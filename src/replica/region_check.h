// The checks that a request must pass before a region serves it, in the order that clients rely on: store, region,
// leader, peer id, term, epoch, keys. Pure functions. Tests: region_check_test.cc.
#pragma once

#include <optional>

#include "engine/region_request.h"

namespace cairn::replica {

// What is known of the peer that is asked.
struct PeerView {
  StoreId store;
  PeerId peer;
  Term term;
  bool is_leader = false;
  bool is_initialized = true;
  std::optional<engine::PeerDescription> leader;
  const engine::RegionDescription* region = nullptr;
};

// Nothing if the request may be served. The region's existence was found before; follower reads skip the leader check.
std::optional<engine::RegionError> check_request(const engine::RegionRequest& request, const PeerView& view);
// The parts of check_request for writes that come as an entry: epoch only.
bool version_matches(const engine::RegionEpoch& asked, const engine::RegionEpoch& actual);
std::optional<engine::RegionError> check_key(ByteView engine_key, const engine::RegionDescription& region);

}  // namespace cairn::replica
