// Values, configuration files and the playground's plan.
#include <gtest/gtest.h>

#include "cli/pd_config.h"
#include "cli/playground_plan.h"
#include "cli/server_config.h"

namespace cairn::cli {
namespace {

TEST(Values, SizesAreReadWithEachUnit) {
  EXPECT_EQ(*parse_size("4096"), 4096u);
  EXPECT_EQ(*parse_size("256MiB"), 256u << 20);
  EXPECT_EQ(*parse_size("64KB"), 64u << 10);
  EXPECT_EQ(*parse_size("1.5 GiB"), 3u << 29);
  for (const char* bad : {"", "MiB", "12XB", "-1", "99999999999TiB"}) EXPECT_FALSE(parse_size(bad).ok()) << bad;
}

TEST(Values, DurationsAreReadWithEachUnitAndInSums) {
  EXPECT_EQ(*parse_duration("10s"), std::chrono::seconds(10));
  EXPECT_EQ(*parse_duration("500ms"), std::chrono::milliseconds(500));
  EXPECT_EQ(*parse_duration("1h30m"), std::chrono::minutes(90));
  for (const char* bad : {"", "10", "s", "10 years"}) EXPECT_FALSE(parse_duration(bad).ok()) << bad;
}

TEST(Values, AddressesMayBeUrlsButNotOfTls) {
  EXPECT_EQ(*parse_address("http://10.0.0.1:2379/"), "10.0.0.1:2379");
  EXPECT_EQ(*parse_address("store-1:20160"), "store-1:20160");
  for (const char* bad : {"https://a:1", "nowhere", ":1", "a:port", "a:70000"})
    EXPECT_FALSE(parse_address(bad).ok()) << bad;
}

TEST(Values, LabelsAreKeysWithValues) {
  const std::map<std::string, std::string> expected = {{"host", "h1"}, {"zone", "east"}};
  EXPECT_EQ(*parse_labels("zone=east, host=h1"), expected);
  EXPECT_FALSE(parse_labels("zone").ok());
  EXPECT_FALSE(parse_labels("zone=a,zone=b").ok());
}

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
  for (const char* bad : {"storage.flow-control.memtables-threshold = 1", "storage.flow-control.l0-files-threshold = 3",
                          "storage.flow-control.hard-pending-compaction-bytes-limit = \"1GiB\""}) {
    ServerConfig wrong;
    ASSERT_TRUE(settings_of(wrong).read_toml(bad).ok()) << bad;
    EXPECT_FALSE(complete(wrong).ok()) << bad;
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
       {"gc.enable-compaction-filter = \"maybe\"", "gc.ratio-threshold = \"much\"", "gc.ratio-threshold = nan"}) {
    EXPECT_FALSE(settings_of(config).read_toml(bad).ok()) << bad;
  }
  for (const char* bad : {"gc.batch-keys = 0", "gc.auto-compaction.check-interval = \"0s\"",
                          "gc.auto-compaction.tombstone-percent-threshold = 101"}) {
    ServerConfig wrong;
    ASSERT_TRUE(settings_of(wrong).read_toml(bad).ok()) << bad;
    EXPECT_FALSE(complete(wrong).ok()) << bad;
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
  EXPECT_EQ(read.error(), "raftstore.raft-base-tick: no such setting");
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
  ServerConfig config;
  config.address = "0.0.0.0:20160";
  EXPECT_FALSE(complete(config).ok());
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
  EXPECT_EQ(version_of("api-version = 3"), "storage.api-version can only be set to 1 or 2");
  EXPECT_EQ(version_of("enable-ttl = 1"), "storage.enable-ttl: \"1\" is neither true nor false");
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
  EXPECT_EQ(config.node.raft_election_ticks, 30);
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

TEST(PdConfig, KeyspacesToBeMadeHaveProperNames) {
  PdConfig config;
  ASSERT_TRUE(settings_of(config).read_toml("[keyspace]\npre-alloc = [\"a\", \"b/c\"]").ok());
  const auto listen = complete(config);
  ASSERT_FALSE(listen.ok());
  EXPECT_TRUE(listen.error().starts_with("keyspace.pre-alloc: illegal keyspace name \"b/c\"")) << listen.error();
}

TEST(PdConfig, MoreThanOneMemberIsRefused) {
  PdConfig config;
  config.initial_cluster = "pd=http://a:2380,pd2=http://b:2380";
  EXPECT_FALSE(complete(config).ok());
}

TEST(Playground, PortsAreConsecutive) {
  const auto plan = plan_playground({.stores = 3, .data_dir = "/d"});
  ASSERT_TRUE(plan.ok()) << plan.error();
  ASSERT_EQ(plan->size(), 4u);
  EXPECT_EQ(plan->at(0).address, "127.0.0.1:2379");
  EXPECT_EQ(plan->at(0).status_address, "127.0.0.1:2381");
  EXPECT_EQ(plan->at(3).address, "127.0.0.1:20162");
  EXPECT_EQ(plan->at(3).status_address, "127.0.0.1:20182");
}

TEST(Playground, ConfigurationFilesAreHandedOn) {
  const auto plan = plan_playground({.stores = 1, .data_dir = "/d", .pd_config = "pd.toml", .store_config = "kv.toml"});
  ASSERT_TRUE(plan.ok()) << plan.error();
  EXPECT_EQ(plan->at(0).arguments.back(), "pd.toml");
  EXPECT_EQ(plan->at(1).arguments.back(), "kv.toml");
}

TEST(Playground, PortsThatMeetAreRefused) {
  EXPECT_FALSE(plan_playground({.stores = 21, .data_dir = "/d"}).ok());
  EXPECT_FALSE(plan_playground({.stores = 2, .store_port = 65535, .data_dir = "/d"}).ok());
  EXPECT_FALSE(plan_playground({.pds = 3, .data_dir = "/d"}).ok());
}

}  // namespace
}  // namespace cairn::cli
