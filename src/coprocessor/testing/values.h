// Values as text, for scripts: "int:5", "dec(10,2):1.50", "str:\"a b\"", "null". Types:
//
//   int uint year bit(n) real float dec dec(m,d) str str(n) bin bin(n) ci  date datetime datetime(f) ts ts(f) dur
//   dur(f) json vec enum{a,b} set{a,b} bool
#pragma once

#include <optional>
#include <string>

#include "coprocessor/column.h"
#include "coprocessor/eval_context.h"
#include "tipb/expression.pb.h"

namespace cairn::coprocessor::testing {

// The field type that the name states. Fails the test if there is none.
tipb::FieldType type_named(const std::string& name);
// A constant expression.
tipb::Expr constant(const std::string& text);
// The value as scripts write it, without its type.
std::string shown(const Column& column, size_t row, const FieldType& type);

}  // namespace cairn::coprocessor::testing
