#include "config/server_config.h"

#include "config/log_settings.h"
#include "pd/cluster/version.h"

namespace cairn::config {

namespace {

constexpr uint64_t kKiB = uint64_t{1} << 10;
constexpr uint64_t kMiB = uint64_t{1} << 20;
constexpr uint64_t kGiB = uint64_t{1} << 30;
constexpr uint64_t kTiB = uint64_t{1} << 40;
constexpr uint64_t kPiB = uint64_t{1} << 50;
constexpr Duration kDay = 24h;

void add_server(Settings& settings, ServerConfig& config) {
  settings.text("server.addr", config.address, {.sentence = "where it listens", .flag = "--addr,-A"});
  settings.text("server.advertise-addr", config.advertise_address,
                {.sentence = "what clients and other stores dial",
                 .flag = "--advertise-addr",
                 .default_words = "the address it listens on"});
  settings.text("server.status-addr", config.status_address,
                {.sentence = "`/status`, `/health`, `/metrics`, `/config` and `/regions` over HTTP; `--addr` serves "
                             "them, too, but for `/config`",
                 .flag = "--status-addr"});
  settings.text("server.advertise-status-addr", config.advertise_status_address,
                {.sentence = "what others dial to reach the status port",
                 .flag = "--advertise-status-addr",
                 .default_words = "the status address"});
  settings.labels("server.labels", config.store.labels,
                  {.sentence = "`zone=a,host=b`: where it stands. `engine-family` is the store's own, see [Beside "
                               "TiKV](operations.md#beside-tikv)",
                   .flag = "--labels,--label",
                   .default_words = "none"});
  settings.text("server.tikv-version", config.store.version,
                {"the version of TiKV that PD and clients are told: the one whose behaviour is tested. PD refuses a "
                 "store that is older than its cluster; see [Beside TiKV](operations.md#beside-tikv)"});
  settings.duration("server.health-feedback-interval", config.health_feedback_interval, {1ms, 1h, Zero::kMeansOff},
                    {"how often the answers of BatchCommands carry the score of slowness "
                     "(`raftstore.inspect-interval`); `0s`: only when a client asks"});
  settings.duration("server.graceful-shutdown-timeout", config.graceful_shutdown_timeout, {1s, 1h, Zero::kMeansOff},
                    live("how long a store that is told to stop (SIGTERM) may take to hand its leaders to other "
                         "stores; it serves meanwhile. `0`: it stops at once"));
  settings.number("server.concurrent-send-snap-limit", config.store.snapshots_sending_max, {1, 1024},
                  live("snapshots that are sent at once"));
  settings.number("server.concurrent-recv-snap-limit", config.store.snapshots_receiving_max, {1, 1024},
                  live("snapshots that are received at once"));
  settings.number("server.grpc-concurrency", config.network_threads, {1, 256},
                  {.sentence = "threads that serve connections, each of which stays with its thread. Where one thread "
                               "owns regions (`raftstore.store-pool-size`), it is the first of these",
                   .default_words = "a quarter of the cores, at least one"});
  settings.choice("server.grpc-compression-type", config.answer_compression, {"none", "deflate", "gzip"},
                  {"how answers are compressed for clients that take it; clients compress their requests as they like, "
                   "and messages to other stores are not compressed"});
  settings.size("server.grpc-min-message-size-to-compress", config.compressed_bytes_min, {0, kGiB},
                {"answers smaller than this are not compressed"});
  settings.number("readpool.unified.max-thread-count", config.store.read_threads, {1, 256}, {"threads that read"});
  settings.number("readpool.unified.max-tasks-per-worker", config.read_tasks_per_thread, {2, 1'000'000},
                  live("reads for each thread of the read pool that are under way or wait for their turn; more are "
                       "refused (ServerIsBusy). Clients take turns by the time that they use, so one that asks for "
                       "much does not hold up the others"));
  settings.duration("pd.retry-interval", config.store.pd_retry_delay, {10ms, 1min},
                    {"how long the store waits before it asks PD again"});
  settings.list(
      "pd.endpoints", config.pd_endpoints,
      {.sentence = "where PD is; several are separated by commas", .flag = "--pd-endpoints,--pd,--pd-endpoint"});
}

void add_security(Settings& settings, net::TlsOptions& security) {
  settings.text("security.ca-path", security.ca_path,
                {.sentence = "the CAs that sign everybody's certificates (PEM). With this and the next two everything "
                             "is TLS, see [TLS](operations.md#tls)",
                 .flag = "--cacert",
                 .default_words = "none"});
  settings.text("security.cert-path", security.cert_path,
                {.sentence = "this store's certificate, with those between it and the CA (PEM)",
                 .flag = "--cert",
                 .default_words = "none"});
  settings.text(
      "security.key-path", security.key_path,
      {.sentence = "the key of this store's certificate (PEM, no password)", .flag = "--key", .default_words = "none"});
  settings.text("security.crl-path", security.crl_path,
                {.sentence = "certificates that are revoked (PEM), of the CAs that sign certificates of nodes and "
                             "clients; a list that has expired refuses everybody",
                 .default_words = "none"});
  settings.list(
      "security.cert-allowed-cn", security.allowed_cn,
      {.sentence =
           "common names, one of which a client's certificate must have; none: any certificate of the CAs will do",
       .default_words = "none"});
  settings.list("security.cert-allowed-san", security.allowed_san,
                {.sentence = "alternative names (DNS names, addresses, URIs), one of which a client's certificate must "
                             "have; none: any will do",
                 .default_words = "none"});
}

void add_storage(Settings& settings, ServerConfig& config) {
  auto& store = config.store;
  auto& kv = config.kv;
  settings.text("storage.data-dir", config.data_dir,
                {.sentence = "everything the store keeps", .flag = "--data-dir,-s,--store"});
  settings.number("storage.api-version", config.api_version, {1, 2},
                  {"`1` or `2`, for all the life of the data; see [the raw API](raw.md)"});
  settings.boolean("storage.enable-ttl", config.enable_ttl, {"raw values may expire; must be `true` with version 2"});
  settings.duration(
      "slow-log-threshold", config.slow_log_threshold, {1ms, 1h, Zero::kMeansOff},
      live("requests of clients that take as long are logged, with the stages in which the time went; `0s`: "
           "none. At most 16 lines a second"));
  settings.number("storage.max-key-size", config.key_bytes_max, {1, 64 << 10},
                  {"bytes of a key; longer ones are refused (KeyTooLarge)"});
  settings.size("storage.block-cache.capacity", kv.block_cache_bytes, {kMiB, 64 * kTiB, Zero::kMeansOff},
                live("memory for blocks of the data that were read; `0`: none are kept"));
  settings.size(
      "storage.reserve-space", store.reserve_space_bytes, {kMiB, kPiB, Zero::kMeansOff},
      live("kept free on the disk: with less room writes are refused with DiskFull, except what ends transactions; "
           "with less than half of it, except what says that it may be written (`disk_full_opt`). Reads go on. `0MiB` "
           "turns it off. TiKV's default is 5 GiB, and at least a twentieth of the disk"));
  settings.size(
      "storage.scheduler-pending-write-threshold", store.waiting_write_bytes_max, {kMiB, kTiB},
      live("writes that wait to be applied, over all regions; beyond, clients are told to come later (ServerIsBusy)"));
  settings.number("storage.flow-control.memtables-threshold", kv.memtables_max, {2, 64},
                  {"full memtables of a column family at which the engine makes writes wait"});
  settings.number("storage.flow-control.l0-files-threshold", kv.l0_files_slow, {4, 10'000},
                  {"files of level 0 from which on the engine slows writes down"});
  settings.size("storage.flow-control.soft-pending-compaction-bytes-limit", kv.compaction_bytes_slow, {kGiB, kPiB},
                {"bytes waiting for compaction from which on the engine slows writes down"});
  settings.size("storage.flow-control.hard-pending-compaction-bytes-limit", kv.compaction_bytes_stop, {kGiB, kPiB},
                {"bytes waiting for compaction at which writes stop until it has caught up"});
  settings.size("rocksdb.defaultcf.write-buffer-size", kv.write_buffer_bytes, {64 * kKiB, 8 * kGiB},
                {"size of a memtable, of the default and of the write column family"});
  settings.size("rocksdb.write-buffer-limit", kv.total_write_buffer_bytes, {kMiB, kTiB, Zero::kMeansOff},
                {"memtables of all column families together; beyond, the engine flushes. `0`: no bound"});
  settings.size("rocksdb.lockcf.write-buffer-size", kv.lock_write_buffer_bytes, {64 * kKiB, 8 * kGiB},
                {"size of a memtable of the lock column family"});
  settings.size("rocksdb.raftcf.write-buffer-size", kv.raft_write_buffer_bytes, {64 * kKiB, 8 * kGiB},
                {"size of a memtable of the raft column family"});
  settings.number("rocksdb.max-background-jobs", kv.background_jobs, {2, 64},
                  {"flushes and compactions under way at once; one flush at a time, the rest for compactions"});
  auto& log = config.raft_log;
  settings.size("raftdb.defaultcf.write-buffer-size", log.write_buffer_bytes, {64 * kKiB, 8 * kGiB},
                {"size of a memtable of the Raft log"});
  settings.size("raftdb.defaultcf.block-cache-size", log.block_cache_bytes, {kMiB, 64 * kTiB},
                {"memory for blocks of the Raft log that were read"});
  settings.size("raftdb.max-total-wal-size", log.total_wal_bytes, {kMiB, kTiB},
                {"memtables of the Raft log are flushed so that its log files are not larger together"});
  settings.number(
      "storage.txn-status-cache-capacity", store.txn_statuses_max, {0, 1 << 26},
      {"transactions of the last half minute that each shard remembers, to recognise requests that come late"});
  settings.duration("storage.max-ts.max-drift", store.max_ts_drift, {1s, kDay},
                    live("a request with a timestamp further ahead of PD's is refused, after PD was asked once more"));
  settings.duration("storage.max-ts.cache-sync-interval", store.max_ts_sync_interval, {100ms, 12h},
                    {"how often PD is asked for the time; keep it well below the drift"});

  auto& causal = config.causal_timestamps;
  // PD has 2^18 timestamps a millisecond-step for the whole cluster.
  constexpr uint64_t kBatchMax = 1 << 17;
  settings.duration("causal-ts.renew-interval", causal.renew_interval, {1ms, 1min},
                    {"how often a run of timestamps for raw writes of version 2 is replaced"});
  settings.number("causal-ts.renew-batch-min-size", causal.batch_min, {1, kBatchMax},
                  {"timestamps that a run for raw writes of version 2 has at least"});
  settings.number("causal-ts.renew-batch-max-size", causal.batch_max, {1, kBatchMax},
                  {"timestamps that a run for raw writes of version 2 has at most"});
  settings.duration("causal-ts.alloc-ahead-buffer", causal.alloc_ahead_buffer, {1ms, 1h},
                    {"for how long a run of timestamps should last"});
}

void add_raftstore(Settings& settings, store::StoreOptions& store) {
  settings.number("raftstore.store-pool-size", store.shards, {1, 256},
                  {.sentence = "threads that own regions", .default_words = "half the cores"});
  settings.duration(
      "raftstore.raft-base-tick-interval", store.tick, {5ms, 1min},
      {"the unit of `raft-heartbeat-ticks` and `raft-election-timeout-ticks`; the same on all stores of Cairn"});
  settings.number("raftstore.raft-heartbeat-ticks", store.heartbeat_ticks, {1, 1000},
                  {"how often a leader says that it lives"});
  settings.number(
      "raftstore.raft-election-timeout-ticks", store.election_ticks, {2, 10'000},
      {"how long a follower waits for its leader before it may seek election; at random up to twice that, but at once "
       "when the leader's machine refuses connections. In regions with a peer on a TiKV: 10 s"});
  settings.size("raftstore.raft-entry-max-size", store.raft_entry_bytes_max, {64 * kKiB, kGiB},
                {"a larger write is refused (RaftEntryTooLarge)"});
  settings.size("raftstore.raft-max-size-per-msg", store.append_bytes_max, {kKiB, 64 * kMiB},
                {"entries in one append to a follower; a larger entry goes alone"});
  settings.number("raftstore.raft-max-inflight-msgs", store.inflight_appends_max, {1, 16384},
                  {"appends under way to one follower of a region"});
  settings.duration("raftstore.raft-log-gc-tick-interval", store.log_gc_interval, {10ms, 1h},
                    live("how often Raft logs are looked at that could be cut"));
  settings.number("raftstore.raft-log-gc-threshold", store.log_gc_threshold, {1, 1'000'000'000},
                  live("so few entries are not worth a cut of the log"));
  settings.number("raftstore.raft-log-gc-count-limit", store.log_gc_count_max, {1, 1'000'000'000},
                  live("entries beyond which a log is cut even if a replica still needs them"));
  settings.size("raftstore.raft-log-gc-size-limit", store.log_gc_bytes_max, {64 * kKiB, kTiB},
                live("bytes beyond which a log is cut even if a replica still needs them"));
  settings.duration("raftstore.pd-heartbeat-tick-interval", store.region_heartbeat_interval, {100ms, 1h},
                    live("how often PD hears of each region"));
  settings.duration("raftstore.pd-store-heartbeat-tick-interval", store.store_heartbeat_interval, {100ms, 10min},
                    live("how often PD hears of the store"));
  settings.duration("raftstore.max-peer-down-duration", store.peer_down_after, {1s, 365 * kDay},
                    live("silence after which PD is told that a replica is down"));
  settings.duration("raftstore.max-leader-missing-duration", store.leader_missing_after, {1s, 365 * kDay},
                    live("how long a replica without a leader waits before it asks PD whether it is still one"));
  settings.duration("raftstore.inspect-interval", store.inspect_interval, {1ms, 1h, Zero::kMeansOff},
                    {"how often it is looked how long the disk's writes take; one that takes as long counts as slow in "
                     "the score (1 to 100) that PD and clients are told. `0ms`: never"});
  settings.duration("raftstore.split-region-check-tick-interval", store.split_check_interval, {100ms, 1h},
                    live("how often it is looked for regions that are too large"));
  settings.number("raftstore.snap-generator-pool-size", store.snapshot_threads, {1, 64},
                  {"threads that make snapshots"});
  settings.size("raftstore.max-snapshot-file-raw-size", store.snapshot_sst_bytes_max, {kMiB, kTiB},
                {"the files of a snapshot are not larger"});
  settings.size("coprocessor.region-split-size", store.region_split_bytes, {kMiB, kTiB, Zero::kMeansOff},
                live("a region larger than one and a half times this is split; `0`: never"));
}

void add_pessimistic(Settings& settings, store::StoreOptions& store) {
  settings.boolean(
      "pessimistic-txn.pipelined", store.pessimistic_pipelined,
      {"pessimistic locks that go through Raft are answered once they are proposed, and a crash may lose them"});
  settings.boolean("pessimistic-txn.in-memory", store.pessimistic_in_memory,
                   {"pessimistic locks stay in the leader's memory while there is room: they cost no Raft entry, and a "
                    "crash may lose them; the transaction's prewrite then makes up for it or fails"});
  settings.size("pessimistic-txn.in-memory-peer-size-limit", store.pessimistic_region_bytes_max, {0, kTiB},
                {"pessimistic locks of one region in memory; beyond, they go through Raft"});
  settings.size("pessimistic-txn.in-memory-instance-size-limit", store.pessimistic_bytes_max, {0, kTiB},
                {"pessimistic locks in memory, of the whole store; shared evenly by its shards"});
  settings.duration("pessimistic-txn.wait-for-lock-timeout", store.wait_for_lock_timeout, {1ms, 1h},
                    {"the longest that a request waits for another transaction's lock"});
  settings.duration("pessimistic-txn.wake-up-delay-duration", store.wake_up_delay, {Duration{}, 1min},
                    {"how long those who are not first in the queue for a lock that went wait before they try again"});
}

void add_gc(Settings& settings, store::GcOptions& gc) {
  constexpr uint64_t kRows = 1'000'000'000'000;
  settings.boolean("gc.enable-compaction-filter", gc.enable_compaction_filter,
                   {"whether versions older than PD's safe point are dropped, by the compactions of the engine; "
                    "without it they stay"});
  settings.ratio("gc.ratio-threshold", gc.ratio_threshold, {0, 1000},
                 live("versions a row above which old versions are looked for"));
  settings.number("gc.batch-keys", gc.batch_keys, {1, 1'000'000},
                  live("keys that are collected in one batch where a compaction alone cannot do it"));
  settings.duration("gc.auto-compaction.check-interval", gc.check_interval, {1s, 365 * kDay},
                    live("how often the store looks for key ranges that are worth a compaction"));
  settings.number("gc.auto-compaction.tombstones-num-threshold", gc.tombstones_threshold, {0, kRows},
                  live("deletions in a file that make it worth a compaction, if they are as much of it as "
                       "tombstones-percent-threshold says"));
  settings.number("gc.auto-compaction.tombstones-percent-threshold", gc.tombstones_percent_threshold, {0, 100},
                  live("the part of a file that must be deletions, in percent"));
  // TiKV reads the names above, its manual has these.
  settings.alias("gc.auto-compaction.tombstone-num-threshold", "gc.auto-compaction.tombstones-num-threshold");
  settings.alias("gc.auto-compaction.tombstone-percent-threshold", "gc.auto-compaction.tombstones-percent-threshold");
  settings.number("gc.auto-compaction.redundant-rows-threshold", gc.redundant_rows_threshold, {0, kRows},
                  live("old versions and deleted rows in a file that make it worth a compaction, if they are as much "
                       "of it as redundant-rows-percent-threshold says"));
  settings.number("gc.auto-compaction.redundant-rows-percent-threshold", gc.redundant_rows_percent_threshold, {0, 100},
                  live("the part of a file that must be old versions and deleted rows, in percent"));
}

}  // namespace

Settings settings_of(ServerConfig& config) {
  Settings settings;
  add_server(settings, config);
  add_log(settings, config.log);
  add_security(settings, config.security);
  add_redaction(settings, config.redact_log);
  add_storage(settings, config);
  add_raftstore(settings, config.store);
  add_pessimistic(settings, config.store);
  add_gc(settings, config.store.gc);
  settings.accept(unused_names_of_tikv());
  return settings;
}

std::set<std::string> names_of_store() {
  return {"raftstore.raft-log-gc-tick-interval",
          "raftstore.raft-log-gc-threshold",
          "raftstore.raft-log-gc-count-limit",
          "raftstore.raft-log-gc-size-limit",
          "raftstore.pd-heartbeat-tick-interval",
          "raftstore.pd-store-heartbeat-tick-interval",
          "raftstore.max-peer-down-duration",
          "raftstore.max-leader-missing-duration",
          "raftstore.split-region-check-tick-interval",
          "coprocessor.region-split-size",
          "storage.scheduler-pending-write-threshold",
          "storage.reserve-space",
          "storage.max-ts.max-drift",
          "server.concurrent-send-snap-limit",
          "server.concurrent-recv-snap-limit",
          "gc.ratio-threshold",
          "gc.batch-keys",
          "gc.auto-compaction.check-interval",
          "gc.auto-compaction.tombstones-num-threshold",
          "gc.auto-compaction.tombstones-percent-threshold",
          "gc.auto-compaction.redundant-rows-threshold",
          "gc.auto-compaction.redundant-rows-percent-threshold"};
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
