#include "replica/metrics.h"

namespace cairn::replica {
namespace {

metrics::Histogram& time_of(const char* name, const char* help) {
  return metrics::histogram(name, help, metrics::kStepTimes);
}

metrics::Counter& handled(const char* type) {
  return metrics::counter("tikv_raftstore_raft_ready_handled_total", "What Raft groups wanted done", {{"type", type}});
}

metrics::Counter& fetched(const char* type) {
  return metrics::counter("tikv_raftstore_entry_fetches", "Reads of entries that Raft asks its log for",
                          {{"type", type}});
}
metrics::Counter& not_cut(const char* reason) {
  return metrics::counter("tikv_raftstore_raft_log_gc_skipped", "Looks at a leader's log that did not cut it",
                          {{"reason", reason}});
}

void observe(metrics::Histogram& histogram, Instant from, Instant to) {
  if (from != Instant() && to != Instant()) histogram.observe(to - from);
}

}  // namespace

WriteMetrics::WriteMetrics()
    : batch_wait(time_of("tikv_raftstore_store_wf_batch_wait_duration_seconds",
                         "From a write's proposal until its entry goes to the disk and to the followers")),
      persist(time_of("cairn_raftstore_persist_log_duration_seconds",
                      "From there until the leader hears that its disk has the entry")),
      commit(time_of("tikv_raftstore_commit_log_duration_seconds",
                     "From there until the leader hears that a majority has it")),
      apply_wait(time_of("tikv_raftstore_apply_wait_time_duration_secs",
                         "From a write's commit until the batch begins in which it is applied")),
      apply(time_of("tikv_raftstore_apply_log_duration_seconds", "From there until it is applied")),
      until_queued(time_of("tikv_raftstore_store_wf_send_to_queue_duration_seconds",
                           "From a write's proposal until its entry has gone to the log writer")),
      until_sent(time_of("tikv_raftstore_store_wf_send_proposal_duration_seconds",
                         "From a write's proposal until its entry has gone to the followers")),
      until_write_begun(time_of("tikv_raftstore_store_wf_before_write_duration_seconds",
                                "From a write's proposal until the log writer writes its entry")),
      until_written(time_of("tikv_raftstore_store_wf_write_end_duration_seconds",
                            "From a write's proposal until the log writer has written and synced its entry")),
      until_persisted(time_of("tikv_raftstore_store_wf_persist_duration_seconds",
                              "From a write's proposal until the leader's disk has its entry")),
      until_committed(time_of("tikv_raftstore_store_wf_commit_log_duration_seconds",
                              "From a write's proposal until a majority has its entry")),
      until_applied(time_of("tikv_raftstore_store_wf_write_kvdb_end_duration_seconds",
                            "From a write's proposal until it is applied")),
      store(time_of("tikv_raftstore_store_duration_secs", "From a write's proposal to its commit")),
      apply_all(time_of("tikv_raftstore_apply_duration_secs", "From a write's commit until it is applied")) {}

const WriteMetrics& WriteMetrics::get() {
  static const WriteMetrics of_all;
  return of_all;
}

void WriteMetrics::note(const engine::WriteTimes& times) const {
  observe(batch_wait, times.proposed, times.sent);
  observe(persist, times.sent, times.persisted);
  observe(commit, times.persisted == Instant() ? times.sent : times.persisted, times.committed);
  observe(apply_wait, times.committed, times.apply_begun);
  observe(apply, times.apply_begun, times.applied);
  observe(until_queued, times.proposed, times.queued);
  observe(until_sent, times.proposed, times.queued);
  observe(until_write_begun, times.proposed, times.write_begun);
  observe(until_written, times.proposed, times.written);
  observe(until_persisted, times.proposed, times.persisted);
  observe(until_committed, times.proposed, times.committed);
  observe(until_applied, times.proposed, times.applied);
  observe(store, times.proposed, times.committed);
  observe(apply_all, times.committed, times.applied);
}

RaftMetrics::RaftMetrics()
    : proposals({"all", "normal", "read_index", "local_read", "conf_change", "transfer_leader"},
                [](const char* type) -> metrics::Counter& {
                  return metrics::counter("tikv_raftstore_proposal_total", "What was asked of Raft groups",
                                          {{"type", type}});
                }),
      proposed_bytes(
          metrics::histogram("tikv_raftstore_propose_log_size", "Bytes of proposed entries", metrics::kSizes)),
      readies(handled("has_ready_region")),
      readies_with_messages(handled("message")),
      readies_with_entries(handled("append")),
      readies_with_committed(handled("commit")),
      readies_with_snapshot(handled("snapshot")),
      entries_cached(fetched("hit")),
      entries_not_cached(fetched("miss")),
      entries_fetched(fetched("sync_fetch")),
      entry_bytes_evicted(metrics::counter("tikv_raft_entries_evict_bytes", "Bytes of entries that left memory")),
      snapshot_pairs(metrics::histogram("tikv_snapshot_kv_count", "Pairs in a Raft snapshot that was made",
                                        {.first = 100, .count = 21})),
      log_gc_kept_for_followers(not_cut("reserve_log")),
      log_gc_below_threshold(not_cut("threshold_limit")) {}

const ApplyMetrics& ApplyMetrics::get() {
  static const ApplyMetrics of_all;
  return of_all;
}

const RaftMetrics& RaftMetrics::get() {
  static const RaftMetrics of_all;
  return of_all;
}

}  // namespace cairn::replica
