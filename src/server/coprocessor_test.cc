// The coprocessor at a node: how a request is refused, what stands in its way, and what an answer says beside its data.
// What plans do is tested in coprocessor/.
#include <gtest/gtest.h>

#include "base/codec.h"
#include "server/node.h"
#include "server/testing/single_store.h"
#include "tipb/select.pb.h"

namespace cairn::server {
namespace {

using testing::SingleStore;

constexpr uint64_t ts(uint64_t physical_ms) { return physical_ms << 18; }
constexpr int kLongLong = 8;

Bytes record_key(int64_t handle) {
  Bytes key(1, 't');
  codec::put_i64_be(key, 42);
  key += "_r";
  codec::put_i64_be(key, handle);
  return key;
}

// Column 2 holds `value`.
Bytes row_of(uint8_t value) { return Bytes("\x80\x00\x01\x00\x00\x00\x02\x01\x00", 9) + static_cast<char>(value); }

void write_rows(SingleStore& world, uint64_t start, int rows, bool commits = true) {
  kvrpcpb::PrewriteRequest prewrite;
  *prewrite.mutable_context() = world.context();
  kvrpcpb::CommitRequest commit;
  *commit.mutable_context() = world.context();
  for (int i = 0; i < rows; ++i) {
    auto& mutation = *prewrite.add_mutations();
    mutation.set_key(record_key(i));
    mutation.set_value(row_of(static_cast<uint8_t>(i % 100)));
    commit.add_keys(record_key(i));
  }
  prewrite.set_primary_lock(record_key(0));
  prewrite.set_start_version(start);
  prewrite.set_lock_ttl(3000);
  ASSERT_EQ(world.ask(&Node::kv_prewrite, prewrite).value().errors_size(), 0);
  if (!commits) return;
  commit.set_start_version(start);
  commit.set_commit_version(start + 1);
  ASSERT_FALSE(world.ask(&Node::kv_commit, commit).value().has_error());
}

tipb::DAGRequest scan_plan() {
  tipb::DAGRequest plan;
  auto& executor = *plan.add_executors();
  executor.set_tp(tipb::TypeTableScan);
  auto& column = *executor.mutable_tbl_scan()->add_columns();
  column.set_column_id(2);
  column.set_tp(kLongLong);
  plan.add_output_offsets(0);
  return plan;
}

::coprocessor::Request request_of(SingleStore& world, const tipb::DAGRequest& plan, uint64_t at = ts(50'000)) {
  ::coprocessor::Request request;
  *request.mutable_context() = world.context();
  request.set_tp(103);
  request.set_start_ts(at);
  request.set_data(plan.SerializeAsString());
  auto& range = *request.add_ranges();
  range.set_start(record_key(0));
  range.set_end(record_key(1'000'000));
  return request;
}

int rows_in(const Bytes& data) {
  tipb::SelectResponse response;
  EXPECT_TRUE(response.ParseFromString(data));
  int rows = 0;
  for (const auto& chunk : response.chunks()) rows += static_cast<int>(chunk.rows_data().size() / 9);
  return rows;
}

TEST(NodeCoprocessor, APlanReadsTheRowsOfItsRanges) {
  SingleStore world;
  write_rows(world, ts(10'000), 5);
  const auto answer = world.ask(&Node::coprocessor, request_of(world, scan_plan())).value();
  EXPECT_FALSE(answer.has_region_error()) << answer.region_error().ShortDebugString();
  EXPECT_EQ(answer.other_error(), "");
  EXPECT_EQ(rows_in(answer.data()), 5);
  EXPECT_EQ(answer.exec_details_v2().scan_detail_v2().processed_versions(), 5U);
  EXPECT_GT(answer.exec_details_v2().scan_detail_v2().total_versions(), 0U);
  EXPECT_FALSE(answer.has_range());
}

TEST(NodeCoprocessor, ALockIsTheAnswer) {
  SingleStore world;
  write_rows(world, ts(10'000), 5);
  write_rows(world, ts(20'000), 2, false);
  auto request = request_of(world, scan_plan());
  auto answer = world.ask(&Node::coprocessor, request).value();
  EXPECT_EQ(answer.locked().lock_version(), ts(20'000));
  EXPECT_EQ(answer.data(), "");
  // Read below it, or past it once it is known not to matter.
  EXPECT_EQ(rows_in(world.ask(&Node::coprocessor, request_of(world, scan_plan(), ts(15'000))).value().data()), 5);
  request.mutable_context()->add_resolved_locks(ts(20'000));
  EXPECT_EQ(rows_in(world.ask(&Node::coprocessor, request).value().data()), 5);
}

TEST(NodeCoprocessor, AReadRaisesMaxTsBeforeItLooks) {
  SingleStore world;
  write_rows(world, ts(10'000), 1);
  ASSERT_EQ(world.ask(&Node::coprocessor, request_of(world, scan_plan(), ts(30'000))).value().other_error(), "");
  kvrpcpb::PrewriteRequest prewrite;
  *prewrite.mutable_context() = world.context();
  auto& mutation = *prewrite.add_mutations();
  mutation.set_key(record_key(7));
  mutation.set_value(row_of(1));
  prewrite.set_primary_lock(record_key(7));
  prewrite.set_start_version(ts(20'000));
  prewrite.set_lock_ttl(3000);
  prewrite.set_use_async_commit(true);
  EXPECT_GT(world.ask(&Node::kv_prewrite, prewrite).value().min_commit_ts(), ts(30'000));
}

TEST(NodeCoprocessor, APageSaysHowFarItCame) {
  SingleStore world;
  write_rows(world, ts(10'000), 100);
  auto request = request_of(world, scan_plan());
  request.set_paging_size(10);
  const auto answer = world.ask(&Node::coprocessor, request).value();
  EXPECT_EQ(rows_in(answer.data()), 32);
  EXPECT_EQ(answer.range().start(), record_key(0));
  EXPECT_EQ(answer.range().end(), record_key(31) + '\0');
}

TEST(NodeCoprocessor, AnAnswerIsCachedUntilTheRegionsDataChange) {
  SingleStore world;
  write_rows(world, ts(10'000), 3);
  auto request = request_of(world, scan_plan());
  request.set_is_cache_enabled(true);
  const auto first = world.ask(&Node::coprocessor, request).value();
  EXPECT_TRUE(first.can_be_cached());
  ASSERT_GT(first.cache_last_version(), 0U);
  request.set_cache_if_match_version(first.cache_last_version());
  const auto second = world.ask(&Node::coprocessor, request).value();
  EXPECT_TRUE(second.is_cache_hit());
  EXPECT_EQ(second.data(), "");
  write_rows(world, ts(20'000), 4);
  const auto third = world.ask(&Node::coprocessor, request).value();
  EXPECT_FALSE(third.is_cache_hit());
  EXPECT_EQ(rows_in(third.data()), 4);
}

TEST(NodeCoprocessor, TasksForOtherRegionsHaveTheirOwnAnswers) {
  SingleStore world;
  write_rows(world, ts(10'000), 6);
  auto request = request_of(world, scan_plan());
  request.mutable_ranges(0)->set_end(record_key(2));
  for (const uint64_t region : {request.context().region_id(), uint64_t{4711}}) {
    auto& task = *request.add_tasks();
    task.set_task_id(100 + region);
    task.set_region_id(region);
    *task.mutable_region_epoch() = request.context().region_epoch();
    *task.mutable_peer() = request.context().peer();
    task.add_ranges()->set_start(record_key(2));
    task.mutable_ranges(0)->set_end(record_key(6));
  }
  const auto answer = world.ask(&Node::coprocessor, request).value();
  EXPECT_EQ(rows_in(answer.data()), 2);
  ASSERT_EQ(answer.batch_responses_size(), 2);
  EXPECT_EQ(answer.batch_responses(0).task_id(), 100 + request.context().region_id());
  EXPECT_EQ(rows_in(answer.batch_responses(0).data()), 4);
  EXPECT_TRUE(answer.batch_responses(1).region_error().has_region_not_found());
}

TEST(NodeCoprocessor, WhatIsWrongIsSaidWhereClientsLook) {
  SingleStore world;
  write_rows(world, ts(10'000), 1);
  auto request = request_of(world, scan_plan());
  request.set_tp(999);
  EXPECT_EQ(world.ask(&Node::coprocessor, request).value().other_error(), "unsupported tp: 999");
  request.set_tp(103);
  request.set_data("garbage");
  EXPECT_EQ(world.ask(&Node::coprocessor, request).value().other_error(), "the plan does not decode");
  request = request_of(world, scan_plan());
  request.mutable_ranges(0)->set_start("x");
  EXPECT_NE(world.ask(&Node::coprocessor, request).value().other_error(), "");
  request = request_of(world, scan_plan());
  request.mutable_context()->mutable_region_epoch()->set_version(99);
  EXPECT_TRUE(world.ask(&Node::coprocessor, request).value().region_error().has_epoch_not_match());
  // A row that does not decode is an error of the statement.
  auto plan = scan_plan();
  plan.mutable_executors(0)->mutable_tbl_scan()->mutable_columns(0)->set_tp(5);  // DOUBLE
  const auto answer = world.ask(&Node::coprocessor, request_of(world, plan)).value();
  tipb::SelectResponse response;
  ASSERT_TRUE(response.ParseFromString(answer.data()));
  EXPECT_EQ(response.error().code(), 1105);
}

TEST(NodeCoprocessor, TooManyAtOnceAreRefused) {
  NodeOptions options;
  options.pool_reads_max = 0;
  SingleStore world(options);
  const auto answer = world.ask(&Node::coprocessor, request_of(world, scan_plan())).value();
  EXPECT_TRUE(answer.region_error().has_server_is_busy());
}

}  // namespace
}  // namespace cairn::server
