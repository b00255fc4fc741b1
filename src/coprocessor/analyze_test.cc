// Statistics of tables and of indexes, and what they are gathered with.
#include "coprocessor/analyze.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "coprocessor/statistics/histogram.h"
#include "coprocessor/statistics/murmur3.h"
#include "coprocessor/statistics/row_sample.h"
#include "coprocessor/statistics/sketches.h"
#include "coprocessor/testing/rows.h"
#include "tipb/analyze.pb.h"

namespace cairn::coprocessor {
namespace {

using namespace testing;

constexpr int64_t kTable = 42;
constexpr int64_t kIndex = 7;

class AnalyzeTest : public ::testing::Test {
 protected:
  // The answer's bytes, or what was said instead.
  std::string run(KeyRange range, size_t memory_max = size_t{1} << 30) {
    const Bytes bytes = plan.SerializeAsString();
    Question question;
    question.kind = 104;
    question.plan = bytes;
    question.ranges = {std::move(range)};
    question.memory_max = memory_max;
    mvcc::ReadOptions options;
    options.read_ts = Timestamp(100);
    auto request = Request::begin(std::move(question), region.snapshot(), options);
    if (!request.ok()) return told(request.error());
    while (true) {
      const auto is_through = (*request)->step();
      if (!is_through.ok()) return told(is_through.error());
      if (*is_through) break;
    }
    answer = (*request)->finish().data;
    return "ok";
  }

  static std::string told(const Failure& failure) {
    if (const auto* plan_error = std::get_if<PlanError>(&failure)) return plan_error->text;
    if (const auto* error = std::get_if<EvalError>(&failure)) return error->text;
    return std::holds_alternative<QuotaExceeded>(failure) ? "quota" : "failed";
  }

  tipb::RowSampleCollector rows() {
    tipb::AnalyzeColumnsResp response;
    EXPECT_TRUE(response.ParseFromString(answer));
    return response.row_collector();
  }

  Region region;
  tipb::AnalyzeReq plan;
  Bytes answer;
};

// A hundred rows of handle, a = handle % 10 (NULL where it is 0), s = one of "x", "X", "x  ".
class TableAnalyzeTest : public AnalyzeTest {
 protected:
  TableAnalyzeTest() {
    for (int64_t handle = 0; handle < 100; ++handle) {
      std::optional<Bytes> a;
      if (handle % 10 != 0) a = v2_int(handle % 10);
      region.put(record_key(kTable, handle), v2_row({{2, a}, {3, Bytes(texts[handle % 3])}}));
    }
    plan.set_tp(tipb::TypeFullSampling);
    auto& columns = *plan.mutable_col_req();
    columns.set_sample_size(1000);
    columns.set_sketch_size(10000);
    auto handle = column(1, "int");
    handle.set_pk_handle(true);
    *columns.add_columns_info() = handle;
    *columns.add_columns_info() = column(2, "int");
    *columns.add_columns_info() = column(3, "ci");
  }
  static constexpr const char* texts[] = {"x", "X", "x  "};
};

TEST_F(TableAnalyzeTest, CountsRowsNullsAndDistinctValuesOfEachColumn) {
  ASSERT_EQ(run(records_of(kTable)), "ok");
  const auto out = rows();
  EXPECT_EQ(out.count(), 100);
  EXPECT_EQ(out.samples_size(), 100) << "fewer rows than the sample may have: all of them";
  EXPECT_EQ(out.samples(0).row_size(), 3);
  ASSERT_EQ(out.null_counts_size(), 3);
  EXPECT_EQ(out.null_counts(1), 10);
  EXPECT_EQ(out.total_size(1), 90 * 8);
  EXPECT_EQ(out.fm_sketch(0).hashset_size(), 100);
  EXPECT_EQ(out.fm_sketch(1).hashset_size(), 9);
  EXPECT_EQ(out.fm_sketch(2).hashset_size(), 1) << "one value to its collation";
}

TEST_F(TableAnalyzeTest, AGroupOfColumnsCountsItsCombinations) {
  auto& both = *plan.mutable_col_req()->add_column_groups();
  both.add_column_offsets(1);
  both.add_column_offsets(2);
  plan.mutable_col_req()->add_column_groups()->add_column_offsets(1);
  ASSERT_EQ(run(records_of(kTable)), "ok");
  const auto out = rows();
  ASSERT_EQ(out.fm_sketch_size(), 5);
  EXPECT_EQ(out.fm_sketch(3).hashset_size(), 10) << "NULL is one of them";
  EXPECT_EQ(out.null_counts(3), 0);
  EXPECT_EQ(out.fm_sketch(4).hashset_size(), 9) << "as the column";
  EXPECT_EQ(out.null_counts(4), 10);
  EXPECT_EQ(out.total_size(4), out.total_size(1));
}

TEST_F(TableAnalyzeTest, ASampleHasTheSizeOrTheRateThatIsAsked) {
  plan.mutable_col_req()->set_sample_size(7);
  ASSERT_EQ(run(records_of(kTable)), "ok");
  EXPECT_EQ(rows().samples_size(), 7);
  EXPECT_GT(rows().samples(0).weight(), 0);
  plan.mutable_col_req()->set_sample_size(0);
  plan.mutable_col_req()->set_sample_rate(1);
  ASSERT_EQ(run(records_of(kTable)), "ok");
  EXPECT_EQ(rows().samples_size(), 100);
  plan.mutable_col_req()->set_sample_rate(0);
  ASSERT_EQ(run(records_of(kTable)), "ok");
  EXPECT_EQ(rows().samples_size(), 0);
  EXPECT_EQ(rows().count(), 100);
}

TEST_F(TableAnalyzeTest, WhatCannotBeIsRefusedInWords) {
  EXPECT_EQ(run(records_of(kTable), 1000), "quota");
  plan.mutable_col_req()->add_column_groups()->add_column_offsets(3);
  EXPECT_EQ(run(records_of(kTable)), "column 3 of 3");
  plan.mutable_col_req()->clear_columns_info();
  EXPECT_EQ(run(records_of(kTable)), "statistics of no column");
  plan.set_tp(tipb::TypeMixed);
  EXPECT_EQ(run(records_of(kTable)), "ANALYZE of kind TypeMixed is not supported");
}

TEST_F(AnalyzeTest, AnIndexHasAHistogramSketchesAndItsMostFrequentValues) {
  // Of i = 1..10: i entries each.
  int64_t handle = 0;
  for (int64_t i = 1; i <= 10; ++i) {
    for (int64_t n = 0; n < i; ++n) region.put(index_key(kTable, kIndex, int_datum(i) + int_datum(++handle)), "0");
  }
  plan.set_tp(tipb::TypeIndex);
  auto& index = *plan.mutable_idx_req();
  index.set_num_columns(1);
  index.set_bucket_size(4);
  index.set_sketch_size(10000);
  index.set_cmsketch_depth(2);
  index.set_cmsketch_width(512);
  index.set_top_n_size(2);
  index.set_version(2);
  ASSERT_EQ(run(entries_of(kTable, kIndex)), "ok");
  tipb::AnalyzeIndexResp out;
  ASSERT_TRUE(out.ParseFromString(answer));
  EXPECT_EQ(out.hist().ndv(), 10);
  ASSERT_EQ(out.hist().buckets_size(), 4) << "neighbours were merged three times";
  EXPECT_EQ(out.hist().buckets(3).count(), 55);
  EXPECT_EQ(out.hist().buckets(3).upper_bound(), int_datum(10));
  EXPECT_EQ(out.hist().buckets(3).repeats(), 10);
  int64_t distinct = 0;
  for (const auto& bucket : out.hist().buckets()) distinct += bucket.ndv();
  EXPECT_EQ(distinct, 10);
  EXPECT_EQ(out.collector().fm_sketch().hashset_size(), 10);
  ASSERT_EQ(out.cms().top_n_size(), 2);
  EXPECT_EQ(out.cms().top_n(0).count() + out.cms().top_n(1).count(), 19U);
  ASSERT_EQ(out.cms().rows_size(), 2);
  uint64_t sum = 0;
  for (const uint32_t counter : out.cms().rows(0).counters()) sum += counter;
  EXPECT_EQ(sum, 55U - 19U) << "the most frequent are told apart from the sketch";

  index.set_num_columns(3);
  EXPECT_TRUE(run(entries_of(kTable, kIndex)).starts_with("column 2 is missing in key"));
}

TEST(Murmur3, HasTheHashesOfItsAuthors) {
  const auto shown = [](ByteView text) {
    const auto hash = murmur3(text);
    return fmt::format("{:016x}{:016x}", hash.first, hash.second);
  };
  EXPECT_EQ(shown(""), "00000000000000000000000000000000");
  EXPECT_EQ(shown("hello"), "cbd8a7b341bd9b025b1e906a48ae1d19");
  EXPECT_EQ(shown("The quick brown fox jumps over the lazy dog"), "e34bbc7bbc071b6c7a433ca9c49a9347");
}

TEST(FmSketch, KeepsNoMoreHashesThanItMayAndEstimatesAllTheSame) {
  FmSketch sketch(100);
  for (int i = 0; i < 10000; ++i) sketch.insert(fmt::format("value {}", i % 5000));
  tipb::FMSketch out;
  sketch.write(out);
  EXPECT_LE(out.hashset_size(), 100);
  const auto estimate = (out.mask() + 1) * static_cast<uint64_t>(out.hashset_size());
  EXPECT_GT(estimate, 3500U);
  EXPECT_LT(estimate, 6500U);
}

TEST(RowSample, EachRowIsAsLikelyAsAnyOther) {
  int first_half = 0;
  for (uint64_t seed = 0; seed < 200; ++seed) {
    RowSample sample(10, 0, seed);
    for (int row = 0; row < 100; ++row) sample.offer({Bytes(1, static_cast<char>(row))});
    tipb::RowSampleCollector out;
    sample.write(out);
    ASSERT_EQ(out.samples_size(), 10);
    for (const auto& kept : out.samples()) first_half += kept.row(0)[0] < 50 ? 1 : 0;
  }
  EXPECT_GT(first_half, 900);
  EXPECT_LT(first_half, 1100);
}

}  // namespace
}  // namespace cairn::coprocessor
