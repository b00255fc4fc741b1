// How reads share the read pool.
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "server/node.h"
#include "server/testing/single_store.h"

namespace cairn::server {
namespace {

using testing::SingleStore;

// What became of the scans of one client.
struct Scans {
  bool is_gone = false;
  std::vector<api::Status> ends;
  int read = 0;  // answered with pairs
  int busy = 0;
  std::string reason;

  size_t ended() const { return ends.size(); }
};

// A scan of a client that may go away.
class ScanCall final : public api::CallState<kvrpcpb::RawScanRequest, kvrpcpb::RawScanResponse> {
 public:
  ScanCall(kvrpcpb::RawScanRequest request, uint64_t client, Scans& scans)
      : request_(std::move(request)), client_(client), scans_(scans) {}
  const kvrpcpb::RawScanRequest& request() const override { return request_; }
  kvrpcpb::RawScanRequest& mutable_request() override { return request_; }
  kvrpcpb::RawScanResponse& response() override { return response_; }
  bool is_abandoned() const override { return scans_.is_gone; }
  uint64_t client() const override { return client_; }
  void finish(api::Status status) override {
    if (response_.kvs_size() > 0) ++scans_.read;
    if (response_.region_error().has_server_is_busy()) {
      ++scans_.busy;
      scans_.reason = response_.region_error().server_is_busy().reason();
    }
    scans_.ends.push_back(std::move(status));
  }

 private:
  kvrpcpb::RawScanRequest request_;
  kvrpcpb::RawScanResponse response_;
  const uint64_t client_;
  Scans& scans_;
};

kvrpcpb::RawScanRequest all_of(SingleStore& world) {
  kvrpcpb::RawScanRequest request;
  *request.mutable_context() = world.context();
  request.set_limit(10);
  return request;
}

void put(SingleStore& world, const std::string& key) {
  kvrpcpb::RawPutRequest request;
  *request.mutable_context() = world.context();
  request.set_key(key);
  request.set_value("1");
  ASSERT_EQ(world.ask(&Node::raw_put, request).value().error(), "");
}
void put_one(SingleStore& world) { put(world, "a"); }

void scan(SingleStore& world, const kvrpcpb::RawScanRequest& request, uint64_t client, Scans& scans, int times) {
  for (int i = 0; i < times; ++i) {
    world.node->raw_scan(api::Call<kvrpcpb::RawScanRequest, kvrpcpb::RawScanResponse>(
        std::make_unique<ScanCall>(request, client, scans)));
  }
}

void run_until_ended(SingleStore& world, const Scans& scans, size_t count) {
  ASSERT_TRUE(world.loop.run_until([&] { return scans.ended() == count; }, 30s));
}

TEST(ReadPool, AClientThatAsksForMuchDoesNotHoldUpAnother) {
  SingleStore world({.pool_reads_max = 100'000});
  put_one(world);
  const auto request = all_of(world);
  Scans many, one;
  scan(world, request, 1, many, 30'000);
  scan(world, request, 2, one, 1);
  run_until_ended(world, one, 1);
  EXPECT_EQ(one.read, 1);
  EXPECT_LE(many.ended(), 2U);
  run_until_ended(world, many, 30'000);
  EXPECT_EQ(many.read, 30'000);
}

// A get whose answer is to be seen later.
template <class Req, class Resp>
std::shared_ptr<std::optional<api::Reply<Resp>>> start(SingleStore& world, void (Node::*method)(api::Call<Req, Resp>),
                                                       Req request) {
  auto reply = std::make_shared<std::optional<api::Reply<Resp>>>();
  ((*world.node).*method)(
      api::make_call<Req, Resp>(std::move(request), [reply](api::Reply<Resp> r) { reply->emplace(std::move(r)); }));
  return reply;
}

TEST(ReadPool, APointReadIsAnsweredAtOnceFromTheCacheAndByThePoolFromTheDisk) {
  SingleStore world;
  put_one(world);
  kvrpcpb::RawGetRequest raw;
  *raw.mutable_context() = world.context();
  raw.set_key("a");
  kvrpcpb::GetRequest get;
  *get.mutable_context() = world.context();
  get.set_key("none");
  get.set_version(uint64_t{2000} << 18);
  EXPECT_EQ(start(world, &Node::raw_get, raw)->value().value().value(), "1");
  EXPECT_TRUE(start(world, &Node::kv_get, get)->value().value().not_found());

  world.is_cold = true;
  for (auto* threads : world.executors.find("read")) threads->stall(100ms);
  const auto cold = start(world, &Node::raw_get, raw);
  const auto cold_none = start(world, &Node::kv_get, get);
  world.loop.run_for(50ms);
  EXPECT_FALSE(cold->has_value() || cold_none->has_value());
  world.is_cold = false;
  EXPECT_EQ(start(world, &Node::raw_get, raw)->value().value().value(), "1");
  world.is_cold = true;
  ASSERT_TRUE(world.loop.run_until([&] { return cold->has_value() && cold_none->has_value(); }, 30s));
  EXPECT_EQ(cold->value().value().value(), "1");
  EXPECT_TRUE(cold_none->value().value().not_found());
  EXPECT_FALSE(cold_none->value().value().has_region_error());
}

TEST(ReadPool, CommandsReadTheDiskThereAndLeaveTheShard) {
  SingleStore world;
  put_one(world);
  world.is_cold = true;
  for (auto* threads : world.executors.find("read-command")) threads->stall(100ms);
  kvrpcpb::RawCASRequest swap;
  *swap.mutable_context() = world.context();
  swap.set_key("a");
  swap.set_value("2");
  swap.set_previous_value("1");
  kvrpcpb::PrewriteRequest prewrite;
  *prewrite.mutable_context() = world.context();
  auto& mutation = *prewrite.add_mutations();
  mutation.set_key("k");
  mutation.set_value("v");
  prewrite.set_primary_lock("k");
  prewrite.set_start_version(uint64_t{2000} << 18);
  const auto swapped = start(world, &Node::raw_compare_and_swap, swap);
  const auto prewritten = start(world, &Node::kv_prewrite, prewrite);
  world.loop.run_for(50ms);
  EXPECT_FALSE(swapped->has_value() || prewritten->has_value());
  ASSERT_TRUE(world.loop.run_until([&] { return swapped->has_value() && prewritten->has_value(); }, 30s));
  EXPECT_TRUE(swapped->value().value().succeed()) << swapped->value().value().ShortDebugString();
  EXPECT_EQ(prewritten->value().value().errors_size(), 0);
  EXPECT_FALSE(prewritten->value().value().has_region_error());
}

TEST(ReadPool, WhatNobodyWaitsForIsDroppedUnread) {
  SingleStore world;
  put_one(world);
  const auto request = all_of(world);
  Scans gone;
  scan(world, request, 1, gone, 1000);
  run_until_ended(world, gone, 10);
  gone.is_gone = true;
  run_until_ended(world, gone, 1000);
  EXPECT_EQ(gone.read, 10);
  EXPECT_EQ(gone.ends.back().code, api::Code::kCancelled);
}

TEST(ReadPool, AReadUnderWayLetsOthersHaveTheirTurnAndEndsWhenNobodyWaits) {
  SingleStore world({.read_slices = {.steps = 10}});
  for (int i = 0; i < 300; ++i) put(world, std::to_string(1000 + i));
  auto request = all_of(world);
  request.set_limit(1000);
  Scans large, small, gone;
  scan(world, request, 1, large, 1);
  scan(world, request, 3, gone, 1);
  request.set_limit(1);
  scan(world, request, 2, small, 1);
  run_until_ended(world, small, 1);
  EXPECT_EQ(large.ended() + gone.ended(), 0U);
  gone.is_gone = true;
  run_until_ended(world, gone, 1);
  EXPECT_EQ(gone.ends.front().code, api::Code::kCancelled);
  EXPECT_EQ(large.ended(), 0U);
  run_until_ended(world, large, 1);
  EXPECT_EQ(large.read, 1);
}

TEST(ReadPool, MoreThanItTakesAreRefusedAndTheRestIsServed) {
  SingleStore world({.pool_reads_max = 4});
  put_one(world);
  const auto request = all_of(world);
  Scans scans;
  scan(world, request, 1, scans, 10);
  EXPECT_EQ(scans.busy, 6);
  EXPECT_EQ(scans.reason, "scheduler is busy");
  run_until_ended(world, scans, 10);
  EXPECT_EQ(scans.read, 4);
  scan(world, request, 1, scans, 4);
  run_until_ended(world, scans, 14);
  EXPECT_EQ(scans.read, 8);
}

TEST(ReadPool, ARequestWhoseTimeIsOverIsNotRead) {
  SingleStore world;
  put_one(world);
  auto request = all_of(world);
  request.mutable_context()->set_max_execution_duration_ms(1);
  Scans scans;
  scan(world, request, 1, scans, 10);
  run_until_ended(world, scans, 10);
  EXPECT_EQ(scans.read, 10);
  for (auto* threads : world.executors.find("read")) threads->stall(2ms);
  scan(world, request, 1, scans, 10);
  run_until_ended(world, scans, 20);
  EXPECT_EQ(scans.read, 10);
  EXPECT_EQ(scans.busy, 10);
  EXPECT_EQ(scans.reason, "deadline is exceeded");
}

}  // namespace
}  // namespace cairn::server
