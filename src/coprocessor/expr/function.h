// What a signature is in this store: a kernel over vectors, and the types of its arguments and of its result.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "coprocessor/expr/frame.h"

namespace cairn::coprocessor {

struct Function {
  Kernel run = nullptr;
  EvalType result = EvalType::kInt;
  std::vector<EvalType> args;  // as many as the call has; a call with another number is refused
  // Work on constant arguments, done once a request (LIKE's pattern, IN's list). An argument that is no constant has no
  // column. Null: nothing to prepare.
  using Prepare = std::shared_ptr<const void> (*)(const CallType& type, std::span<const Operand> args);
  Prepare prepare = nullptr;
  // Another value for each row, though its arguments are constants.
  bool is_volatile = false;
};

}  // namespace cairn::coprocessor
