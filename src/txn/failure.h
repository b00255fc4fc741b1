// Why a command or read has no answer at all: its region does not serve it, or the engine below is broken. Errors of
// keys are part of the answers.
#pragma once

#include <variant>

#include "base/result.h"
#include "engine/error.h"
#include "engine/region_request.h"

namespace cairn::txn {

using Failure = std::variant<engine::RegionError, engine::Error>;

template <class T>
using Answer = Result<T, Failure>;

}  // namespace cairn::txn
