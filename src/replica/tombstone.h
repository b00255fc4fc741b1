// What the record of a destroyed peer says about those that come after it (protocol e.3). Pure. Tests:
// tombstone_test.cc.
#pragma once

#include "base/ids.h"
#include "metapb.pb.h"
#include "raft_serverpb.pb.h"

namespace cairn::replica {

inline bool is_older(const metapb::RegionEpoch& a, const metapb::RegionEpoch& b) {
  return a.conf_ver() < b.conf_ver() || a.version() < b.version();
}

// Whether the record of a peer that was destroyed on `store` speaks of `peer` itself, as known by a message or snapshot
// of `epoch`: it is that peer or one that came after it. Only a later peer may live.
bool is_of_the_dead(const raft_serverpb::RegionLocalState& record, const metapb::RegionEpoch& epoch, StoreId store,
                    PeerId peer);

}  // namespace cairn::replica
