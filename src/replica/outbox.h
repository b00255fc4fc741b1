// Outbox: what the replicas of a shard want done at the end of a round; and what comes back. The shard hands the log
// batch to the LogWriter, the apply tasks to the Applier and the messages to the transport, all regions' together.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "engine/raft_log_engine.h"
#include "raft_serverpb.pb.h"
#include "replica/apply.h"
#include "replica/snapshot_files.h"

namespace cairn::replica {

// Tells lives of one region id on this store apart: what a former replica asked for does not reach its successor.
using Incarnation = uint64_t;

// When a log batch came to its stages.
struct LogTimes {
  Instant queued, begun, ended;
};

// Ready `number` of the replica is in the log batch (or in one before).
struct PersistTicket {
  RegionId region;
  Incarnation incarnation = 0;
  uint64_t number = 0;
};

struct ApplyEntries {
  std::vector<raft::Entry> entries;
};
struct InstallSnapshot {
  PendingSnapshot snapshot;
};
// Write the tombstone; nothing of the region is applied afterwards. Its data and its log go once that is on disk.
struct DestroyPeer {
  metapb::Region region;
};
struct ApplyTask {
  RegionId region;
  Incarnation incarnation = 0;
  std::variant<ApplyEntries, InstallSnapshot, DestroyPeer> work;
};

struct ApplyReport {
  RegionId region;
  Incarnation incarnation = 0;
  std::vector<AppliedEntry> entries;
  LogIndex applied;
  Term applied_term;
  uint64_t sequence = 0;  // of the engine's batch
  ApplyMachine::Written written;
  Instant begun, finished;  // of the batch
  bool installed = false;   // a snapshot: `applied` is its index, the region is `installed_region`
  metapb::Region installed_region;
  std::optional<metapb::Region> destroyed;  // as the tombstone has it: what it held
};

// A snapshot's message, to be sent with its files. `keep_alive` releases the files.
struct OutgoingSnapshot {
  raft_serverpb::RaftMessage message;
  std::vector<SnapshotFile> files;
  std::shared_ptr<void> keep_alive;
};

struct Outbox {
  std::unique_ptr<engine::RaftLogBatch> log;
  bool sync = false;
  std::vector<PersistTicket> tickets;
  std::vector<raft_serverpb::RaftMessage> messages;
  std::vector<OutgoingSnapshot> snapshots;
  std::vector<ApplyTask> apply;
  std::vector<RegionId> snapshots_wanted;
  std::vector<std::string> folders_to_remove;  // received snapshots that nobody wants
};

}  // namespace cairn::replica
