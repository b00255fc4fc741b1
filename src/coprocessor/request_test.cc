// Whole requests over a region in memory: the executors, both encodings, paging, and what ends a request.
#include "coprocessor/request.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>

#include "base/codec.h"
#include "base/crc.h"
#include "coprocessor/rows/datum.h"
#include "coprocessor/testing/rows.h"
#include "coprocessor/testing/values.h"
#include "tipb/checksum.pb.h"
#include "tipb/select.pb.h"

namespace cairn::coprocessor {
namespace {

using namespace testing;

constexpr int64_t kTable = 42;

tipb::Expr column_ref(int64_t offset, const std::string& type) {
  tipb::Expr expr;
  expr.set_tp(tipb::ColumnRef);
  Bytes value;
  codec::put_i64_be(value, offset);
  expr.set_val(value);
  *expr.mutable_field_type() = type_named(type);
  return expr;
}

tipb::Expr call(tipb::ScalarFuncSig signature, const std::string& type, std::vector<tipb::Expr> args) {
  tipb::Expr expr;
  expr.set_tp(tipb::ScalarFunc);
  expr.set_sig(signature);
  *expr.mutable_field_type() = type_named(type);
  for (auto& arg : args) *expr.add_children() = std::move(arg);
  return expr;
}

tipb::Expr aggregate(tipb::ExprType kind, const std::string& type, std::vector<tipb::Expr> args) {
  auto expr = call(tipb::Unspecified, type, std::move(args));
  expr.set_tp(kind);
  expr.clear_sig();
  return expr;
}

// Ten rows of handle, a = handle % 3 (NULL for handle 9), b = "row<handle>".
class RequestTest : public ::testing::Test {
 protected:
  RequestTest() {
    for (int64_t handle = 0; handle < 10; ++handle) {
      std::optional<Bytes> a;
      if (handle != 9) a = v2_int(handle % 3);
      region.put(record_key(kTable, handle), v2_row({{2, a}, {3, fmt::format("row{}", handle)}}));
    }
    auto& scan = *plan.add_executors();
    scan.set_tp(tipb::TypeTableScan);
    auto& table = *scan.mutable_tbl_scan();
    table.set_table_id(kTable);
    auto handle = column(1, "int");
    handle.set_pk_handle(true);
    *table.add_columns() = handle;
    *table.add_columns() = column(2, "int");
    *table.add_columns() = column(3, "str");
    types = {"int", "int", "str"};
  }

  tipb::Executor& add(tipb::ExecType type) {
    auto& executor = *plan.add_executors();
    executor.set_tp(type);
    return executor;
  }

  Result<Answer> run_once(std::vector<KeyRange> ranges = {records_of(kTable)}) {
    plan.clear_output_offsets();
    for (size_t i = 0; i < types.size(); ++i) plan.add_output_offsets(static_cast<uint32_t>(i));
    const Bytes bytes = plan.SerializeAsString();
    Question q = question;
    q.kind = kind;
    q.plan = bytes;
    q.ranges = std::move(ranges);
    mvcc::ReadOptions options;
    options.read_ts = Timestamp(100);
    options.isolation = isolation;
    TRY_ASSIGN(auto request, Request::begin(std::move(q), region.snapshot(), options));
    while (true) {
      TRY_ASSIGN(const bool is_through, request->step());
      if (is_through) return request->finish();
    }
  }

  // Rows as text; one line each.
  std::string rows_of(const Bytes& data) {
    EXPECT_TRUE(response.ParseFromString(data));
    std::string text;
    EvalContext context;
    for (const auto& chunk : response.chunks()) {
      ByteView in = chunk.rows_data();
      while (!in.empty()) {
        for (size_t i = 0; i < types.size(); ++i) {
          ByteView bytes;
          EXPECT_TRUE(split_datum(in, bytes));
          const auto type = FieldType::from(type_named(types[i]));
          EvalType eval_type{};
          EXPECT_TRUE(eval_type_of(type, eval_type));
          Column column;
          Arena arena;
          column.reset(eval_type, 1);
          EXPECT_TRUE(decode_datum(bytes, type, context, arena, column, 0)) << types[i];
          text += (i == 0 ? "" : " ") + shown(column, 0, type);
        }
        text += "\n";
      }
    }
    return text;
  }

  std::string run(std::vector<KeyRange> ranges = {records_of(kTable)}) {
    auto answer = run_once(std::move(ranges));
    if (!answer.ok()) {
      if (const auto* plan_error = std::get_if<PlanError>(&answer.error())) return "plan: " + plan_error->text;
      if (const auto* error = std::get_if<EvalError>(&answer.error())) {
        return fmt::format("error {}: {}", error->code, error->text);
      }
      return std::holds_alternative<mvcc::KeyError>(answer.error()) ? "locked" : "failed";
    }
    last = std::move(*answer);
    return rows_of(last.data);
  }

  Region region;
  tipb::DAGRequest plan;
  std::vector<std::string> types;  // of the output
  Question question;
  int64_t kind = 103;
  mvcc::IsolationLevel isolation = mvcc::IsolationLevel::kSi;
  Answer last;
  tipb::SelectResponse response;
};

TEST_F(RequestTest, AScanYieldsTheRowsOfItsRanges) {
  EXPECT_EQ(run({{record_key(kTable, 1), record_key(kTable, 3)}, {record_key(kTable, 9), record_key(kTable, 10)}}),
            "1 1 \"row1\"\n2 2 \"row2\"\n9 NULL \"row9\"\n");
  ASSERT_EQ(response.output_counts_size(), 2);
  EXPECT_EQ(response.output_counts(0), 2);
  EXPECT_EQ(response.output_counts(1), 1);
  EXPECT_TRUE(last.can_be_cached);
}

TEST_F(RequestTest, AnAnswerThatLocksDidNotStopIsNotCached) {
  region.lock(record_key(kTable, 3), 60);
  isolation = mvcc::IsolationLevel::kRc;
  EXPECT_TRUE(run().starts_with("0 0"));
  EXPECT_FALSE(last.can_be_cached);
}

TEST_F(RequestTest, ADescendingScanYieldsThemBackwards) {
  plan.mutable_executors(0)->mutable_tbl_scan()->set_desc(true);
  EXPECT_EQ(run({{record_key(kTable, 1), record_key(kTable, 3)}, {record_key(kTable, 9), record_key(kTable, 10)}}),
            "9 NULL \"row9\"\n2 2 \"row2\"\n1 1 \"row1\"\n");
}

TEST_F(RequestTest, ASelectionKeepsRowsForWhichItsConditionsHold) {
  auto& selection = *add(tipb::TypeSelection).mutable_selection();
  *selection.add_conditions() = call(tipb::GTInt, "int", {column_ref(1, "int"), constant("int:0")});
  *selection.add_conditions() = call(tipb::LTInt, "int", {column_ref(0, "int"), constant("int:5")});
  EXPECT_EQ(run(), "1 1 \"row1\"\n2 2 \"row2\"\n4 1 \"row4\"\n");
}

TEST_F(RequestTest, AProjectionYieldsExpressions) {
  auto& selection = *add(tipb::TypeSelection).mutable_selection();
  *selection.add_conditions() = call(tipb::EQInt, "int", {column_ref(1, "int"), constant("int:2")});
  auto& projection = *add(tipb::TypeProjection).mutable_projection();
  *projection.add_exprs() = call(tipb::PlusInt, "int", {column_ref(0, "int"), constant("int:100")});
  *projection.add_exprs() = constant("str:x");
  types = {"int", "str"};
  EXPECT_EQ(run(), "102 \"x\"\n105 \"x\"\n108 \"x\"\n");
}

TEST_F(RequestTest, ALimitEndsTheScan) {
  add(tipb::TypeLimit).mutable_limit()->set_limit(2);
  EXPECT_EQ(run(), "0 0 \"row0\"\n1 1 \"row1\"\n");
  EXPECT_EQ(response.output_counts(0), 2);
}

TEST_F(RequestTest, ALimitAboveASelectionReadsWholeBatches) {
  for (int64_t handle = 10; handle < 3000; ++handle) {
    region.put(record_key(kTable, handle), v2_row({{2, v2_int(1)}, {3, Bytes("x")}}));
  }
  auto& selection = *add(tipb::TypeSelection).mutable_selection();
  *selection.add_conditions() = call(tipb::EQInt, "int", {column_ref(0, "int"), constant("int:2999")});
  add(tipb::TypeLimit).mutable_limit()->set_limit(1);
  plan.set_collect_execution_summaries(true);
  EXPECT_EQ(run(), "2999 1 \"x\"\n");
  EXPECT_LT(response.execution_summaries(0).num_iterations(), 20U);
}

TEST_F(RequestTest, ALimitOfZeroYieldsNothing) {
  add(tipb::TypeLimit).mutable_limit()->set_limit(0);
  EXPECT_EQ(run(), "");
}

TEST_F(RequestTest, ALimitOfEachPartitionCountsRunsOfEqualValues) {
  auto& limit = *add(tipb::TypeLimit).mutable_limit();
  limit.set_limit(1);
  *limit.add_partition_by()->mutable_expr() =
      call(tipb::IntDivideInt, "int", {column_ref(0, "int"), constant("int:4")});
  EXPECT_EQ(run(), "0 0 \"row0\"\n4 1 \"row4\"\n8 2 \"row8\"\n");
}

TEST_F(RequestTest, AnAggregationOfAllRowsYieldsOneRow) {
  auto& aggregation = *add(tipb::TypeAggregation).mutable_aggregation();
  *aggregation.add_agg_func() = aggregate(tipb::Count, "int", {constant("int:1")});
  *aggregation.add_agg_func() = aggregate(tipb::Count, "int", {column_ref(1, "int")});
  *aggregation.add_agg_func() = aggregate(tipb::Sum, "dec", {column_ref(1, "int")});
  *aggregation.add_agg_func() = aggregate(tipb::Avg, "dec", {column_ref(1, "int")});
  *aggregation.add_agg_func() = aggregate(tipb::Max, "str", {column_ref(2, "str")});
  *aggregation.add_agg_func() = aggregate(tipb::Min, "int", {column_ref(1, "int")});
  *aggregation.add_agg_func() = aggregate(tipb::First, "int", {column_ref(0, "int")});
  *aggregation.add_agg_func() = aggregate(tipb::Agg_BitXor, "uint", {column_ref(1, "int")});
  types = {"uint", "uint", "dec", "uint", "dec", "str", "int", "int", "uint"};
  EXPECT_EQ(run(), "10 9 9 9 9 \"row9\" 0 0 3\n");
}

TEST_F(RequestTest, AnAggregationOfNoRowYieldsNone) {
  auto& aggregation = *add(tipb::TypeAggregation).mutable_aggregation();
  *aggregation.add_agg_func() = aggregate(tipb::Count, "int", {constant("int:1")});
  *aggregation.add_agg_func() = aggregate(tipb::Sum, "dec", {column_ref(1, "int")});
  *aggregation.add_agg_func() = aggregate(tipb::First, "int", {column_ref(1, "int")});
  types = {"uint", "dec", "int"};
  EXPECT_EQ(run({{record_key(kTable, 100), record_key(kTable, 200)}}), "");
  EXPECT_EQ(run({}), "");
}

TEST_F(RequestTest, AnAggregationOfNullsOnlyYieldsARow) {
  auto& aggregation = *add(tipb::TypeAggregation).mutable_aggregation();
  *aggregation.add_agg_func() = aggregate(tipb::Count, "int", {column_ref(1, "int")});
  *aggregation.add_agg_func() = aggregate(tipb::Avg, "dec", {column_ref(1, "int")});
  *aggregation.add_agg_func() = aggregate(tipb::Agg_BitAnd, "uint", {column_ref(1, "int")});
  types = {"uint", "uint", "dec", "uint"};
  EXPECT_EQ(run({{record_key(kTable, 9), record_key(kTable, 10)}}), "0 0 NULL 18446744073709551615\n");
}

// utf8mb4_unicode_ci.
TEST_F(RequestTest, KeysInACollationThatIsNotThereAreRefused) {
  plan.mutable_executors(0)->mutable_tbl_scan()->mutable_columns(2)->set_collation(-28);
  EXPECT_TRUE(run().starts_with("0 0"));
  const auto ref = column_ref(2, "str");
  auto& executor = add(tipb::TypeTopN);
  const auto refused = [&] { return run().starts_with("plan: "); };
  *executor.mutable_topn()->add_order_by()->mutable_expr() = ref;
  executor.mutable_topn()->set_limit(1);
  EXPECT_TRUE(refused());
  *executor.mutable_topn()->mutable_order_by(0)->mutable_expr() = column_ref(0, "int");
  *executor.mutable_topn()->add_partition_by()->mutable_expr() = ref;
  EXPECT_TRUE(refused());
  executor.set_tp(tipb::TypeLimit);
  executor.mutable_limit()->set_limit(1);
  *executor.mutable_limit()->add_partition_by()->mutable_expr() = ref;
  EXPECT_TRUE(refused());
  executor.set_tp(tipb::TypeAggregation);
  *executor.mutable_aggregation()->add_group_by() = ref;
  EXPECT_TRUE(refused());
  executor.mutable_aggregation()->clear_group_by();
  for (const auto kind : {tipb::Max, tipb::Min}) {
    *executor.mutable_aggregation()->add_agg_func() = aggregate(kind, "str", {ref});
    EXPECT_TRUE(refused());
    executor.mutable_aggregation()->clear_agg_func();
  }
  // What does not compare is answered.
  *executor.mutable_aggregation()->add_agg_func() = aggregate(tipb::First, "str", {ref});
  types = {"str"};
  EXPECT_EQ(run(), "\"row0\"\n");
}

TEST_F(RequestTest, AHashAggregationYieldsARowForEachGroup) {
  for (const bool is_string : {false, true}) {
    plan.mutable_executors()->DeleteSubrange(1, plan.executors_size() - 1);
    auto& aggregation = *add(tipb::TypeAggregation).mutable_aggregation();
    *aggregation.add_agg_func() = aggregate(tipb::Count, "int", {constant("int:1")});
    *aggregation.add_agg_func() = aggregate(tipb::Min, "str", {column_ref(2, "str")});
    *aggregation.add_group_by() =
        is_string ? call(tipb::CastIntAsString, "str", {column_ref(1, "int")}) : column_ref(1, "int");
    types = {"uint", "str", is_string ? "str" : "int"};
    EXPECT_EQ(run(), is_string ? "3 \"row0\" \"0\"\n3 \"row1\" \"1\"\n3 \"row2\" \"2\"\n1 \"row9\" NULL\n"
                               : "3 \"row0\" 0\n3 \"row1\" 1\n3 \"row2\" 2\n1 \"row9\" NULL\n");
  }
}

TEST_F(RequestTest, AStreamAggregationYieldsARowForEachRun) {
  auto& aggregation = *add(tipb::TypeStreamAgg).mutable_aggregation();
  *aggregation.add_agg_func() = aggregate(tipb::Sum, "dec", {column_ref(0, "int")});
  *aggregation.add_group_by() = call(tipb::IntDivideInt, "int", {column_ref(0, "int"), constant("int:4")});
  types = {"dec", "int"};
  EXPECT_EQ(run(), "6 0\n22 1\n17 2\n");
}

TEST_F(RequestTest, AStreamAggregationGoesOnAcrossBatches) {
  for (int64_t handle = 10; handle < 3000; ++handle) {
    region.put(record_key(kTable, handle), v2_row({{2, v2_int(1)}, {3, Bytes("x")}}));
  }
  auto& aggregation = *add(tipb::TypeStreamAgg).mutable_aggregation();
  *aggregation.add_agg_func() = aggregate(tipb::Count, "int", {constant("int:1")});
  *aggregation.add_agg_func() = aggregate(tipb::Max, "str", {column_ref(2, "str")});
  *aggregation.add_group_by() = call(tipb::IntDivideInt, "int", {column_ref(0, "int"), constant("int:1000")});
  types = {"uint", "str", "int"};
  EXPECT_EQ(run(), "1000 \"x\" 0\n1000 \"x\" 1\n1000 \"x\" 2\n");
}

TEST_F(RequestTest, TopNYieldsTheRowsThatSortFirst) {
  auto& top = *add(tipb::TypeTopN).mutable_topn();
  auto& by = *top.add_order_by();
  *by.mutable_expr() = column_ref(1, "int");
  by.set_desc(true);
  auto& then = *top.add_order_by();
  *then.mutable_expr() = column_ref(0, "int");
  then.set_desc(true);
  top.set_limit(4);
  EXPECT_EQ(run(), "8 2 \"row8\"\n5 2 \"row5\"\n2 2 \"row2\"\n7 1 \"row7\"\n");
}

TEST_F(RequestTest, TopNPutsNullsFirst) {
  auto& top = *add(tipb::TypeTopN).mutable_topn();
  *top.add_order_by()->mutable_expr() = column_ref(1, "int");
  top.set_limit(2);
  EXPECT_EQ(run(), "9 NULL \"row9\"\n0 0 \"row0\"\n");
}

TEST_F(RequestTest, TopNOfEachPartition) {
  auto& top = *add(tipb::TypeTopN).mutable_topn();
  auto& by = *top.add_order_by();
  *by.mutable_expr() = column_ref(2, "str");
  by.set_desc(true);
  *top.add_partition_by()->mutable_expr() = call(tipb::IntDivideInt, "int", {column_ref(0, "int"), constant("int:5")});
  top.set_limit(1);
  EXPECT_EQ(run(), "4 1 \"row4\"\n9 NULL \"row9\"\n");
}

TEST_F(RequestTest, ATreeIsRunLikeAList) {
  tipb::Executor scan = plan.executors(0);
  plan.clear_executors();
  auto& limit = *plan.mutable_root_executor();
  limit.set_tp(tipb::TypeLimit);
  limit.mutable_limit()->set_limit(1);
  auto& selection = *limit.mutable_limit()->mutable_child();
  selection.set_tp(tipb::TypeSelection);
  *selection.mutable_selection()->add_conditions() =
      call(tipb::EQInt, "int", {column_ref(1, "int"), constant("int:2")});
  *selection.mutable_selection()->mutable_child() = scan;
  EXPECT_EQ(run(), "2 2 \"row2\"\n");
}

TEST_F(RequestTest, APageEndsBehindSoManyRowsAndTheNextGoesOn) {
  for (int64_t handle = 10; handle < 200; ++handle) {
    region.put(record_key(kTable, handle), v2_row({{2, v2_int(1)}, {3, Bytes("x")}}));
  }
  question.page_rows = 50;
  size_t rows = 0, pages = 0;
  KeyRange rest = records_of(kTable);
  while (true) {
    const std::string text = run({rest});
    rows += static_cast<size_t>(std::count(text.begin(), text.end(), '\n'));
    ++pages;
    if (!last.consumed) break;
    EXPECT_EQ(last.consumed->start, rest.start);
    EXPECT_FALSE(last.can_be_cached);
    rest.start = last.consumed->end;
  }
  EXPECT_EQ(rows, 200U);
  EXPECT_GE(pages, 2U);
}

TEST_F(RequestTest, APageOfADescendingScanEndsAtItsLowestRow) {
  for (int64_t handle = 10; handle < 200; ++handle) {
    region.put(record_key(kTable, handle), v2_row({{2, v2_int(1)}, {3, Bytes("x")}}));
  }
  plan.mutable_executors(0)->mutable_tbl_scan()->set_desc(true);
  question.page_rows = 10;
  run();
  ASSERT_TRUE(last.consumed.has_value());
  EXPECT_EQ(last.consumed->end, records_of(kTable).end);
  EXPECT_EQ(last.consumed->start, record_key(kTable, 200 - 32));
}

TEST_F(RequestTest, AChunkHoldsColumns) {
  plan.set_encode_type(tipb::TypeChunk);
  types = {"int", "int", "str"};
  const auto answer = run_once({{record_key(kTable, 8), record_key(kTable, 10)}});
  ASSERT_TRUE(answer.ok());
  ASSERT_TRUE(response.ParseFromString(answer->data));
  EXPECT_EQ(response.encode_type(), tipb::TypeChunk);
  Bytes expected;
  const auto u32 = [&](uint32_t v) { codec::put_u32_le(expected, v); };
  const auto i64 = [&](uint64_t v) { codec::put_u64_le(expected, v); };
  u32(2), u32(0), i64(8), i64(9);
  u32(2), u32(1), expected.push_back(1), i64(2), i64(0);
  u32(2), u32(0), i64(0), i64(4), i64(8), expected += "row8row9";
  EXPECT_EQ(to_hex(response.chunks(0).rows_data()), to_hex(expected));
}

TEST_F(RequestTest, SummariesTellOfEachExecutor) {
  plan.set_collect_execution_summaries(true);
  auto& selection = *add(tipb::TypeSelection).mutable_selection();
  *selection.add_conditions() = call(tipb::EQInt, "int", {column_ref(1, "int"), constant("int:2")});
  run();
  ASSERT_EQ(response.execution_summaries_size(), 2);
  EXPECT_EQ(response.execution_summaries(0).num_produced_rows(), 10U);
  EXPECT_EQ(response.execution_summaries(1).num_produced_rows(), 3U);
  EXPECT_EQ(response.execution_summaries(1).num_iterations(), 1U);
}

TEST_F(RequestTest, WarningsAreKeptUpToTheLimitAndAllCounted) {
  plan.set_max_warning_count(2);
  auto& projection = *add(tipb::TypeProjection).mutable_projection();
  *projection.add_exprs() = call(tipb::IntDivideInt, "int", {column_ref(0, "int"), column_ref(1, "int")});
  types = {"int"};
  EXPECT_EQ(run(), "NULL\n1\n1\nNULL\n4\n2\nNULL\n7\n4\nNULL\n");
  EXPECT_EQ(response.warnings_size(), 2);
  EXPECT_EQ(response.warning_count(), 3);
}

TEST_F(RequestTest, MissingColumnsHaveTheirDefaults) {
  auto& table = *plan.mutable_executors(0)->mutable_tbl_scan();
  auto with_default = column(7, "int");
  with_default.set_default_val(int_datum(77));
  *table.add_columns() = with_default;
  *table.add_columns() = column(8, "str");
  types = {"int", "int", "str", "int", "str"};
  EXPECT_EQ(run({{record_key(kTable, 1), record_key(kTable, 2)}}), "1 1 \"row1\" 77 NULL\n");
  auto not_null = column(9, "int");
  not_null.set_flag(1);
  *table.add_columns() = not_null;
  types.push_back("int");
  EXPECT_EQ(run({{record_key(kTable, 1), record_key(kTable, 2)}}).substr(0, 10), "error 1105");
}

TEST_F(RequestTest, RowsOfTheFirstFormatAndWithChecksumsAreRead) {
  Bytes old_row;
  const auto id = [&](int64_t v) {
    old_row.push_back(8);
    codec::put_var_i64(old_row, v);
  };
  id(2);
  old_row.push_back(8);
  codec::put_var_i64(old_row, -5);
  id(3);
  old_row.push_back(2);
  codec::put_compact_bytes(old_row, "old");
  region.put(record_key(kTable, 20), old_row);
  region.put(record_key(kTable, 21), Bytes(1, '\0'));
  region.put(record_key(kTable, 22), v2_row({{2, v2_int(7)}, {3, Bytes("sum")}}, true));
  region.put(record_key(kTable, 23), v2_row({{2, v2_int(7)}, {3, Bytes("big")}, {1000, Bytes("x")}}));
  region.put(record_key(kTable, 24), v2_row({{2, v2_int(1)}, {3, Bytes(1000, 'l')}}));
  EXPECT_EQ(run({{record_key(kTable, 20), record_key(kTable, 25)}}),
            "20 -5 \"old\"\n21 NULL NULL\n22 7 \"sum\"\n23 7 \"big\"\n24 1 \"" + std::string(1000, 'l') + "\"\n");
}

TEST_F(RequestTest, SpecialColumnsTellOfTheRow) {
  auto& table = *plan.mutable_executors(0)->mutable_tbl_scan();
  *table.add_columns() = column(-3, "int");
  *table.add_columns() = column(-5, "int");
  types = {"int", "int", "str", "int", "int"};
  EXPECT_EQ(run({{record_key(kTable, 1), record_key(kTable, 2)}}), "1 1 \"row1\" 42 10\n");
}

TEST_F(RequestTest, ADamagedRowIsAnErrorThatNamesItsKey) {
  region.put(record_key(kTable, 5), Bytes("\x80\x00\x02", 3), 20);
  const std::string text = run();
  EXPECT_EQ(text.substr(0, 10), "error 1105");
  EXPECT_NE(text.find(to_hex(record_key(kTable, 5))), std::string::npos);
}

TEST_F(RequestTest, ValuesOutsideTheirTypeDoNotDecode) {
  auto& table = *plan.mutable_executors(0)->mutable_tbl_scan();
  Bytes nan, whole_double;
  codec::put_f64_be(nan, std::nan(""));
  codec::put_f64_be(whole_double, 1.5);
  const Bytes json_nan = "\x0b" + Bytes("\0\0\0\0\0\0\xf8\x7f", 8);
  const std::vector<std::tuple<std::string, Bytes, bool>> values = {
      {"real", whole_double, true},         {"real", nan, false},
      {"dur", v2_int(3600), true},          {"dur", v2_int(INT64_MIN), false},
      {"json", "\x0b" + Bytes(8, 0), true}, {"json", json_nan, false},
  };
  types.push_back("");
  for (const auto& [type, bytes, is_good] : values) {
    *table.add_columns() = column(7, type);
    types.back() = type;
    region.put(record_key(kTable, 5), v2_row({{2, v2_int(1)}, {3, Bytes("x")}, {7, bytes}}), 20);
    EXPECT_EQ(run({{record_key(kTable, 5), record_key(kTable, 6)}}).starts_with("5 1"), is_good) << type;
    table.mutable_columns()->RemoveLast();
  }
}

TEST_F(RequestTest, ConstantsOutsideTheirTypeAreRefused) {
  auto& selection = *add(tipb::TypeSelection).mutable_selection();
  const auto refused = [&](tipb::ScalarFuncSig signature, const std::string& text, const Bytes& bytes) {
    auto value = constant(text);
    value.set_val(bytes);
    *selection.add_conditions() = call(signature, "int", {std::move(value)});
    const bool is_refused = run().find("does not decode") != std::string::npos;
    selection.clear_conditions();
    return is_refused;
  };
  Bytes nan;
  codec::put_f64_be(nan, std::nan(""));
  EXPECT_TRUE(refused(tipb::RealIsNull, "real:1", nan));
  EXPECT_TRUE(refused(tipb::DurationIsNull, "dur:\"01:00:00\"", Bytes(8, '\0')));
  EXPECT_TRUE(refused(tipb::JsonIsNull, "json:1", Bytes("\x03\xff\xff\xff\xff\x10\0\0\0", 9)));
  EXPECT_TRUE(refused(tipb::VectorFloat32IsNull, "vec:[1]", Bytes("\xff\0\0\0", 4)));
}

TEST_F(RequestTest, AReadSeesItsTimestampAndStopsAtALock) {
  region.put(record_key(kTable, 1), v2_row({{2, v2_int(9)}, {3, Bytes("late")}}), 200);
  region.del(record_key(kTable, 2), 50);
  EXPECT_EQ(run({{record_key(kTable, 1), record_key(kTable, 4)}}), "1 1 \"row1\"\n3 0 \"row3\"\n");
  EXPECT_FALSE(last.can_be_cached);
  region.lock(record_key(kTable, 3), 60);
  EXPECT_EQ(run({{record_key(kTable, 1), record_key(kTable, 4)}}), "locked");
  EXPECT_EQ(run({{record_key(kTable, 4), record_key(kTable, 5)}}), "4 1 \"row4\"\n");
}

TEST_F(RequestTest, AnIndexYieldsItsColumnsAndTheHandle) {
  region.put(index_key(kTable, 1, int_datum(5) + bytes_datum("x") + int_datum(100)), "0");
  region.put(index_key(kTable, 1, int_datum(6) + Bytes(1, '\0') + int_datum(101)), "0");
  Bytes handle;
  codec::put_u64_be(handle, 102);
  region.put(index_key(kTable, 1, int_datum(7) + bytes_datum("z")), handle);
  plan.clear_executors();
  auto& scan = *add(tipb::TypeIndexScan).mutable_idx_scan();
  scan.set_table_id(kTable);
  scan.set_index_id(1);
  *scan.add_columns() = column(2, "int");
  *scan.add_columns() = column(3, "bin");
  auto pk = column(1, "int");
  pk.set_pk_handle(true);
  *scan.add_columns() = pk;
  types = {"int", "bin", "int"};
  EXPECT_EQ(run({entries_of(kTable, 1)}), "5 \"x\" 100\n6 NULL 101\n7 \"z\" 102\n");
}

TEST_F(RequestTest, AnIndexRestoresWhatItsCollationHasCut) {
  plan.clear_executors();
  auto& scan = *add(tipb::TypeIndexScan).mutable_idx_scan();
  *scan.add_columns() = column(2, "ci");
  *scan.add_columns() = column(3, "str");
  auto pk = column(1, "int");
  pk.set_pk_handle(true);
  *scan.add_columns() = pk;
  types = {"ci", "str", "int"};
  // Version 0: all columns are in the value. The handle is in the key.
  const Bytes restored_all = v2_row({{2, Bytes("Abc")}, {3, Bytes("x ")}});
  region.put(index_key(kTable, 1, bytes_datum("\0A\0B\0C") + bytes_datum("x") + int_datum(5)),
             Bytes(1, '\0') + restored_all);
  // Version 1: the ci column whole, of the _bin one the number of blanks.
  const Bytes restored = v2_row({{2, Bytes("Bcd")}, {3, v2_int(2)}});
  region.put(index_key(kTable, 1, bytes_datum("\0B\0C\0D") + bytes_datum("y") + int_datum(6)),
             Bytes("\x00\x7D\x01", 3) + restored);
  EXPECT_EQ(run({entries_of(kTable, 1)}), "\"Abc\" \"x \" 5\n\"Bcd\" \"y  \" 6\n");
}

TEST_F(RequestTest, AGlobalIndexTellsThePartition) {
  plan.clear_executors();
  auto& scan = *add(tipb::TypeIndexScan).mutable_idx_scan();
  *scan.add_columns() = column(2, "int");
  auto pk = column(1, "int");
  pk.set_pk_handle(true);
  *scan.add_columns() = pk;
  *scan.add_columns() = column(-3, "int");
  types = {"int", "int", "int"};
  Bytes value(1, 8);
  value.push_back(0x7E);
  codec::put_i64_be(value, 99);
  codec::put_u64_be(value, 1234);
  region.put(index_key(kTable, 1, int_datum(5)), value);
  region.put(index_key(kTable, 1, int_datum(6) + int_datum(7)), "0");
  EXPECT_EQ(run({entries_of(kTable, 1)}), "5 1234 99\n6 7 42\n");
}

TEST_F(RequestTest, ACommonHandleIsReadFromKeysAndValues) {
  const auto table_columns = [](auto& scan) {
    *scan.add_columns() = column(2, "int");
    scan.add_primary_column_ids(5);
    scan.add_primary_column_ids(6);
    *scan.add_columns() = column(5, "int");
    *scan.add_columns() = column(6, "bin");
  };
  const Bytes handle = int_datum(1) + bytes_datum("h");
  Bytes key = records_of(kTable).start + handle;
  region.put(key, v2_row({{2, v2_int(3)}}));
  plan.clear_executors();
  table_columns(*add(tipb::TypeTableScan).mutable_tbl_scan());
  types = {"int", "int", "bin"};
  EXPECT_EQ(run({{key, key + '\0'}}), "3 1 \"h\"\n");

  plan.clear_executors();
  table_columns(*add(tipb::TypeIndexScan).mutable_idx_scan());
  region.put(index_key(kTable, 1, int_datum(3) + handle), "0");
  Bytes value("\x00\x7F", 2);
  value.push_back(0);
  value.push_back(static_cast<char>(handle.size()));
  region.put(index_key(kTable, 1, int_datum(4)), value + handle);
  EXPECT_EQ(run({entries_of(kTable, 1)}), "3 1 \"h\"\n4 1 \"h\"\n");
}

TEST_F(RequestTest, KeysOfAKeyspaceAreThoseBehindIt) {
  const Bytes keyspace("x\0\0\1", 4);
  region.put(keyspace + record_key(kTable, 77), v2_row({{2, v2_int(5)}, {3, "apart"}}));
  auto range = records_of(kTable);
  const auto result = run_once({{keyspace + range.start, keyspace + range.end}});
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(rows_of(result->data), "77 5 \"apart\"\n");
}

TEST_F(RequestTest, WhatCannotBeRunIsSaidInWords) {
  EXPECT_EQ(run({{record_key(kTable, 3), record_key(kTable, 1)}}).substr(0, 6), "plan: ");
  EXPECT_EQ(run({{"x", "y"}}).substr(0, 6), "plan: ");
  EXPECT_EQ(run({{record_key(kTable, 3), record_key(kTable, 5)}, {record_key(kTable, 4), record_key(kTable, 6)}})
                .substr(0, 6),
            "plan: ");
  types.push_back("int");
  EXPECT_EQ(run(), "plan: output offset 3 of 3 columns");
  types.pop_back();
  auto& selection = *add(tipb::TypeSelection).mutable_selection();
  *selection.add_conditions() = call(tipb::FTSMatchWord, "int", {});
  EXPECT_EQ(run(), "plan: scalar function FTSMatchWord is not supported");
  selection.clear_conditions();
  *selection.add_conditions() = call(tipb::PlusInt, "int", {column_ref(1, "int")});
  EXPECT_EQ(run().substr(0, 6), "plan: ");
  selection.clear_conditions();
  *selection.add_conditions() = call(tipb::PlusReal, "real", {column_ref(1, "int"), constant("real:1")});
  EXPECT_EQ(run().substr(0, 6), "plan: ");
  selection.clear_conditions();
  *selection.add_conditions() = column_ref(17, "int");
  EXPECT_EQ(run().substr(0, 6), "plan: ");
  plan.mutable_executors()->RemoveLast();
  add(tipb::TypeJoin);
  EXPECT_EQ(run(), "plan: executor TypeJoin is not supported");
  plan.clear_executors();
  EXPECT_EQ(run(), "plan: a plan without executors");
}

TEST_F(RequestTest, AnUnknownSignatureIsNamedByItsNumber) {
  auto& selection = *add(tipb::TypeSelection).mutable_selection();
  auto condition = call(tipb::PlusInt, "int", {});
  condition.clear_sig();
  condition.mutable_unknown_fields()->AddVarint(tipb::Expr::kSigFieldNumber, 99'999);
  *selection.add_conditions() = condition;
  EXPECT_EQ(run(), "plan: scalar function 99999 is not supported");
}

TEST_F(RequestTest, ExpressionsNestedADeepWayAreRefused) {
  tipb::Expr nested = constant("int:1");
  for (int i = 0; i < 3000; ++i) {
    tipb::Expr outer = call(tipb::UnaryNotInt, "int", {});
    outer.add_children()->Swap(&nested);
    nested.Swap(&outer);
  }
  add(tipb::TypeSelection).mutable_selection()->add_conditions()->Swap(&nested);
  EXPECT_EQ(run(), "plan: the plan does not decode");
}

TEST_F(RequestTest, APlanOfTooManyExecutorsOrColumnsIsRefused) {
  for (int i = 0; i < 200'000; ++i) add(tipb::TypeLimit).mutable_limit()->set_limit(1);
  EXPECT_EQ(run(), "plan: a plan of 200001 executors");
  plan.mutable_executors()->DeleteSubrange(1, plan.executors_size() - 1);
  auto& projection = *add(tipb::TypeProjection).mutable_projection();
  for (int i = 0; i < 5000; ++i) *projection.add_exprs() = column_ref(0, "int");
  EXPECT_EQ(run(), "plan: an executor of 5000 columns");
  plan.mutable_executors()->RemoveLast();
  for (int i = 0; i < 5000; ++i) types.push_back("int");
  EXPECT_EQ(run(), "plan: 5003 output offsets");
}

TEST_F(RequestTest, APlanThatNeedsTooMuchMemoryEnds) {
  for (int64_t handle = 10; handle < 5000; ++handle) {
    region.put(record_key(kTable, handle), v2_row({{2, v2_int(handle)}, {3, Bytes("x")}}));
  }
  auto& aggregation = *add(tipb::TypeAggregation).mutable_aggregation();
  *aggregation.add_agg_func() = aggregate(tipb::Count, "int", {constant("int:1")});
  *aggregation.add_group_by() = column_ref(1, "int");
  types = {"uint", "int"};
  question.memory_max = 10'000;
  const auto answer = run_once();
  ASSERT_FALSE(answer.ok());
  EXPECT_TRUE(std::holds_alternative<QuotaExceeded>(answer.error()));
}

// 1000 rows of a string of a megabyte each.
TEST_F(RequestTest, StringsOfABatchThatTakeTooMuchMemoryAreAnError) {
  for (int64_t handle = 10; handle < 1000; ++handle) {
    region.put(record_key(kTable, handle), v2_row({{2, v2_int(1)}, {3, Bytes("x")}}));
  }
  auto& selection = *add(tipb::TypeSelection).mutable_selection();
  auto repeated = call(tipb::Repeat, "str", {column_ref(2, "str"), constant("int:1000000")});
  *selection.add_conditions() = call(tipb::Length, "int", {std::move(repeated)});
  question.memory_max = 50'000'000;
  EXPECT_TRUE(run().starts_with("error 1105: the values of one batch"));
}

TEST_F(RequestTest, LargeRowsEndABatchEarly) {
  for (int64_t handle = 10; handle < 80; ++handle) {
    region.put(record_key(kTable, handle), v2_row({{2, v2_int(1)}, {3, Bytes(1'000'000, 'x')}}));
  }
  auto& aggregation = *add(tipb::TypeAggregation).mutable_aggregation();
  *aggregation.add_agg_func() = aggregate(tipb::Count, "int", {column_ref(2, "str")});
  types = {"uint"};
  question.memory_max = 40'000'000;
  EXPECT_EQ(run(), "80\n");
}

TEST_F(RequestTest, AZoneIsANameAndNoPath) {
  for (const char* name : {"Asia/Tokyo", "Etc/GMT+8", "System"}) {
    plan.set_time_zone_name(name);
    EXPECT_TRUE(run().starts_with("0 0")) << name;
  }
  for (const char* name : {"/usr/share/zoneinfo/Asia/Tokyo", "../zoneinfo/Asia/Tokyo", "file:/etc/localtime", "Mars"}) {
    plan.set_time_zone_name(name);
    EXPECT_TRUE(run().starts_with("plan: unknown or incorrect time zone")) << name;
  }
}

TEST_F(RequestTest, AChecksumIsOfKeysAndValuesUnderTheOldPrefix) {
  tipb::ChecksumRequest request;
  request.mutable_rule()->set_old_prefix("old");
  request.mutable_rule()->set_new_prefix(Bytes(records_of(kTable).start));
  const Bytes bytes = request.SerializeAsString();
  Question q;
  q.kind = 105;
  q.plan = bytes;
  q.ranges = {{record_key(kTable, 1), record_key(kTable, 3)}};
  mvcc::ReadOptions options;
  options.read_ts = Timestamp(100);
  auto begun = Request::begin(std::move(q), region.snapshot(), options);
  ASSERT_TRUE(begun.ok());
  ASSERT_TRUE((*begun)->step().ok());
  tipb::ChecksumResponse checksum;
  ASSERT_TRUE(checksum.ParseFromString((*begun)->finish().data));
  uint64_t expected = 0;
  uint64_t size = 0;
  for (int64_t handle = 1; handle < 3; ++handle) {
    const Bytes pair = "old" + record_key(kTable, handle).substr(11) +
                       v2_row({{2, v2_int(handle % 3)}, {3, fmt::format("row{}", handle)}});
    expected ^= crc64(pair);
    size += pair.size();
  }
  EXPECT_EQ(checksum.checksum(), expected);
  EXPECT_EQ(checksum.total_kvs(), 2U);
  EXPECT_EQ(checksum.total_bytes(), size);
}

TEST_F(RequestTest, UnknownKindsAreSaidInWords) {
  kind = 999;
  EXPECT_EQ(run(), "plan: unsupported tp: 999");
}

}  // namespace
}  // namespace cairn::coprocessor
