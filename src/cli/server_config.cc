#include "cli/server_config.h"

#include <charconv>

namespace cairn::cli {

Settings settings_of(ServerConfig& config) {
  Settings settings;
  settings.text("server.addr", config.address);
  settings.text("server.advertise-addr", config.advertise_address);
  settings.text("server.status-addr", config.status_address);
  settings.text("server.advertise-status-addr", config.advertise_status_address);
  settings.labels("server.labels", config.store.labels);
  settings.text("storage.data-dir", config.data_dir);
  settings.size("storage.block-cache.capacity", config.kv.block_cache_bytes);
  settings.number("storage.api-version", config.api_version);
  settings.boolean("storage.enable-ttl", config.enable_ttl);
  settings.duration("causal-ts.renew-interval", config.causal_timestamps.renew_interval);
  settings.number("causal-ts.renew-batch-min-size", config.causal_timestamps.batch_min);
  settings.number("causal-ts.renew-batch-max-size", config.causal_timestamps.batch_max);
  settings.duration("causal-ts.alloc-ahead-buffer", config.causal_timestamps.alloc_ahead_buffer);
  settings.size("storage.reserve-space", config.store.reserve_space_bytes);
  settings.size("storage.scheduler-pending-write-threshold", config.store.waiting_write_bytes_max);
  settings.number("storage.flow-control.memtables-threshold", config.kv.memtables_max);
  settings.number("storage.flow-control.l0-files-threshold", config.kv.l0_files_slow);
  settings.size("storage.flow-control.soft-pending-compaction-bytes-limit", config.kv.compaction_bytes_slow);
  settings.size("storage.flow-control.hard-pending-compaction-bytes-limit", config.kv.compaction_bytes_stop);
  settings.size("rocksdb.defaultcf.write-buffer-size", config.kv.write_buffer_bytes);
  settings.size("rocksdb.write-buffer-limit", config.kv.total_write_buffer_bytes);
  settings.list("pd.endpoints", config.pd_endpoints);
  settings.text("log.level", config.log.level);
  settings.text("log.file.filename", config.log.file);
  settings.number("readpool.unified.max-thread-count", config.store.read_threads);

  auto& store = config.store;
  settings.number("raftstore.store-pool-size", store.shards);
  settings.number("storage.txn-status-cache-capacity", store.txn_statuses_max);
  settings.duration("storage.max-ts.max-drift", store.max_ts_drift);
  settings.duration("storage.max-ts.cache-sync-interval", store.max_ts_sync_interval);
  settings.duration("raftstore.raft-base-tick-interval", store.tick);
  settings.number("raftstore.raft-heartbeat-ticks", store.heartbeat_ticks);
  settings.number("raftstore.raft-election-timeout-ticks", store.election_ticks);
  settings.size("raftstore.raft-entry-max-size", store.raft_entry_bytes_max);
  settings.duration("raftstore.raft-log-gc-tick-interval", store.log_gc_interval);
  settings.number("raftstore.raft-log-gc-threshold", store.log_gc_threshold);
  settings.number("raftstore.raft-log-gc-count-limit", store.log_gc_count_max);
  settings.size("raftstore.raft-log-gc-size-limit", store.log_gc_bytes_max);
  settings.duration("raftstore.pd-heartbeat-tick-interval", store.region_heartbeat_interval);
  settings.duration("raftstore.pd-store-heartbeat-tick-interval", store.store_heartbeat_interval);
  settings.duration("raftstore.max-peer-down-duration", store.peer_down_after);
  settings.duration("raftstore.max-leader-missing-duration", store.leader_missing_after);
  settings.duration("raftstore.inspect-interval", store.inspect_interval);
  settings.duration("server.health-feedback-interval", config.health_feedback_interval);
  settings.flag("pessimistic-txn.pipelined", store.pessimistic_pipelined);
  settings.flag("pessimistic-txn.in-memory", store.pessimistic_in_memory);
  settings.size("pessimistic-txn.in-memory-peer-size-limit", store.pessimistic_region_bytes_max);
  settings.size("pessimistic-txn.in-memory-instance-size-limit", store.pessimistic_bytes_max);
  settings.duration("pessimistic-txn.wait-for-lock-timeout", store.wait_for_lock_timeout);
  settings.duration("pessimistic-txn.wake-up-delay-duration", store.wake_up_delay);
  settings.size("coprocessor.region-split-size", store.region_split_bytes);
  settings.number("server.concurrent-send-snap-limit", store.snapshots_sending_max);
  settings.number("server.concurrent-recv-snap-limit", store.snapshots_receiving_max);

  auto& gc = store.gc;
  settings.add("gc.enable-compaction-filter", [&gc](const std::string& value) -> Parsed<void> {
    if (value != "true" && value != "false") return Err("\"" + value + "\" is neither true nor false");
    gc.enable_compaction_filter = value == "true";
    return {};
  });
  settings.add("gc.ratio-threshold", [&gc](const std::string& value) -> Parsed<void> {
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), gc.ratio_threshold);
    if (error != std::errc() || end != value.data() + value.size() || !(gc.ratio_threshold >= 0)) {
      return Err("\"" + value + "\" is not a ratio");
    }
    return {};
  });
  settings.number("gc.batch-keys", gc.batch_keys);
  settings.duration("gc.auto-compaction.check-interval", gc.check_interval);
  // TiKV reads the first form of the name, its manual has the second.
  for (const std::string name : {"tombstones", "tombstone"}) {
    settings.number("gc.auto-compaction." + name + "-num-threshold", gc.tombstones_threshold);
    settings.number("gc.auto-compaction." + name + "-percent-threshold", gc.tombstones_percent_threshold);
  }
  settings.number("gc.auto-compaction.redundant-rows-threshold", gc.redundant_rows_threshold);
  settings.number("gc.auto-compaction.redundant-rows-percent-threshold", gc.redundant_rows_percent_threshold);
  return settings;
}

namespace {

Parsed<rawkv::ApiVersion> api_version(const ServerConfig& config) {
  if (config.api_version == 1) return config.enable_ttl ? rawkv::ApiVersion::kV1Ttl : rawkv::ApiVersion::kV1;
  if (config.api_version != 2) return Err(std::string("storage.api-version can only be set to 1 or 2"));
  if (!config.enable_ttl) {
    return Err(std::string("storage.enable-ttl must be true with storage.api-version 2: its values may expire"));
  }
  return rawkv::ApiVersion::kV2;
}

Parsed<void> check(const rawkv::CausalTimestampOptions& options) {
  if (options.renew_interval <= Duration::zero()) return Err(std::string("causal-ts.renew-interval must be positive"));
  if (options.alloc_ahead_buffer <= Duration::zero()) {
    return Err(std::string("causal-ts.alloc-ahead-buffer must be positive"));
  }
  // PD has 2^18 timestamps a millisecond-step for the whole cluster.
  constexpr uint32_t kLargest = 1 << 17;
  if (options.batch_min == 0 || options.batch_max < options.batch_min || options.batch_max > kLargest) {
    return Err("causal-ts.renew-batch-min-size and causal-ts.renew-batch-max-size must be from 1 to " +
               std::to_string(kLargest) + ", the first not the larger");
  }
  return {};
}

}  // namespace

Parsed<void> complete(ServerConfig& config) {
  TRY_ASSIGN(config.address, parse_address(config.address));
  if (config.advertise_address.empty()) config.advertise_address = config.address;
  TRY_ASSIGN(config.advertise_address, parse_address(config.advertise_address));
  if (config.advertise_address.starts_with("0.0.0.0:")) {
    return Err("clients cannot dial " + config.advertise_address + ": give --advertise-addr");
  }
  if (!config.status_address.empty()) {
    TRY_ASSIGN(config.status_address, parse_address(config.status_address));
    if (config.advertise_status_address.empty()) config.advertise_status_address = config.status_address;
  }
  for (auto& endpoint : config.pd_endpoints) {
    TRY_ASSIGN(endpoint, parse_address(endpoint));
  }
  if (config.pd_endpoints.empty()) return Err(std::string("no PD endpoint is given"));
  if (config.store.heartbeat_ticks <= 0 || config.store.election_ticks <= config.store.heartbeat_ticks) {
    return Err(std::string("raftstore.raft-election-timeout-ticks must be larger than raftstore.raft-heartbeat-ticks"));
  }
  if (config.store.shards < 1 || config.store.shards > 256) {
    return Err(std::string("raftstore.store-pool-size must be from 1 to 256"));
  }
  if (config.store.wait_for_lock_timeout <= Duration{}) {
    return Err(std::string("pessimistic-txn.wait-for-lock-timeout must be positive"));
  }
  if (config.kv.memtables_max < 2)
    return Err(std::string("storage.flow-control.memtables-threshold must be at least 2"));
  if (config.kv.l0_files_slow < 4)
    return Err(std::string("storage.flow-control.l0-files-threshold must be at least 4"));
  if (config.kv.compaction_bytes_stop < config.kv.compaction_bytes_slow) {
    return Err(std::string("storage.flow-control.hard-pending-compaction-bytes-limit must not be below the soft one"));
  }
  if (config.store.read_threads < 1) return Err(std::string("readpool.unified.max-thread-count must be positive"));
  const auto& gc = config.store.gc;
  if (gc.batch_keys == 0) return Err(std::string("gc.batch-keys must be positive"));
  if (gc.check_interval < 1s) return Err(std::string("gc.auto-compaction.check-interval must be at least 1s"));
  if (gc.tombstones_percent_threshold > 100 || gc.redundant_rows_percent_threshold > 100) {
    return Err(std::string("percentages of gc.auto-compaction are at most 100"));
  }
  TRY_ASSIGN(config.store.api_version, api_version(config));
  TRY(check(config.causal_timestamps));
  config.store.address = config.advertise_address;
  config.store.status_address = config.advertise_status_address;
  config.store.deploy_path = config.data_dir;
  return {};
}

}  // namespace cairn::cli
