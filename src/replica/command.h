// Commands as log entries: raft_cmdpb.RaftCmdRequest, the same bytes as TiKV's, so that both can be peers of one
// region. Pure functions. Tests: apply_test.cc.
#pragma once

#include "engine/region_store.h"
#include "metapb.pb.h"
#include "raft_cmdpb.pb.h"

namespace cairn::replica {

// A write by `peer` of the region, checked again against the epoch when it is applied.
raft_cmdpb::RaftCmdRequest make_write(const metapb::Region& region, const metapb::Peer& peer, Term term,
                                      engine::WriteData&& data);
raft_cmdpb::RaftCmdRequest make_admin(const metapb::Region& region, const metapb::Peer& peer, Term term,
                                      raft_cmdpb::AdminRequest admin);

// Mark in an entry's context that it holds a split (TiKV's ProposalContext).
inline constexpr char kSplitMark = 2;

}  // namespace cairn::replica
