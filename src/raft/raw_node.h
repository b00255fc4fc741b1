// RawNode: one peer of one Raft group, as a pure state machine. Messages, ticks and proposals go in; what must be
// persisted, sent and applied comes out as a Ready. No thread, clock, disk or random device: the randomised election
// timeout comes from a seed.
//
// Persistence is asynchronous. The owner takes a Ready, sends `messages` at once (a leader's appends among them, so its
// followers write while it writes), hands `entries`, `hard_state` and `snapshot` to its log writer, and goes on
// stepping and taking further Readies. When the log writer has fsynced Ready number n, the owner sends that Ready's
// `persisted_messages` (votes, append answers: what they promise is on disk now) and calls on_persisted(n), which lets
// the leader count itself. Numbers are persisted in order. Committed entries are handed out only once they are
// persisted here, because the engine below has no other log.
//
// Owned and used by one actor. Tests: raw_node_test.cc (transcripts in testdata/), safety_test.cc (random runs).
// References: "In Search of an Understandable Consensus Algorithm" (section numbers in the .cc), Ongaro's thesis for
// pre-vote (9.6), leader transfer (3.10), read index and leases (6.4), joint consensus (4.3).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "base/result.h"
#include "raft/types.h"

namespace cairn::raft {

// What the group has on disk, read when memory does not hold it. The owner implements it over the Raft log engine;
// calls are synchronous. Entries handed out in a Ready count as stored as soon as the Ready is taken: the owner answers
// for them from its cache until they are on disk. For a snapshot handed out in a Ready it must answer (first_index(),
// term() of the snapshot's index) once it has called on_snapshot_applied(); until then the raft core knows by itself.
class LogStorage {
 public:
  virtual ~LogStorage() = default;
  struct InitialState {
    HardState hard_state;
    ConfState conf;
  };
  virtual InitialState initial_state() const = 0;
  // Entries of [low, high), as many as fit `max_bytes` but at least one. kCompacted: `low` is cut away.
  enum class Unavailable { kCompacted };
  virtual Result<std::vector<Entry>, Unavailable> entries(LogIndex low, LogIndex high, size_t max_bytes) const = 0;
  // Term of the entry at `index`; also of the truncated index (first_index() - 1).
  virtual Result<Term, Unavailable> term(LogIndex index) const = 0;
  virtual LogIndex first_index() const = 0;
  virtual LogIndex last_index() const = 0;
  // A snapshot to send to `to` that covers at least `min_index`; nothing yet if it must be made first (asking starts
  // the making; the raft core asks again at a later tick or message).
  virtual std::optional<RaftSnapshot> snapshot(LogIndex min_index, PeerId to) = 0;
};

struct Config {
  PeerId id;
  LogIndex applied;             // applied before the restart
  int election_ticks = 10;      // a follower campaigns after election_ticks to election_ticks_max - 1 ticks
  int election_ticks_max = 20;  // without a word from the leader
  int heartbeat_ticks = 2;
  size_t append_bytes_max = 1 << 20;        // entries in one append
  int inflight_appends_max = 256;           // appends under way to one follower
  size_t apply_bytes_max = 16 << 20;        // committed entries in one Ready
  size_t uncommitted_bytes_max = 64 << 20;  // proposals refused beyond (ProposeError::kTooMuchUncommitted)
  bool pre_vote = true;
  bool check_quorum = true;
  // After a start, (pre-)vote requests are ignored for so many ticks, and no election is sought for want of a leader:
  // before its crash this peer may have renewed a leader's lease that still runs. Leadership transfers are exempt. 0:
  // lease reads are not used.
  int vote_grace_ticks = 0;
  uint64_t seed = 1;  // of the randomised timeouts
  // Whether the storage's hard state is on disk. If not, the first Ready has it, and nothing that rests on it leaves
  // before that is persisted.
  bool is_hard_state_persisted = true;
};

enum class ProposeError {
  kNotLeader,
  kTransferring,       // leadership is being handed over
  kConfChangePending,  // an earlier membership change is not applied yet
  kTooMuchUncommitted,
  kInvalidConfChange,  // against the rules of membership changes (conf_change.h), now and until it is another one
};

struct ReadState {
  Bytes context;   // as given to read_index()
  LogIndex index;  // a read that waits until this is applied is linearizable
};

struct Ready {
  uint64_t number = 0;                      // for on_persisted(); grows by one
  std::vector<Message> messages;            // to send at once
  std::vector<Message> persisted_messages;  // to send once this Ready is persisted
  std::vector<Entry> entries;               // to append to the log; may overwrite a suffix (first index <= last index)
  std::optional<HardState> hard_state;      // if changed
  RaftSnapshot snapshot;                    // if not empty: install it before `entries`; on_snapshot_applied() follows
  std::vector<Entry> committed;             // to apply, in order, exactly once
  std::vector<ReadState> read_states;
  bool must_sync = false;  // entries, term or vote changed: needs an fsync; a mere commit does not

  bool needs_persistence() const {
    return !entries.empty() || hard_state || !snapshot.empty() || !persisted_messages.empty();
  }
};

// A follower as its leader sees it; for PD, log compaction and merge.
struct PeerProgress {
  PeerId id;
  enum class State : uint8_t { kProbe, kReplicate, kSnapshot } state = State::kProbe;
  LogIndex matched;
  LogIndex next;
  LogIndex pending_snapshot;
  bool recently_active = false;
  bool is_learner = false;
};

struct Status {
  PeerId id;
  Role role = Role::kFollower;
  PeerId leader;  // unset if unknown
  HardState hard_state;
  LogIndex applied;
  LogIndex last_index;
  LogIndex persisted;
  PeerId transferee;
  std::vector<PeerProgress> progress;  // leader only; itself included
};

class Raft;  // raft.h: the algorithm

class RawNode {
 public:
  // `storage` must outlive the node.
  RawNode(Config config, LogStorage& storage);
  ~RawNode();
  RawNode(RawNode&&) noexcept;

  // One tick of the group's clock.
  void tick();
  // A message from a peer, as the network brought it. Returns nullptr, or why no peer can have sent it: then it was
  // not taken. Messages from peers that are not members are the owner's to filter.
  const char* step(Message message);
  // Starts an election now (pre-vote first, unless this is the only voter).
  void campaign();

  // The index at which the entry will stand if it is committed in this term.
  Result<LogIndex, ProposeError> propose(SharedBytes data, Bytes context = {});
  // `data` is what the owner wants to find in the committed entry; the change itself must be given too, as both are
  // judged by the raft core (one unapplied change at a time; joint rules).
  Result<LogIndex, ProposeError> propose_conf_change(EntryType type, const ConfChange& change, SharedBytes data,
                                                     Bytes context = {});
  // The owner applied a committed conf change entry (or refused it: pass nothing). Returns the new membership. To be
  // called before on_applied() of that entry. An entry of type kConfChangeV2 with empty data was made by the raft core
  // itself: it leaves a joint configuration with auto_leave (pass a ConfChange without changes). While a snapshot waits
  // for on_snapshot_applied(), the membership is the snapshot's and stays so: what was handed out before may still be
  // applied until then, and not after.
  ConfState apply_conf_change(const std::optional<ConfChange>& change);

  // Asks the quorum whether this peer still leads; a ReadState with `context` follows, or never comes if leadership is
  // lost. On a follower: forwarded to the leader. False: dropped (no leader, or no entry committed in this term yet).
  bool read_index(Bytes context);
  // On the leader only: elsewhere it is ignored.
  void transfer_leader(PeerId to);
  void abort_leader_transfer();

  // The peer could not be reached: its progress goes back to probing. If it is the leader, the next election begins as
  // soon as the leader's lease permits.
  // A snapshot handed out as a message must be answered for by report_snapshot(), whatever becomes of it: until then
  // nothing else is sent to that peer.
  void report_unreachable(PeerId peer);
  enum class SnapshotOutcome { kFinished, kFailed };
  void report_snapshot(PeerId peer, SnapshotOutcome outcome);

  bool has_ready() const;
  Ready ready();
  // Ready `number` and all before are on disk.
  void on_persisted(uint64_t number);
  // All entries up to `index` are applied.
  void on_applied(LogIndex index);
  // The snapshot of an earlier Ready is installed and durable.
  void on_snapshot_applied(LogIndex index);
  // Config::election_ticks and election_ticks_max from now on, be it longer or shorter than before. What has passed
  // since the leader was heard of counts. Shorter only while no lease rests on the longer one: the owner's to know.
  void set_election_ticks(int least, int most);

  Status status() const;
  // Cheap parts of it.
  Role role() const;
  bool is_leader() const { return role() == Role::kLeader; }
  Term term() const;
  PeerId leader() const;
  LogIndex commit() const;
  LogIndex last_index() const;
  LogIndex applied() const;
  bool is_transferring() const;
  const ConfState& conf() const;
  // An entry of this leader's own term is committed: read index and leases may be used (thesis 6.4).
  bool committed_in_term() const;
  // Whether ticks may stop (hibernation): a leader whose followers all match and are active, nothing under way.
  bool is_quiet() const;
  // A quorum of voters (self included) was heard from within the last election timeout.
  bool quorum_recently_active() const;
  // The least of them, as it is now.
  int election_ticks() const;

 private:
  std::unique_ptr<Raft> raft_;
};

}  // namespace cairn::raft
