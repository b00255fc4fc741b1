// The one table of scalar functions: what each signature of tipb is here. A signature that this store has not is named
// in the table, too: a new one in tipb does not compile until it stands there.
// Tests: functions_test.cc.
#pragma once

#include <optional>

#include "coprocessor/expr/function.h"

namespace tipb {
enum ScalarFuncSig : int;
}

namespace cairn::coprocessor {

// Nothing: this store does not have the function, or not for these types.
std::optional<Function> find_function(tipb::ScalarFuncSig signature, const CallType& type);
// The cast that TiDB would have made of these types.
std::optional<Function> find_cast(EvalType from, EvalType to, const CallType& type);
// Whether the table has a function for the signature, for some types.
bool has_function(tipb::ScalarFuncSig signature);

}  // namespace cairn::coprocessor
