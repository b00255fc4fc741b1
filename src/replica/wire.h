// Between the wire's and the disk's messages (eraftpb, metapb, raft_serverpb) and the plain structs of raft/ and
// engine/. Pure functions. Tests: store_test.cc.
#pragma once

#include <optional>

#include "base/bytes.h"
#include "engine/region_request.h"
#include "metapb.pb.h"
#include "raft/raw_node.h"
#include "raft/types.h"
#include "raft_cmdpb.pb.h"
#include "raft_serverpb.pb.h"

namespace cairn::replica {

// A new region begins at this index and term, as if that much log had been compacted (as in TiKV: it leaves room for
// "nothing at all", index 0).
inline constexpr LogIndex kInitialIndex{5};
inline constexpr Term kInitialTerm{5};

eraftpb::Message to_wire(const raft::Message& message);
// Takes the entries' bytes out of `message`.
raft::Message from_wire(eraftpb::Message&& message);
Bytes encode_entry(const raft::Entry& entry);
// CHECKs that the bytes are an entry: they come from our own log.
raft::Entry decode_entry(ByteView bytes);
eraftpb::ConfState to_wire(const raft::ConfState& conf);
raft::ConfState from_wire(const eraftpb::ConfState& conf);

engine::PeerDescription describe(const metapb::Peer& peer);
engine::RegionDescription describe(const metapb::Region& region);
engine::RegionEpoch describe(const metapb::RegionEpoch& epoch);
metapb::RegionEpoch to_wire(engine::RegionEpoch epoch);
metapb::Peer to_wire(const engine::PeerDescription& peer);

// The Raft membership that the region's peers and their roles stand for.
raft::ConfState conf_state_of(const metapb::Region& region);
const metapb::Peer* find_peer(const metapb::Region& region, PeerId peer);
const metapb::Peer* find_peer_on(const metapb::Region& region, StoreId store);

// What the log store keeps of a region beside its entries.
struct RaftState {
  raft::HardState hard;
  LogIndex last_index;
};
Bytes encode(const RaftState& state);
std::optional<RaftState> decode_raft_state(ByteView bytes);

// The state with which a new region's peer begins at kInitialIndex, keeping what the peer promised before it had data
// (a vote); a state that is past that already stays as it is.
RaftState begin_raft_state(const std::optional<RaftState>& before);

// What the kv engine keeps of a region, written in one batch with the changes that it speaks of.
struct ApplyState {
  LogIndex applied;
  Term applied_term;    // of the entry at `applied`
  LogIndex truncated;   // the log up to here is compacted
  Term truncated_term;  // of the entry at `truncated`
  friend bool operator==(const ApplyState&, const ApplyState&) = default;
};
inline constexpr ApplyState kInitialApplyState{kInitialIndex, kInitialTerm, kInitialIndex, kInitialTerm};
Bytes encode(const ApplyState& state);
std::optional<ApplyState> decode_apply_state(ByteView bytes);

Bytes encode(const raft_serverpb::RegionLocalState& state);
std::optional<raft_serverpb::RegionLocalState> decode_region_state(ByteView bytes);

// Protobuf's bytes of a message, the same on every replica.
Bytes serialize(const google::protobuf::MessageLite& message);

}  // namespace cairn::replica
