// Raft: the algorithm of one peer, as RawNode (raw_node.h) shows it to its owner. Inputs change the state and fill the
// outbox; RawNode makes a Ready of it.
//
// Where what happens:
//   raft.cc          roles and terms, dispatch of messages       heartbeat.cc   ticks, heartbeats, check-quorum
//   election.cc      pre-vote, votes, campaigns                  snapshot.cc    sending and restoring snapshots
//   replication.cc   the leader: proposals, appends, commit      membership.cc  proposing and applying changes
//   append.cc        the follower: accepting appends             transfer.cc    leadership transfer
//   read_index.cc    linearizable reads                       validity.cc    which messages a peer can have sent
//
// Appends and read rounds are not sent when they become due but when the next Ready is taken: all proposals of a round
// go out in one append.
//
// Invariants (checked): the term only grows; one vote a term; a candidate becomes leader only once its own vote is on
// disk (else it could come back from a crash and win the same term again, with other entries); see also raft_log.h.
// Owned by RawNode. Tests: raw_node_test.cc, safety_test.cc.
#pragma once

#include <map>
#include <optional>
#include <vector>

#include "raft/raft_log.h"
#include "raft/raw_node.h"
#include "raft/read_queue.h"
#include "raft/tracker/tracker.h"
#include "raft/uncommitted.h"

namespace cairn::raft {

// The context of a vote request that a leadership transfer caused: voters heed it though they hear from a leader. The
// words are the wire's.
inline constexpr ByteView kCampaignTransfer = "CampaignTransfer";

class Raft {
 public:
  Raft(Config config, LogStorage& storage);

  // The inputs, as in RawNode.
  void tick();
  const char* step(Message message);
  void campaign();
  Result<LogIndex, ProposeError> propose(SharedBytes data, Bytes context);
  Result<LogIndex, ProposeError> propose_conf_change(EntryType type, const ConfChange& change, SharedBytes data,
                                                     Bytes context);
  ConfState apply_conf_change(const std::optional<ConfChange>& change);
  bool read_index(Bytes context);
  void transfer_leader(PeerId to);
  void abort_leader_transfer() { transferee_ = PeerId(); }
  void report_unreachable(PeerId peer);
  void report_snapshot(PeerId peer, RawNode::SnapshotOutcome outcome);
  void on_persisted(uint64_t number);
  void on_applied(LogIndex index);
  void on_snapshot_applied(LogIndex index) { log_.on_snapshot_applied(index); }
  void set_election_ticks(int least, int most);

  // Ready. Whether ready() would bring anything; constant time.
  bool has_ready() const;
  Ready ready();

  Status status() const;
  PeerId id() const { return config_.id; }
  Role role() const { return role_; }
  Term term() const { return term_; }
  PeerId leader() const { return leader_; }
  PeerId transferee() const { return transferee_; }
  const RaftLog& log() const { return log_; }
  const ConfState& conf() const { return tracker_.conf(); }
  bool committed_in_term() const { return role_ == Role::kLeader && committed_in_term_; }
  bool is_quiet() const;
  bool quorum_recently_active() const;
  int election_ticks() const { return config_.election_ticks; }

 private:
  // validity.cc
  // Why no peer can have sent the message to this one, as far as is known here; nullptr: it may have.
  const char* why_impossible(const Message& message) const;

  // raft.cc
  void dispatch(Message& message);
  // False: the message is to be ignored.
  bool on_higher_term(const Message& message);
  void on_lower_term(const Message& message);
  // An append, heartbeat or snapshot came at our term: its sender is the leader.
  void follow(PeerId leader);
  void become_follower(Term term, PeerId leader);
  void become_pre_candidate();
  void become_candidate();
  void become_leader();
  void reset(Term term);
  // Fills in sender and term.
  void send(Message message);
  // Likewise; it leaves once the Ready is on disk.
  void send_persisted(Message message);
  HardState hard_state() const { return {term_, vote_, log_.commit()}; }

  // election.cc
  enum class CampaignKind : uint8_t { kPreVote, kElection, kTransfer };
  bool is_promotable() const;
  bool has_unapplied_conf_change() const;
  void hup(CampaignKind kind);
  void start_campaign(CampaignKind kind);
  void on_vote_request(const Message& message);
  void on_vote_response(const Message& message);
  void count_vote(PeerId from, bool granted);
  void maybe_commit_by_vote(const Message& message);
  bool is_leader_alive() const;

  // replication.cc
  void append_as_leader(Entry entry);
  // Sends what is due to all; called when a Ready is taken.
  void broadcast_appends();
  // Sends as much as the peer may take.
  void send_appends(PeerId to, Progress& progress);
  enum class IfNoEntries : uint8_t { kSend, kSkip };
  bool maybe_send_append(PeerId to, Progress& progress, IfNoEntries if_none);
  bool maybe_commit();
  void on_append_response(const Message& message, Progress& progress);
  void on_append_rejected(const Message& message, Progress& progress);

  // append.cc
  void on_append(Message& message);

  // heartbeat.cc
  void tick_leader();
  void check_quorum();
  void broadcast_heartbeat();
  void on_heartbeat(const Message& message);
  void on_heartbeat_response(const Message& message, Progress& progress);
  bool is_in_grace() const { return tick_ < static_cast<uint64_t>(config_.vote_grace_ticks); }
  void reset_election_timer();
  int draw_election_timeout();
  void shorten_election_timeout();
  void set_candidate_timeout(CampaignKind kind);
  int random_ticks(int below);

  // snapshot.cc
  bool send_snapshot(PeerId to, Progress& progress);
  void on_snapshot(Message& message);
  // False: it brings nothing.
  bool restore(RaftSnapshot& snapshot);

  // membership.cc
  void maybe_leave_joint();
  void on_conf_changed();

  // transfer.cc
  void on_transfer_asked(const Message& message);
  void send_timeout_now(PeerId to);
  void on_timeout_now(const Message& message);

  // read_index.cc
  void on_read_index(Message& message);
  void on_read_index_response(Message& message);
  void answer_read(PeerId from, LogIndex index, Bytes context);
  void answer_confirmed_reads();

  Config config_;
  LogStorage& storage_;
  RaftLog log_;
  Tracker tracker_;

  Term term_;
  Term persisted_term_;
  PeerId vote_;
  PeerId leader_;
  Role role_ = Role::kFollower;
  std::map<PeerId, bool> votes_;  // (pre-)candidate: the answers so far

  uint64_t tick_ = 0;  // since the start
  int election_elapsed_ = 0;
  int heartbeat_elapsed_ = 0;
  int election_timeout_ = 0;  // randomised
  uint64_t random_;

  // Leader only.
  bool committed_in_term_ = false;
  PeerId transferee_;
  LogIndex pending_conf_index_;  // a membership change may stand up to here; none is proposed until it is applied
  ReadQueue reads_;
  UncommittedBytes uncommitted_;
  bool broadcast_due_ = false;
  // Followers learn of a commit with the next append or heartbeat: an append for its sake alone, and the answer to it,
  // would double the messages of a write. Up to here they learn of it at once: changes of membership, what the owner
  // marked with a context, and what an earlier leader may have left.
  LogIndex urgent_;

  // The outbox.
  uint64_t ready_number_ = 0;
  HardState hard_state_taken_;
  std::vector<Message> messages_;
  std::vector<Message> persisted_messages_;
  std::vector<ReadState> read_states_;
  Term self_vote_;  // a vote for itself that no Ready has taken yet
};

}  // namespace cairn::raft
