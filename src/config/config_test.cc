// What the two kinds of process are told, and how it fits together.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "config/pd_config.h"
#include "config/server_config.h"
#include "config/show.h"

namespace cairn::config {
namespace {

TEST(ServerConfig, RoomAndFlowAreSetUnderTikvsNames) {
  ServerConfig config;
  const auto read = settings_of(config).read_toml(R"(
    [storage]
    reserve-space = "3MiB"
    scheduler-pending-write-threshold = "4MiB"
    [storage.flow-control]
    memtables-threshold = 6
    l0-files-threshold = 7
    soft-pending-compaction-bytes-limit = "8GiB"
    hard-pending-compaction-bytes-limit = "9GiB"
    [rocksdb]
    write-buffer-limit = "10MiB"
    [rocksdb.defaultcf]
    write-buffer-size = "11MiB"
  )");
  ASSERT_TRUE(read.ok()) << read.error();
  ASSERT_TRUE(complete(config).ok());
  EXPECT_EQ(config.store.reserve_space_bytes, uint64_t{3} << 20);
  EXPECT_EQ(config.store.waiting_write_bytes_max, uint64_t{4} << 20);
  EXPECT_EQ(config.kv.memtables_max, 6);
  EXPECT_EQ(config.kv.l0_files_slow, 7);
  EXPECT_EQ(config.kv.compaction_bytes_slow, uint64_t{8} << 30);
  EXPECT_EQ(config.kv.compaction_bytes_stop, uint64_t{9} << 30);
  EXPECT_EQ(config.kv.total_write_buffer_bytes, uint64_t{10} << 20);
  EXPECT_EQ(config.kv.write_buffer_bytes, uint64_t{11} << 20);
  ServerConfig wrong;
  ASSERT_TRUE(settings_of(wrong).read_toml("storage.flow-control.hard-pending-compaction-bytes-limit = \"1GiB\"").ok());
  EXPECT_FALSE(complete(wrong).ok());
}

TEST(ServerConfig, SecurityIsSetUnderTikvsNamesAllOrNone) {
  ServerConfig config;
  const auto read = settings_of(config).read_toml(R"(
    server.addr = "127.0.0.1:20160"
    pd.endpoints = ["https://pd-1:2379"]
    [security]
    ca-path = "ca.pem"
    cert-path = "cert.pem"
    key-path = "key.pem"
    crl-path = "crl.pem"
    cert-allowed-cn = ["tidb", "client"]
    cert-allowed-san = ["a.example"]
  )");
  ASSERT_TRUE(read.ok()) << read.error();
  ASSERT_TRUE(complete(config).ok()) << complete(config).error();
  EXPECT_EQ(config.security.ca_path, "ca.pem");
  EXPECT_EQ(config.security.cert_path, "cert.pem");
  EXPECT_EQ(config.security.key_path, "key.pem");
  EXPECT_EQ(config.security.crl_path, "crl.pem");
  EXPECT_EQ(config.security.allowed_cn, (std::vector<std::string>{"tidb", "client"}));
  EXPECT_EQ(config.security.allowed_san, (std::vector<std::string>{"a.example"}));
  EXPECT_EQ(config.pd_endpoints, (std::vector<std::string>{"pd-1:2379"}));
  for (const char* part :
       {"security.ca-path = \"a\"", "security.cert-allowed-cn = [\"a\"]", "pd.endpoints = [\"https://pd-1:2379\"]"}) {
    ServerConfig partial;
    ASSERT_TRUE(settings_of(partial).read_toml(part).ok());
    const auto refused = complete(partial);
    ASSERT_FALSE(refused.ok()) << part;
    EXPECT_NE(refused.error().find("security"), std::string::npos) << refused.error();
  }
}

TEST(PdConfig, WithSecurityAllUrlsAreHttps) {
  PdConfig config;
  const auto read = settings_of(config).read_toml(R"(
    advertise-client-urls = "http://pd-1:2379"
    [security]
    cacert-path = "ca.pem"
    cert-path = "cert.pem"
    key-path = "key.pem"
    cert-allowed-cn = ["tikv"]
  )");
  ASSERT_TRUE(read.ok()) << read.error();
  const auto listen = complete(config);
  ASSERT_TRUE(listen.ok()) << listen.error();
  EXPECT_EQ(*listen, (std::vector<std::string>{"127.0.0.1:2379"}));
  EXPECT_EQ(config.node.members[0].client_urls, (std::vector<std::string>{"https://pd-1:2379"}));
  EXPECT_EQ(config.node.members[0].peer_urls, (std::vector<std::string>{"https://127.0.0.1:2380"}));
  EXPECT_EQ(config.security.ca_path, "ca.pem");
  EXPECT_EQ(config.security.allowed_cn, (std::vector<std::string>{"tikv"}));
  for (const char* part : {"security.cacert-path = \"a\"", "security.cert-path = \"a\"",
                           "security.cert-allowed-cn = [\"a\"]", "client-urls = \"https://127.0.0.1:2379\""}) {
    PdConfig partial;
    ASSERT_TRUE(settings_of(partial).read_toml(part).ok());
    const auto refused = complete(partial);
    ASSERT_FALSE(refused.ok()) << part;
    EXPECT_NE(refused.error().find("security"), std::string::npos) << refused.error();
  }
}

TEST(ServerConfig, GarbageCollectionIsSetUnderTikvsNames) {
  ServerConfig config;
  const auto read = settings_of(config).read_toml(R"(
    [gc]
    enable-compaction-filter = false
    ratio-threshold = 1.5
    batch-keys = 64
    [gc.auto-compaction]
    check-interval = "1m"
    tombstone-num-threshold = 7
    tombstones-percent-threshold = 8
    redundant-rows-threshold = 9
    redundant-rows-percent-threshold = 10
  )");
  ASSERT_TRUE(read.ok()) << read.error();
  ASSERT_TRUE(complete(config).ok());
  const auto& gc = config.store.gc;
  EXPECT_FALSE(gc.enable_compaction_filter);
  EXPECT_EQ(gc.ratio_threshold, 1.5);
  EXPECT_EQ(gc.batch_keys, 64u);
  EXPECT_EQ(gc.check_interval, std::chrono::minutes(1));
  EXPECT_EQ(gc.tombstones_threshold, 7u);
  EXPECT_EQ(gc.tombstones_percent_threshold, 8u);
  EXPECT_EQ(gc.redundant_rows_threshold, 9u);
  EXPECT_EQ(gc.redundant_rows_percent_threshold, 10u);
  for (const char* bad :
       {"gc.enable-compaction-filter = \"maybe\"", "gc.ratio-threshold = \"much\"", "gc.ratio-threshold = nan",
        "gc.ratio-threshold = inf", "gc.ratio-threshold = -1", "gc.batch-keys = 0",
        "gc.auto-compaction.check-interval = \"0s\"", "gc.auto-compaction.tombstone-percent-threshold = 101"}) {
    EXPECT_FALSE(settings_of(config).read_toml(bad).ok()) << bad;
  }
}

TEST(ServerConfig, AFileFillsTheSettingsUnderTikvsNames) {
  ServerConfig config;
  const auto read = settings_of(config).read_toml(R"(
    [server]
    addr = "0.0.0.0:20161"
    advertise-addr = "10.0.0.1:20161"
    labels = { zone = "east", host = "h1" }
    [storage.block-cache]
    capacity = "2GiB"
    [raftstore]
    raft-base-tick-interval = "500ms"
    raft-election-timeout-ticks = 20
    [pd]
    endpoints = ["http://10.0.0.9:2379", "10.0.0.8:2379"]
  )");
  ASSERT_TRUE(read.ok()) << read.error();
  const auto completed = complete(config);
  ASSERT_TRUE(completed.ok()) << completed.error();
  EXPECT_EQ(config.store.address, "10.0.0.1:20161");
  EXPECT_EQ(config.store.labels.at("zone"), "east");
  EXPECT_EQ(config.kv.block_cache_bytes, uint64_t{2} << 30);
  EXPECT_EQ(config.store.tick, std::chrono::milliseconds(500));
  EXPECT_EQ(config.store.election_ticks, 20);
  EXPECT_EQ(config.pd_endpoints, (std::vector<std::string>{"10.0.0.9:2379", "10.0.0.8:2379"}));
}

TEST(ServerConfig, AnUnknownKeyIsRefusedByItsFullName) {
  ServerConfig config;
  const auto read = settings_of(config).read_toml("[raftstore]\nraft-base-tick = \"1s\"\n");
  ASSERT_FALSE(read.ok());
  EXPECT_EQ(read.error(), "raftstore.raft-base-tick: no such setting; did you mean raftstore.raft-base-tick-interval?");
}

TEST(ServerConfig, ABadValueIsRefusedWithItsNameAndAnExample) {
  ServerConfig config;
  const auto read = settings_of(config).read_toml("[raftstore]\nraft-base-tick-interval = 12\n");
  ASSERT_FALSE(read.ok());
  EXPECT_EQ(read.error(), "raftstore.raft-base-tick-interval: \"12\" is not a duration: write for example 10s");
}

TEST(ServerConfig, AFileThatIsNotTomlIsRefusedWithTheLine) {
  ServerConfig config;
  const auto read = settings_of(config).read_toml("[server]\naddr = \n");
  ASSERT_FALSE(read.ok());
  EXPECT_TRUE(read.error().starts_with("line 2")) << read.error();
}

TEST(ServerConfig, AnAddressThatNobodyCanDialNeedsAnAdvertisedOne) {
  for (const char* any : {"0.0.0.0:20160", "[::]:20160"}) {
    ServerConfig config;
    config.address = any;
    const auto refused = complete(config);
    ASSERT_FALSE(refused.ok()) << any;
    EXPECT_TRUE(refused.error().starts_with("server.advertise-addr: ")) << refused.error();
    config.advertise_address = "10.0.0.1:20160";
    EXPECT_TRUE(complete(config).ok()) << any;
    config.advertise_status_address = any;
    EXPECT_FALSE(complete(config).ok()) << any;
  }
}

TEST(ServerConfig, PdOnThisMachineMayBeNamedByAnyAddress) {
  ServerConfig config;
  ASSERT_TRUE(settings_of(config).read_toml("pd.endpoints = [\"0.0.0.0:2379\"]").ok());
  const auto completed = complete(config);
  EXPECT_TRUE(completed.ok()) << (completed.ok() ? "" : completed.error());
}

TEST(ServerConfig, AddressesMayBeOfIpv6) {
  ServerConfig config;
  config.address = config.advertise_address = "[::1]:20160";
  config.status_address = "[::1]:20180";
  ASSERT_TRUE(complete(config).ok());
  EXPECT_EQ(config.store.address, "[::1]:20160");
  EXPECT_EQ(config.store.status_address, "[::1]:20180");
}

TEST(ServerConfig, TheApiVersionIsMadeOfTwoSettings) {
  const auto version_of = [](const std::string& toml) -> std::string {
    ServerConfig config;
    const auto read = settings_of(config).read_toml("[storage]\n" + toml);
    if (!read.ok()) return read.error();
    const auto completed = complete(config);
    return completed.ok() ? rawkv::api_version_name(config.store.api_version) : completed.error();
  };
  EXPECT_EQ(version_of(""), "V1");
  EXPECT_EQ(version_of("api-version = 1\nenable-ttl = true"), "V1TTL");
  EXPECT_EQ(version_of("api-version = 2\nenable-ttl = true"), "V2");
  EXPECT_EQ(version_of("api-version = 2"),
            "storage.enable-ttl must be true with storage.api-version 2: its values may expire");
  EXPECT_EQ(version_of("api-version = 3"), "storage.api-version: \"3\" is out of range: 1 to 2");
  EXPECT_EQ(version_of("enable-ttl = 1"), "storage.enable-ttl: \"1\" is neither true nor false");
}

TEST(ServerConfig, TheVersionThatPdIsToldIsAVersion) {
  ServerConfig config;
  ASSERT_TRUE(complete(config).ok());
  EXPECT_EQ(config.store.version, "9.0.0");
  ASSERT_TRUE(settings_of(config).read_toml("[server]\ntikv-version = \"8.5.3\"").ok());
  ASSERT_TRUE(complete(config).ok());
  EXPECT_EQ(config.store.version, "8.5.3");
  ASSERT_TRUE(settings_of(config).read_toml("[server]\ntikv-version = \"newest\"").ok());
  const auto refused = complete(config);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error(), "server.tikv-version: \"newest\" is no version: as in 9.0.0");
}

TEST(ServerConfig, RunsOfTimestampsHaveSensibleSizes) {
  ServerConfig config;
  ASSERT_TRUE(settings_of(config)
                  .read_toml("[causal-ts]\nrenew-interval = \"50ms\"\nrenew-batch-min-size = 10\n"
                             "renew-batch-max-size = 20\nalloc-ahead-buffer = \"1s\"")
                  .ok());
  ASSERT_TRUE(complete(config).ok());
  EXPECT_EQ(config.causal_timestamps.batch_max, 20u);
  EXPECT_EQ(config.causal_timestamps.alloc_ahead_buffer, std::chrono::seconds(1));
  config.causal_timestamps.batch_max = 5;
  EXPECT_FALSE(complete(config).ok());
}

TEST(PdConfig, IsCompletedFromWhatIsGiven) {
  PdConfig config;
  ASSERT_TRUE(settings_of(config).read_toml("name = \"a\"\nlease = 3\nclient-urls = \"http://127.0.0.1:1234\"").ok());
  const auto listen = complete(config);
  ASSERT_TRUE(listen.ok()) << listen.error();
  EXPECT_EQ(*listen, std::vector<std::string>{"127.0.0.1:1234"});
  EXPECT_EQ(config.data_dir, "default.a");
  EXPECT_EQ(config.node.members.at(0).client_urls.at(0), "http://127.0.0.1:1234");
  EXPECT_EQ(config.node.raft_election_ticks * config.node.raft_tick, 1500ms);
}

TEST(PdConfig, TheLifeTimeOfGarbageMustLetTransactionsLive) {
  auto outcome = [](const std::string& toml) {
    PdConfig config;
    auto read = settings_of(config).read_toml(toml);
    if (!read.ok()) return read.error();
    auto completed = complete(config);
    return completed.ok() ? std::string() : completed.error();
  };
  EXPECT_EQ(outcome("[gc]\nenable = false\nlife-time = \"24h\"\nrun-interval = \"10m\"\ntakeover-delay = \"48h\""), "");
  EXPECT_EQ(outcome("[gc]\nlife-time = \"30s\"\nrun-interval = \"1s\"\nclient-cache-time = \"1s\""), "");
  EXPECT_NE(outcome("[gc]\nlife-time = \"29s\"").find("gc.life-time"), std::string::npos);
  EXPECT_NE(outcome("[gc]\nrun-interval = \"11m\"").find("gc.run-interval"), std::string::npos);
  EXPECT_NE(outcome("[gc]\nrun-interval = \"10ms\"").find("gc.run-interval"), std::string::npos);
  EXPECT_NE(outcome("[gc]\ntakeover-delay = \"1s\"").find("gc.takeover-delay"), std::string::npos);
  EXPECT_EQ(outcome("[gc]\nenable = \"yes\""), "gc.enable: \"yes\" is neither true nor false");
}

TEST(PdConfig, AnAddressThatNobodyCanDialNeedsAnAdvertisedOne) {
  for (const char* any : {"http://0.0.0.0:2379", "http://[::]:2379"}) {
    PdConfig config;
    config.client_urls = {any};
    const auto refused = complete(config);
    ASSERT_FALSE(refused.ok()) << any;
    EXPECT_TRUE(refused.error().starts_with("advertise-client-urls: ")) << refused.error();
    config.advertise_client_urls = {"http://10.0.0.1:2379"};
    EXPECT_TRUE(complete(config).ok()) << any;
    config.advertise_peer_urls = {any};
    EXPECT_FALSE(complete(config).ok()) << any;
  }
}

// Values beyond all sense, for each setting that has a range: what is let through would spin, divide by zero, abort or
// stop all writes later.
template <class Config>
void expect_ranges_to_hold() {
  Config config;
  Settings settings = settings_of(config);
  int checked = 0;
  const auto all = settings.all();
  for (const auto& setting : all) {
    const auto& name = setting.name;
    const auto& range = setting.range;
    if (range.empty()) continue;
    ++checked;
    const bool is_size = range.find("iB") != std::string::npos;
    const bool is_duration = !is_size && range.find_first_of("smhd") != std::string::npos && name != "lease";
    const std::string unit = is_size ? "PiB" : is_duration ? "d" : "";
    for (const std::string& value : {std::string("18446744073709551616"), std::string("99999999999999999999999")}) {
      EXPECT_FALSE(settings.set(name, value + unit).ok()) << name;
    }
    const auto beyond = settings.set(name, (is_size ? "8000PiB" : is_duration ? "9000d" : "1000000000000001"));
    ASSERT_FALSE(beyond.ok()) << name;
    EXPECT_EQ(beyond.error().substr(0, name.size() + 2), name + ": ");
    EXPECT_NE(beyond.error().find("is out of range: " + range), std::string::npos) << beyond.error();
    EXPECT_FALSE(settings.set(name, "-1" + unit).ok()) << name;
    EXPECT_FALSE(settings.set(name, "").ok()) << name;
    if (range.starts_with("0")) continue;
    EXPECT_FALSE(settings.set(name, is_size ? "0MiB" : is_duration ? "0s" : "0").ok()) << name;
  }
  EXPECT_GT(checked, 8);
}

TEST(Config, NoSettingTakesZeroOrAbsurdValues) {
  expect_ranges_to_hold<ServerConfig>();
  expect_ranges_to_hold<PdConfig>();
}

// The text with what stands between its two marks replaced.
std::string with_part(const std::string& text, const std::string& name, const std::string& part) {
  const std::string begin = "<!-- generated: " + name + " -->\n";
  const std::string end = "<!-- end of " + name + " -->\n";
  const size_t from = text.find(begin);
  const size_t to = text.find(end);
  if (from == std::string::npos || to == std::string::npos) {
    ADD_FAILURE() << "no marks of " << name;
    return text;
  }
  return text.substr(0, from + begin.size()) + "\n" + part + "\n" + text.substr(to);
}

// CAIRN_REWRITE=1 brings the manual into step.
TEST(Config, TheManualIsInStepWithTheTables) {
  const auto path = std::filesystem::path(CAIRN_TESTDATA).parent_path() / "../../docs/configuration.md";
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  ServerConfig server;
  PdConfig pd;
  std::string fresh = text.str();
  fresh = with_part(fresh, "settings of a store", manual_of(settings_of(server)));
  fresh = with_part(fresh, "settings of PD", manual_of(settings_of(pd)));
  fresh = with_part(fresh, "what a store accepts", manual_of(unused_names_of_tikv()));
  fresh = with_part(fresh, "what PD accepts", manual_of(unused_names_of_pd()));
  if (std::getenv("CAIRN_REWRITE") != nullptr) std::ofstream(path) << fresh;
  EXPECT_TRUE(fresh == text.str()) << "run this test with CAIRN_REWRITE=1";
}

template <class Config>
std::string outcome_of_sample() {
  Config config;
  const std::string sample = sample_of(settings_of(config));
  Config read;
  const auto taken = settings_of(read).read_toml(sample);
  if (!taken.ok()) return taken.error();
  return sample_of(settings_of(read)) == sample ? "" : "it reads as something else";
}

TEST(Config, TheSampleFileIsOneThatStarts) {
  EXPECT_EQ(outcome_of_sample<ServerConfig>(), "");
  EXPECT_EQ(outcome_of_sample<PdConfig>(), "");
}

TEST(Config, TikvsAndPdsNamesAreUsedOrNoted) {
  ServerConfig server;
  Settings settings = settings_of(server);
  ASSERT_TRUE(settings
                  .read_toml("log-level = \"warn\"\n[raft-engine]\ndir = \"x\"\n[rocksdb.writecf.titan]\n"
                             "min-blob-size = \"1KiB\"\n[security.encryption.master-key]\ntype = \"file\"")
                  .ok());
  EXPECT_EQ(server.log.level, "warn");
  ASSERT_EQ(settings.notes().size(), 3u);
  EXPECT_TRUE(settings.notes()[0].starts_with("raft-engine.dir is not used: the Raft log is a RocksDB"))
      << settings.notes()[0];
  PdConfig pd;
  Settings of_pd = settings_of(pd);
  ASSERT_TRUE(of_pd
                  .read_toml("[schedule]\nleader-schedule-limit = 4\n[[schedule.schedulers-v2]]\ntype = \"label\"\n"
                             "[replication]\nlocation-labels = [\"zone\"]")
                  .ok());
  EXPECT_EQ(of_pd.notes().size(), 1u);
  const auto unknown = of_pd.set("schedule.leader-schedul-limit", "4");
  ASSERT_FALSE(unknown.ok());
  EXPECT_NE(unknown.error().find("did you mean schedule.leader-schedule-limit?"), std::string::npos);
}

TEST(PdConfig, KeyspacesToBeMadeHaveProperNames) {
  PdConfig config;
  ASSERT_TRUE(settings_of(config).read_toml("[keyspace]\npre-alloc = [\"a\", \"b/c\"]").ok());
  const auto listen = complete(config);
  ASSERT_FALSE(listen.ok());
  EXPECT_TRUE(listen.error().starts_with("keyspace.pre-alloc: illegal keyspace name \"b/c\"")) << listen.error();
}

TEST(PdConfig, MembersThatBeginTogetherKnowOneAnother) {
  const auto complete_as = [](const std::string& name, const std::string& url) {
    PdConfig config;
    config.name = name;
    config.peer_urls = {url};
    config.initial_cluster = "pd1=http://a:2380,pd2=http://b:2380, pd3=http://c:2380";
    const auto listen = complete(config);
    EXPECT_TRUE(listen.ok()) << listen.error();
    return config;
  };
  const auto one = complete_as("pd1", "http://a:2380");
  const auto two = complete_as("pd2", "http://b:2380");
  EXPECT_NE(one.node.group_id, 0);
  EXPECT_EQ(one.node.group_id, two.node.group_id);
  EXPECT_NE(one.node.member_id, two.node.member_id);
  ASSERT_EQ(one.node.members.size(), 3);
  EXPECT_EQ(one.node.members[1].id, two.node.member_id);
  EXPECT_EQ(one.peer_listen, std::vector<std::string>{"a:2380"});
}

TEST(PdConfig, AnInitialClusterThatDoesNotFitIsRefused) {
  const auto outcome = [](const std::string& text, const std::string& join = "") {
    PdConfig config;
    config.initial_cluster = text;
    config.join = join;
    const auto listen = complete(config);
    return listen.ok() ? "" : listen.error();
  };
  EXPECT_EQ(outcome("pd=http://127.0.0.1:2380"), "");
  EXPECT_EQ(outcome("a=http://127.0.0.1:2380"), "initial-cluster does not name this member, pd");
  EXPECT_EQ(outcome("pd=http://a:1,b=http://b:1"),
            "initial-cluster has other URLs for pd than advertise-peer-urls (or peer-urls) has");
  EXPECT_EQ(outcome("pd"), "initial-cluster: \"pd\" is not of the form name=URL");
  EXPECT_EQ(outcome("pd=http://a:1,b=http://a:1"), "initial-cluster: the URL http://a:1 stands twice");
  EXPECT_EQ(outcome("pd=http://127.0.0.1:2380", "http://a:2379"), "initial-cluster and join exclude one another");
}

}  // namespace
}  // namespace cairn::config
