#include "replica/tombstone.h"

#include "replica/wire.h"

namespace cairn::replica {

bool is_of_the_dead(const raft_serverpb::RegionLocalState& record, const metapb::RegionEpoch& epoch, StoreId store,
                    PeerId peer) {
  if (record.state() != raft_serverpb::Tombstone) return false;
  // A peer that was removed by a change of membership stands in the record no more, but the epoch grew with it.
  if (is_older(epoch, record.region().region_epoch())) return true;
  const metapb::Peer* former = find_peer_on(record.region(), store);
  return former && former->id() >= peer.value;
}

}  // namespace cairn::replica
