#include "coprocessor/types/vector.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <cstring>

#include "base/codec.h"

namespace cairn::coprocessor::vector32 {
namespace {

bool same_dimensions(ByteView a, ByteView b, std::string& error) {
  if (dimensions(a) == dimensions(b)) return true;
  error = fmt::format("vectors have different dimensions: {} and {}", dimensions(a), dimensions(b));
  return false;
}

}  // namespace

size_t size_of(ByteView bytes) {
  uint32_t n = 0;
  ByteView in = bytes;
  if (!codec::get_u32_le(in, n)) return 0;
  const size_t size = sizeof(uint32_t) + size_t{n} * sizeof(float);
  return size <= bytes.size() ? size : 0;
}

bool is_valid(ByteView bytes) { return size_of(bytes) == bytes.size() && !bytes.empty(); }

uint32_t dimensions(ByteView bytes) {
  uint32_t n = 0;
  return codec::get_u32_le(bytes, n) ? n : 0;
}

float element(ByteView bytes, uint32_t i) {
  float value = 0;
  std::memcpy(&value, bytes.data() + sizeof(uint32_t) + size_t{i} * sizeof(float), sizeof(float));
  return value;
}

std::strong_ordering compare(ByteView a, ByteView b) {
  const uint32_t n = dimensions(a), m = dimensions(b);
  for (uint32_t i = 0; i < n && i < m; ++i) {
    const float x = element(a, i), y = element(b, i);
    if (x < y) return std::strong_ordering::less;
    if (x > y) return std::strong_ordering::greater;
  }
  return n <=> m;
}

bool is_zero(ByteView bytes) { return dimensions(bytes) == 0; }

std::optional<std::string> combine(Operation operation, ByteView a, ByteView b, std::string& error) {
  if (!same_dimensions(a, b, error)) return std::nullopt;
  std::string result(a.substr(0, sizeof(uint32_t)));
  for (uint32_t i = 0; i < dimensions(a); ++i) {
    const float x = element(a, i), y = element(b, i);
    const float value = operation == Operation::kPlus ? x + y : operation == Operation::kMinus ? x - y : x * y;
    if (!std::isfinite(value)) {
      error = "value out of range: overflow";
      return std::nullopt;
    }
    char bytes[sizeof(float)];
    std::memcpy(bytes, &value, sizeof(float));
    result.append(bytes, sizeof(float));
  }
  return result;
}

std::optional<double> distance(Distance distance, ByteView a, ByteView b, std::string& error) {
  if (!same_dimensions(a, b, error)) return std::nullopt;
  float sum = 0, norm_a = 0, norm_b = 0;
  for (uint32_t i = 0; i < dimensions(a); ++i) {
    const float x = element(a, i), y = element(b, i);
    switch (distance) {
      case Distance::kL1:
        sum += std::fabs(x - y);
        break;
      case Distance::kL2:
        sum += (x - y) * (x - y);
        break;
      case Distance::kNegativeInnerProduct:
        sum -= x * y;
        break;
      case Distance::kCosine:
        sum += x * y;
        norm_a += x * x;
        norm_b += y * y;
        break;
    }
  }
  if (distance == Distance::kL2) return std::sqrt(static_cast<double>(sum));
  if (distance != Distance::kCosine) return static_cast<double>(sum);
  const double similarity =
      static_cast<double>(sum) / std::sqrt(static_cast<double>(norm_a) * static_cast<double>(norm_b));
  return std::isnan(similarity) ? similarity : 1.0 - std::min(1.0, std::max(-1.0, similarity));
}

double l2_norm(ByteView bytes) {
  double sum = 0;
  for (uint32_t i = 0; i < dimensions(bytes); ++i) {
    const auto x = static_cast<double>(element(bytes, i));
    sum += x * x;
  }
  return std::sqrt(sum);
}

std::string to_text(ByteView bytes) {
  std::string text = "[";
  for (uint32_t i = 0; i < dimensions(bytes); ++i) {
    char buffer[48];
    const auto end = std::to_chars(buffer, buffer + sizeof(buffer), element(bytes, i)).ptr;
    if (i > 0) text += ',';
    text.append(buffer, end);
  }
  return text + "]";
}

}  // namespace cairn::coprocessor::vector32
