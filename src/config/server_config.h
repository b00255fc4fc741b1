// What `cairn server` is told by flags and file, under TiKV's names. Tests: config_test.cc.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "base/log.h"
#include "base/time.h"
#include "config/settings.h"
#include "engine/rocks/rocks_engine.h"
#include "net/tls.h"
#include "rawkv/causal_timestamps.h"
#include "store/options.h"

namespace cairn::config {

struct ServerConfig {
  std::string address = "127.0.0.1:20160";
  std::string advertise_address;  // empty: address
  std::string status_address = "127.0.0.1:20180";
  std::string advertise_status_address;  // empty: status_address
  std::vector<std::string> pd_endpoints = {"127.0.0.1:2379"};
  std::string data_dir = "./cairn-data";
  // How long leaders may take to be handed over before the store stops; 0: they are not.
  Duration graceful_shutdown_timeout = 20s;
  log::Options log;
  std::string redact_log = "false";  // of users' keys and values, see log_settings.h
  net::TlsOptions security;
  store::StoreOptions store;
  rawkv::CausalTimestampOptions causal_timestamps;
  engine::RocksKvOptions kv;
  engine::RocksRaftLogOptions raft_log;
  // What the file says; complete() makes store.api_version of them.
  uint32_t api_version = 1;
  bool enable_ttl = false;
  int network_threads = 1;  // that serve connections
  std::string answer_compression = "none";
  uint64_t compressed_bytes_min = 4096;  // of an answer's message; smaller ones are not compressed
  Duration slow_log_threshold = 1s;      // 0: slow requests are not logged
  size_t key_bytes_max = 8 << 10;
  size_t read_tasks_per_thread = 2000;                          // reads on the read pool or waiting for it
  Duration health_feedback_interval = std::chrono::seconds(1);  // in BatchCommands' answers; 0: only when asked
};

// The keys of TiKV's configuration file that exist here.
Settings settings_of(ServerConfig& config);
// Those that change while the process runs and are the store's (store::StoreOptions).
std::set<std::string> names_of_store();
// Fills what was left empty and checks that it fits together.
Parsed<void> complete(ServerConfig& config);

}  // namespace cairn::config
