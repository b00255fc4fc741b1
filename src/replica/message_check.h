// Which Raft messages another store can have sent, by the message alone: what reaches a replica is whole, of its
// region, and between the peers that its envelope names. What it says of the log is Raft's to judge (RawNode::step). A
// byte that was damaged on its way may cost the message, never the process. Pure. Tests: message_check_test.cc.
#pragma once

#include "metapb.pb.h"
#include "raft_serverpb.pb.h"

namespace cairn::replica {

// Why no store can have sent it; nullptr: it may have.
const char* why_malformed(const raft_serverpb::RaftMessage& message);

// Whether it can be a region of a cluster: with an id, an epoch, keys in order, and each peer once, on a store of its
// own. Its peers may be missing.
bool is_well_formed(const metapb::Region& region);

}  // namespace cairn::replica
