// Replica: one region's peer on this store. It owns the Raft node, its log and the parts that make a replicated region
// of it: proposals, read index, lease, log compaction, snapshots. It decides; what is to be done at the disk, the
// engine and the network goes into the round's Outbox.
//
//   messages, ticks, proposals, reads ─▶ Replica ─ collect() ─▶ Outbox ─▶ LogWriter ── on_persisted() ─┐
//                                           ▲                     └─────▶ Applier ──── on_applied() ───┤
//                                           └──────────────────────────────────────────────────────────┘
//
// Owned by its shard and used on the shard's executor only. Tests: store_test.cc in store/; the parts have their own.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "engine/region_request.h"
#include "engine/region_store.h"
#include "raft/raw_node.h"
#include "replica/known_stores.h"
#include "replica/leader_lease.h"
#include "replica/log_gc.h"
#include "replica/outbox.h"
#include "replica/peer_storage.h"
#include "replica/proposal_queue.h"
#include "replica/read_index_queue.h"
#include "replica/read_view.h"

namespace cairn::replica {

struct ReplicaOptions {
  StoreId store;
  Duration tick = 100ms;
  int election_ticks = 10;
  int heartbeat_ticks = 2;
  uint64_t seed = 1;  // another one at each start of the store
  uint64_t entry_bytes_max = 8 << 20;
  uint64_t append_bytes_max = 1 << 20;
  int inflight_appends_max = 256;
  uint64_t cache_bytes_max = 1 << 20;
  uint64_t unapplied_cache_bytes_max = 16 << 20;  // with entries that wait to be applied; others are read back
  uint64_t proposals_max = 4096;
  uint64_t proposals_bytes_max = 64 << 20;
  uint64_t reads_max = 16384;
};

// What the shard should do about a replica after it handled something.
struct ReplicaEvents {
  bool heartbeat = false;  // PD should hear of the region soon
  std::optional<Term> became_leader;
  bool removed = false;  // this peer is no longer a member
  std::vector<SplitDone> splits;
  std::optional<metapb::Region> installed;  // a snapshot brought this region
  std::set<StoreId> unknown_stores;         // hold peers of the region: PD is to be asked about them
};

class Replica {
 public:
  struct Loaded {
    metapb::Region region;  // without peers: not initialized, waits for a snapshot or a split
    metapb::Peer self;
    RaftState raft_state;
    ApplyState apply_state;
    // A peer of this id voted or heard from a leader here before, in this process or in an earlier one: a lease that it
    // granted may still run.
    bool lived_before = false;
    Incarnation incarnation = 0;
    std::shared_ptr<const KnownStores> stores;
    bool is_raft_state_persisted = true;  // if not, it goes out with the first round
  };
  Replica(const ReplicaOptions& options, Loaded loaded, const engine::RaftLogEngine& log,
          std::shared_ptr<ReadCell> cell);
  ~Replica();

  // Inputs.
  void tick(Instant now);
  // A Raft message from a peer; its form (message_check.h) and its right to speak were checked. Returns nullptr, or why
  // no peer can have sent it: then it was not taken.
  const char* on_raft_message(raft_serverpb::RaftMessage message, Instant now);
  // Refuses or replicates the write; `done` runs once, now or later, here.
  void write(const engine::RegionRequest& request, engine::WriteBasis basis, engine::WriteData data, Instant now,
             OnWritten done);
  // Replicates an admin command (not a conf change, not a transfer). False: it was refused; `done`, if given, knows
  // why.
  bool propose_admin(raft_cmdpb::AdminRequest admin, Instant now, OnWritten done);
  // Proposes the change of membership if it may be; the reason if not.
  std::string propose_conf_change(raft_cmdpb::AdminRequest admin, Instant now);
  // Hands leadership over; the reason if it may not.
  std::string transfer_leader(PeerId to);
  // Empty: it could be handed over now.
  std::string why_not_transfer(PeerId to) const;
  // A view that is linearizable may be read once `done` says so. Refuses as write() does.
  // Ends with an error if no answer comes for long, or not before the request's deadline.
  void read(const engine::RegionRequest& request, Instant now, OnReadable done);
  // Campaigns at once: the leader's child of a split.
  void campaign() { node_.campaign(); }
  void on_unreachable(PeerId peer) { node_.report_unreachable(peer); }
  void on_snapshot_sent(PeerId peer, bool ok);
  void on_snapshot_made(std::optional<MadeSnapshot> made, std::shared_ptr<void> keep_alive);
  // max_ts was raised by a timestamp fetched after this peer was elected in `term`.
  void on_max_ts_synced(Term term, Timestamp at) {
    if (term < max_ts_synced_term_) return;  // the answer to a question of an earlier leadership came late
    max_ts_synced_term_ = term;
    max_ts_synced_at_ = at;
  }
  // Leader: compacts the log if it should; anyone: cuts what is flushed.
  void gc_log(const LogGcLimits& limits, uint64_t flushed_sequence, Instant now, Outbox& out);
  // Of the log, what could be cut from the disk if the engine had flushed.
  uint64_t log_bytes_awaiting_flush() const { return log_gc_.waiting_bytes(); }

  // The end of a round.
  void collect(Instant now, Outbox& out);
  void on_persisted(uint64_t number, const LogTimes& times, Instant now, Outbox& out);
  void on_applied(ApplyReport report);
  ReplicaEvents take_events() { return std::exchange(events_, {}); }
  // The peer leaves this store or the store stops: answers all that waits.
  void abandon(const std::string& reason);
  void set_destroying() { destroying_ = true; }
  // What is known now of the cluster's stores.
  void set_stores(std::shared_ptr<const KnownStores> stores);
  bool is_destroying() const { return destroying_; }
  // The folders of received snapshots that are not installed: whoever ends this life removes them.
  std::vector<std::string> take_folders();
  // What other stores say of a peer that may be gone: the members of a later membership, who would know.
  void on_later_members(uint64_t conf_ver, std::vector<metapb::Peer> members);
  // Whom to ask whether this peer is still wanted. Nobody before it has data: others may not know it yet.
  std::vector<metapb::Peer> peers_to_ask() const;

  // Queries.
  std::optional<engine::RegionError> check(const engine::RegionRequest& request) const;
  bool lease_is_valid(Instant now) const { return view_ && lease_.is_valid(now); }
  // The view of the leader that has applied an entry of its term; null: there is none here.
  ReadViewPtr view() const { return view_; }
  // The region as it may be read here after a read index, leader or not. No write may follow from it.
  ReadViewPtr reading_view() const;
  bool is_leader() const { return node_.is_leader(); }
  // Before that a leader does not know what its predecessor changed, and takes no change of membership.
  bool has_applied_in_its_term() const { return applied_term_ == node_.term(); }
  bool is_initialized() const { return !region_.peers().empty(); }
  bool is_busy() const;
  bool is_installing() const { return installing_; }
  // Whether all has been applied that was known to be committed when this peer was loaded. Until then its log may hold
  // a split that an earlier process applied and the engine lost: the peer must not leave, nor its log.
  bool has_replayed() const { return applied_ >= replay_end_; }
  // Whether all splits that are committed in the log are applied, as far as is known here.
  bool knows_its_children() const { return has_replayed() && !split_is_under_way(); }
  const metapb::Region& region() const { return region_; }
  const metapb::Peer& self() const { return self_; }
  RegionId id() const { return RegionId(region_.id()); }
  Incarnation incarnation() const { return incarnation_; }
  const raft::RawNode& node() const { return node_; }
  const PeerStorage& storage() const { return storage_; }
  LogIndex applied() const { return applied_; }
  std::optional<engine::PeerDescription> leader() const;
  // When each peer was heard of; the leader's since it leads.
  const std::map<PeerId, Instant>& last_heard() const { return last_heard_; }
  // When this peer last led or heard of its leader.
  Instant leader_seen() const { return leader_seen_; }
  // Whether the region, as PD knows it, has parted with this peer for good: it is of a later membership than the one
  // that this peer is known to belong to.
  bool is_parted_from_by(const metapb::Region& newer) const;
  // The membership that this peer is known to belong to, by its number.
  uint64_t known_conf_ver() const { return is_initialized() ? region_.region_epoch().conf_ver() : addressed_at_; }
  uint64_t written_bytes_since_split_check() const { return written_bytes_; }
  uint64_t take_written_bytes() { return std::exchange(written_bytes_, 0); }
  // The split that they gave rise to did not come about.
  void give_back_written_bytes(uint64_t bytes) { written_bytes_ += bytes; }

 private:
  struct PendingPersist {
    uint64_t number = 0;
    bool needs_log = false;
    LogIndex last_entry;  // 0: no entries
    std::vector<raft::Message> messages;
    std::optional<PendingSnapshot> snapshot;
  };
  struct MadeFiles {
    LogIndex index;
    std::vector<SnapshotFile> files;
    std::shared_ptr<void> keep_alive;
  };

  bool split_is_under_way() const;
  void send(raft::Message message, Outbox& out);
  void take_ready(Instant now, Outbox& out);
  void finish_persisted(Outbox& out);
  void set_region(metapb::Region region);
  void on_role_changed(Instant now);
  bool is_beside_tikv();
  void adapt_patience();
  void ask_read_index(Instant now);
  void renew_lease();
  void publish();
  void set_applied(LogIndex applied, Term term);
  void on_entry_applied(AppliedEntry& entry, uint64_t sequence);
  engine::RegionError refusal(raft::ProposeError error) const;

  const ReplicaOptions options_;
  const Incarnation incarnation_;
  metapb::Region region_;
  engine::RegionDescription description_;  // of region_
  metapb::Peer self_;
  PeerStorage storage_;
  raft::RawNode node_;
  LogIndex applied_;
  Term applied_term_;
  LogIndex applied_term_since_;  // what was applied when `applied_term_` was first seen to be applied

  ProposalQueue proposals_;
  ReadIndexQueue reads_;
  LeaderLease lease_;
  LogGc log_gc_;
  bool is_compacting_ = false;  // a CompactLog was proposed and is not answered yet
  std::set<LogIndex> splits_;   // those proposed or committed here that are not applied yet
  const LogIndex replay_end_;   // what was known to be committed at the beginning

  std::shared_ptr<ReadCell> cell_;
  ReadViewPtr view_;
  raft::Role role_ = raft::Role::kFollower;
  Term role_term_;
  Term max_ts_synced_term_;
  Timestamp max_ts_synced_at_;  // in that term
  PeerId leader_;
  std::shared_ptr<const KnownStores> stores_;
  PeerId patient_with_;  // the leader to which the election timeout was last adapted
  Instant leader_seen_{};
  uint64_t addressed_at_ = 0;  // the newest conf_ver of those who spoke to this peer
  std::optional<std::pair<uint64_t, std::vector<metapb::Peer>>> later_members_;  // by their conf_ver
  std::map<PeerId, Instant> last_heard_;
  std::map<PeerId, metapb::Peer> strangers_;  // who spoke to us before we knew them as members; kStrangersMax at most
  std::deque<PendingPersist> persisting_;     // Invariant: numbers ascend
  std::vector<MadeFiles> made_files_;
  std::vector<std::string> received_folders_;
  std::string installing_folder_;
  bool installing_ = false;
  bool destroying_ = false;
  uint64_t written_bytes_ = 0;
  ReplicaEvents events_;
};

}  // namespace cairn::replica
