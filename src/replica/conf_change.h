// Changes of a region's membership: the leader's checks before proposing (protocol d.5), and what a committed change
// makes of the region (d.6: conf_ver grows by the number of changed peers). Pure functions. Tests: conf_change_test.cc.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "metapb.pb.h"
#include "raft/raw_node.h"
#include "raft_cmdpb.pb.h"

namespace cairn::replica {

// One change as PD asks for it.
using PeerChanges = std::vector<raft_cmdpb::ChangePeerRequest>;

// The changes of an admin request, whichever of its two forms it has.
PeerChanges changes_of(const raft_cmdpb::AdminRequest& admin);

// Why the leader must not propose this; empty if it may. `leader` is its own peer.
struct ConfChangeFacts {
  const metapb::Region& region;
  PeerId leader;
  bool pending = false;  // an earlier change is not applied
  LogIndex first_index;  // of the leader's log
  std::vector<raft::PeerProgress> progress;
};
std::string why_not_propose(const PeerChanges& changes, const ConfChangeFacts& facts);

// The change in Raft's words. No changes: leave the joint configuration.
raft::ConfChange to_raft(const PeerChanges& changes);

// The region after the change; an error (the same on every replica) leaves it as it was.
Result<metapb::Region, std::string> change_peers(const metapb::Region& region, const PeerChanges& changes);

}  // namespace cairn::replica
