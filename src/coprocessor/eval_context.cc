#include "coprocessor/eval_context.h"

#include <absl/strings/ascii.h>
#include <fmt/format.h>

#include <algorithm>

#include "tipb/select.pb.h"

namespace cairn::coprocessor {
namespace {

constexpr size_t kZoneNameMax = 64;

}  // namespace

Result<EvalContext> EvalContext::from(const tipb::DAGRequest& plan) {
  EvalContext context;
  context.flags_ = plan.flags();
  context.sql_mode_ = plan.sql_mode();
  if (!plan.time_zone_name().empty()) {
    if (!context.set_zone(plan.time_zone_name())) {
      return fail(PlanError{fmt::format("unknown or incorrect time zone: {}", plan.time_zone_name())});
    }
  } else if (plan.has_time_zone_offset() && !context.set_zone_offset(plan.time_zone_offset())) {
    return fail(PlanError{fmt::format("unknown or incorrect time zone: offset {}s", plan.time_zone_offset())});
  }
  if (plan.has_max_warning_count()) context.warnings_max_ = plan.max_warning_count();
  if (plan.has_div_precision_increment()) {
    context.div_precision_ = static_cast<int>(std::min(plan.div_precision_increment(), 30U));
  }
  if (plan.has_max_allowed_packet()) context.packet_bytes_max_ = std::min(plan.max_allowed_packet(), kPacketBytesMax);
  return context;
}

bool EvalContext::set_zone(const std::string& name) {
  // TiDB's name for the zone of its host, which it sends when it knows no better one.
  if (name == "System") return true;
  // A name of the database of zones, and no other path to a file.
  const auto is_of_name = [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '+' || c == '-' || c == '/';
  };
  const bool is_name = name.size() <= kZoneNameMax && !name.starts_with('/');
  if (!is_name || !std::all_of(name.begin(), name.end(), is_of_name)) return false;
  return absl::LoadTimeZone(name, &zone_);
}

bool EvalContext::set_zone_offset(int64_t seconds) {
  constexpr int64_t kDay = 24 * 3600;
  if (seconds <= -kDay || seconds >= kDay) return false;
  zone_ = absl::FixedTimeZone(static_cast<int>(seconds));
  return true;
}

void EvalContext::warn(int code, std::string text) {
  ++warning_count_;
  if (warnings_.size() < warnings_max_) warnings_.push_back({code, std::move(text)});
}

bool EvalContext::raise(int code, std::string text) {
  if (!error_) error_ = EvalError{code, std::move(text)};
  return false;
}

std::optional<EvalError> EvalContext::take_error() { return std::exchange(error_, std::nullopt); }

bool EvalContext::truncated(int code, std::string text) {
  if (has_flag(flag::kIgnoreTruncate)) return true;
  if (!has_flag(flag::kTruncateAsWarning)) return raise(code, std::move(text));
  warn(code, std::move(text));
  return true;
}

bool EvalContext::truncated_wrong_value(const char* type, ByteView value) {
  return truncated(code::kTruncatedWrongValue, fmt::format("Truncated incorrect {} value: '{}'", type, value));
}

bool EvalContext::overflowed(const char* type, ByteView expression) {
  return overflowed_as_told(code::kOutOfRange, fmt::format("{} value is out of range in '{}'", type, expression));
}

bool EvalContext::overflowed_as_told(int code, std::string text) {
  if (!has_flag(flag::kOverflowAsWarning)) return raise(code, std::move(text));
  warn(code, std::move(text));
  return true;
}

bool EvalContext::divided_by_zero() {
  if (has_flag(flag::kInInsert | flag::kInUpdateOrDelete)) {
    if (!has_mode(sql_mode::kErrorForDivisionByZero)) return true;
    if (is_strict() && !has_flag(flag::kDividedByZeroAsWarning)) return raise(code::kDivisionByZero, "Division by 0");
  }
  warn(code::kDivisionByZero, "Division by 0");
  return true;
}

bool EvalContext::invalid_time(std::string text) {
  if (is_strict() && has_flag(flag::kInInsert | flag::kInUpdateOrDelete)) {
    return raise(code::kTruncatedWrongValue, std::move(text));
  }
  warn(code::kTruncatedWrongValue, std::move(text));
  return true;
}

}  // namespace cairn::coprocessor
