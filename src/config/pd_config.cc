#include "config/pd_config.h"

#include "base/log_output.h"
#include "pd/keyspaces.h"

namespace cairn::config {

namespace {

constexpr Duration kDay = 24h;

// The error names the setting.
Parsed<std::vector<std::string>> addresses_of(const std::string& name, const std::vector<std::string>& urls,
                                              Parsed<std::string> (*parse)(const std::string&, Tls), Tls tls) {
  std::vector<std::string> addresses;
  for (const auto& url : urls) {
    auto address = parse(url, tls);
    if (!address.ok()) return Err(name + ": " + address.error());
    addresses.push_back(std::move(*address));
  }
  if (addresses.empty()) return Err(name + " is empty");
  return addresses;
}

Parsed<std::vector<std::string>> advertised_urls(const std::string& name, const std::vector<std::string>& urls,
                                                 Tls tls) {
  TRY_ASSIGN(auto addresses, addresses_of(name, urls, parse_advertised_address, tls));
  for (auto& address : addresses) address.insert(0, tls == Tls::kOn ? "https://" : "http://");
  return addresses;
}

// As PD has it, a CA is not a must: without it anybody may come.
Parsed<void> check_security(const net::TlsOptions& security) {
  const bool has_own = !security.cert_path.empty();
  if (has_own != !security.key_path.empty() || (security.is_on() && !has_own)) {
    return Err(std::string("security: cert-path and key-path belong together, and cacert-path needs both"));
  }
  if (security.ca_path.empty() &&
      (!security.crl_path.empty() || !security.allowed_cn.empty() || !security.allowed_san.empty())) {
    return Err(std::string("security: without cacert-path nobody's certificate is looked at"));
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
  settings.choice("log.level", config.log.level, log::levels());
  settings.text("log.file.filename", config.log.file);
  settings.text("security.cacert-path", config.security.ca_path);
  settings.text("security.cert-path", config.security.cert_path);
  settings.text("security.key-path", config.security.key_path);
  settings.text("security.crl-path", config.security.crl_path);
  settings.list("security.cert-allowed-cn", config.security.allowed_cn);
  settings.list("security.cert-allowed-san", config.security.allowed_san);
  settings.duration("tso-save-interval", config.node.tso_save_interval, {500ms, 1min});
  settings.duration("tso-update-physical-interval", config.node.tso_update_interval, {1ms, 10s});
  settings.seconds("lease", config.lease, {1s, 1h});
  settings.boolean("gc.enable", config.gc_is_enabled);
  // A transaction must be able to live for a while.
  settings.duration("gc.life-time", config.gc.life_time, {30s, 365 * kDay});
  settings.duration("gc.run-interval", config.gc.run_interval, {1s, 365 * kDay});
  settings.duration("gc.client-cache-time", config.gc.client_cache_time, {Duration{}, kDay});
  settings.duration("gc.takeover-delay", config.node.gc_takeover_delay, {1min, 365 * kDay});
  settings.list("keyspace.pre-alloc", config.node.keyspaces);
  settings.size("max-request-bytes", config.node.etcd.max_request_bytes, {64 << 10, 64 << 20});
  settings.size("quota-backend-bytes", config.node.etcd.quota_backend_bytes,
                {1 << 20, uint64_t{1} << 40, Zero::kMeansOff});
  auto& schedule = config.node.schedule;
  settings.number("replication.max-replicas", schedule.max_replicas, {1, 31});
  // Stores report every 10 s.
  settings.duration("schedule.max-store-down-time", schedule.max_store_down_time, {15s, 365 * kDay});
  settings.duration("schedule.patrol-region-interval", schedule.patrol_region_interval, {10ms, 1h});
  settings.number("schedule.replica-schedule-limit", schedule.replica_schedule_limit, {0, 100'000});
  settings.number("schedule.max-snapshot-count", schedule.store_snapshot_limit, {1, 100'000});
  return settings;
}

Parsed<std::vector<std::string>> complete(PdConfig& config) {
  if (config.name.empty()) return Err(std::string("the name of the member is empty"));
  TRY(check_security(config.security));
  const Tls tls = config.security.is_on() ? Tls::kOn : Tls::kOff;
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
  if (config.node.etcd.quota_backend_bytes == 0) {
    config.node.etcd.quota_backend_bytes = pd::EtcdLimits().quota_backend_bytes;
  }
  config.node.raft_election_ticks = static_cast<int>(config.lease / config.node.raft_tick);
  if (config.gc.run_interval > config.gc.life_time) {
    return Err(std::string("gc.run-interval is longer than gc.life-time"));
  }
  if (!config.status_address.empty()) {
    const auto status = parse_address(config.status_address, tls);
    if (!status.ok()) return Err("status-addr: " + status.error());
    config.status_address = *status;
  }

  TRY_ASSIGN(auto listen, addresses_of("client-urls", config.client_urls, parse_address, tls));
  pd::MemberInfo self{.id = config.node.member_id, .name = config.name};
  TRY_ASSIGN(self.client_urls, advertised_urls("advertise-client-urls", config.advertise_client_urls, tls));
  TRY_ASSIGN(self.peer_urls, advertised_urls("advertise-peer-urls", config.advertise_peer_urls, tls));
  config.node.members = {std::move(self)};
  return listen;
}

}  // namespace cairn::config
