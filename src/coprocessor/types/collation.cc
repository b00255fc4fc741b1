#include "coprocessor/types/collation.h"

#include <array>
#include <memory>

#include "coprocessor/types/general_ci_weights.h"
#include "coprocessor/types/unicode_weights.h"

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

std::strong_ordering compare_general_ci(ByteView a, ByteView b) {
  a = significant(Collation::kUtf8GeneralCi, a);
  b = significant(Collation::kUtf8GeneralCi, b);
  while (!a.empty() && !b.empty()) {
    const auto x = general_ci_weight(take_char(a)), y = general_ci_weight(take_char(b));
    if (x != y) return x <=> y;
  }
  return !a.empty() <=> !b.empty();
}

// The weights of a string in a collation of Unicode's, one after the other. It ends at bytes that are no character.
class UnicodeReader {
 public:
  UnicodeReader(Collation collation, ByteView text)
      : weights_of_(collation == Collation::kUtf80900AiCi ? &unicode9_weights : &unicode4_weights), text_(text) {}
  // 0: there are no more.
  uint16_t next() {
    while (left_.empty()) {
      if (text_.empty()) return 0;
      const size_t before = text_.size();
      const char32_t c = take_char(text_);
      if (c == 0xFFFD && before - text_.size() == 1) {
        text_ = {};
        return 0;
      }
      left_ = weights_of_(c);
    }
    return left_.take();
  }

 private:
  CharWeights (*weights_of_)(char32_t);
  ByteView text_;
  CharWeights left_;
};

std::strong_ordering compare_unicode(Collation collation, ByteView a, ByteView b) {
  UnicodeReader first(collation, significant(collation, a)), second(collation, significant(collation, b));
  while (true) {
    const uint16_t x = first.next(), y = second.next();
    if (x != y) return x <=> y;
    if (x == 0) return std::strong_ordering::equal;
  }
}

void put_weight(uint16_t weight, Bytes& out) {
  out.push_back(static_cast<char>(weight >> 8));
  out.push_back(static_cast<char>(weight));
}

}  // namespace

uint16_t general_ci_weight(char32_t c) {
  static const std::unique_ptr<const Weights> weights = make_weights();
  return c > 0xFFFF ? uint16_t{0xFFFD} : (*weights)[c];
}

std::strong_ordering compare(Collation collation, ByteView a, ByteView b) {
  if (collation == Collation::kUtf8GeneralCi) return compare_general_ci(a, b);
  if (!compares_bytes(collation)) return compare_unicode(collation, a, b);
  const int order = significant(collation, a).compare(significant(collation, b));
  return order <=> 0;
}

void append_sort_key(Collation collation, ByteView text, Bytes& out) {
  text = significant(collation, text);
  if (compares_bytes(collation)) {
    out.append(text);
  } else {
    append_weights(collation, text, out);
  }
}

void append_weights(Collation collation, ByteView text, Bytes& out) {
  if (collation == Collation::kUtf8GeneralCi) {
    while (!text.empty()) put_weight(general_ci_weight(take_char(text)), out);
    return;
  }
  UnicodeReader reader(collation, text);
  while (const uint16_t weight = reader.next()) put_weight(weight, out);
}

bool are_alike(Collation collation, char32_t a, char32_t b) {
  if (a == b) return true;
  if (collation == Collation::kUtf8GeneralCi) return general_ci_weight(a) == general_ci_weight(b);
  if (collation == Collation::kUtf80900AiCi) return unicode9_weights(a) == unicode9_weights(b);
  // Beyond the first plane each is like itself alone, and so is a character of more than four weights.
  const auto first = unicode4_weights(a);
  return a <= 0xFFFF && b <= 0xFFFF && first.second == 0 && first == unicode4_weights(b);
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
