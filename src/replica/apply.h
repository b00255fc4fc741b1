// ApplyMachine: one region's state machine. Committed entries go in, in order, each exactly once; changes to the engine
// come out in a write batch, together with the applied index, so that a crash can neither lose nor repeat one
// (INV-APPLY-ORDER). What happens depends on the entries alone: every replica does the same. The one thing that differs
// from store to store, which child of a split lives here, is asked of the store.
//
// Owned by the shard's Applier. Tests: apply_test.cc.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "engine/kv_engine.h"
#include "engine/region_request.h"
#include "metapb.pb.h"
#include "raft/raw_node.h"
#include "raft_cmdpb.pb.h"
#include "replica/split_plan.h"
#include "replica/wire.h"

namespace cairn::replica {

// What an applied entry means beyond the engine's data.
struct ConfChanged {
  std::optional<raft::ConfChange> change;  // nothing: refused, the membership stays
  metapb::Region region;
  bool removed_self = false;
};
struct SplitDone {
  SplitPlan plan;
  std::vector<bool> created;  // by plan.regions: a new region's peer on this store begins its life
};
struct LogTruncated {
  LogIndex index;
  Term term;
};
using ApplyEffect = std::variant<std::monostate, ConfChanged, SplitDone, LogTruncated>;

struct AppliedEntry {
  LogIndex index;
  Term term;
  std::optional<engine::RegionError> error;  // the same on every replica
  ApplyEffect effect;
};

class ApplyMachine {
 public:
  struct Self {
    StoreId store;
    PeerId peer;
  };
  // Whether the peer of a new region may begin here (no newer tombstone of it stands in the way).
  using MayCreate = std::function<bool(const metapb::Region& child, PeerId peer)>;

  ApplyMachine(Self self, metapb::Region region, ApplyState state, MayCreate may_create);

  // Applies the next entry. Precondition: its index is the one after applied().
  AppliedEntry apply(const raft::Entry& entry, engine::WriteBatch& batch);
  // Adds the apply state to the batch; to be done once before the batch is written.
  void write_state(engine::WriteBatch& batch) const;

  // A snapshot was installed.
  void reset(metapb::Region region, ApplyState state);

  const metapb::Region& region() const { return region_; }
  const ApplyState& state() const { return state_; }
  LogIndex applied() const { return state_.applied; }
  // This peer was removed from the region: nothing more is applied.
  bool is_removed() const { return removed_; }
  struct Written {
    uint64_t keys = 0, bytes = 0;
  };
  Written take_written() { return std::exchange(written_, {}); }

 private:
  void apply_command(const raft_cmdpb::RaftCmdRequest& command, engine::WriteBatch& batch, AppliedEntry& out);
  std::optional<engine::RegionError> apply_writes(const raft_cmdpb::RaftCmdRequest& command, engine::WriteBatch& batch);
  void apply_conf_change(const raft::Entry& entry, engine::WriteBatch& batch, AppliedEntry& out);
  void apply_compact_log(const raft_cmdpb::CompactLogRequest& request, AppliedEntry& out);
  void apply_split(const raft_cmdpb::AdminRequest& admin, engine::WriteBatch& batch, AppliedEntry& out);
  void set_region(metapb::Region region, engine::WriteBatch& batch);

  const Self self_;
  metapb::Region region_;
  ApplyState state_;
  MayCreate may_create_;
  bool removed_ = false;
  Written written_;
};

// Adds a region's records to the batch: its state (normal or tombstone) and, if given, its apply state.
void write_region_state(engine::WriteBatch& batch, const metapb::Region& region, raft_serverpb::PeerState state);
void write_apply_state(engine::WriteBatch& batch, RegionId region, const ApplyState& state);

// Why the command's epoch does not fit the region, by the rules of its kind; nothing if it does.
std::optional<engine::RegionError> check_epoch(const raft_cmdpb::RaftCmdRequest& command, const metapb::Region& region);

}  // namespace cairn::replica
