#include "cli/pd_config.h"

#include "pd/keyspaces.h"

namespace cairn::cli {

namespace {

// A transaction must be able to live for a while.
Parsed<void> check_gc(const PdConfig& config) {
  if (config.gc.life_time < std::chrono::seconds(30)) {
    return Err(std::string("gc.life-time is below 30s: transactions could hardly read any more"));
  }
  if (config.gc.run_interval < std::chrono::seconds(1)) return Err(std::string("gc.run-interval is below 1s"));
  if (config.gc.run_interval > config.gc.life_time) {
    return Err(std::string("gc.run-interval is longer than gc.life-time"));
  }
  if (config.node.gc_takeover_delay < std::chrono::minutes(1)) {
    return Err(std::string("gc.takeover-delay is below 1m"));
  }
  return {};
}

}  // namespace

Settings settings_of(PdConfig& config) {
  Settings settings;
  settings.text("name", config.name);
  settings.text("data-dir", config.data_dir);
  settings.list("client-urls", config.client_urls);
  settings.list("advertise-client-urls", config.advertise_client_urls);
  settings.list("peer-urls", config.peer_urls);
  settings.list("advertise-peer-urls", config.advertise_peer_urls);
  settings.text("initial-cluster", config.initial_cluster);
  settings.text("status-addr", config.status_address);
  settings.text("log.level", config.log.level);
  settings.text("log.file.filename", config.log.file);
  settings.duration("tso-save-interval", config.node.tso_save_interval);
  settings.duration("tso-update-physical-interval", config.node.tso_update_interval);
  // In whole seconds, as PD has it.
  settings.add("lease", [&config](const std::string& value) -> Parsed<void> {
    TRY_ASSIGN(config.lease, parse_duration(value + "s"));
    return {};
  });
  settings.add("gc.enable", [&config](const std::string& value) -> Parsed<void> {
    if (value != "true" && value != "false") return Err("\"" + value + "\" is neither true nor false");
    config.gc_is_enabled = value == "true";
    return {};
  });
  settings.duration("gc.life-time", config.gc.life_time);
  settings.duration("gc.run-interval", config.gc.run_interval);
  settings.duration("gc.client-cache-time", config.gc.client_cache_time);
  settings.duration("gc.takeover-delay", config.node.gc_takeover_delay);
  settings.list("keyspace.pre-alloc", config.node.keyspaces);
  settings.size("max-request-bytes", config.node.etcd.max_request_bytes);
  settings.size("quota-backend-bytes", config.node.etcd.quota_backend_bytes);
  auto& schedule = config.node.schedule;
  settings.number("replication.max-replicas", schedule.max_replicas);
  settings.duration("schedule.max-store-down-time", schedule.max_store_down_time);
  settings.duration("schedule.patrol-region-interval", schedule.patrol_region_interval);
  settings.number("schedule.replica-schedule-limit", schedule.replica_schedule_limit);
  settings.number("schedule.max-snapshot-count", schedule.store_snapshot_limit);
  return settings;
}

Parsed<std::vector<std::string>> complete(PdConfig& config) {
  if (config.name.empty()) return Err(std::string("the name of the member is empty"));
  if (config.data_dir.empty()) config.data_dir = "default." + config.name;
  if (config.advertise_client_urls.empty()) config.advertise_client_urls = config.client_urls;
  if (config.advertise_peer_urls.empty()) config.advertise_peer_urls = config.peer_urls;
  const auto members = split_list(config.initial_cluster);
  if (members.size() > 1) {
    return Err(std::string("initial-cluster names more than one member: PD runs with one member for now"));
  }
  if (members.size() == 1 && !members[0].starts_with(config.name + "=")) {
    return Err("initial-cluster does not name this member, " + config.name);
  }
  for (const auto& name : config.node.keyspaces) {
    if (auto reason = pd::refuse_keyspace_name(name); !reason.empty()) return Err("keyspace.pre-alloc: " + reason);
  }
  if (config.node.schedule.max_replicas == 0) return Err(std::string("replication.max-replicas must be positive"));
  const auto ticks = config.lease / config.node.raft_tick;
  if (ticks < 2) return Err(std::string("lease is too short"));
  config.node.raft_election_ticks = static_cast<int>(ticks);

  TRY(check_gc(config));
  if (config.node.etcd.max_request_bytes < (64 << 10) || config.node.etcd.max_request_bytes > (512 << 20)) {
    return Err(std::string("max-request-bytes is not within 64KiB and 512MiB"));
  }
  if (config.node.etcd.quota_backend_bytes == 0)
    config.node.etcd.quota_backend_bytes = pd::EtcdLimits().quota_backend_bytes;

  std::vector<std::string> listen;
  for (const auto& url : config.client_urls) {
    TRY_ASSIGN(std::string address, parse_address(url));
    listen.push_back(std::move(address));
  }
  if (listen.empty()) return Err(std::string("client-urls is empty"));
  pd::MemberInfo self{.id = config.node.member_id, .name = config.name};
  for (const auto& url : config.advertise_client_urls) {
    TRY_ASSIGN(const std::string address, parse_address(url));
    if (address.starts_with("0.0.0.0:")) {
      return Err("advertise-client-urls: clients cannot dial " + url + "; give the address of this machine");
    }
    self.client_urls.push_back("http://" + address);
  }
  for (const auto& url : config.advertise_peer_urls) {
    TRY_ASSIGN(const std::string address, parse_address(url));
    self.peer_urls.push_back("http://" + address);
  }
  config.node.members = {std::move(self)};
  return listen;
}

}  // namespace cairn::cli
