// A store's metrics, under TiKV's names. They decide nothing. What is counted by the actor that does it stands in
// StoreMetrics; what is only looked at, StoreFigures sets when somebody asks for the page.
#pragma once

#include "base/metrics.h"
#include "engine/region_metrics.h"
#include "store/shared.h"

namespace cairn::store {

struct StoreMetrics {
  // Messages to other stores, by eraftpb::MessageType.
  metrics::Family<metrics::Counter> sent;

  // A shard's round, and an applier's.
  metrics::Histogram& round_wait;  // from the first region that is touched until the round
  metrics::Histogram& round_time;
  metrics::Histogram& round_regions;
  metrics::Histogram& ready_time;      // of one region in a round
  metrics::Histogram& peer_messages;   // that one region had in a round
  metrics::Histogram& broadcast_time;  // of telling all regions something
  metrics::Histogram& tick_time;
  metrics::Histogram& apply_wait;      // of entries, in the applier's queue
  metrics::Histogram& apply_time;      // of one run
  metrics::Histogram& apply_regions;   // whose entries one run applies
  metrics::Histogram& apply_entries;   // of one run
  metrics::Histogram& apply_messages;  // entries of one region in a run

  // The log writer.
  metrics::Histogram& log_wait;   // of a round's batch, until the writer takes it
  metrics::Histogram& log_take;   // of all that waits
  metrics::Histogram& log_write;  // of all that waits, with its fsync
  metrics::Histogram& log_loop;   // with the answers
  metrics::Histogram& log_bytes;  // that it writes at once

  // The longest write between two looks at the disk: of the log, and of all.
  metrics::Histogram& longest_log_write;
  metrics::Histogram& longest_write;

  // Requests.
  engine::RegionRequestMetrics read_index{"snapshot_read_index_confirm"};
  engine::RegionRequestMetrics write{"write"};
  metrics::Counter& local_reads;  // under the lease, without the shard
  metrics::Counter& local_reads_asked;
  metrics::Counter& local_reads_no_lease;
  metrics::Counter& local_reads_refused;
  metrics::Counter& follower_reads;
  metrics::Counter& follower_reads_asked;
  metrics::Histogram& replica_read_locked;  // looks for locks of memory before a replica may read
  metrics::Histogram& replica_read_unlocked;
  metrics::Counter& busy;  // writes that were refused because too many wait

  // Regions.
  metrics::Histogram& region_bytes;   // of led ones, as PD is told
  metrics::Histogram& written_bytes;  // to a led region between two words to PD
  metrics::Histogram& written_keys;
  metrics::Gauge& leader_missing;
  metrics::Histogram& log_lag;  // of followers, in entries
  metrics::Counter& split_checks;
  metrics::Counter& split_checks_found;  // a region that is to be split
  metrics::Histogram& split_check_time;
  metrics::Counter& conf_changes;
  metrics::Counter& splits;
  metrics::Counter& compactions;        // of logs
  metrics::Counter& stale_peer_checks;  // questions whether a peer without leader is still a member
  metrics::Counter& peer_is_gone;
  metrics::Counter& peer_is_valid;

  // Raft snapshots.
  metrics::Counter& snapshots_made;
  metrics::Counter& snapshots_not_made;
  metrics::Counter& snapshots_sent;
  metrics::Counter& snapshots_not_sent;
  metrics::Counter& snapshots_applied;
  metrics::Histogram& snapshot_make_wait;
  metrics::Histogram& snapshot_make_time;
  metrics::Histogram& snapshot_apply_wait;
  metrics::Histogram& snapshot_apply_time;
  metrics::Histogram& snapshot_bytes;
  metrics::Counter& snapshot_bytes_made;
  metrics::Counter& snapshot_bytes_moved;  // by the network, both ways

  // Cutting logs.
  metrics::Histogram& log_gc_time;
  metrics::Histogram& log_gc_write_time;

  // Clearing what peers that went have left.
  metrics::Counter& ranges_cleared;
  metrics::Histogram& clear_time;

  StoreMetrics();
  static const StoreMetrics& get();
};

// What is looked at: regions, leaders, snapshots under way, space, how the disk is.
class StoreFigures {
 public:
  explicit StoreFigures(Shared& shared);

 private:
  void look() const;

  Shared& shared_;
  const metrics::CollectorPtr collector_;
};

}  // namespace cairn::store
