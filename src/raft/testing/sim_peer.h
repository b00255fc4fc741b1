// SimPeer: a RawNode with an owner around it, for tests: a log on a "disk" that is written later than it is handed out,
// an engine that applies later still and is flushed at times, snapshots, crash and restart. Nothing happens by itself;
// the test calls each step. Used by raw_node_test.cc and safety_test.cc.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "raft/raw_node.h"

namespace cairn::raft {

// A log: entries behind a truncated position.
struct SimLog {
  LogIndex truncated;
  Term truncated_term;
  std::vector<Entry> entries;

  LogIndex last() const { return truncated + entries.size(); }
  std::optional<Term> term(LogIndex index) const;
  void append(const std::vector<Entry>& more);  // overwrites
  void truncate_prefix(LogIndex to);
};

// The state machine: a hash over all that was applied, and the membership.
struct SimEngine {
  LogIndex applied;
  Term applied_term;
  uint64_t hash = 0;
  ConfState conf;

  Bytes encode() const;
  static SimEngine decode(const RaftSnapshot& snapshot);
};

// "v1 +4", "v2 +4 -1 ~5", "v2 implicit +4", "v2 explicit +4", "v2 leave": + voter, ~ learner, - removed.
struct SimConfChange {
  EntryType type = EntryType::kConfChangeV2;
  ConfChange change;
  static std::optional<SimConfChange> parse(ByteView text);
};

class SimPeer : public LogStorage {
 public:
  // `log`, `engine`: as it begins; both durable.
  SimPeer(Config config, SimLog log, SimEngine engine, Term term);

  RawNode& node() { return *node_; }
  const RawNode& node() const { return *node_; }
  const SimEngine& engine() const { return engine_; }
  const SimLog& log() const { return log_; }
  const SimLog& disk_log() const { return disk_.log; }
  uint64_t incarnation() const { return incarnation_; }
  bool is_up() const { return node_ != nullptr; }

  // Takes a Ready and queues its writes and its entries to apply. Its `messages` are the caller's to send.
  Ready take_ready();
  // The oldest write becomes durable. Returns its persisted_messages.
  std::vector<Message> persist_one();
  bool has_writes() const { return !writes_.empty(); }
  // Applies one batch, or installs a snapshot. Returns what was applied.
  std::vector<Entry> apply_one();
  bool has_work_to_apply() const;
  void flush_engine() { durable_engine_ = engine_; }
  // Cuts the log up to `index`, as far as the flushed engine allows.
  void compact(LogIndex index);
  // `durable_writes` of the queued writes reached the disk though nobody was told. All else in memory is lost.
  void crash(size_t durable_writes);
  void restart();

  // The next snapshots are "being made".
  void delay_snapshots(int times) { snapshot_delay_ = times; }

  InitialState initial_state() const override { return {disk_.hard_state, durable_engine_.conf}; }
  Result<std::vector<Entry>, Unavailable> entries(LogIndex low, LogIndex high, size_t max_bytes) const override;
  Result<Term, Unavailable> term(LogIndex index) const override;
  LogIndex first_index() const override { return log_.truncated.next(); }
  LogIndex last_index() const override { return log_.last(); }
  std::optional<RaftSnapshot> snapshot(LogIndex min_index, PeerId to) override;

 private:
  struct Write {
    Ready ready;
    LogIndex compact_to;  // not a Ready: a cut of the prefix
  };
  struct Disk {
    HardState hard_state;
    SimLog log;
    RaftSnapshot snapshot;  // received, perhaps not installed
  };
  struct ApplyItem {
    std::vector<Entry> entries;
    RaftSnapshot snapshot;
    uint64_t ready_number = 0;
  };

  void write_to_disk(const Write& write);
  void apply_entry(const Entry& entry);

  Config config_;
  Disk disk_;
  SimEngine durable_engine_;
  SimLog log_;        // what the owner answers: disk and cache
  SimEngine engine_;  // memory of the engine
  std::deque<Write> writes_;
  std::deque<ApplyItem> apply_queue_;
  uint64_t persisted_number_ = 0;
  int snapshot_delay_ = 0;
  uint64_t incarnation_ = 0;
  std::unique_ptr<RawNode> node_;
};

uint64_t mix(uint64_t hash, uint64_t value);
uint64_t hash_bytes(ByteView bytes);

}  // namespace cairn::raft
