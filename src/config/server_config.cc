#include "config/server_config.h"

#include "base/log_output.h"
#include "pd/version.h"

namespace cairn::config {

namespace {

constexpr uint64_t kKiB = uint64_t{1} << 10;
constexpr uint64_t kMiB = uint64_t{1} << 20;
constexpr uint64_t kGiB = uint64_t{1} << 30;
constexpr uint64_t kTiB = uint64_t{1} << 40;
constexpr uint64_t kPiB = uint64_t{1} << 50;
constexpr Duration kDay = 24h;

void add_server(Settings& settings, ServerConfig& config) {
  settings.text("server.addr", config.address);
  settings.text("server.advertise-addr", config.advertise_address);
  settings.text("server.status-addr", config.status_address);
  settings.text("server.advertise-status-addr", config.advertise_status_address);
  settings.labels("server.labels", config.store.labels);
  settings.text("server.tikv-version", config.store.version);
  settings.duration("server.health-feedback-interval", config.health_feedback_interval, {1ms, 1h, Zero::kMeansOff});
  settings.duration("server.graceful-shutdown-timeout", config.graceful_shutdown_timeout, {1s, 1h, Zero::kMeansOff});
  settings.number("server.concurrent-send-snap-limit", config.store.snapshots_sending_max, {1, 1024});
  settings.number("server.concurrent-recv-snap-limit", config.store.snapshots_receiving_max, {1, 1024});
  settings.number("readpool.unified.max-thread-count", config.store.read_threads, {1, 256});
  settings.number("readpool.unified.max-tasks-per-worker", config.read_tasks_per_thread, {2, 1'000'000});
  settings.list("pd.endpoints", config.pd_endpoints);
  settings.choice("log.level", config.log.level, log::levels());
  settings.text("log.file.filename", config.log.file);
}

void add_security(Settings& settings, net::TlsOptions& security) {
  settings.text("security.ca-path", security.ca_path);
  settings.text("security.cert-path", security.cert_path);
  settings.text("security.key-path", security.key_path);
  settings.text("security.crl-path", security.crl_path);
  settings.list("security.cert-allowed-cn", security.allowed_cn);
  settings.list("security.cert-allowed-san", security.allowed_san);
}

void add_storage(Settings& settings, ServerConfig& config) {
  auto& store = config.store;
  auto& kv = config.kv;
  settings.text("storage.data-dir", config.data_dir);
  settings.number("storage.api-version", config.api_version, {1, 2});
  settings.boolean("storage.enable-ttl", config.enable_ttl);
  settings.size("storage.block-cache.capacity", kv.block_cache_bytes, {kMiB, 64 * kTiB});
  settings.size("storage.reserve-space", store.reserve_space_bytes, {kMiB, kPiB, Zero::kMeansOff});
  settings.size("storage.scheduler-pending-write-threshold", store.waiting_write_bytes_max, {kMiB, kTiB});
  settings.number("storage.flow-control.memtables-threshold", kv.memtables_max, {2, 64});
  settings.number("storage.flow-control.l0-files-threshold", kv.l0_files_slow, {4, 10'000});
  settings.size("storage.flow-control.soft-pending-compaction-bytes-limit", kv.compaction_bytes_slow, {kGiB, kPiB});
  settings.size("storage.flow-control.hard-pending-compaction-bytes-limit", kv.compaction_bytes_stop, {kGiB, kPiB});
  settings.size("rocksdb.defaultcf.write-buffer-size", kv.write_buffer_bytes, {64 * kKiB, 8 * kGiB});
  settings.size("rocksdb.write-buffer-limit", kv.total_write_buffer_bytes, {kMiB, kTiB});
  settings.number("storage.txn-status-cache-capacity", store.txn_statuses_max, {0, 1 << 26});
  settings.duration("storage.max-ts.max-drift", store.max_ts_drift, {1s, kDay});
  settings.duration("storage.max-ts.cache-sync-interval", store.max_ts_sync_interval, {100ms, 12h});

  auto& causal = config.causal_timestamps;
  // PD has 2^18 timestamps a millisecond-step for the whole cluster.
  constexpr uint64_t kBatchMax = 1 << 17;
  settings.duration("causal-ts.renew-interval", causal.renew_interval, {1ms, 1min});
  settings.number("causal-ts.renew-batch-min-size", causal.batch_min, {1, kBatchMax});
  settings.number("causal-ts.renew-batch-max-size", causal.batch_max, {1, kBatchMax});
  settings.duration("causal-ts.alloc-ahead-buffer", causal.alloc_ahead_buffer, {1ms, 1h});
}

void add_raftstore(Settings& settings, store::StoreOptions& store) {
  settings.number("raftstore.store-pool-size", store.shards, {1, 256});
  settings.duration("raftstore.raft-base-tick-interval", store.tick, {5ms, 1min});
  settings.number("raftstore.raft-heartbeat-ticks", store.heartbeat_ticks, {1, 1000});
  settings.number("raftstore.raft-election-timeout-ticks", store.election_ticks, {2, 10'000});
  settings.size("raftstore.raft-entry-max-size", store.raft_entry_bytes_max, {64 * kKiB, kGiB});
  settings.size("raftstore.raft-max-size-per-msg", store.append_bytes_max, {kKiB, 64 * kMiB});
  settings.number("raftstore.raft-max-inflight-msgs", store.inflight_appends_max, {1, 16384});
  settings.duration("raftstore.raft-log-gc-tick-interval", store.log_gc_interval, {10ms, 1h});
  settings.number("raftstore.raft-log-gc-threshold", store.log_gc_threshold, {1, 1'000'000'000});
  settings.number("raftstore.raft-log-gc-count-limit", store.log_gc_count_max, {1, 1'000'000'000});
  settings.size("raftstore.raft-log-gc-size-limit", store.log_gc_bytes_max, {64 * kKiB, kTiB});
  settings.duration("raftstore.pd-heartbeat-tick-interval", store.region_heartbeat_interval, {100ms, 1h});
  settings.duration("raftstore.pd-store-heartbeat-tick-interval", store.store_heartbeat_interval, {100ms, 10min});
  settings.duration("raftstore.max-peer-down-duration", store.peer_down_after, {1s, 365 * kDay});
  settings.duration("raftstore.max-leader-missing-duration", store.leader_missing_after, {1s, 365 * kDay});
  settings.duration("raftstore.inspect-interval", store.inspect_interval, {1ms, 1h, Zero::kMeansOff});
  settings.size("coprocessor.region-split-size", store.region_split_bytes, {kMiB, kTiB, Zero::kMeansOff});
}

void add_pessimistic(Settings& settings, store::StoreOptions& store) {
  settings.boolean("pessimistic-txn.pipelined", store.pessimistic_pipelined);
  settings.boolean("pessimistic-txn.in-memory", store.pessimistic_in_memory);
  settings.size("pessimistic-txn.in-memory-peer-size-limit", store.pessimistic_region_bytes_max, {0, kTiB});
  settings.size("pessimistic-txn.in-memory-instance-size-limit", store.pessimistic_bytes_max, {0, kTiB});
  settings.duration("pessimistic-txn.wait-for-lock-timeout", store.wait_for_lock_timeout, {1ms, 1h});
  settings.duration("pessimistic-txn.wake-up-delay-duration", store.wake_up_delay, {Duration{}, 1min});
}

void add_gc(Settings& settings, store::GcOptions& gc) {
  constexpr uint64_t kRows = 1'000'000'000'000;
  settings.boolean("gc.enable-compaction-filter", gc.enable_compaction_filter);
  settings.ratio("gc.ratio-threshold", gc.ratio_threshold, {0, 1000});
  settings.number("gc.batch-keys", gc.batch_keys, {1, 1'000'000});
  settings.duration("gc.auto-compaction.check-interval", gc.check_interval, {1s, 365 * kDay});
  // TiKV reads the first form of the name, its manual has the second.
  for (const std::string name : {"tombstones", "tombstone"}) {
    settings.number("gc.auto-compaction." + name + "-num-threshold", gc.tombstones_threshold, {0, kRows});
    settings.number("gc.auto-compaction." + name + "-percent-threshold", gc.tombstones_percent_threshold, {0, 100});
  }
  settings.number("gc.auto-compaction.redundant-rows-threshold", gc.redundant_rows_threshold, {0, kRows});
  settings.number("gc.auto-compaction.redundant-rows-percent-threshold", gc.redundant_rows_percent_threshold, {0, 100});
}

}  // namespace

Settings settings_of(ServerConfig& config) {
  Settings settings;
  add_server(settings, config);
  add_security(settings, config.security);
  add_storage(settings, config);
  add_raftstore(settings, config.store);
  add_pessimistic(settings, config.store);
  add_gc(settings, config.store.gc);
  return settings;
}

namespace {

Parsed<rawkv::ApiVersion> api_version(const ServerConfig& config) {
  if (config.api_version == 1) return config.enable_ttl ? rawkv::ApiVersion::kV1Ttl : rawkv::ApiVersion::kV1;
  if (!config.enable_ttl) {
    return Err(std::string("storage.enable-ttl must be true with storage.api-version 2: its values may expire"));
  }
  return rawkv::ApiVersion::kV2;
}

// What two settings must be to one another.
Parsed<void> check_pairs(const ServerConfig& config) {
  const auto& store = config.store;
  const auto refuse = [](const std::string& what) { return Err(what); };
  if (store.election_ticks <= store.heartbeat_ticks) {
    return refuse("raftstore.raft-election-timeout-ticks must be larger than raftstore.raft-heartbeat-ticks");
  }
  if (store.log_gc_count_max < store.log_gc_threshold) {
    return refuse("raftstore.raft-log-gc-count-limit must not be below raftstore.raft-log-gc-threshold");
  }
  if (store.max_ts_sync_interval >= store.max_ts_drift) {
    return refuse("storage.max-ts.cache-sync-interval must be below storage.max-ts.max-drift");
  }
  if (config.kv.compaction_bytes_stop < config.kv.compaction_bytes_slow) {
    return refuse("storage.flow-control.hard-pending-compaction-bytes-limit must not be below the soft one");
  }
  if (config.causal_timestamps.batch_max < config.causal_timestamps.batch_min) {
    return refuse("causal-ts.renew-batch-max-size must not be below causal-ts.renew-batch-min-size");
  }
  return {};
}

// The error names the setting.
Parsed<std::string> named(const std::string& name, Parsed<std::string> address) {
  if (!address.ok()) return Err(name + ": " + address.error());
  return address;
}

// As TiKV has it: all or none.
Parsed<void> check_security(const net::TlsOptions& security) {
  if (!security.is_on()) {
    const bool has_more = !security.crl_path.empty() || !security.allowed_cn.empty() || !security.allowed_san.empty();
    if (has_more) return Err(std::string("security: without ca-path, cert-path and key-path there is no TLS"));
    return {};
  }
  if (security.ca_path.empty() || security.cert_path.empty() || security.key_path.empty()) {
    return Err(std::string("security: ca-path, cert-path and key-path should be all configured"));
  }
  return {};
}

Parsed<void> complete_addresses(ServerConfig& config) {
  const Tls tls = config.security.is_on() ? Tls::kOn : Tls::kOff;
  TRY_ASSIGN(config.address, named("server.addr", parse_address(config.address, tls)));
  if (config.advertise_address.empty()) config.advertise_address = config.address;
  TRY_ASSIGN(config.advertise_address,
             named("server.advertise-addr", parse_advertised_address(config.advertise_address, tls)));
  if (!config.status_address.empty()) {
    TRY_ASSIGN(config.status_address, named("server.status-addr", parse_address(config.status_address, tls)));
  }
  if (!config.advertise_status_address.empty()) {
    TRY_ASSIGN(config.advertise_status_address,
               named("server.advertise-status-addr", parse_advertised_address(config.advertise_status_address, tls)));
  } else {
    config.advertise_status_address = config.status_address;  // as TiKV has it, even if nobody can dial it
  }
  for (auto& endpoint : config.pd_endpoints) {
    TRY_ASSIGN(endpoint, named("pd.endpoints", parse_address(endpoint, tls)));  // 0.0.0.0 is PD on this machine
  }
  if (config.pd_endpoints.empty()) return Err(std::string("pd.endpoints: no PD endpoint is given"));
  return {};
}

}  // namespace

Parsed<void> complete(ServerConfig& config) {
  TRY(check_security(config.security));
  TRY(complete_addresses(config));
  if (config.data_dir.empty()) return Err(std::string("storage.data-dir: no directory is given"));
  if (!pd::Version::parse(config.store.version)) {
    return Err("server.tikv-version: \"" + config.store.version + "\" is no version: as in 9.0.0");
  }
  TRY(check_pairs(config));
  TRY_ASSIGN(config.store.api_version, api_version(config));
  config.store.address = config.advertise_address;
  config.store.status_address = config.advertise_status_address;
  config.store.deploy_path = config.data_dir;
  return {};
}

}  // namespace cairn::config
