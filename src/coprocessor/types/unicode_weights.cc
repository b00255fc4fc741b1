#include "coprocessor/types/unicode_weights.h"

#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "coprocessor/types/unicode4_runs.h"
#include "coprocessor/types/unicode9_runs.h"

namespace cairn::coprocessor {
namespace {

// For what is no character, and in version 4 for all beyond the first plane.
constexpr CharWeights kReplacement{0xFFFD, 0};

// The characters of a default table: of the first and the second plane all that it has.
class Table {
 public:
  explicit Table(std::span<const int32_t> runs) : kinds_(kChars, kNone) {
    char32_t next = 0;
    for (size_t at = 0; at < runs.size();) {
      next += static_cast<char32_t>(runs[at]);
      const auto count = static_cast<size_t>(runs[at + 1]), weights = static_cast<size_t>(runs[at + 2]);
      at += 3;
      const auto first = runs.subspan(at, weights);
      at += weights;
      const auto steps = count > 1 ? runs.subspan(at, weights) : std::span<const int32_t>();
      at += steps.size();
      for (size_t i = 0; i < count; ++i, ++next) put(next, first, steps, static_cast<int32_t>(i));
    }
  }

  // Nothing: the table does not have it.
  std::optional<CharWeights> find(char32_t c) const {
    if (c >= kChars || kinds_[c] == kNone) return std::nullopt;
    return weights_[kinds_[c]];
  }

 private:
  static constexpr size_t kChars = 0x20000;
  static constexpr uint32_t kNone = UINT32_MAX;

  void put(char32_t c, std::span<const int32_t> first, std::span<const int32_t> steps, int32_t i) {
    CharWeights weights;
    for (size_t n = 0; n < first.size(); ++n) {
      const auto weight = static_cast<uint64_t>(first[n] + (steps.empty() ? 0 : steps[n] * i));
      (n < 4 ? weights.first : weights.second) |= weight << 16 * (n % 4);
    }
    kinds_[c] = static_cast<uint32_t>(weights_.size());
    weights_.push_back(weights);
  }

  std::vector<uint32_t> kinds_;  // where in `weights_`
  std::vector<CharWeights> weights_;
};

// Two weights that are made of the character's number.
CharWeights implicit(uint64_t base, char32_t c) { return {base | uint64_t{(c & 0x7FFF) | 0x8000} << 16, 0}; }

bool is_in(char32_t c, char32_t first, char32_t last) { return c >= first && c <= last; }

// A syllable of Hangul weighs what its two or three letters do.
CharWeights hangul_weights(const Table& table, char32_t c) {
  constexpr char32_t kVowels = 21, kTrailing = 28;
  const char32_t syllable = c - 0xAC00;
  const char32_t letters[] = {0x1100 + syllable / (kVowels * kTrailing),
                              0x1161 + syllable % (kVowels * kTrailing) / kTrailing, 0x11A7 + syllable % kTrailing};
  CharWeights weights;
  for (int i = 0; i < (syllable % kTrailing == 0 ? 2 : 3); ++i) {
    weights.first |= (table.find(letters[i])->first & 0xFFFF) << 16 * i;
  }
  return weights;
}

}  // namespace

CharWeights unicode4_weights(char32_t c) {
  static const std::unique_ptr<const Table> table = std::make_unique<Table>(kUnicode4Runs);
  if (c > 0xFFFF) return kReplacement;
  if (const auto weights = table->find(c)) return *weights;
  if (is_in(c, 0x3400, 0x4DB5)) return implicit(0xFB80 + (c >> 15), c);
  if (is_in(c, 0x4E00, 0x9FA5) || is_in(c, 0xFA0E, 0xFA0F)) return implicit(0xFB40 + (c >> 15), c);
  return implicit(0xFBC0 + (c >> 15), c);
}

CharWeights unicode9_weights(char32_t c) {
  static const std::unique_ptr<const Table> table = std::make_unique<Table>(kUnicode9Runs);
  if (c == 0xFFFD || is_in(c, 0xD800, 0xDFFF)) return kReplacement;
  if (const auto weights = table->find(c)) return *weights;
  if (is_in(c, 0xAC00, 0xD7AF)) return hangul_weights(*table, c);
  if (is_in(c, 0x17000, 0x18AFF)) return {0xFB00 | uint64_t{(c - 0x17000) | 0x8000} << 16, 0};
  const bool is_rare_han = is_in(c, 0x3400, 0x4DB5) || is_in(c, 0x20000, 0x2A6D6) || is_in(c, 0x2A700, 0x2B734) ||
                           is_in(c, 0x2B740, 0x2B81D) || is_in(c, 0x2B820, 0x2CEA1);
  if (is_rare_han) return implicit(0xFB80 + (c >> 15), c);
  if (is_in(c, 0x4E00, 0x9FD5) || is_in(c, 0xFA0E, 0xFA29)) return implicit(0xFB40 + (c >> 15), c);
  return implicit(0xFBC0 + (c >> 15), c);
}

}  // namespace cairn::coprocessor
