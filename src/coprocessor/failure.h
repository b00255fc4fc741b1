// Why a plan has no answer. Tests: request_test.cc.
#pragma once

#include <string>
#include <variant>

#include "base/result.h"
#include "engine/error.h"
#include "mvcc/key_error.h"

namespace cairn::coprocessor {

// MySQL's numbers of what evaluation meets, as errors or as warnings.
namespace code {
inline constexpr int kUnknown = 1105;
inline constexpr int kRegexp = 1139;
inline constexpr int kDataTruncated = 1265;
inline constexpr int kTruncatedWrongValue = 1292;
inline constexpr int kUnknownTimeZone = 1298;
inline constexpr int kDivisionByZero = 1365;
inline constexpr int kDataTooLong = 1406;
inline constexpr int kBadPrecision = 1427;
inline constexpr int kDatetimeOverflow = 1441;
inline constexpr int kIncorrectParameters = 1583;
inline constexpr int kOutOfRange = 1690;
inline constexpr int kInvalidJson = 3140;
inline constexpr int kInvalidJsonPath = 3143;
inline constexpr int kCannotConvertString = 3854;
}  // namespace code

// An evaluation that failed, or data that do not decode: an error of the statement, told in the plan's own answer.
struct EvalError {
  int code = code::kUnknown;
  std::string text;
};
// The plan cannot be run here: told in words beside the answer.
struct PlanError {
  std::string text;
};
// It needs more memory than a request may have: likewise.
struct QuotaExceeded {};

using Failure = std::variant<EvalError, PlanError, QuotaExceeded, engine::Error, mvcc::KeyError>;

template <class T>
using Result = cairn::Result<T, Failure>;

inline Err<Failure> fail(EvalError error) { return Err(Failure(std::move(error))); }
inline Err<Failure> fail(PlanError error) { return Err(Failure(std::move(error))); }
inline Err<Failure> corrupt(std::string text) { return fail(EvalError{code::kUnknown, std::move(text)}); }

}  // namespace cairn::coprocessor
