// Distances of vectors.
#include <cmath>

#include "coprocessor/expr/rowwise.h"
#include "coprocessor/functions/families.h"
#include "coprocessor/types/vector.h"

namespace cairn::coprocessor {
namespace {

template <vector32::Distance kDistance>
std::optional<double> distance(Frame& f, Vector a, Vector b) {
  std::string error;
  const auto result = vector32::distance(kDistance, a.bytes, b.bytes, error);
  if (!result) {
    f.context.raise(code::kUnknown, error);
    return std::nullopt;
  }
  return std::isnan(*result) ? std::nullopt : result;
}
int64_t dimensions(Vector v) { return vector32::dimensions(v.bytes); }
double norm(Vector v) { return vector32::l2_norm(v.bytes); }
ByteView as_text(Frame& f, Vector v) { return f.keep(vector32::to_text(v.bytes)); }

}  // namespace

Found find_miscellaneous(tipb::ScalarFuncSig signature, const CallType&) {
  switch (signature) {
    case tipb::VecDimsSig:
      return rowwise<&dimensions>();
    case tipb::VecL1DistanceSig:
      return rowwise<&distance<vector32::Distance::kL1>>();
    case tipb::VecL2DistanceSig:
      return rowwise<&distance<vector32::Distance::kL2>>();
    case tipb::VecNegativeInnerProductSig:
      return rowwise<&distance<vector32::Distance::kNegativeInnerProduct>>();
    case tipb::VecCosineDistanceSig:
      return rowwise<&distance<vector32::Distance::kCosine>>();
    case tipb::VecL2NormSig:
      return rowwise<&norm>();
    case tipb::VecAsTextSig:
      return rowwise<&as_text>();
    default:
      return std::nullopt;
  }
}

}  // namespace cairn::coprocessor
