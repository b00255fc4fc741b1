// What is said of slow requests, and how often.
#include "server/slow_log.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/log.h"

namespace cairn::server {
namespace {

class SlowLogTest : public ::testing::Test {
 protected:
  SlowLogTest() : path_(std::filesystem::path(::testing::TempDir()) / "cairn-slow-log.log") {
    std::filesystem::remove(path_);
    EXPECT_EQ(log::init({.file = path_.string()}), "");
  }
  ~SlowLogTest() override {
    EXPECT_EQ(log::init({.level = "fatal"}), "");
    std::filesystem::remove(path_);
  }
  std::string text() const {
    log::flush();
    std::ifstream file(path_);
    std::stringstream all;
    all << file.rdbuf();
    return all.str();
  }
  const std::filesystem::path path_;
};

TEST_F(SlowLogTest, ASlowRequestIsNamedWithItsStages) {
  SlowLog slow(500ms);
  EXPECT_FALSE(slow.is_slow(499ms));
  EXPECT_TRUE(slow.is_slow(500ms));
  kvrpcpb::ExecDetailsV2 details;
  details.mutable_write_detail()->set_latch_wait_nanos(2'000'000);
  details.mutable_write_detail()->set_persist_log_nanos(512'300'000);
  slow.note("PrewriteRequest", 7, ByteView("k1"), 515ms, &details, Instant() + 10s);
  EXPECT_NE(
      text().find("[\"slow request: Prewrite of region 7, key 6B31, took 515 ms; in ms: latch 2.0, persist 512.3\"]"),
      std::string::npos)
      << text();
  slow.set_threshold(Duration{});
  EXPECT_FALSE(slow.is_slow(1h)) << "0 turns it off";
}

TEST_F(SlowLogTest, TheFirstKeyIsFoundWhereverARequestHasIt) {
  kvrpcpb::PrewriteRequest prewrite;
  EXPECT_EQ(first_key_of(prewrite), std::nullopt);
  prewrite.add_mutations()->set_key("m");
  EXPECT_EQ(first_key_of(prewrite), ByteView("m"));
  kvrpcpb::BatchGetRequest gets;
  gets.add_keys("b");
  EXPECT_EQ(first_key_of(gets), ByteView("b"));
  kvrpcpb::ScanRequest scan;
  scan.set_start_key("s");
  EXPECT_EQ(first_key_of(scan), ByteView("s"));
  kvrpcpb::RawBatchPutRequest puts;
  puts.add_pairs()->set_key("p");
  EXPECT_EQ(first_key_of(puts), ByteView("p"));
}

TEST_F(SlowLogTest, OfManyInOneSecondSomeAreWrittenAndTheRestCounted) {
  SlowLog slow(1ms);
  for (int i = 0; i < 100; ++i) slow.note("GetRequest", 1, std::nullopt, 2ms, nullptr, Instant() + 10s);
  slow.note("GetRequest", 2, std::nullopt, 2ms, nullptr, Instant() + 11s);
  const std::string all = text();
  EXPECT_EQ(static_cast<uint64_t>(std::count(all.begin(), all.end(), '\n')), SlowLog::kLinesASecond + 1);
  EXPECT_NE(all.find("Get of region 2 took 2 ms; 84 more were not written"), std::string::npos) << all;
}

}  // namespace
}  // namespace cairn::server
