// The metrics of regions' Raft groups, under TiKV's names. They decide nothing.
#pragma once

#include "base/metrics.h"
#include "engine/region_store.h"

namespace cairn::replica {

// The stages of a write at its leader, each from the end of the one before. A leader applies nothing that its own disk
// does not have, so what is left of the commit then is the wait for the others.
struct WriteMetrics {
  metrics::Histogram& batch_wait;  // from its proposal until its entry leaves
  metrics::Histogram& persist;     // until this store's disk has it
  metrics::Histogram& commit;      // until a majority has it
  metrics::Histogram& apply_wait;  // until the batch begins in which it is applied
  metrics::Histogram& apply;       // until it is applied
  // From its proposal on, until then: TiKV counts its "write flow" so.
  metrics::Histogram& until_queued;  // for the log writer
  metrics::Histogram& until_sent;    // to the followers
  metrics::Histogram& until_write_begun;
  metrics::Histogram& until_written;
  metrics::Histogram& until_persisted;
  metrics::Histogram& until_committed;
  metrics::Histogram& until_applied;
  // What the shard's part takes, and the applier's: TiKV's boards show these two as a write's halves.
  metrics::Histogram& store;      // from its proposal to its commit
  metrics::Histogram& apply_all;  // from there until it is applied

  WriteMetrics();
  static const WriteMetrics& get();
  // Of a write that was applied.
  void note(const engine::WriteTimes& times) const;
};

// What is proposed: tikv_raftstore_proposal_total.
enum class ProposalKind : uint8_t { kAll, kNormal, kReadIndex, kLocalRead, kConfChange, kTransferLeader };

// What a replica does.
struct RaftMetrics {
  metrics::Family<metrics::Counter> proposals;  // by ProposalKind
  metrics::Histogram& proposed_bytes;           // of a write's entry
  metrics::Counter& readies;
  metrics::Counter& readies_with_messages;
  metrics::Counter& readies_with_entries;
  metrics::Counter& readies_with_committed;
  metrics::Counter& readies_with_snapshot;
  // Entries that Raft reads back from its log, by where they were.
  metrics::Counter& entries_cached;
  metrics::Counter& entries_not_cached;
  metrics::Counter& entries_fetched;      // in reads of the log engine, so many times
  metrics::Counter& entry_bytes_evicted;  // from memory
  metrics::Histogram& snapshot_pairs;     // of one Raft snapshot
  // Looks at a leader's log that did not cut it.
  metrics::Counter& log_gc_kept_for_followers;
  metrics::Counter& log_gc_below_threshold;

  RaftMetrics();
  static const RaftMetrics& get();
};

// What is applied: the sizes of the pairs that are put.
struct ApplyMetrics {
  metrics::Histogram& key_bytes =
      metrics::histogram("tikv_raftstore_apply_key_size", "Bytes of a key that is put", {.first = 8, .count = 17});
  metrics::Histogram& value_bytes =
      metrics::histogram("tikv_raftstore_apply_value_size", "Bytes of a value that is put", {.first = 8, .count = 23});

  static const ApplyMetrics& get();
};

}  // namespace cairn::replica
