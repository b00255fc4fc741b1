// Settings and limits of a store, in one place. Defaults are those of a production node; tests shorten them.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "base/ids.h"
#include "base/time.h"
#include "rawkv/api_version.h"

namespace cairn::store {

// Garbage collection (gc_worker.h); names and defaults are TiKV's gc.*.
struct GcOptions {
  bool enable_compaction_filter = true;  // else old versions stay
  size_t batch_keys = 512;               // collected by hand in one batch
  Duration poll_interval = 10s;          // of PD's safe point
  // Looks for ranges to compact. Of a table, the part of tombstones or of redundant records that makes it worth while;
  // both the number and the percentage must be reached, and versions a row above the ratio.
  Duration check_interval = 300s;
  uint64_t tombstones_threshold = 10'000;
  uint64_t tombstones_percent_threshold = 30;
  uint64_t redundant_rows_threshold = 50'000;
  uint64_t redundant_rows_percent_threshold = 20;
  double ratio_threshold = 1.1;
};

struct StoreOptions {
  // What PD and clients are told.
  ClusterId cluster;              // as PD named it; unset: asked of PD by GetMembers at start
  std::string address;            // where clients reach this store
  std::string peer_address;       // where stores reach it; empty: `address`
  std::string status_address;     // HTTP status port
  std::string version = "9.0.0";  // of TiKV, as which this store behaves: PD and clients gate features on it
  std::string git_hash;
  std::string deploy_path;
  std::map<std::string, std::string> labels;
  bool tells_engine = true;  // to PD, in a label (replica/known_stores.h). Not: what plays a TiKV
  rawkv::ApiVersion api_version = rawkv::ApiVersion::kV1;  // how keys and raw values are laid out

  // Threads.
  int shards = 1;            // each owns a share of the regions; default of the binary: max(1, cores / 2)
  int read_threads = 2;      // the read pool; and as many for what commands have to read from the disk
  int snapshot_threads = 1;  // making snapshots

  // Raft.
  Duration tick = 50ms;
  int election_ticks = 12;  // 600 ms without a word from the leader, random to twice that if it may live
  int heartbeat_ticks = 4;
  uint64_t raft_entry_bytes_max = 8 << 20;   // a larger write is RaftEntryTooLarge
  uint64_t append_bytes_max = 1 << 20;       // entries in one append; one entry may be larger
  int inflight_appends_max = 256;            // under way to one follower of a region
  uint64_t entry_cache_bytes_max = 1 << 20;  // a region; recent applied entries kept for slow followers
  uint64_t proposals_max = 4096;             // a region, unapplied; beyond: ServerIsBusy
  uint64_t proposals_bytes_max = 64 << 20;   // a region, unapplied
  uint64_t pending_reads_max = 16384;        // a region, waiting for a read index
  // Of all regions, proposed and not applied yet: when the engine is slower than the clients; beyond: ServerIsBusy.
  uint64_t waiting_write_bytes_max = 100 << 20;

  // Kept free on the disk (disk_room.h); 0: the disk is not looked at.
  uint64_t reserve_space_bytes = uint64_t{1} << 30;

  // Pessimistic transactions.
  bool pessimistic_pipelined = true;                     // those that go through Raft are answered once proposed
  bool pessimistic_in_memory = true;                     // locks may stay in memory
  uint64_t pessimistic_region_bytes_max = 512u << 10;    // of them, a region
  uint64_t pessimistic_bytes_max = uint64_t{100} << 20;  // of them, this store
  Duration wait_for_lock_timeout = 1s;                   // the longest wait for a lock
  Duration wake_up_delay = 20ms;                         // of those who are not first in the queue for a lock
  uint64_t lock_waiters_max = 10'000;                    // a shard; beyond: ServerIsBusy

  // Transactions.
  size_t txn_statuses_max = 512 << 10;  // a shard; finished transactions that are remembered for half a minute
  Duration max_ts_drift = 60s;          // timestamps further ahead of PD's are refused
  Duration max_ts_sync_interval = 15s;  // how often PD is asked for a timestamp to compare with

  // Log compaction.
  Duration log_gc_interval = 3s;
  uint64_t log_gc_threshold = 50;         // fewer compactable entries are left
  uint64_t log_gc_count_max = 192 << 10;  // more entries are cut even if a follower still needs them
  uint64_t log_gc_bytes_max = 192 << 20;
  uint64_t raft_log_flush_bytes = 512 << 20;  // a larger log asks the engine for a flush, so that it can be cut

  // Splitting by size.
  Duration split_check_interval = 10s;
  uint64_t region_split_bytes = 256 << 20;  // a region larger than 1.5 times this is halved; 0: never

  GcOptions gc;

  Duration inspect_interval = 100ms;  // of looks at the disk's writes; one that takes as long is a slow one. 0: none

  // Heartbeats.
  Duration store_heartbeat_interval = 10s;
  Duration region_heartbeat_interval = 60s;
  Duration region_heartbeat_interval_unhealthy = 10s;  // while peers are down or pending
  Duration peer_down_after = 10s;         // reported to PD as down; how long PD then waits is PD's max-store-down-time
  Duration leader_missing_after = 7200s;  // asks PD whether this peer still exists
  Duration pd_timeout = 3s;               // one call
  Duration pd_retry_delay = 1s;

  // Snapshots.
  int snapshots_sending_max = 32;    // made or sent at a time; the others are asked for again
  int snapshots_receiving_max = 32;  // beyond: refused
  uint64_t snapshot_sst_bytes_max = 100 << 20;
};

}  // namespace cairn::store
