#include "rawkv/rawkv.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>

#include "base/codec.h"
#include "base/crc.h"
#include "engine/memory/local_region_store.h"
#include "engine/memory/memory_engine.h"
#include "rawkv/testing/reader_now.h"
#include "rawkv/value.h"
#include "runtime/simulated/sim_loop.h"

namespace cairn::rawkv {
namespace {

struct World {
  explicit World(ApiVersion version = ApiVersion::kV1,
                 engine::RegionDescription region = engine::LocalRegionStore::whole_key_space())
      : config{.api_version = version},
        store(engine::open_memory_kv(std::make_shared<engine::MemoryDisk>()), *executor, std::move(region)) {}

  template <class T>
  static runtime::Task<void> into(runtime::Task<Answer<T>> task, std::optional<Answer<T>>* answer) {
    answer->emplace(co_await std::move(task));
  }
  template <class T>
  Answer<T> run(runtime::Task<Answer<T>> task) {
    std::optional<Answer<T>> answer;
    runtime::spawn(*executor, into(std::move(task), &answer));
    loop.run_until([&] { return answer.has_value(); }, std::chrono::seconds(5));
    return std::move(*answer);
  }
  Answer<void> put(Bytes key, Bytes value, uint64_t ttl_s = 0) {
    return run(writer.put({"", std::move(key), std::move(value), ttl_s}, store.request()));
  }
  // The reader's snapshot lives as long as the world.
  ReaderNow reader() {
    snapshots.push_back(store.snapshot_now());
    return {*snapshots.back(), config, clock.wall_now().seconds()};
  }

  runtime::SimLoop loop{1};
  runtime::SimClock clock{loop};
  runtime::SimExecutors executors{loop, clock, "node"};
  std::shared_ptr<runtime::Executor> executor = executors.make("shard");
  Config config;
  engine::LocalRegionStore store;
  // The source of V2's timestamps; a test may silence it.
  Timestamp last_ts{1000};
  bool has_timestamps = true;
  static runtime::Task<Result<Timestamp, std::string>> fetch(World* world, uint32_t count) {
    if (!world->has_timestamps) co_return Err(std::string("away"));
    world->last_ts = world->last_ts + count;
    co_return world->last_ts;
  }
  RawWriter writer{store, clock, config, [this](uint32_t count) { return fetch(this, count); }};
  std::vector<engine::RegionSnapshotPtr> snapshots;
};

template <class T>
std::string refusal(const Answer<T>& answer) {
  if (answer.ok()) return "";
  const auto* invalid = std::get_if<InvalidRequest>(&answer.error());
  return invalid ? invalid->text : "another failure";
}

std::string keys_of(const Answer<std::vector<KvPair>>& pairs) {
  std::string keys;
  for (const auto& pair : *pairs) keys += pair.key + (pair.value.empty() ? "" : "=" + pair.value) + " ";
  return keys;
}

TEST(RawKv, ReadsWhatWasWritten) {
  World world;
  ASSERT_TRUE(world.put("a", "1").ok());
  ASSERT_TRUE(world.put("b", "").ok());
  EXPECT_EQ(*world.reader().get("", "a"), "1");
  EXPECT_EQ(*world.reader().get("default", "b"), "") << "an empty value is not absence";
  EXPECT_EQ(*world.reader().get("", "c"), std::nullopt);
  EXPECT_EQ(*world.reader().get("write", "a"), std::nullopt) << "another column family";
  EXPECT_EQ(*world.store.snapshot_now()->get(engine::Cf::kDefault, "a"), "1") << "in V1 the key is the engine key";
  ASSERT_TRUE(world.run(world.writer.del({"", {"a", "c"}}, world.store.request())).ok());
  EXPECT_EQ(*world.reader().get("", "a"), std::nullopt);
}

TEST(RawKv, BatchesPutAndGet) {
  World world;
  ASSERT_TRUE(world.run(world.writer.batch_put({"", {{"a", "1"}, {"b", "2"}}, {}}, world.store.request())).ok());
  EXPECT_EQ(keys_of(world.reader().batch_get("", {"b", "x", "a"})), "b=2 a=1 ");
}

TEST(RawKv, ScansBothWays) {
  World world;
  for (const char* key : {"a", "b", "c", "d"}) ASSERT_TRUE(world.put(key, key).ok());
  const auto scan = [&](ReaderNow::Scan scan) { return keys_of(world.reader().scan("", scan)); };
  EXPECT_EQ(scan({"b", "d", 10}), "b=b c=c ");
  EXPECT_EQ(scan({"", "", 3}), "a=a b=b c=c ");
  EXPECT_EQ(scan({"b", "", 10, true}), "b c d ");
  EXPECT_EQ(scan({"d", "b", 10, false, true}), "c=c b=b ");
  EXPECT_EQ(scan({"", "", 2, false, true}), "d=d c=c ");
  EXPECT_EQ(scan({"c", "b", 10}), "");
  EXPECT_EQ(keys_of(world.reader().batch_scan("", {{{"a", "c"}, {"c", ""}}, 1})), "a=a c=c ");
}

TEST(RawKv, DeletesRanges) {
  World world;
  for (const char* key : {"a", "b", "c"}) ASSERT_TRUE(world.put(key, key).ok());
  ASSERT_TRUE(world.run(world.writer.delete_range({"", {"a", "c"}}, world.store.request())).ok());
  EXPECT_EQ(keys_of(world.reader().scan("", {"", "", 10})), "c=c ");
  ASSERT_TRUE(world.run(world.writer.delete_range({"", {"z", "a"}}, world.store.request())).ok()) << "an empty range";
}

TEST(RawKv, ChecksumIsTheSumOfPairs) {
  World world;
  ASSERT_TRUE(world.put("a", "1").ok());
  ASSERT_TRUE(world.put("bb", "22").ok());
  auto sum = world.reader().checksum({{"", "b"}, {"b", ""}});
  ASSERT_TRUE(sum.ok());
  EXPECT_EQ(sum->checksum, crc64("a1") ^ crc64("bb22"));
  EXPECT_EQ(sum->kvs, 2u);
  EXPECT_EQ(sum->bytes, 6u);
}

TEST(RawKv, ComparesAndSwaps) {
  World world;
  const auto swap = [&](std::optional<Bytes> expected, Bytes value, bool del = false) {
    return *world.run(
        world.writer.compare_and_swap({"", "k", std::move(expected), std::move(value), del}, world.store.request()));
  };
  EXPECT_FALSE(swap("x", "1").succeed);
  EXPECT_TRUE(swap(std::nullopt, "1").succeed);
  auto again = swap(std::nullopt, "2");
  EXPECT_FALSE(again.succeed);
  EXPECT_EQ(again.previous, "1");
  EXPECT_TRUE(swap("1", "2").succeed);
  EXPECT_EQ(*world.reader().get("", "k"), "2");
  EXPECT_TRUE(swap("2", "", true).succeed);
  EXPECT_EQ(*world.reader().get("", "k"), std::nullopt);
}

TEST(RawKv, ValuesExpire) {
  World world(ApiVersion::kV1Ttl);
  ASSERT_TRUE(world.put("a", "1", 10).ok());
  ASSERT_TRUE(world.put("b", "2").ok());
  EXPECT_EQ(*world.reader().get("", "a"), "1");
  EXPECT_EQ(*world.reader().key_ttl("", "a"), 10u);
  EXPECT_EQ(*world.reader().key_ttl("", "b"), 0u);
  EXPECT_EQ(*world.reader().key_ttl("", "c"), std::nullopt);
  world.loop.run_for(std::chrono::seconds(11));
  EXPECT_EQ(*world.reader().get("", "a"), std::nullopt);
  EXPECT_EQ(keys_of(world.reader().scan("", {"", "", 10})), "b=2 ");
  EXPECT_EQ(keys_of(world.reader().scan("", {"", "", 10, true, true})), "b ");
  EXPECT_TRUE(
      world.run(world.writer.compare_and_swap({"", "a", std::nullopt, "3", false, 5}, world.store.request()))->succeed)
      << "what is expired does not exist";
  EXPECT_EQ(to_hex(encode_value(ApiVersion::kV1Ttl, "v", 258)), "760000000000000102");
  EXPECT_FALSE(decode_value(ApiVersion::kV1Ttl, "short").ok());
}

TEST(RawKv, RefusesWhatIsWrong) {
  World world;
  EXPECT_EQ(refusal(world.reader().get("raft", "a")), "invalid cf name: raft");
  EXPECT_EQ(refusal(world.reader().get("x", "a")), "invalid cf name: x");
  EXPECT_EQ(refusal(world.put("a", "1", 5)), "ttl is not enabled, but get put request with ttl");
  EXPECT_EQ(refusal(world.reader().key_ttl("", "a")), "ttl is not enabled");
  EXPECT_EQ(refusal(world.put(Bytes(8193, 'k'), "1")), "max key size exceeded, size: 8193, limit: 8192");
  EXPECT_TRUE(world.put(Bytes(8192, 'k'), "1").ok());
  EXPECT_EQ(refusal(world.run(
                world.writer.batch_put({"", {{"a", "1"}, {"b", "2"}, {"c", "3"}}, {1, 2}}, world.store.request()))),
            "2 ttls for 3 pairs");
}

TEST(RawKv, AnAnswerThatIsTooLargeIsRefusedAndAGreatLimitIsNot) {
  World world;
  for (char key = 'a'; key <= 'j'; ++key) ASSERT_TRUE(world.put(Bytes(1, key), Bytes(100, 'v')).ok());
  world.config.answer_bytes_max = 1000;
  const ReaderNow reader = world.reader();
  EXPECT_EQ(reader.scan("", {"", "", 4'000'000'000, true}).value().size(), 10u);
  EXPECT_EQ(reader.scan("", {"", "", 5}).value().size(), 5u);
  const std::string refused = "the answer is larger than 1000 bytes: ask for fewer keys at a time";
  EXPECT_EQ(refusal(reader.scan("", {"", "", 4'000'000'000})), refused);
  EXPECT_EQ(refusal(reader.batch_scan("", {{{"a", "f"}, {"f", ""}}, 5})), refused);
  EXPECT_EQ(refusal(reader.batch_get("", {"a", "b", "c", "d", "e", "f", "g", "h"})), refused);
}

TEST(RawKv, KeysOutsideTheRegionAreRegionErrors) {
  auto region = engine::LocalRegionStore::whole_key_space();
  region.start_key = "m";
  World world(ApiVersion::kV1, region);
  const auto is_outside = [](const auto& answer) {
    const auto* error = answer.ok() ? nullptr : std::get_if<engine::RegionError>(&answer.error());
    return error && std::holds_alternative<engine::KeyNotInRegion>(*error);
  };
  EXPECT_TRUE(is_outside(world.reader().get("", "a")));
  EXPECT_TRUE(is_outside(world.reader().scan("", {"a", "z", 10})));
  EXPECT_TRUE(is_outside(world.put("a", "1")));
  EXPECT_TRUE(world.put("m", "1").ok());
}

TEST(RawKv, InV2AWriteIsANewVersionAndADeletionATombstone) {
  World world(ApiVersion::kV2);
  ASSERT_TRUE(world.put("ra", "1").ok());
  ASSERT_TRUE(world.put("ra", "2").ok());
  ASSERT_TRUE(world.put("rb", "").ok());
  EXPECT_EQ(*world.reader().get("", "ra"), "2");
  EXPECT_EQ(*world.reader().get("", "rb"), "") << "an empty value is not absence";
  EXPECT_EQ(*world.reader().get("", "rc"), std::nullopt);
  const Bytes newest = codec::append_ts(codec::encode_bytes("ra"), Timestamp(1002));
  EXPECT_EQ(to_hex(*world.store.snapshot_now()->get(engine::Cf::kDefault, newest).value()), "3200");
  ASSERT_TRUE(world.run(world.writer.del({"", {"ra", "rc"}}, world.store.request())).ok());
  EXPECT_EQ(*world.reader().get("", "ra"), std::nullopt);
  const Bytes tombstone = codec::append_ts(codec::encode_bytes("ra"), Timestamp(1004));
  EXPECT_EQ(to_hex(*world.store.snapshot_now()->get(engine::Cf::kDefault, tombstone).value()), "02");
  EXPECT_EQ(keys_of(world.reader().scan("", {"r", "s", 10})), "rb ");
  ASSERT_TRUE(world.put("ra", "3").ok());
  EXPECT_EQ(keys_of(world.reader().scan("", {"r", "s", 10})), "ra=3 rb ");
  ASSERT_TRUE(world.run(world.writer.delete_range({"", {"r", "rb"}}, world.store.request())).ok());
  EXPECT_EQ(keys_of(world.reader().scan("", {"r", "s", 10})), "rb ");
}

TEST(RawKv, InV2ValuesExpireAndAreSwapped) {
  World world(ApiVersion::kV2);
  ASSERT_TRUE(world.put("ra", "1", 10).ok());
  ASSERT_TRUE(world.put("rb", "2").ok());
  EXPECT_EQ(*world.reader().key_ttl("", "ra"), 10u);
  EXPECT_EQ(*world.reader().key_ttl("", "rb"), 0u);
  world.loop.run_for(std::chrono::seconds(11));
  EXPECT_EQ(*world.reader().get("", "ra"), std::nullopt);
  EXPECT_EQ(*world.reader().key_ttl("", "ra"), std::nullopt);
  const auto swap = [&](std::optional<Bytes> expected, Bytes value, bool del) {
    return world
        .run(world.writer.compare_and_swap({"", "ra", std::move(expected), std::move(value), del},
                                           world.store.request()))
        ->succeed;
  };
  EXPECT_TRUE(swap(std::nullopt, "3", false)) << "what is expired does not exist";
  EXPECT_FALSE(swap("1", "4", false));
  EXPECT_TRUE(swap("3", "", true));
  EXPECT_TRUE(swap(std::nullopt, "5", false));
  EXPECT_EQ(*world.reader().get("", "ra"), "5");
}

TEST(RawKv, InV2ColumnFamiliesAreNotNamed) {
  World world(ApiVersion::kV2);
  EXPECT_EQ(refusal(world.reader().get("default", "ra")), "cf is deprecated in API V2, cf name: default");
  EXPECT_EQ(refusal(world.run(world.writer.put({"lock", "ra", "1"}, world.store.request()))),
            "cf is deprecated in API V2, cf name: lock");
}

TEST(RawKv, InV2NoWriteGoesWithoutATimestamp) {
  World world(ApiVersion::kV2);
  world.has_timestamps = false;
  const auto answer = world.put("ra", "1");
  ASSERT_FALSE(answer.ok());
  const auto* error = std::get_if<engine::RegionError>(&answer.error());
  ASSERT_TRUE(error && std::holds_alternative<engine::ServerIsBusy>(*error));
  EXPECT_EQ(std::get<engine::ServerIsBusy>(*error).reason, "PD gives no timestamp: away");
  EXPECT_EQ(*world.reader().get("", "ra"), std::nullopt);
  world.has_timestamps = true;
  EXPECT_TRUE(world.put("ra", "1").ok());
}

TEST(RawKv, OfManySwappersOfOneKeyEachRoundHasOneWinner) {
  for (const ApiVersion version : {ApiVersion::kV1, ApiVersion::kV1Ttl, ApiVersion::kV2}) {
    World world(version);
    ASSERT_TRUE(world.put("r", "0").ok());
    for (int round = 0; round < 20; ++round) {
      std::vector<std::optional<Answer<RawCompareAndSwapResult>>> answers(8);
      for (size_t i = 0; i < answers.size(); ++i) {
        runtime::spawn(*world.executor, World::into(world.writer.compare_and_swap(
                                                        {"", "r", std::to_string(round), std::to_string(round + 1)},
                                                        world.store.request()),
                                                    &answers[i]));
      }
      ASSERT_TRUE(world.loop.run_until(
          [&] { return std::all_of(answers.begin(), answers.end(), [](const auto& a) { return a.has_value(); }); },
          std::chrono::seconds(5)));
      int winners = 0;
      for (const auto& answer : answers) winners += (*answer)->succeed ? 1 : 0;
      EXPECT_EQ(winners, 1);
    }
    EXPECT_EQ(*world.reader().get("", "r"), "20");
  }
}

}  // namespace
}  // namespace cairn::rawkv
