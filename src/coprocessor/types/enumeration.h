// The names of ENUM and SET values, from the elements of their field type.
#pragma once

#include <optional>
#include <string>

#include "base/bytes.h"
#include "coprocessor/types/field_type.h"

namespace cairn::coprocessor {

// Value 0 is the empty name that a wrong one became. Nothing: the type has no such element.
inline std::optional<ByteView> enum_name(const FieldType& type, uint64_t value) {
  if (value == 0) return ByteView();
  if (!type.elements || value > type.elements->size()) return std::nullopt;
  return ByteView((*type.elements)[value - 1]);
}

// The elements whose bits are set, with commas between them; bits without an element are left out.
inline std::string set_names(const FieldType& type, uint64_t value) {
  std::string names;
  if (!type.elements) return names;
  for (size_t i = 0; i < type.elements->size() && i < 64; ++i) {
    if ((value >> i & 1) == 0) continue;
    if (!names.empty()) names += ',';
    names += (*type.elements)[i];
  }
  return names;
}

}  // namespace cairn::coprocessor
