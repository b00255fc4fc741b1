#include "cli/server_config.h"

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
  settings.list("pd.endpoints", config.pd_endpoints);
  settings.text("log.level", config.log.level);
  settings.text("log.file.filename", config.log.file);
  settings.number("readpool.unified.max-thread-count", config.store.read_threads);

  auto& store = config.store;
  settings.number("raftstore.store-pool-size", store.shards);
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
  settings.size("coprocessor.region-split-size", store.region_split_bytes);
  settings.number("server.concurrent-send-snap-limit", store.snapshots_sending_max);
  settings.number("server.concurrent-recv-snap-limit", store.snapshots_receiving_max);
  return settings;
}

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
  if (config.store.read_threads < 1) return Err(std::string("readpool.unified.max-thread-count must be positive"));
  config.store.address = config.advertise_address;
  config.store.status_address = config.advertise_status_address;
  config.store.deploy_path = config.data_dir;
  return {};
}

}  // namespace cairn::cli
