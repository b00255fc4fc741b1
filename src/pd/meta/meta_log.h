// MetaLog: the Raft log of PD's group as its raft core reads it: all entries since the last cut, in memory. The log is
// small, as it is cut every few thousand entries or megabytes; the Raft log engine holds the same for restarts.
//
// Owned by MetaGroup, which writes to disk what it puts here. Tests: node_test.cc, meta_group_test.cc.
#pragma once

#include <deque>
#include <functional>

#include "pd/meta/raft_codec.h"
#include "raft/raw_node.h"

namespace cairn::pd {

class MetaLog final : public raft::LogStorage {
 public:
  // Makes a snapshot of the applied state.
  using MakeSnapshot = std::function<raft::RaftSnapshot()>;
  explicit MetaLog(MakeSnapshot make_snapshot) : make_snapshot_(std::move(make_snapshot)) {}

  // Begins behind `truncated`, with nothing.
  void reset(LogPosition truncated);
  void set_initial(raft::HardState hard_state, raft::ConfState conf);
  // Appends, replacing a suffix where indices overlap. There must be no gap.
  void append(const std::vector<raft::Entry>& entries);
  // Forgets the entries up to `index`, which becomes the truncated one.
  void cut(LogIndex index);

  LogPosition truncated() const { return truncated_; }
  size_t size() const { return entries_.size(); }
  uint64_t bytes() const { return bytes_; }
  Term term_of(LogIndex index) const;
  // Whether a change of the membership stands behind `index`.
  bool has_conf_change_behind(LogIndex index) const;

  InitialState initial_state() const override { return initial_; }
  Result<std::vector<raft::Entry>, Unavailable> entries(LogIndex low, LogIndex high, size_t max_bytes) const override;
  Result<Term, Unavailable> term(LogIndex index) const override;
  LogIndex first_index() const override { return truncated_.index.next(); }
  LogIndex last_index() const override { return truncated_.index + entries_.size(); }
  std::optional<raft::RaftSnapshot> snapshot(LogIndex min_index, PeerId to) override;

 private:
  MakeSnapshot make_snapshot_;
  InitialState initial_;
  LogPosition truncated_;
  std::deque<raft::Entry> entries_;  // at truncated_.index + 1 and on
  uint64_t bytes_ = 0;               // of entries_
};

}  // namespace cairn::pd
