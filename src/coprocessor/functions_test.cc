// Runs the scripts of testdata/functions. A line is a call and what comes of it:
//
//   PlusInt int:1 int:2 = 3
//   DivideReal real:1 real:0 = NULL ! 1365
//   PlusInt int:9223372036854775807 int:1 = error 1690
//   CastStringAsDecimal:dec(5,2) str:"1.005" = 1.01
//
// The type behind the signature is that of the result, if it is not the function's own. "! codes" are the warnings.
// "set flags=N mode=N zone=NAME" holds for what follows. Each call is made three times: of constants, of columns, and
// of columns with NULLs among them; all must say the same of the rows that are alike.
#include "coprocessor/functions/table.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/codec.h"
#include "coprocessor/expr/program.h"
#include "coprocessor/testing/values.h"
#include "tipb/expression.pb.h"

namespace cairn::coprocessor {
namespace {

using testing::constant;
using testing::shown;
using testing::type_named;

// Words of a line; blanks within quotes, brackets and braces do not part them.
std::vector<std::string> words_of(const std::string& line) {
  std::vector<std::string> words;
  std::string word;
  bool in_quotes = false;
  for (size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    if (in_quotes && c == '\\') {
      word += c;
      word += line[++i];
      continue;
    }
    if (c == '"') in_quotes = !in_quotes;
    if (c == ' ' && !in_quotes) {
      if (!word.empty()) words.push_back(std::exchange(word, ""));
    } else {
      word += c;
    }
  }
  if (!word.empty()) words.push_back(word);
  return words;
}

struct Line {
  tipb::Expr call;
  std::string expected;
  std::string warnings;
};

const char* result_type_name(EvalType type) {
  switch (type) {
    case EvalType::kInt:
      return "int";
    case EvalType::kReal:
      return "real";
    case EvalType::kDecimal:
      return "dec";
    case EvalType::kTime:
      return "datetime(6)";
    case EvalType::kDuration:
      return "dur(6)";
    case EvalType::kJson:
      return "json";
    case EvalType::kVector:
      return "vec";
    default:
      return "str";
  }
}

std::optional<Line> parse(const std::string& text) {
  const auto words = words_of(text);
  Line line;
  const std::string& head = words.at(0);
  const size_t colon = head.find(':');
  tipb::ScalarFuncSig signature{};
  if (!tipb::ScalarFuncSig_Parse(head.substr(0, colon), &signature)) return std::nullopt;
  line.call.set_tp(tipb::ScalarFunc);
  line.call.set_sig(signature);
  size_t i = 1;
  for (; i < words.size() && words[i] != "="; ++i) *line.call.add_children() = constant(words[i]);
  if (i == words.size()) return std::nullopt;
  std::string* to = &line.expected;
  for (++i; i < words.size(); ++i) {
    if (words[i] == "!") {
      to = &line.warnings;
      continue;
    }
    if (!to->empty()) *to += ' ';
    *to += words[i];
  }
  CallType type;
  for (const auto& child : line.call.children()) type.args.push_back(FieldType::from(child.field_type()));
  *line.call.mutable_field_type() = type_named(colon == std::string::npos ? "str" : head.substr(colon + 1));
  if (colon == std::string::npos) {
    type.result = FieldType::from(line.call.field_type());
    const auto function = find_function(signature, type);
    if (!function) return std::nullopt;
    auto own = type_named(result_type_name(function->result));
    // Comparisons are in the collation of what they compare.
    for (const auto& child : line.call.children()) {
      if (function->result == EvalType::kInt && child.tp() == tipb::String)
        own.set_collate(child.field_type().collate());
    }
    *line.call.mutable_field_type() = own;
  }
  return line;
}

struct Outcome {
  std::vector<std::string> rows;
  std::string warnings;
};

Outcome run(const tipb::Expr& call, std::span<const FieldType> schema, const Batch& batch,
            const EvalContext& settings) {
  EvalContext context = settings;
  auto program = Program::compile(call, schema, context);
  if (!program.ok()) return {{"plan: " + std::get<PlanError>(program.error()).text}, ""};
  auto value = program->run(context, batch);
  if (!value.ok()) return {{fmt::format("error {}", std::get<EvalError>(value.error()).code)}, ""};
  Outcome outcome;
  for (size_t row = 0; row < batch.count(); ++row) {
    outcome.rows.push_back(shown(*value->column, value->index(row), program->type()));
  }
  for (const auto& warning : context.warnings()) {
    outcome.warnings += (outcome.warnings.empty() ? "" : " ") + std::to_string(warning.code);
  }
  return outcome;
}

// The call with columns in place of its constants; rows 1 of the batch are NULL if `with_nulls`.
Outcome run_on_columns(tipb::Expr call, bool with_nulls, const EvalContext& settings) {
  constexpr size_t kRows = 3;
  Batch batch;
  batch.rows = kRows;
  std::vector<FieldType> schema;
  std::vector<Program> programs;
  for (int i = 0; i < call.children_size(); ++i) {
    auto& child = *call.mutable_children(i);
    EvalContext context = settings;
    auto program = Program::compile(child, {}, context);
    CHECK(program.ok(), "a constant of a script does not compile");
    Batch one;
    one.rows = 1;
    const auto value = program->run(context, one);
    Column column;
    column.reset(program->eval_type(), kRows);
    for (size_t row = 0; row < kRows; ++row) {
      if (with_nulls && row == 1)
        column.nulls.set(row);
      else
        column.copy_value(row, *value->column, 0);
    }
    schema.push_back(program->type());
    if (child.field_type().tp() == static_cast<int>(Type::kNull)) continue;  // stays a constant
    Bytes offset;
    codec::put_i64_be(offset, i);
    child.set_tp(tipb::ColumnRef);
    child.set_val(offset);
    batch.columns.resize(static_cast<size_t>(i) + 1);
    batch.columns.back() = std::move(column);
    programs.push_back(std::move(*program));
  }
  batch.columns.resize(schema.size());
  return run(call, schema, batch, settings);
}

EvalContext settings_of(const std::vector<std::string>& words) {
  EvalContext context;
  for (size_t i = 1; i < words.size(); ++i) {
    const size_t equals = words[i].find('=');
    const std::string name = words[i].substr(0, equals), value = words[i].substr(equals + 1);
    if (name == "flags")
      context.set_flags(std::stoull(value));
    else if (name == "mode")
      context.set_sql_mode(std::stoull(value));
    else if (name == "div")
      context.set_div_precision_increment(std::stoi(value));
    else if (name == "zone")
      EXPECT_TRUE(context.set_zone(value)) << value;
    else if (name == "offset")
      EXPECT_TRUE(context.set_zone_offset(std::stoll(value))) << value;
    else if (name == "now")
      context.set_now_micros(std::stoll(value));
    else
      ADD_FAILURE() << "no setting " << name;
  }
  return context;
}

class FunctionScript : public ::testing::TestWithParam<std::string> {};

TEST_P(FunctionScript, SaysWhatTheFunctionsDo) {
  std::ifstream in(GetParam());
  EvalContext settings;
  std::string text;
  for (int number = 1; std::getline(in, text); ++number) {
    if (text.empty() || text[0] == '#') continue;
    SCOPED_TRACE(fmt::format("line {}: {}", number, text));
    if (text.starts_with("set ")) {
      settings = settings_of(words_of(text));
      continue;
    }
    const auto line = parse(text);
    if (!line) {
      ADD_FAILURE() << "no such function";
      continue;
    }
    Batch one;
    one.rows = 1;
    const auto once = run(line->call, {}, one, settings);
    EXPECT_EQ(once.rows.front(), line->expected);
    EXPECT_EQ(once.warnings, line->warnings);
    const auto of_columns = run_on_columns(line->call, false, settings);
    for (const auto& row : of_columns.rows) EXPECT_EQ(row, line->expected) << "of columns";
    if (line->call.sig() == tipb::JsonObjectSig) continue;  // a NULL key is an error of the whole
    const auto of_nulls = run_on_columns(line->call, true, settings);
    EXPECT_EQ(of_nulls.rows.front(), line->expected) << "beside NULLs";
    EXPECT_EQ(of_nulls.rows.back(), line->expected) << "behind NULLs";
  }
}

std::vector<std::string> scripts() {
  std::vector<std::string> paths;
  for (const auto& entry : std::filesystem::directory_iterator(std::string(CAIRN_TESTDATA) + "/functions")) {
    paths.push_back(entry.path());
  }
  std::sort(paths.begin(), paths.end());
  return paths;
}
INSTANTIATE_TEST_SUITE_P(All, FunctionScript, ::testing::ValuesIn(scripts()),
                         [](const auto& info) { return std::filesystem::path(info.param).stem().string(); });

// What the table gives to a family, the family has: for some number of arguments and some types.
TEST(FunctionTable, WhatStandsInItIsThere) {
  const auto* signatures = tipb::ScalarFuncSig_descriptor();
  int there = 0;
  for (int i = 0; i < signatures->value_count(); ++i) {
    const auto signature = static_cast<tipb::ScalarFuncSig>(signatures->value(i)->number());
    bool is_found = false;
    for (size_t args = 0; args <= 8 && !is_found; ++args) {
      CallType type;
      type.result = FieldType::of(Type::kVarString);
      type.args.resize(args, FieldType::of(Type::kVarString));
      is_found = find_function(signature, type).has_value();
    }
    EXPECT_EQ(is_found, has_function(signature)) << signatures->value(i)->name();
    there += is_found ? 1 : 0;
  }
  RecordProperty("signatures", there);
  EXPECT_GE(there, 531);
}

}  // namespace
}  // namespace cairn::coprocessor
