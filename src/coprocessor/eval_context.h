// What evaluation depends on beside its arguments: the session's flags, SQL mode and time zone, as the plan carries
// them, and the warnings that it leaves. One a request; used by one thread.
// Tests: functions_test.cc.
#pragma once

#include <absl/time/time.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "coprocessor/failure.h"

namespace tipb {
class DAGRequest;
}

namespace cairn::coprocessor {

namespace flag {
inline constexpr uint64_t kIgnoreTruncate = 1;
inline constexpr uint64_t kTruncateAsWarning = 1 << 1;
inline constexpr uint64_t kPadCharToFullLength = 1 << 2;
inline constexpr uint64_t kInInsert = 1 << 3;
inline constexpr uint64_t kInUpdateOrDelete = 1 << 4;
inline constexpr uint64_t kInSelect = 1 << 5;
inline constexpr uint64_t kOverflowAsWarning = 1 << 6;
inline constexpr uint64_t kIgnoreZeroInDate = 1 << 7;
inline constexpr uint64_t kDividedByZeroAsWarning = 1 << 8;
inline constexpr uint64_t kInLoadData = 1 << 10;
}  // namespace flag

namespace sql_mode {
inline constexpr uint64_t kStrictTransTables = uint64_t{1} << 21;
inline constexpr uint64_t kStrictAllTables = uint64_t{1} << 22;
inline constexpr uint64_t kNoZeroInDate = uint64_t{1} << 23;
inline constexpr uint64_t kNoZeroDate = uint64_t{1} << 24;
inline constexpr uint64_t kInvalidDates = uint64_t{1} << 25;
inline constexpr uint64_t kErrorForDivisionByZero = uint64_t{1} << 26;
}  // namespace sql_mode

class EvalContext {
 public:
  static constexpr size_t kWarningsDefault = 64;
  static constexpr int kDivPrecisionDefault = 4;
  static constexpr uint64_t kPacketBytesMax = uint64_t{1} << 30;  // as in MySQL

  EvalContext() = default;
  // An error: an unknown time zone.
  static Result<EvalContext> from(const tipb::DAGRequest& plan);

  bool has_flag(uint64_t flags) const { return (flags_ & flags) != 0; }
  bool has_mode(uint64_t modes) const { return (sql_mode_ & modes) != 0; }
  bool is_strict() const { return has_mode(sql_mode::kStrictTransTables | sql_mode::kStrictAllTables); }
  const absl::TimeZone& zone() const { return zone_; }
  int div_precision_increment() const { return div_precision_; }
  uint64_t packet_bytes_max() const { return packet_bytes_max_; }

  // Bytes that a program may make of one batch.
  size_t batch_bytes_max() const { return batch_bytes_max_; }
  void set_batch_bytes_max(size_t bytes) { batch_bytes_max_ = bytes; }

  // When the request came, in microseconds since 1970.
  int64_t now_micros() const { return now_micros_; }
  void set_now_micros(int64_t now) { now_micros_ = now; }

  void set_flags(uint64_t flags) { flags_ = flags; }
  void set_sql_mode(uint64_t mode) { sql_mode_ = mode; }
  // False: there is none of that name; or no such offset.
  [[nodiscard]] bool set_zone(const std::string& name);
  [[nodiscard]] bool set_zone_offset(int64_t seconds);
  void set_div_precision_increment(int digits) { div_precision_ = digits; }
  void set_warnings_max(size_t warnings) { warnings_max_ = warnings; }

  void warn(int code, std::string text);
  // The evaluation fails; the first error counts. Always false.
  bool raise(int code, std::string text);
  bool failed() const { return error_.has_value(); }
  std::optional<EvalError> take_error();

  // What MySQL makes of it under these flags: false if the evaluation failed by it.
  bool truncated(int code, std::string text);
  bool truncated() { return truncated(code::kDataTruncated, "Data Truncated"); }
  bool truncated_wrong_value(const char* type, ByteView value);
  bool overflowed(const char* type, ByteView expression);
  bool overflowed_as_told(int code, std::string text);
  bool divided_by_zero();
  bool invalid_time(std::string text);

  const std::vector<EvalError>& warnings() const { return warnings_; }
  uint64_t warning_count() const { return warning_count_; }
  void clear_warnings() {
    warnings_.clear();
    warning_count_ = 0;
  }

 private:
  uint64_t flags_ = 0;
  uint64_t sql_mode_ = 0;
  absl::TimeZone zone_ = absl::UTCTimeZone();
  int div_precision_ = kDivPrecisionDefault;
  uint64_t packet_bytes_max_ = uint64_t{64} << 20;
  size_t batch_bytes_max_ = size_t{1} << 30;
  int64_t now_micros_ = 0;
  size_t warnings_max_ = kWarningsDefault;
  std::vector<EvalError> warnings_;
  uint64_t warning_count_ = 0;  // of those that came, kept or not
  std::optional<EvalError> error_;
};

}  // namespace cairn::coprocessor
