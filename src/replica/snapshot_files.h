// A region's snapshot as files, in TiKV's form: the default and write column families as SSTs of data keys, the lock
// column family as a plain file of (compact bytes key, compact bytes value)* ended by an empty key. The meta lists them
// in the order default, lock, write with size and CRC-32 each.
//
//   make      reads one consistent view of the engine: records of the region and its data. Any thread.
//   install   makes the files the region's data; can be done again after a crash at any point (see install()).
//
// Tests: store_test.cc.
#pragma once

#include <atomic>
#include <string>
#include <vector>

#include "engine/kv_engine.h"
#include "raft/types.h"
#include "raft_serverpb.pb.h"
#include "replica/wire.h"

namespace cairn::replica {

struct SnapshotFile {
  engine::Cf cf = engine::Cf::kDefault;
  std::string path;
  uint64_t bytes = 0;
  uint32_t checksum = 0;
};

struct MadeSnapshot {
  raft::RaftSnapshot snapshot;  // its data is RaftSnapshotData
  std::vector<SnapshotFile> files;
  uint64_t pairs = 0;  // in them
};

struct MakeOptions {
  RegionId region;
  std::string folder;  // of its own, for the files
  uint64_t sst_bytes_max = 100 << 20;
  WallTime now;
  const std::atomic<bool>* is_canceled = nullptr;  // may be given: the making ends soon after it became true
};
// kInvalid if the region has no data here (any more), or if it was canceled.
engine::Result<MadeSnapshot> make_snapshot(engine::KvEngine& kv, const MakeOptions& options);

// The paths that a snapshot's files have in `folder`, in the order of the meta.
std::vector<SnapshotFile> files_of(const raft_serverpb::RaftSnapshotData& data, const std::string& folder);

// Installs the snapshot: the region's range holds its data, its records say so, all durable. The files are consumed.
//
//   1 the region's old range and its new one are cleared, durably
//   2 the record of the region becomes Applying, durably: step 1 is done
//   3 the SSTs are ingested, family by family
//   4 locks, region state (Normal) and apply state in one batch, flushed
//
// Done again after a crash at any point it ends in the same state. All files must be there, but for SSTs that step 3
// has consumed, which is so only if the record says Applying. Nobody else may have a part of either range.
engine::Result<void> install_snapshot(engine::KvEngine& kv, const raft_serverpb::RaftSnapshotData& data,
                                      const ApplyState& state, const std::string& folder);

// What stands in the log engine's meta slot while a snapshot is being installed.
struct PendingSnapshot {
  raft_serverpb::RaftSnapshotData data;
  ApplyState state;
  std::string folder;
};
Bytes encode(const PendingSnapshot& pending);
std::optional<PendingSnapshot> decode_pending_snapshot(ByteView bytes);

}  // namespace cairn::replica
