// RaftLog: the log as the algorithm sees it, over three places and with four cursors.
//
//     compacted │ storage (the owner answers: disk or its cache)      │ unstable (not yet in a Ready)
//     ──────────┼─────────────────────────────────────────────────────┼──────────────────▶
//          first_index        applied ≤ handed_out ≤ commit           last_index
//                                       handed_out ≤ persisted ≤ last of the storage part
//
// commit and persisted are independent of each other: a leader may commit what only its followers have on disk. Entries
// are handed out for applying when they are both. While a received snapshot is not installed, it stands in the place of
// the storage's beginning.
//
// Owned by Raft. Invariants (checked): commit never goes back and never passes last_index; nothing is overwritten at or
// below commit. Tests: raw_node_test.cc, safety_test.cc.
#pragma once

#include <deque>
#include <optional>
#include <vector>

#include "raft/pending_writes.h"
#include "raft/raw_node.h"

namespace cairn::raft {

class RaftLog {
 public:
  // `commit` and `applied` as of the restart.
  RaftLog(LogStorage& storage, LogIndex commit, LogIndex applied, size_t apply_bytes_max);

  LogIndex first_index() const;
  LogIndex last_index() const { return unstable_first_.prev() + unstable_.size(); }
  Term last_term() const;
  // Also of first_index() - 1. Nothing: compacted, or not there.
  std::optional<Term> term(LogIndex index) const;
  bool matches(LogIndex index, Term term) const { return this->term(index) == term; }
  // Whether a log that ends so is at least as good as this (5.4.1).
  bool is_up_to_date(LogIndex last, Term last_term) const;
  // Entries of [low, high) up to `max_bytes`, but at least one.
  Result<std::vector<Entry>, LogStorage::Unavailable> entries(LogIndex low, LogIndex high, size_t max_bytes) const;

  // A leader's append: entries behind the last one.
  void append(std::vector<Entry> entries);
  // A follower's: behind (prev, prev_term), if the log has that; commits up to `leader_commit`. Returns the last index
  // known to agree with the leader's.
  std::optional<LogIndex> maybe_append(LogIndex prev, Term prev_term, std::vector<Entry> entries,
                                       LogIndex leader_commit);
  struct Position {
    LogIndex index;
    Term term;  // unset if unknown
  };
  // The last position at or before `index` whose term is no greater than `term`: where logs can agree at best.
  Position find_conflict_by_term(LogIndex index, Term term) const;

  LogIndex commit() const { return commit_; }
  void commit_to(LogIndex index);
  // Commits `index` if the entry there is of `term`. False: no news.
  bool maybe_commit(LogIndex index, Term term);

  LogIndex applied() const { return applied_; }
  void on_applied(LogIndex index);
  // The committed entries not handed out yet, as many as the bounds allow, and hands them out.
  std::vector<Entry> take_committed();
  bool has_committed_to_take() const;

  LogIndex persisted() const { return persisted_; }
  bool has_unstable() const { return !unstable_.empty(); }
  // Moves the unstable entries out, into a Ready.
  std::vector<Entry> take_unstable();
  // Ready `number` was taken with these contents.
  void on_written(PendingWrites::Write write) { writes_.push(write); }
  // Ready `number` is durable. Returns what became so.
  PendingWrites::Write on_persisted(uint64_t number);

  // The log becomes the snapshot alone.
  void restore(RaftSnapshot snapshot);
  // From restore() until on_snapshot_applied().
  bool has_pending_snapshot() const { return pending_snapshot_.index.is_set(); }
  bool has_snapshot_to_take() const { return !snapshot_to_take_.empty(); }
  RaftSnapshot take_snapshot();
  void on_snapshot_applied(LogIndex index);

 private:
  void overwrite_from(std::vector<Entry> entries);

  LogStorage& storage_;
  size_t apply_bytes_max_;

  std::vector<Entry> unstable_;
  LogIndex unstable_first_;  // index of unstable_[0], whether it is there or not

  LogIndex commit_;
  LogIndex persisted_;
  LogIndex handed_out_;
  LogIndex applied_;

  PendingWrites writes_;
  SnapshotMeta pending_snapshot_;  // only index and term
  RaftSnapshot snapshot_to_take_;

  struct Batch {
    LogIndex last;
    size_t bytes;
  };
  std::deque<Batch> applying_;  // handed out, not applied
  size_t applying_bytes_ = 0;
};

}  // namespace cairn::raft
