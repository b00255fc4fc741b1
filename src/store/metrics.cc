#include "store/metrics.h"

#include "base/log.h"

namespace cairn::store {
namespace {

metrics::Histogram& time_of(const char* name, const char* help, const metrics::Labels& labels = {}) {
  return metrics::histogram(name, help, metrics::kStepTimes, labels);
}
metrics::Histogram& number_of(const char* name, const char* help, const metrics::Labels& labels = {}) {
  return metrics::histogram(name, help, metrics::kNumbers, labels);
}
metrics::Histogram& bytes_of(const char* name, const char* help) {
  return metrics::histogram(name, help, metrics::kSizes);
}

// Those of TiKV's "batch system", whose pollers are our shards ("store") and appliers ("apply").
metrics::Histogram& poll_wait(const char* type) {
  return time_of("tikv_batch_system_fsm_schedule_wait_seconds", "How long regions wait for their round",
                 {{"type", type}});
}
metrics::Histogram& poll_time(const char* type) {
  return time_of("tikv_batch_system_fsm_poll_seconds", "How long a round takes", {{"type", type}});
}
metrics::Histogram& polled(const char* type) {
  return number_of("tikv_batch_system_fsm_count_per_poll", "Regions in a round", {{"type", type}});
}
metrics::Histogram& inspected(const char* type) {
  return time_of("tikv_raftstore_inspect_duration_seconds", "The longest write between two looks at the disk",
                 {{"type", type}});
}
metrics::Counter& admin(const char* type) {
  return metrics::counter("tikv_raftstore_admin_cmd_total", "Admin commands that were applied",
                          {{"type", type}, {"status", "success"}});
}
metrics::Counter& snapshots(const char* type, const char* status) {
  return metrics::counter("tikv_raftstore_snapshot_total", "Raft snapshots that were made, sent and applied",
                          {{"type", type}, {"status", status}});
}

}  // namespace

StoreMetrics::StoreMetrics()
    : sent({"hup",
            "beat",
            "propose",
            "append",
            "append_resp",
            "vote",
            "vote_resp",
            "snapshot",
            "heartbeat",
            "heartbeat_resp",
            "unreachable",
            "snap_status",
            "check_quorum",
            "transfer_leader",
            "timeout_now",
            "read_index",
            "read_index_resp",
            "prevote",
            "prevote_resp",
            "extra"},
           [](const char* type) -> metrics::Counter& {
             return metrics::counter("tikv_raftstore_raft_sent_message_total", "Raft messages to other stores",
                                     {{"type", type}, {"status", "accept"}});
           }),
      round_wait(poll_wait("store")),
      round_time(poll_time("store")),
      round_regions(polled("store")),
      ready_time(time_of("tikv_raftstore_raft_process_duration_secs", "How long a region's part of a round takes",
                         {{"type", "ready"}})),
      peer_messages(number_of("tikv_raftstore_peer_msg_len", "Things that came for one region of a round")),
      broadcast_time(
          time_of("tikv_broadcast_normal_duration_seconds", "How long a shard tells all its regions something")),
      tick_time(
          time_of("tikv_raftstore_event_duration", "How long a shard's regular work takes", {{"type", "raft_tick"}})),
      apply_wait(poll_wait("apply")),
      apply_time(poll_time("apply")),
      apply_regions(polled("apply")),
      apply_entries(number_of("tikv_raftstore_apply_proposal", "Entries that an applier applies at once")),
      apply_messages(
          number_of("tikv_raftstore_apply_msg_len", "Entries of one region that an applier applies at once")),
      log_wait(time_of("tikv_raftstore_store_write_task_wait_duration_secs",
                       "How long a round's batch waits for the log writer")),
      log_take(time_of("tikv_raftstore_store_write_handle_msg_duration_secs",
                       "How long the log writer takes over what waits for it")),
      log_write(
          time_of("tikv_raftstore_append_log_duration_seconds", "How long the log writer writes and syncs what waits")),
      log_loop(time_of("tikv_raftstore_store_write_loop_duration_seconds",
                       "Likewise, until it has told those who wait for it")),
      log_bytes(bytes_of("tikv_raftstore_store_write_trigger_wb_bytes", "Bytes that the log writer writes at once")),
      longest_log_write(inspected("raft_log")),
      longest_write(inspected("all")),
      local_reads(metrics::counter("tikv_raftstore_local_read_executed_requests",
                                   "Views that were given under the lease, without the shard")),
      local_reads_asked(metrics::counter("tikv_raftstore_local_read_received_requests",
                                         "Views that were asked for without the shard")),
      local_reads_no_lease(metrics::counter("tikv_raftstore_local_read_reject_total",
                                            "Views that were not given without the shard",
                                            {{"reason", "lease_expire"}})),
      local_reads_refused(metrics::counter("tikv_raftstore_local_read_reject_total",
                                           "Views that were not given without the shard", {{"reason", "epoch"}})),
      follower_reads(
          metrics::counter("tikv_raftstore_local_read_executed_follower_read_requests", "Views that replicas gave")),
      follower_reads_asked(metrics::counter("tikv_raftstore_local_read_received_follower_read_requests",
                                            "Views that replicas were asked for")),
      replica_read_locked(time_of("tikv_replica_read_lock_check_duration_seconds",
                                  "How long locks of memory are looked for before a replica may read",
                                  {{"result", "locked"}})),
      replica_read_unlocked(time_of("tikv_replica_read_lock_check_duration_seconds",
                                    "How long locks of memory are looked for before a replica may read",
                                    {{"result", "unlocked"}})),
      busy(metrics::counter("tikv_raftstore_process_busy", "Writes that were refused because too many wait",
                            {{"type", "raft"}})),
      region_bytes(metrics::histogram("tikv_raftstore_region_size", "Bytes of led regions, as PD is told",
                                      {.first = 1 << 20, .count = 16})),
      written_bytes(bytes_of("tikv_region_written_bytes", "Bytes written to a led region between two words to PD")),
      written_keys(number_of("tikv_region_written_keys", "Keys written to a led region between two words to PD")),
      leader_missing(metrics::gauge("tikv_raftstore_leader_missing", "Regions here that have no leader")),
      log_lag(number_of("tikv_raftstore_log_lag", "Entries that a follower is behind")),
      split_checks(metrics::counter("tikv_raftstore_check_split_total", "Regions that were looked at for a split",
                                    {{"type", "all"}})),
      split_checks_found(metrics::counter("tikv_raftstore_check_split_total", "Regions that were looked at for a split",
                                          {{"type", "success"}})),
      split_check_time(metrics::histogram("tikv_raftstore_check_split_duration_seconds",
                                          "How long the keys to split a region at are looked for", metrics::kJobTimes)),
      conf_changes(admin("conf_change")),
      splits(admin("batch-split")),
      compactions(admin("compact")),
      stale_peer_checks(metrics::counter("tikv_raftstore_check_stale_peer",
                                         "Questions whether a peer without leader is still a member")),
      peer_is_gone(metrics::counter("tikv_pd_validate_peer_total", "What PD said of peers that miss their leader",
                                    {{"type", "peer stale"}})),
      peer_is_valid(metrics::counter("tikv_pd_validate_peer_total", "What PD said of peers that miss their leader",
                                     {{"type", "region epoch error"}})),
      snapshots_made(snapshots("generate", "success")),
      snapshots_not_made(snapshots("generate", "fail")),
      snapshots_sent(snapshots("send", "success")),
      snapshots_not_sent(snapshots("send", "fail")),
      snapshots_applied(snapshots("apply", "success")),
      snapshot_make_wait(metrics::histogram("tikv_raftstore_snapshot_generation_wait_duration_seconds",
                                            "How long Raft snapshots wait until they are made", metrics::kJobTimes)),
      snapshot_make_time(metrics::histogram("tikv_raftstore_snapshot_duration_seconds",
                                            "How long Raft snapshots are made and applied", metrics::kJobTimes,
                                            {{"type", "generate"}})),
      snapshot_apply_wait(time_of("tikv_raftstore_snapshot_apply_wait_duration_seconds",
                                  "How long Raft snapshots wait for the applier")),
      snapshot_apply_time(metrics::histogram("tikv_raftstore_snapshot_duration_seconds",
                                             "How long Raft snapshots are made and applied", metrics::kJobTimes,
                                             {{"type", "apply"}})),
      snapshot_bytes(bytes_of("tikv_snapshot_size", "Bytes of Raft snapshots that were made")),
      snapshot_bytes_made(metrics::counter("tikv_snapshot_limit_generate_bytes",
                                           "Bytes of Raft snapshots that were made", {{"type", "io"}})),
      snapshot_bytes_moved(metrics::counter("tikv_snapshot_limit_transport_bytes",
                                            "Bytes of Raft snapshots that were received", {{"type", "recv"}})),
      log_gc_time(
          time_of("tikv_raftstore_event_duration", "How long a shard's regular work takes", {{"type", "raft_log_gc"}})),
      log_gc_write_time(time_of("tikv_raftstore_raft_log_gc_write_duration_secs",
                                "How long the log writer takes over the cutting of logs")),
      ranges_cleared(metrics::counter("tikv_raftstore_clean_region_count", "Ranges of peers that went, cleared",
                                      {{"type", "destroy"}, {"status", "success"}})),
      clear_time(metrics::histogram("tikv_raftstore_clear_overlap_region_duration_seconds",
                                    "How long the range of a peer that went is cleared", metrics::kJobTimes,
                                    {{"type", "by_ingest_files"}})) {}

const StoreMetrics& StoreMetrics::get() {
  static const StoreMetrics of_all;
  return of_all;
}

StoreFigures::StoreFigures(Shared& shared) : shared_(shared), collector_(metrics::on_render([this] { look(); })) {
  // Errors show as 0 before the first.
  Refusals::dropped().add(0);
}

void StoreFigures::look() const {
  const auto set = [](metrics::Gauge& gauge, uint64_t value) { gauge.set(static_cast<double>(value)); };
  static auto& regions =
      metrics::gauge("tikv_raftstore_region_count", "Regions here, and those led here", {{"type", "region"}});
  static auto& leaders =
      metrics::gauge("tikv_raftstore_region_count", "Regions here, and those led here", {{"type", "leader"}});
  static auto& awake =
      metrics::gauge("tikv_raftstore_hibernated_peer_state", "Peers by whether they tick", {{"state", "awaken"}});
  const uint64_t count = shared_.directory.regions().size();
  set(regions, count);
  set(awake, count);
  set(leaders, shared_.counters.leaders);

  const auto traffic = [](const char* type) -> metrics::Gauge& {
    return metrics::gauge("tikv_raftstore_snapshot_traffic_total", "Raft snapshots under way", {{"type", type}});
  };
  static auto& sending = traffic("sending");
  static auto& receiving = traffic("receiving");
  static auto& applying = traffic("applying");
  static auto& pending =
      metrics::gauge("tikv_raftstore_snapshot_pending_applies", "Raft snapshots that are being applied");
  set(sending, shared_.counters.snapshots_sending);
  set(receiving, shared_.counters.snapshots_receiving);
  set(applying, shared_.counters.snapshots_applying);
  set(pending, shared_.counters.snapshots_applying);

  const auto size = [](const char* type) -> metrics::Gauge& {
    return metrics::gauge("tikv_store_size_bytes", "Of the disk, and what of it this store uses", {{"type", type}});
  };
  static auto& capacity = size("capacity");
  static auto& available = size("available");
  static auto& used = size("used");
  const auto space = shared_.deps.kv.space();
  set(capacity, space.capacity);
  set(available, space.available);
  set(used, space.used + shared_.deps.raft_log.used_bytes());

  static auto& slow = metrics::gauge("tikv_raftstore_slow_score", "How slow the disk is, from 1 to 100");
  if (shared_.slow_score) slow.set(shared_.slow_score());

  static auto& read_threads = metrics::gauge("tikv_unified_read_pool_thread_count", "Threads of the read pool");
  read_threads.set(shared_.options.read_threads);

  static auto& max_ts =
      metrics::gauge("tikv_concurrency_manager_max_ts", "The newest timestamp that a reader or PD came with");
  set(max_ts, shared_.concurrency.max_ts().value);
  static auto& max_ts_limit =
      metrics::gauge("tikv_concurrency_manager_max_ts_limit", "Timestamps above this are not believed");
  set(max_ts_limit, shared_.concurrency.limit(shared_.deps.clock.now()).value);
}

}  // namespace cairn::store
