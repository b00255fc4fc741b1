#include "coprocessor/types/letter_case.h"

#include <absl/container/flat_hash_map.h>

#include <memory>
#include <span>

#include "coprocessor/types/letter_case_runs.h"

namespace cairn::coprocessor {
namespace {

using Distances = absl::flat_hash_map<char32_t, int32_t>;

std::unique_ptr<const Distances> make_distances(std::span<const CaseRun> runs) {
  auto distances = std::make_unique<Distances>();
  for (const auto& run : runs) {
    for (char32_t i = 0; i < run.count; ++i) distances->emplace(run.first + i * run.step, run.distance);
  }
  return distances;
}

char32_t moved(const Distances& distances, char32_t c) {
  const auto found = distances.find(c);
  return found == distances.end() ? c : static_cast<char32_t>(static_cast<int32_t>(c) + found->second);
}

}  // namespace

char32_t upper_case(char32_t c) {
  static const std::unique_ptr<const Distances> distances = make_distances(kUpperRuns);
  if (c < 0x80) return c >= 'a' && c <= 'z' ? c - 32 : c;
  return moved(*distances, c);
}

char32_t lower_case(char32_t c) {
  static const std::unique_ptr<const Distances> distances = make_distances(kLowerRuns);
  if (c < 0x80) return c >= 'A' && c <= 'Z' ? c + 32 : c;
  return moved(*distances, c);
}

}  // namespace cairn::coprocessor
