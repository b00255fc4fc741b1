#include "config/pd_config.h"

#include <algorithm>

#include "config/log_settings.h"
#include "pd/keyspace/keyspaces.h"
#include "pd/member/identity.h"

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

// How replicas are placed and balanced. All of it may change while PD runs.
void add_schedule(Settings& settings, pd::ScheduleConfig& schedule) {
  constexpr Range<uint64_t> kLimit{0, 100'000};
  settings.number("replication.max-replicas", schedule.max_replicas, {1, 31}, live("replicas of each region"));
  settings.list(
      "replication.location-labels", schedule.location_labels,
      {.sentence = "keys of stores' labels that say where they are, the widest place first, as `zone,rack,host`: "
                   "replicas are kept apart by them",
       .change = Change::kWhileRunning,
       .default_words = "none"});
  settings.text(
      "replication.isolation-level", schedule.isolation_level,
      {.sentence = "one of `replication.location-labels`: rather a replica too few than two in one such place",
       .change = Change::kWhileRunning,
       .default_words = "none"});
  settings.boolean("replication.strictly-match-label", schedule.strictly_match_label,
                   live("whether a store must have all of `replication.location-labels`, and no other"));
  // Stores report every 10 s.
  settings.duration("schedule.max-store-down-time", schedule.max_store_down_time, {15s, 365 * kDay},
                    live("how long a store may be away before its replicas are made elsewhere; stores report every 10 "
                         "s, so keep it well above that"));
  settings.duration("schedule.patrol-region-interval", schedule.patrol_region_interval, {10ms, 1h},
                    live("how often PD looks for regions that need work"));
  settings.number("schedule.replica-schedule-limit", schedule.replica_schedule_limit, kLimit,
                  live("work on replicas under way at once; `0`: none is begun"));
  settings.number("schedule.leader-schedule-limit", schedule.leader_schedule_limit, kLimit,
                  live("leaders that are moved for balance at once; `0`: none"));
  settings.number("schedule.region-schedule-limit", schedule.region_schedule_limit, kLimit,
                  live("peers that are moved for balance at once; `0`: none"));
  settings.number("schedule.max-snapshot-count", schedule.store_snapshot_limit, {1, 100'000},
                  live("replicas that are being added to one store at once"));
  settings.number("schedule.max-pending-peer-count", schedule.max_pending_peer_count, kLimit,
                  live("peers of a store that lag behind, beyond which none is added to it; `0`: any number"));
  settings.ratio(
      "schedule.default-store-limit.add-peer", schedule.add_peer_limit, {0.0, 1e9},
      live("peers that come to a store in a minute, of regions above 20 MiB; smaller ones count a fifth, empty "
           "ones nothing"));
  settings.ratio("schedule.default-store-limit.remove-peer", schedule.remove_peer_limit, {0.0, 1e9},
                 live("peers that leave a store in a minute, likewise"));
  settings.choice("schedule.leader-schedule-policy", schedule.leader_schedule_policy, {"count", "size"},
                  live("whether stores are to have equally many leaders, or leaders of as much data"));
  settings.ratio(
      "schedule.tolerant-size-ratio", schedule.tolerant_size_ratio, {0.0, 1e6},
      live("differences between stores that are left as they are, in regions of average size; `0`: PD chooses, "
           "5 leaders, and one region or one of 200 that a store has"));
  settings.ratio(
      "schedule.low-space-ratio", schedule.low_space_ratio, {0.0, 1.0},
      live("of a store's disk: used beyond it, nothing more comes, unless it has under 100 regions and 8 GiB "
           "left"));
  settings.ratio(
      "schedule.high-space-ratio", schedule.high_space_ratio, {0.0, 1.0},
      live("of a store's disk: used beyond it, free space counts beside the size of regions (formula `v1`)"));
  settings.choice("schedule.region-score-formula-version", schedule.region_score_formula_version, {"v1", "v2"},
                  live("how the size of regions and free space make a store's score"));
  settings.boolean("schedule.enable-remove-down-replica", schedule.enable_remove_down_replica,
                   live("whether replicas on stores that are down are replaced"));
  settings.boolean("schedule.enable-replace-offline-replica", schedule.enable_replace_offline_replica,
                   live("whether replicas on stores that leave are replaced"));
  settings.boolean("schedule.enable-make-up-replica", schedule.enable_make_up_replica,
                   live("whether missing replicas are made"));
  settings.boolean("schedule.enable-remove-extra-replica", schedule.enable_remove_extra_replica,
                   live("whether replicas beyond the wanted number are removed"));
  settings.boolean("schedule.enable-location-replacement", schedule.enable_location_replacement,
                   live("whether replicas move to where they lie better by the labels"));
  settings.boolean("schedule.halt-scheduling", schedule.halt_scheduling,
                   live("whether nothing is begun: no repair, no balance"));
}

std::string refuse_schedule(const pd::ScheduleConfig& schedule) {
  const auto& labels = schedule.location_labels;
  const auto& level = schedule.isolation_level;
  if (!level.empty() && std::find(labels.begin(), labels.end(), level) == labels.end()) {
    return "replication.isolation-level must be one of replication.location-labels";
  }
  if (schedule.low_space_ratio < schedule.high_space_ratio) {
    return "schedule.low-space-ratio should be larger than schedule.high-space-ratio";
  }
  return {};
}

}  // namespace

Settings settings_of(PdConfig& config) {
  Settings settings;
  settings.text("name", config.name, {.sentence = "name of the member", .flag = "--name"});
  settings.text("data-dir", config.data_dir, {.sentence = "everything PD keeps", .flag = "--data-dir"});
  settings.list("client-urls", config.client_urls, {.sentence = "where it listens", .flag = "--client-urls"});
  settings.list("advertise-client-urls", config.advertise_client_urls,
                {.sentence = "what clients dial", .flag = "--advertise-client-urls", .default_words = "the same"});
  settings.list("peer-urls", config.peer_urls,
                {.sentence = "where other members are heard; not listened on by a member alone that was not told of it",
                 .flag = "--peer-urls"});
  settings.list("advertise-peer-urls", config.advertise_peer_urls,
                {.sentence = "what other members dial", .flag = "--advertise-peer-urls", .default_words = "the same"});
  settings.text(
      "initial-cluster", config.initial_cluster,
      {.sentence = "the members that begin a cluster together, as `name=peer-url,...`, the same on each; of no "
                   "account once there are data",
       .flag = "--initial-cluster",
       .default_words = "this member"});
  settings.text("join", config.join,
                {.sentence = "client URLs of the cluster to join; of no account once there are data",
                 .flag = "--join",
                 .default_words = "none"});
  settings.text("status-addr", config.status_address,
                {.sentence = "`/status`, `/health`, `/metrics` and `/config` over HTTP, as `host:port`; the client "
                             "port serves them, too, but for `/config`",
                 .flag = "--status-addr",
                 .default_words = "none"});
  add_log(settings, config.log);
  add_redaction(settings, config.redact_log);
  settings.text(
      "security.cacert-path", config.security.ca_path,
      {.sentence =
           "the CAs that sign everybody's certificates (PEM). Clients must then show one, see [TLS](operations.md#tls)",
       .flag = "--cacert",
       .default_words = "none"});
  settings.text(
      "security.cert-path", config.security.cert_path,
      {.sentence = "PD's certificate, with those between it and the CA (PEM). With it and its key everything is TLS",
       .flag = "--cert",
       .default_words = "none"});
  settings.text(
      "security.key-path", config.security.key_path,
      {.sentence = "the key of PD's certificate (PEM, no password)", .flag = "--key", .default_words = "none"});
  settings.text("security.crl-path", config.security.crl_path,
                {.sentence = "certificates that are revoked (PEM), of the CAs that sign certificates of nodes and "
                             "clients; a list that has expired refuses everybody",
                 .default_words = "none"});
  settings.list(
      "security.cert-allowed-cn", config.security.allowed_cn,
      {.sentence =
           "common names, one of which a client's certificate must have; none: any certificate of the CAs will do",
       .default_words = "none"});
  settings.list("security.cert-allowed-san", config.security.allowed_san,
                {.sentence = "alternative names (DNS names, addresses, URIs), one of which a client's certificate must "
                             "have; none: any will do",
                 .default_words = "none"});
  settings.duration("tso-save-interval", config.node.tso_save_interval, {500ms, 1min},
                    {"how far ahead the bound of timestamps is saved"});
  settings.duration("tso-update-physical-interval", config.node.tso_update_interval, {1ms, 10s},
                    {"how often timestamps follow the clock"});
  settings.seconds(
      "lease", config.lease, {1s, 1h},
      {"seconds without a word from PD's leader after which the others ask for votes at the latest; they begin "
       "when half of it has passed"});
  settings.boolean("gc.enable", config.gc_is_enabled,
                   {"whether PD collects garbage when nobody else does: [Garbage collection](garbage-collection.md)"});
  // A transaction must be able to live for a while.
  settings.duration("gc.life-time", config.gc.life_time, {30s, 365 * kDay},
                    {"how long an old version can be read at least; not below `30s`"});
  settings.duration("gc.run-interval", config.gc.run_interval, {1s, 365 * kDay},
                    {"how often PD looks; not below `1s`"});
  settings.duration("gc.client-cache-time", config.gc.client_cache_time, {Duration{}, kDay},
                    {"how long clients go on with the safe point they know: what they must not read any more is "
                     "deleted that much later"});
  settings.duration("gc.takeover-delay", config.node.gc_takeover_delay, {1min, 365 * kDay},
                    {"how long another owner must have been silent before PD collects; not below `1m`"});
  settings.list(
      "keyspace.pre-alloc", config.node.keyspaces,
      {.sentence = "keyspaces of [API V2](raw.md) to be made at start beside `DEFAULT`", .default_words = "none"});
  settings.size("max-request-bytes", config.node.etcd.max_request_bytes, {64 << 10, 64 << 20},
                {"bound of a request of the etcd API, see `operations.md`"});
  settings.size("quota-backend-bytes", config.node.etcd.quota_backend_bytes,
                {1 << 20, uint64_t{1} << 40, Zero::kMeansOff}, {"bound of what the etcd API keeps; `0`: the default"});
  add_schedule(settings, config.node.schedule);
  settings.accept(unused_names_of_pd());
  return settings;
}

std::set<std::string> names_of_schedule() {
  pd::ScheduleConfig schedule;
  Settings settings;
  add_schedule(settings, schedule);
  std::set<std::string> names;
  for (const auto& setting : settings.all()) names.insert(setting.name);
  return names;
}

Parsed<std::vector<std::string>> complete(PdConfig& config) {
  if (config.name.empty()) config.name = PdConfig().name;
  TRY(check_security(config.security));
  const Tls tls = config.security.is_on() ? Tls::kOn : Tls::kOff;
  if (config.data_dir.empty()) config.data_dir = "default." + config.name;
  if (config.advertise_client_urls.empty()) config.advertise_client_urls = config.client_urls;
  if (config.advertise_peer_urls.empty()) config.advertise_peer_urls = config.peer_urls;
  auto members = pd::parse_initial_cluster(config.initial_cluster);
  if (!members.ok()) return Err("initial-cluster: " + members.error());
  if (!config.join.empty() && !members->empty()) {
    return Err(std::string("initial-cluster and join exclude one another"));
  }
  const auto named = std::find_if(members->begin(), members->end(),
                                  [&](const pd::MemberInfo& member) { return member.name == config.name; });
  if (!members->empty() && named == members->end()) {
    return Err("initial-cluster does not name this member, " + config.name);
  }
  constexpr size_t kMembersMax = 7;
  if (members->size() > kMembersMax) return Err(std::string("initial-cluster names more than 7 members"));
  for (const auto& name : config.node.keyspaces) {
    if (auto reason = pd::refuse_keyspace_name(name); !reason.empty()) return Err("keyspace.pre-alloc: " + reason);
  }
  if (config.node.etcd.quota_backend_bytes == 0) {
    config.node.etcd.quota_backend_bytes = pd::EtcdLimits().quota_backend_bytes;
  }
  if (auto reason = refuse_schedule(config.node.schedule); !reason.empty()) return Err(std::move(reason));
  // The first of the others to lose patience does so after half of it to the whole.
  config.node.raft_election_ticks = 10;
  config.node.raft_tick = config.lease / (2 * config.node.raft_election_ticks);
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
  const bool has_company = members->size() > 1 || !config.join.empty();
  if (has_company || config.peer_urls != PdConfig().peer_urls) {
    TRY_ASSIGN(config.peer_listen, addresses_of("peer-urls", config.peer_urls, parse_address, tls));
  }
  if (members->size() > 1) {
    auto told = named->peer_urls;
    auto own = self.peer_urls;
    std::sort(told.begin(), told.end());
    std::sort(own.begin(), own.end());
    if (told != own) {
      return Err("initial-cluster has other URLs for " + config.name + " than advertise-peer-urls (or peer-urls) has");
    }
    named->client_urls = self.client_urls;
    config.node.member_id = named->id;
    config.node.group_id = pd::group_id_of(*members);
    config.node.members = std::move(*members);
  } else {
    config.node.members = {std::move(self)};
  }
  return listen;
}

}  // namespace cairn::config
