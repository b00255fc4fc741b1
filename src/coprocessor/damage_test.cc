// Damaged plans, rows and keys, and random expressions against an evaluator of one row at a time that shares no code
// with the vectors.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "base/codec.h"
#include "base/testing/damaged_bytes.h"
#include "coprocessor/expr/program.h"
#include "coprocessor/functions/table.h"
#include "coprocessor/testing/check_request.h"
#include "coprocessor/testing/rows.h"
#include "coprocessor/testing/values.h"
#include "coprocessor/types/json.h"
#include "runtime/random.h"
#include "tipb/select.pb.h"

namespace cairn::coprocessor {
namespace {

using testing::type_named;

tipb::Expr column_ref(int64_t offset) {
  tipb::Expr expr;
  expr.set_tp(tipb::ColumnRef);
  Bytes value;
  codec::put_i64_be(value, offset);
  expr.set_val(value);
  *expr.mutable_field_type() = type_named("int");
  return expr;
}

// An expression over three columns of small integers and NULLs.
tipb::Expr random_expression(runtime::Random& dice, int depth) {
  if (depth == 0 || dice.below(5) == 0) {
    if (dice.below(4) != 0) return column_ref(static_cast<int64_t>(dice.below(3)));
    return testing::constant(dice.below(8) == 0 ? "int:NULL"
                                                : fmt::format("int:{}", static_cast<int64_t>(dice.below(7)) - 3));
  }
  static constexpr std::pair<tipb::ScalarFuncSig, int> kCalls[] = {
      {tipb::PlusInt, 2},     {tipb::MinusInt, 2},    {tipb::MultiplyInt, 2}, {tipb::IntDivideInt, 2},
      {tipb::ModInt, 2},      {tipb::LTInt, 2},       {tipb::GEInt, 2},       {tipb::EQInt, 2},
      {tipb::NullEQInt, 2},   {tipb::LogicalAnd, 2},  {tipb::LogicalOr, 2},   {tipb::LogicalXor, 2},
      {tipb::UnaryNotInt, 1}, {tipb::IntIsNull, 1},   {tipb::IfInt, 3},       {tipb::IfNullInt, 2},
      {tipb::CoalesceInt, 3}, {tipb::CaseWhenInt, 3}, {tipb::InInt, 3},       {tipb::GreatestInt, 2}};
  const auto& [signature, args] = kCalls[dice.below(std::size(kCalls))];
  tipb::Expr expr;
  expr.set_tp(tipb::ScalarFunc);
  expr.set_sig(signature);
  *expr.mutable_field_type() = type_named("int");
  for (int i = 0; i < args; ++i) *expr.add_children() = random_expression(dice, depth - 1);
  return expr;
}

using Value = std::optional<int64_t>;

// By the tree, one row; throws nothing, but says when a number does not fit.
Value naive(const tipb::Expr& expr, const std::vector<Value>& row, bool& overflowed) {
  if (expr.tp() == tipb::ColumnRef || expr.tp() == tipb::Int64) {
    ByteView in = expr.val();
    int64_t number = 0;
    EXPECT_TRUE(codec::get_i64_be(in, number));
    return expr.tp() == tipb::Int64 ? Value(number) : row[static_cast<size_t>(number)];
  }
  if (expr.tp() == tipb::Null) return std::nullopt;
  std::vector<Value> args;
  for (const auto& child : expr.children()) args.push_back(naive(child, row, overflowed));
  const auto fit = [&](__int128 number) -> Value {
    if (number < INT64_MIN || number > INT64_MAX) overflowed = true;
    return static_cast<int64_t>(number);
  };
  const bool has_null = std::any_of(args.begin(), args.end(), [](const Value& v) { return !v; });
  switch (expr.sig()) {
    case tipb::LogicalAnd:
      if ((args[0] && !*args[0]) || (args[1] && !*args[1])) return 0;
      return has_null ? std::nullopt : Value(1);
    case tipb::LogicalOr:
      if ((args[0] && *args[0]) || (args[1] && *args[1])) return 1;
      return has_null ? std::nullopt : Value(0);
    case tipb::IntIsNull:
      return !args[0];
    case tipb::NullEQInt:
      return args[0] == args[1];
    case tipb::IfInt:
      return args[0] && *args[0] ? args[1] : args[2];
    case tipb::IfNullInt:
      return args[0] ? args[0] : args[1];
    case tipb::CoalesceInt:
      return args[0] ? args[0] : args[1] ? args[1] : args[2];
    case tipb::CaseWhenInt:
      return args[0] && *args[0] ? args[1] : args[2];
    case tipb::InInt:
      if (!args[0]) return std::nullopt;
      if (args[1] == args[0] || args[2] == args[0]) return 1;
      return has_null ? std::nullopt : Value(0);
    default:
      break;
  }
  if (has_null) return std::nullopt;
  const __int128 a = *args[0], b = args.size() > 1 ? *args[1] : 0;
  switch (expr.sig()) {
    case tipb::PlusInt:
      return fit(a + b);
    case tipb::MinusInt:
      return fit(a - b);
    case tipb::MultiplyInt:
      return fit(a * b);
    case tipb::IntDivideInt:
      return b == 0 ? std::nullopt : fit(a / b);
    case tipb::ModInt:
      return b == 0 ? std::nullopt : fit(a % b);
    case tipb::LTInt:
      return a < b;
    case tipb::GEInt:
      return a >= b;
    case tipb::EQInt:
      return a == b;
    case tipb::LogicalXor:
      return (a != 0) != (b != 0);
    case tipb::UnaryNotInt:
      return a == 0;
    case tipb::GreatestInt:
      return fit(std::max(a, b));
    default:
      ADD_FAILURE() << "no signature " << expr.sig();
      return std::nullopt;
  }
}

TEST(RandomExpressions, AreEvaluatedLikeOneRowAtATime) {
  const std::vector<FieldType> schema(3, FieldType::of(Type::kLongLong));
  for (uint64_t seed = 0; seed < 3000; ++seed) {
    runtime::Random dice(seed);
    const tipb::Expr expr = random_expression(dice, 4);
    Batch batch;
    batch.rows = 70;
    batch.columns.resize(3);
    for (auto& column : batch.columns) {
      column.reset(EvalType::kInt, batch.rows);
      for (size_t row = 0; row < batch.rows; ++row) {
        if (dice.below(6) == 0)
          column.nulls.set(row);
        else
          column.ints[row] = dice.below(40) == 0 ? INT64_MAX - 1 : static_cast<int64_t>(dice.below(9)) - 4;
      }
    }
    if (dice.below(2) == 0) {
      batch.has_selection = true;
      for (uint32_t row = 0; row < batch.rows; ++row) {
        if (dice.below(3) != 0) batch.selection.push_back(row);
      }
    }
    EvalContext context;
    auto program = Program::compile(expr, schema, context);
    ASSERT_TRUE(program.ok()) << expr.ShortDebugString();
    const auto result = program->run(context, batch);
    bool overflowed = false;
    for (size_t i = 0; i < batch.count(); ++i) {
      std::vector<Value> row;
      for (const auto& column : batch.columns) {
        const size_t at = batch.row(i);
        row.push_back(column.nulls[at] ? std::nullopt : Value(column.ints[at]));
      }
      const Value expected = naive(expr, row, overflowed);
      if (overflowed || !result.ok()) continue;
      const Value got = result->is_null(i) ? std::nullopt : Value(result->column->ints[result->index(i)]);
      ASSERT_EQ(got, expected) << "seed " << seed << " row " << i << ": " << expr.ShortDebugString();
    }
    if (batch.count() > 0) ASSERT_EQ(result.ok(), !overflowed) << "seed " << seed << ": " << expr.ShortDebugString();
  }
}

// Values at the edges of each type, as far as rows and plans may hold them.
std::vector<std::string> edge_values(EvalType type) {
  switch (type) {
    case EvalType::kInt:
      return {"int:0",
              "int:1",
              "int:-1",
              "int:64",
              "int:9223372036854775807",
              "int:-9223372036854775808",
              "uint:18446744073709551615",
              "uint:7",
              "year:2020",
              "bit(8):255",
              "int:20200230",
              "int:-400"};
    case EvalType::kReal:
      return {"real:0",
              "real:-0.0",
              "real:inf",
              "real:-inf",
              "real:1.7e308",
              "real:-1.7e308",
              "real:2.3e-308",
              "real:1.5",
              "real:9223372036854775808",
              "ureal:18446744073709551616",
              "float:3.4e38",
              "real:-59.9999999"};
    case EvalType::kDecimal:
      return {"dec:0",
              "dec:-0.5",
              "dec:1.000000000000000000000000000001",
              "dec:" + std::string(65, '9'),
              "dec:-" + std::string(65, '9'),
              "dec:0." + std::string(30, '9'),
              "dec:" + std::string(81, '9'),
              "dec:20200102030405.999999",
              "udec:18446744073709551615"};
    case EvalType::kTime:
      return {"datetime(6):\"0000-00-00\"", "datetime(6):\"9999-12-31 23:59:59.999999\"",
              "date:\"2020-00-00\"",        "datetime:\"2020-01-00 00:00:00\"",
              "date:\"2020-02-29\"",        "ts:\"1970-01-01 00:00:01\"",
              "date:\"0000-01-01\"",        "datetime(3):\"0001-01-01 00:00:00.999\""};
    case EvalType::kDuration:
      return {"dur:00:00:00", "dur(6):\"838:59:59\"", "dur(6):\"-838:59:59\"", "dur(6):\"-00:00:00.000001\"",
              "dur:12:34:56"};
    case EvalType::kJson:
      return {"json:null",
              "json:true",
              "json:{}",
              "json:[]",
              "json:-9223372036854775808",
              "json:18446744073709551615",
              "json:1.7e308",
              "json:\"\\\"text\\\"\"",
              "json:\"{\\\"a\\\": [1, {\\\"b\\\": null}], \\\"\\\": [[[]]]}\""};
    case EvalType::kEnum:
      return {"enum{a,b}:0", "enum{a,b}:2", "enum{a,b}:99"};
    case EvalType::kSet:
      return {"set{a,b}:0", "set{a,b}:3", "set{a,b}:18446744073709551615"};
    case EvalType::kVector:
      return {"vec:[]", "vec:[1]", "vec:[1,-3.4e38]", "vec:[0,0]"};
    case EvalType::kBytes:
      break;
  }
  return {"str:\"\"",
          "str:\" \"",
          "str:a",
          "ci:ÄÖ",
          "bin:\"\\xff\\xfe\\0\"",
          "str:\"\\xe4\\xbd\"",
          "str:-",
          "str:.",
          "str:1e99999",
          "str:-9223372036854775809",
          "str:99999999999999999999999999",
          "str:\"2020-01-02 03:04:05.999999\"",
          "str:\"0000-00-00\"",
          "str:\"9999-12-31 23:59:59.9999999+14:00\"",
          "str:-838:59:59.9",
          "str:\"99999999999 1:1:1\"",
          "str:DAY_MICROSECOND",
          "str:WEEK",
          "str:SECOND",
          "str:\"$.a[*]**.b\"",
          "str:\"$[last-1 to last]\"",
          "str:\"%Y%j%U%v%x%%\"",
          "str:\"%a_\\\\\"",
          "str:\"{\\\"a\\\": [1e400]}\"",
          "str:one",
          "str:\"::ffff:1.2.3.4\"",
          "str:" + std::string(300, 'x'),
          "str:a,b,,c",
          "str:=",
          "str:AAA="};
}

// Each function, of whatever its arguments may be: a value, NULL or an error comes of it, and no undefined behaviour.
TEST(EveryFunction, TakesEdgeValues) {
  static constexpr const char* kResults[] = {"int",    "uint",   "real(5,2)", "real",      "dec(5,2)",    "dec",
                                             "str(3)", "str",    "ci",        "binary(9)", "datetime(3)", "ts",
                                             "date",   "dur(2)", "json",      "parsed"};
  const auto* signatures = tipb::ScalarFuncSig_descriptor();
  runtime::Random dice(11);
  const auto pick = [&](const auto& from) { return from[dice.below(std::size(from))]; };
  for (int i = 0; i < signatures->value_count(); ++i) {
    const auto signature = static_cast<tipb::ScalarFuncSig>(signatures->value(i)->number());
    for (size_t args = 0; args <= 5; ++args) {
      CallType type;
      type.result = FieldType::of(Type::kVarString);
      type.args.resize(args, FieldType::of(Type::kVarString));
      const auto function = find_function(signature, type);
      if (!function || function->args.size() != args) continue;
      for (int round = 0; round < 60; ++round) {
        tipb::Expr expr;
        expr.set_tp(tipb::ScalarFunc);
        expr.set_sig(signature);
        *expr.mutable_field_type() = type_named(pick(kResults));
        for (const EvalType arg : function->args) {
          *expr.add_children() = testing::constant(pick(edge_values(arg)));
        }
        EvalContext context;
        context.set_flags(dice.below(2) == 0 ? flag::kTruncateAsWarning | flag::kOverflowAsWarning : 0);
        context.set_sql_mode(dice.below(2) == 0 ? 0 : sql_mode::kInvalidDates);
        if (dice.below(3) == 0) ASSERT_TRUE(context.set_zone("America/New_York"));
        auto program = Program::compile(expr, {}, context);
        if (!program.ok()) continue;
        Batch one;
        one.rows = 1;
        const auto value = program->run(context, one);
        if (!value.ok()) continue;
        const std::string text = testing::shown(*value->column, 0, program->type());
        // No number that is none comes of any of them.
        ASSERT_NE(text, "NaN") << expr.ShortDebugString();
      }
    }
  }
}

TEST(DamagedBytes, PlansAreAnsweredOrRefused) {
  tipb::DAGRequest plan;
  auto& scan = *plan.add_executors();
  scan.set_tp(tipb::TypeTableScan);
  *scan.mutable_tbl_scan()->add_columns() = testing::column(1, "int");
  *scan.mutable_tbl_scan()->add_columns() = testing::column(6, "str");
  auto& selection = *plan.add_executors();
  selection.set_tp(tipb::TypeSelection);
  runtime::Random dice(7);
  *selection.mutable_selection()->add_conditions() = random_expression(dice, 3);
  std::vector<Bytes> plans;
  for (const auto last : {tipb::TypeTopN, tipb::TypeAggregation, tipb::TypeStreamAgg, tipb::TypeLimit}) {
    auto whole = plan;
    auto& executor = *whole.add_executors();
    executor.set_tp(last);
    *executor.mutable_topn()->add_order_by()->mutable_expr() = column_ref(0);
    executor.mutable_topn()->set_limit(5);
    *executor.mutable_aggregation()->add_group_by() = column_ref(1);
    auto& sum = *executor.mutable_aggregation()->add_agg_func();
    sum.set_tp(tipb::Sum);
    *sum.mutable_field_type() = type_named("dec");
    *sum.add_children() = column_ref(0);
    executor.mutable_limit()->set_limit(3);
    whole.add_output_offsets(0);
    plans.push_back(whole.SerializeAsString());
  }
  ::cairn::testing::DamagedBytes damaged(plans);
  for (int i = 0; i < 4000; ++i) testing::check_plan_bytes(damaged.next());
}

// Each array's two elements are the same bytes: a tree of 2^60 leaves.
TEST(DamagedBytes, JsonWhoseValuesShareBytesIsRefused) {
  Bytes body;
  for (int depth = 0; depth < 60; ++depth) {
    Bytes outer;
    codec::put_u32_le(outer, 2);
    codec::put_u32_le(outer, static_cast<uint32_t>(18 + body.size()));
    for (int i = 0; i < 2; ++i) {
      outer.push_back(body.empty() ? json::kLiteral : json::kArray);
      codec::put_u32_le(outer, body.empty() ? 1 : 18);
    }
    body = outer + body;
  }
  EXPECT_EQ(json::size_of(Bytes(1, json::kArray) + body), 0U);
}

TEST(DamagedBytes, RowsAndKeysAreReadOrRefused) {
  const std::vector<Bytes> rows = {
      testing::v2_row(
          {{1, testing::v2_int(1)}, {6, Bytes("a")}, {2, std::nullopt}, {12, Bytes("\x01\0\0\0\0\x08\0\0\0", 9)}}),
      testing::v2_row({{1, testing::v2_int(1)}, {1000, Bytes("a")}}, true),
      Bytes("\x08\x02\x08\x05\x08\x0c\x02\x02x", 9),
      Bytes("\x00\x7D\x01\x7F\x00\x02\x03\x04\x7E\x80\0\0\0\0\0\0\1", 17) + testing::v2_row({{6, testing::v2_int(2)}}),
  };
  ::cairn::testing::DamagedBytes damaged(rows);
  for (int i = 0; i < 60'000; ++i) testing::check_row_bytes(damaged.next());
  const std::vector<Bytes> keys = {testing::int_datum(1) + testing::int_datum(2) + testing::bytes_datum("abc"),
                                   Bytes("\x06\x0a\x02\x80\0\0\0\0\x01", 9)};
  ::cairn::testing::DamagedBytes damaged_keys(keys);
  for (int i = 0; i < 30'000; ++i) testing::check_index_key_bytes(damaged_keys.next());
}

}  // namespace
}  // namespace cairn::coprocessor
