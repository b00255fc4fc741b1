// MetaGroup: this member of the group that replicates the meta store. It drives a raft::RawNode over the Raft log
// engine, applies what is committed to a MetaStore, and writes each change with the position applied into the KV engine
// in one batch. Written for any number of members; a single voter elects itself at once.
//
// Threads: everything runs on the executor "pd", but writes of the Raft log, which block for their fsync, run on
// "pd-log", one at a time; what gathers meanwhile goes into the next.
//
// A long queue of commands is applied in turns of a few milliseconds, so that calls that need no command go in between.
//
// Durability: the Raft log is the only write-ahead log. It is cut only up to a position that a flush of the KV engine
// covers. After a crash the KV engine is some earlier state, and the log from there is applied again.
//
// Reading on the leader: is_leader() is true only after an entry of its own term is applied and, in a group of several,
// while a lease lasts that a round of heartbeats gives; so what it reads is what was committed last. Who was told to
// campaign at once may be elected whatever others promised, even much later if the message was delayed: a leader that
// keeps its office after that serves no more and hands over again, until another takes it or none is there.
//
// Members: who votes is what the member records say (member/member_records.h), as they are applied. What members send
// to one another is judged before it is taken: by the group's id, the cluster's id, and the id of the sender's data.
// Tests: node_test.cc, node_records_test.cc, meta_group_test.cc.
#pragma once

#include <absl/functional/any_invocable.h>

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "cairnpb.pb.h"
#include "engine/kv_engine.h"
#include "engine/raft_log_engine.h"
#include "pd/config.h"
#include "pd/meta/meta_log.h"
#include "pd/meta/meta_store.h"
#include "pd/meta/peer_metrics.h"
#include "raft/raw_node.h"
#include "runtime/clock.h"
#include "runtime/executor.h"

namespace cairn::pd {

class PeerTransport;

class MetaGroup {
 public:
  struct World {
    runtime::Clock& clock;
    runtime::Executor& executor;      // "pd"
    runtime::Executor& log_executor;  // "pd-log"
    engine::KvEngine& kv;
    engine::RaftLogEngine& raft_log;
    PeerTransport* transport;
    uint64_t seed;
    std::function<void(std::string)> on_fatal;  // on "pd"
  };
  struct Listener {
    // Leadership that can be used began (true) or ended (false).
    std::function<void(bool leads)> on_leadership;
    // Commands were applied; what asked for them has been answered.
    std::function<void()> on_applied = nullptr;
    // A member tells of itself.
    std::function<void(const cairnpb::MemberRecord&)> on_announced = nullptr;
  };
  using Done = absl::AnyInvocable<void(CommandResult)>;

  MetaGroup(const Options& options, World world, Listener listener);
  ~MetaGroup();

  // Reads the disk; an error text if it cannot be read.
  Result<void, std::string> open();
  // Begins to tick.
  void start();
  // Stops; `done` runs on "pd" when no write is under way. Proposals under way fail.
  void stop(std::function<void()> done);

  // Proposes a command of MetaStore. `done` runs on "pd" once it is applied here, or with UNAVAILABLE if this node does
  // not lead or ceased to: then the command may or may not be applied.
  void propose(Bytes command, Done done);
  // Likewise, a transaction that changes the records of members.
  void propose_members(MetaTxn txn, Done done);
  // A message of another member.
  void receive(ByteView message);
  // Tells the other members of this one.
  void announce(const cairnpb::MemberRecord& self);
  // The connection to the member broke.
  void report_unreachable(uint64_t member);
  // Leadership goes to that member, if it can; 0: to the one that is best able.
  void transfer_leader(uint64_t member);

  const MetaStore& store() const { return store_; }
  bool is_leader() const;
  uint64_t leader() const;      // 0: not known
  Duration lease_left() const;  // of this leader; 0 or less: it has none
  uint64_t term() const;
  uint64_t applied_index() const { return applied_.index.value; }
  size_t voters() const { return conf_.voters.size(); }
  // Nothing is missing at the member but what came last; on the leader.
  bool keeps_up(uint64_t member) const;
  // Whether those that vote without it, and are there, are enough to go on; on the leader.
  bool can_do_without(uint64_t member) const;
  // Of the members together; what messages carry.
  uint64_t group_id() const;
  // What the log holds beyond its last cut.
  uint64_t log_bytes() const { return log_.bytes(); }
  // How many wait to be applied.
  size_t proposals() const { return proposals_.size(); }
  uint64_t last_index() const { return log_.last_index().value; }
  static api::Status not_leader();

 private:
  struct Round;  // what one Ready wants of the log
  struct Proposal {
    Term term;
    Done done;
  };
  struct Cut {
    LogPosition position;
    uint64_t sequence = 0;  // of the KV engine once `position` was applied
  };

  Result<void, std::string> load_store();
  Result<void, std::string> load_log();
  Result<void, std::string> leave_first_mark();
  Result<void, std::string> write_format();
  Result<void, std::string> finish_install();
  engine::Result<void> forget_install();
  void tick();
  void arm_tick();
  void schedule();
  void process();
  bool is_alone() const { return conf_.voters.size() == 1; }
  void send(const std::vector<raft::Message>& messages);
  void send_to(uint64_t member, cairnpb::PeerMessage message);
  // Why the message is not taken; nothing if it is.
  std::optional<cairnpb::Refusal> judge(const cairnpb::PeerMessage& message) const;
  void on_refused(uint64_t by, const cairnpb::Refusal& refusal);
  void receive_raft(uint64_t from, ByteView bytes);
  // The records of the members have changed.
  raft::ConfChange follow_members();
  // Applies what is committed, about until then; the rest has its turn after others.
  void apply(Instant until);
  void free_remains();
  void install(const raft::RaftSnapshot& snapshot);
  void write_changes();
  raft::RaftSnapshot make_snapshot() const;
  void start_write();
  void finish_write(Result<void, std::string> outcome, std::vector<Round> rounds);
  void maybe_cut();
  void watch_leadership();
  void fail_proposals();
  void renew_lease();
  void fatal(const std::string& what);

  Options options_;
  World world_;
  Listener listener_;
  raft::ConfState conf_;
  MetaStore store_;
  LogPosition applied_;
  uint64_t applied_sequence_ = 0;         // the KV engine's, after the last apply
  std::optional<LogPosition> installed_;  // the snapshot installed last, until the log is known to go on behind it
  // What open() has found: that this is no new member; the log's entries that an installed snapshot has replaced
  // without the log's knowing.
  bool has_mark_ = false;
  bool has_format_ = false;  // on disk, that which is written
  bool was_alone_ = false;   // and no other has joined since, as far as the log tells
  std::optional<std::pair<LogIndex, LogIndex>> forgotten_;
  MetaLog log_;
  raft::HardState hard_state_;  // as it is or will be on disk
  std::unique_ptr<raft::RawNode> raft_;
  std::map<LogIndex, Proposal> proposals_;
  std::vector<Round> rounds_;         // to be written
  std::deque<raft::Entry> to_apply_;  // committed
  bool writing_ = false;
  bool scheduled_ = false;
  bool processing_ = false;
  bool freeing_ = false;
  bool leading_ = false;  // as last told to the listener
  Term leading_term_;
  std::optional<Cut> cut_;  // waits for the KV engine's flush
  Instant lease_until_;
  uint64_t lease_round_ = 0;
  std::map<uint64_t, Instant> lease_asked_;
  Term handed_over_;  // the last term in which it told another to campaign
  PeerMetrics metrics_;
  std::map<uint64_t, Instant> refused_at_;  // by member: told last
  runtime::TimerId timer_;
  bool stopping_ = false;
  bool failed_ = false;
  std::function<void()> on_stopped_;
  std::shared_ptr<int> alive_ = std::make_shared<int>(0);  // jobs look whether the group still is
};

}  // namespace cairn::pd
