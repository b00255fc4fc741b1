// LIKE: '%' any number of characters, '_' one. The pattern is taken apart once if it is a constant.
#include "coprocessor/expr/rowwise.h"
#include "coprocessor/functions/families.h"
#include "coprocessor/types/collation.h"

namespace cairn::coprocessor {
namespace {

struct Piece {
  enum class Kind : uint8_t { kChar, kOne, kAny } kind;
  char32_t c = 0;
};

struct Pattern {
  Collation collation = Collation::kBinary;
  bool fold_case = false;  // ILIKE
  std::vector<Piece> pieces;
};

bool are_same(const Pattern& pattern, char32_t a, char32_t b) {
  if (pattern.fold_case) {
    const auto folded = [](char32_t c) { return c >= 'A' && c <= 'Z' ? c | 32 : c; };
    a = folded(a);
    b = folded(b);
  }
  return a == b || (!compares_bytes(pattern.collation) && are_alike(pattern.collation, a, b));
}

// One character, or one byte where bytes are the characters. Bytes that are no character differ from all others.
char32_t take(const Pattern& pattern, ByteView& text) {
  if (pattern.collation == Collation::kBinary || pattern.collation == Collation::kLatin1Bin) {
    const auto byte = static_cast<uint8_t>(text.front());
    text.remove_prefix(1);
    return byte;
  }
  const auto first = static_cast<uint8_t>(text.front());
  const size_t before = text.size();
  const char32_t c = take_char(text);
  const bool is_broken = c == 0xFFFD && before - text.size() == 1;
  return is_broken && compares_bytes(pattern.collation) ? 0x110000 + first : c;
}

void take_apart(Pattern& pattern, ByteView text, char32_t escape) {
  pattern.pieces.clear();
  while (!text.empty()) {
    char32_t c = take(pattern, text);
    const bool is_escaped = c == escape && !text.empty();
    if (is_escaped) c = take(pattern, text);
    if (!is_escaped && c != escape && c == '%') {
      if (pattern.pieces.empty() || pattern.pieces.back().kind != Piece::Kind::kAny) {
        pattern.pieces.push_back({Piece::Kind::kAny, 0});
      }
    } else if (!is_escaped && c != escape && c == '_') {
      pattern.pieces.push_back({Piece::Kind::kOne, 0});
    } else {
      pattern.pieces.push_back({Piece::Kind::kChar, c});
    }
  }
}

// Goes back to the last '%' only: what came before it has matched as early as it can.
bool matches(const Pattern& pattern, ByteView text) {
  const auto& pieces = pattern.pieces;
  size_t piece = 0, back_piece = SIZE_MAX;
  ByteView back_text;
  while (!text.empty() || piece < pieces.size()) {
    if (piece < pieces.size() && pieces[piece].kind == Piece::Kind::kAny) {
      if (++piece == pieces.size()) return true;
      back_piece = piece;
      back_text = text;
      continue;
    }
    if (piece < pieces.size() && !text.empty()) {
      ByteView rest = text;
      const char32_t c = take(pattern, rest);
      if (pieces[piece].kind == Piece::Kind::kOne || are_same(pattern, pieces[piece].c, c)) {
        text = rest;
        ++piece;
        continue;
      }
    }
    if (back_piece == SIZE_MAX || back_text.empty()) return false;
    take(pattern, back_text);
    text = back_text;
    piece = back_piece;
  }
  return true;
}

Pattern start(const CallType& type, bool fold_case) {
  Pattern pattern;
  (void)collation_of(type.result, pattern.collation);
  // The result's collation says how to compare, the target's charset what a character is.
  if (pattern.collation == Collation::kBinary && !type.args.empty() && !type.args[0].has_binary_collation()) {
    pattern.collation = Collation::kUtf8BinNoPadding;
  }
  pattern.fold_case = fold_case;
  return pattern;
}

template <bool kFoldCase>
std::shared_ptr<const void> prepare(const CallType& type, std::span<const Operand> args) {
  const bool is_constant = args.size() == 3 && args[1].column != nullptr && args[2].column != nullptr &&
                           !args[1].column->nulls[0] && !args[2].column->nulls[0];
  if (!is_constant) return nullptr;
  auto pattern = std::make_shared<Pattern>(start(type, kFoldCase));
  take_apart(*pattern, args[1].column->bytes[0], static_cast<char32_t>(args[2].column->ints[0]));
  return pattern;
}

template <bool kFoldCase>
bool like(Frame& f, ByteView text, ByteView pattern_text, int64_t escape) {
  if (f.prepared != nullptr) return matches(*static_cast<const Pattern*>(f.prepared), text);
  Pattern pattern = start(f.type, kFoldCase);
  take_apart(pattern, pattern_text, static_cast<char32_t>(escape));
  return matches(pattern, text);
}

}  // namespace

Found find_like(tipb::ScalarFuncSig signature, const CallType& type) {
  Collation collation{};
  if (!collation_of(type.result, collation)) return std::nullopt;
  switch (signature) {
    case tipb::LikeSig: {
      Function function = rowwise<&like<false>>();
      function.prepare = &prepare<false>;
      return function;
    }
    case tipb::IlikeSig: {
      Function function = rowwise<&like<true>>();
      function.prepare = &prepare<true>;
      return function;
    }
    default:
      return std::nullopt;
  }
}

}  // namespace cairn::coprocessor
