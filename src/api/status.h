// The outcome of a call as gRPC names it. Domain errors travel inside responses (region_error, KeyError, header.error);
// a Status that is not OK means the call itself failed.
#pragma once

#include <string>

#include "base/result.h"

namespace cairn::api {

// Numbers are gRPC's.
enum class Code {
  kOk = 0,
  kCancelled = 1,
  kUnknown = 2,
  kInvalidArgument = 3,
  kDeadlineExceeded = 4,
  kNotFound = 5,
  kAlreadyExists = 6,
  kPermissionDenied = 7,
  kResourceExhausted = 8,
  kFailedPrecondition = 9,
  kAborted = 10,
  kOutOfRange = 11,
  kUnimplemented = 12,
  kInternal = 13,
  kUnavailable = 14,
  kDataLoss = 15,
  kUnauthenticated = 16,
};

struct Status {
  Code code = Code::kOk;
  std::string message;
  bool ok() const { return code == Code::kOk; }
};

// A response, or why there is none.
template <class T>
using Reply = Result<T, Status>;

}  // namespace cairn::api
