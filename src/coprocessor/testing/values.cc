#include "coprocessor/testing/values.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "base/codec.h"
#include "coprocessor/functions/conversion.h"
#include "coprocessor/types/duration.h"
#include "coprocessor/types/enumeration.h"
#include "coprocessor/types/json.h"
#include "coprocessor/types/time.h"
#include "coprocessor/types/vector.h"

namespace cairn::coprocessor::testing {
namespace {

std::vector<std::string> split(const std::string& text, char by) {
  std::vector<std::string> parts;
  size_t begin = 0;
  while (begin <= text.size()) {
    const size_t end = std::min(text.find(by, begin), text.size());
    parts.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

std::string unquoted(const std::string& text) {
  if (text.size() < 2 || text.front() != '"') return text;
  std::string out;
  for (size_t i = 1; i + 1 < text.size(); ++i) {
    if (text[i] != '\\') {
      out += text[i];
      continue;
    }
    ++i;
    if (text[i] == 'n')
      out += '\n';
    else if (text[i] == 't')
      out += '\t';
    else if (text[i] == '0')
      out += '\0';
    else if (text[i] == 'x') {
      out += static_cast<char>(std::stoi(text.substr(i + 1, 2), nullptr, 16));
      i += 2;
    } else
      out += text[i];
  }
  return out;
}

struct Named {
  const char* name;
  Type type;
  uint32_t flags;
  int collation;
  const char* charset;
};
constexpr Named kNamed[] = {
    {"int", Type::kLongLong, 0, 63, "binary"},
    {"uint", Type::kLongLong, FieldType::kUnsigned, 63, "binary"},
    {"bool", Type::kLongLong, FieldType::kIsBoolean, 63, "binary"},
    {"year", Type::kYear, 0, 63, "binary"},
    {"bit", Type::kBit, FieldType::kUnsigned, 63, "binary"},
    {"real", Type::kDouble, 0, 63, "binary"},
    {"ureal", Type::kDouble, FieldType::kUnsigned, 63, "binary"},
    {"float", Type::kFloat, 0, 63, "binary"},
    {"dec", Type::kNewDecimal, 0, 63, "binary"},
    {"udec", Type::kNewDecimal, FieldType::kUnsigned, 63, "binary"},
    {"str", Type::kVarString, 0, -46, "utf8mb4"},
    {"ci", Type::kVarString, 0, -45, "utf8mb4"},
    {"uci", Type::kVarString, 0, -224, "utf8mb4"},
    {"ai", Type::kVarString, 0, -255, "utf8mb4"},
    {"gbk", Type::kVarString, 0, -28, "gbk"},  // a collation that is not there
    {"int_gbk", Type::kLongLong, 0, -28, "gbk"},
    {"bin", Type::kVarString, FieldType::kBinaryFlag, 63, "binary"},
    {"binary", Type::kString, FieldType::kBinaryFlag, 63, "binary"},
    {"date", Type::kDate, 0, 63, "binary"},
    {"datetime", Type::kDateTime, 0, 63, "binary"},
    {"ts", Type::kTimestamp, 0, 63, "binary"},
    {"dur", Type::kDuration, 0, 63, "binary"},
    {"json", Type::kJson, 0, -46, "utf8mb4"},
    {"parsed", Type::kJson, FieldType::kParseToJson, -46, "utf8mb4"},
    {"vec", Type::kVector, 0, 63, "binary"},
    {"enum", Type::kEnum, 0, -46, "utf8mb4"},
    {"set", Type::kSet, 0, -46, "utf8mb4"},
};

}  // namespace

tipb::FieldType type_named(const std::string& text) {
  const size_t end = text.find_first_of("({");
  const std::string name = text.substr(0, end);
  tipb::FieldType type;
  for (const auto& named : kNamed) {
    if (name != named.name) continue;
    type.set_tp(static_cast<int>(named.type));
    type.set_flag(named.flags);
    type.set_flen(kUnspecifiedLength);
    type.set_decimal(kUnspecifiedLength);
    type.set_collate(named.collation);
    type.set_charset(named.charset);
    if (end == std::string::npos) return type;
    const auto parts = split(text.substr(end + 1, text.size() - end - 2), ',');
    if (text[end] == '{') {
      for (const auto& element : parts) type.add_elems(element);
    } else if (name == "dec" || name == "udec" || name == "real" || name == "ureal") {
      type.set_flen(std::stoi(parts.at(0)));
      type.set_decimal(std::stoi(parts.at(1)));
    } else if (name == "datetime" || name == "ts" || name == "dur") {
      type.set_decimal(std::stoi(parts.at(0)));
    } else {
      type.set_flen(std::stoi(parts.at(0)));
    }
    return type;
  }
  ADD_FAILURE() << "no type " << text;
  return type;
}

tipb::Expr constant(const std::string& text) {
  tipb::Expr expr;
  const size_t colon = text.find(':');
  const std::string type_name = text.substr(0, colon);
  if (text == "null") {
    expr.set_tp(tipb::Null);
    *expr.mutable_field_type() = type_named("int");
    expr.mutable_field_type()->set_tp(static_cast<int>(Type::kNull));
    return expr;
  }
  *expr.mutable_field_type() = type_named(type_name);
  const auto type = FieldType::from(expr.field_type());
  const std::string value = unquoted(text.substr(colon + 1));
  if (value == "NULL" && text[colon + 1] != '"') {
    expr.set_tp(tipb::Null);
    return expr;
  }
  EvalContext context;
  context.set_flags(flag::kIgnoreTruncate);
  Bytes& out = *expr.mutable_val();
  EvalType eval_type{};
  EXPECT_TRUE(eval_type_of(type, eval_type)) << text;
  switch (eval_type) {
    case EvalType::kInt:
      if (type.is_unsigned()) {
        expr.set_tp(tipb::Uint64);
        codec::put_u64_be(out, std::stoull(value));
      } else {
        expr.set_tp(tipb::Int64);
        codec::put_i64_be(out, std::stoll(value));
      }
      break;
    case EvalType::kReal:
      expr.set_tp(tipb::Float64);
      codec::put_f64_be(out, std::stod(value));
      break;
    case EvalType::kDecimal: {
      expr.set_tp(tipb::MysqlDecimal);
      const auto number = Decimal::parse(value);
      EXPECT_TRUE(number.has_value()) << text;
      if (number) number->value.encode(out);
      break;
    }
    case EvalType::kBytes:
      expr.set_tp(tipb::String);
      out = value;
      break;
    case EvalType::kTime: {
      expr.set_tp(tipb::MysqlTime);
      const auto time = parse_time(context, value, time_kind_of(type.type), type.fsp());
      EXPECT_TRUE(time.has_value()) << text;
      if (time) codec::put_u64_be(out, *time_to_packed(context, *time));
      break;
    }
    case EvalType::kDuration: {
      expr.set_tp(tipb::MysqlDuration);
      const auto duration = parse_duration(context, value, type.fsp());
      EXPECT_TRUE(duration.has_value()) << text;
      if (duration) codec::put_i64_be(out, duration->nanos);
      break;
    }
    case EvalType::kJson: {
      expr.set_tp(tipb::MysqlJson);
      const auto document = json::parse(value);
      EXPECT_TRUE(document.has_value()) << text;
      if (document) out = *document;
      break;
    }
    case EvalType::kEnum:
    case EvalType::kSet:
      expr.set_tp(eval_type == EvalType::kEnum ? tipb::MysqlEnum : tipb::MysqlSet);
      codec::put_u64_be(out, std::stoull(value));
      break;
    case EvalType::kVector: {
      expr.set_tp(tipb::TiDBVectorFloat32);
      const auto parts = value == "[]" ? std::vector<std::string>() : split(value.substr(1, value.size() - 2), ',');
      codec::put_u32_le(out, static_cast<uint32_t>(parts.size()));
      for (const auto& part : parts) {
        const float number = std::stof(part);
        uint32_t bits = 0;
        std::memcpy(&bits, &number, sizeof(bits));
        codec::put_u32_le(out, bits);
      }
      break;
    }
  }
  return expr;
}

std::string shown(const Column& column, size_t row, const FieldType& type) {
  if (column.nulls[row]) return "NULL";
  switch (column.type) {
    case EvalType::kInt:
    case EvalType::kEnum:
    case EvalType::kSet:
      return type.is_unsigned() ? std::to_string(static_cast<uint64_t>(column.ints[row]))
                                : std::to_string(column.ints[row]);
    case EvalType::kReal:
      return real_to_text(column.reals[row]);
    case EvalType::kDecimal:
      return column.decimals[row].to_string();
    case EvalType::kBytes: {
      std::string out = "\"";
      for (const char c : column.bytes[row]) {
        if (c == '"' || c == '\\')
          out += std::string("\\") + c;
        else if (c == '\n')
          out += "\\n";
        else if (c == '\t')
          out += "\\t";
        else if (c == 0)
          out += "\\0";
        else if (static_cast<uint8_t>(c) < 0x20 || static_cast<uint8_t>(c) == 0x7f)
          out += fmt::format("\\x{:02x}", static_cast<uint8_t>(c));
        else
          out += c;
      }
      return out + "\"";
    }
    case EvalType::kTime:
      return to_string(Time{static_cast<uint64_t>(column.ints[row])});
    case EvalType::kDuration:
      return to_string(Duration{column.ints[row]}, type.fsp());
    case EvalType::kJson:
      return json::to_text(column.bytes[row]);
    case EvalType::kVector:
      return vector32::to_text(column.bytes[row]);
  }
  return "?";
}

}  // namespace cairn::coprocessor::testing
