// The families of functions, one file each. Each answers for the signatures that the table gives it. Internal to
// functions/.
#pragma once

#include <optional>

#include "coprocessor/expr/function.h"
#include "tipb/expression.pb.h"

namespace cairn::coprocessor {

using Found = std::optional<Function>;

Found find_arithmetic(tipb::ScalarFuncSig signature, const CallType& type);
Found find_compare(tipb::ScalarFuncSig signature, const CallType& type);
Found find_extremum(tipb::ScalarFuncSig signature, const CallType& type);  // GREATEST, LEAST, INTERVAL
Found find_control(tipb::ScalarFuncSig signature, const CallType& type);
Found find_logic(tipb::ScalarFuncSig signature, const CallType& type);
Found find_in(tipb::ScalarFuncSig signature, const CallType& type);
Found find_like(tipb::ScalarFuncSig signature, const CallType& type);
Found find_math(tipb::ScalarFuncSig signature, const CallType& type);
Found find_cast_to_int(EvalType from, const CallType& type);
Found find_cast_to_real(EvalType from, const CallType& type);
Found find_cast_to_decimal(EvalType from, const CallType& type);
Found find_cast_to_string(EvalType from, const CallType& type);
Found find_cast_to_time(EvalType from, const CallType& type);
Found find_cast_to_duration(EvalType from, const CallType& type);
Found find_cast_to_json(EvalType from, const CallType& type);
Found find_string(tipb::ScalarFuncSig signature, const CallType& type);
Found find_string_search(tipb::ScalarFuncSig signature, const CallType& type);
Found find_string_code(tipb::ScalarFuncSig signature, const CallType& type);  // HEX, BASE64 and the like
Found find_regexp(tipb::ScalarFuncSig signature, const CallType& type);
Found find_digest(tipb::ScalarFuncSig signature, const CallType& type);
Found find_time(tipb::ScalarFuncSig signature, const CallType& type);
Found find_time_arithmetic(tipb::ScalarFuncSig signature, const CallType& type);
Found find_json(tipb::ScalarFuncSig signature, const CallType& type);
Found find_miscellaneous(tipb::ScalarFuncSig signature, const CallType& type);

}  // namespace cairn::coprocessor
