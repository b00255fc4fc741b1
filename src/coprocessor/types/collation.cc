#include "coprocessor/types/collation.h"

#include <array>
#include <memory>

#include "coprocessor/types/general_ci_weights.h"

namespace cairn::coprocessor {
namespace {

using Weights = std::array<uint16_t, 0x10000>;

std::unique_ptr<const Weights> make_weights() {
  auto weights = std::make_unique<Weights>();
  for (size_t c = 0; c < weights->size(); ++c) (*weights)[c] = static_cast<uint16_t>(c);
  for (const auto& run : kGeneralCiRuns) {
    for (int i = 0; i < run.count; ++i) {
      (*weights)[static_cast<size_t>(run.first + i * run.step)] =
          static_cast<uint16_t>(run.weight + i * run.weight_step);
    }
  }
  return weights;
}

ByteView without_trailing_blanks(ByteView text) {
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

std::strong_ordering compare_general_ci(ByteView a, ByteView b) {
  a = without_trailing_blanks(a);
  b = without_trailing_blanks(b);
  while (!a.empty() && !b.empty()) {
    const auto x = general_ci_weight(take_char(a)), y = general_ci_weight(take_char(b));
    if (x != y) return x <=> y;
  }
  return !a.empty() <=> !b.empty();
}

}  // namespace

uint16_t general_ci_weight(char32_t c) {
  static const std::unique_ptr<const Weights> weights = make_weights();
  return c > 0xFFFF ? uint16_t{0xFFFD} : (*weights)[c];
}

std::strong_ordering compare(Collation collation, ByteView a, ByteView b) {
  if (collation == Collation::kUtf8GeneralCi) return compare_general_ci(a, b);
  const int order = significant(collation, a).compare(significant(collation, b));
  return order <=> 0;
}

void append_sort_key(Collation collation, ByteView text, Bytes& out) {
  if (collation != Collation::kUtf8GeneralCi) {
    out.append(significant(collation, text));
    return;
  }
  text = without_trailing_blanks(text);
  while (!text.empty()) {
    const uint16_t weight = general_ci_weight(take_char(text));
    out.push_back(static_cast<char>(weight >> 8));
    out.push_back(static_cast<char>(weight));
  }
}

char32_t take_char(ByteView& text) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  const uint8_t first = byte(0);
  size_t length = 1;
  char32_t c = first;
  if (first >= 0xC2 && first <= 0xDF) {
    length = 2;
    c = first & 0x1F;
  } else if (first >= 0xE0 && first <= 0xEF) {
    length = 3;
    c = first & 0x0F;
  } else if (first >= 0xF0 && first <= 0xF4) {
    length = 4;
    c = first & 0x07;
  } else if (first >= 0x80) {
    text.remove_prefix(1);
    return 0xFFFD;
  }
  if (text.size() < length) {
    text.remove_prefix(1);
    return 0xFFFD;
  }
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0) != 0x80) {
      text.remove_prefix(1);
      return 0xFFFD;
    }
    c = c << 6 | (byte(i) & 0x3F);
  }
  text.remove_prefix(length);
  return c;
}

void append_char(char32_t c, Bytes& out) {
  const auto put = [&](char32_t byte) { out.push_back(static_cast<char>(byte)); };
  if (c < 0x80) return put(c);
  if (c < 0x800) {
    put(0xC0 | c >> 6);
  } else {
    if (c < 0x10000) {
      put(0xE0 | c >> 12);
    } else {
      put(0xF0 | c >> 18);
      put(0x80 | (c >> 12 & 0x3F));
    }
    put(0x80 | (c >> 6 & 0x3F));
  }
  put(0x80 | (c & 0x3F));
}

size_t count_chars(ByteView text) {
  size_t chars = 0;
  while (!text.empty()) {
    take_char(text);
    ++chars;
  }
  return chars;
}

size_t prefix_of_chars(ByteView text, size_t chars) {
  ByteView rest = text;
  while (chars > 0 && !rest.empty()) {
    take_char(rest);
    --chars;
  }
  return text.size() - rest.size();
}

}  // namespace cairn::coprocessor
