// Functions that count, compare and look for strings.
#include "coprocessor/expr/rowwise.h"
#include "coprocessor/functions/families.h"
#include "coprocessor/types/collation.h"

namespace cairn::coprocessor {
namespace {

Collation collation(const Frame& f) {
  Collation result = Collation::kBinary;
  (void)collation_of(f.type.result, result);
  return result;
}

int64_t length(ByteView text) { return static_cast<int64_t>(text.size()); }
int64_t bit_length(ByteView text) { return static_cast<int64_t>(text.size() * 8); }
int64_t char_length(ByteView text) { return static_cast<int64_t>(count_chars(text)); }
int64_t ascii(ByteView text) { return text.empty() ? 0 : static_cast<uint8_t>(text[0]); }

// The first character's bytes as a number; 0 of a byte that begins none. In charsets of bytes each is a character.
int64_t ord(Frame& f, ByteView text) {
  if (text.empty()) return 0;
  const FieldType& type = f.type.args[0];
  Collation own{};
  if (collation_of(type, own) && (own == Collation::kBinary || own == Collation::kLatin1Bin)) return ascii(text);
  ByteView rest = text;
  const char32_t first = take_char(rest);
  if (first == 0xFFFD && text.size() - rest.size() == 1) return 0;
  int64_t value = 0;
  for (const char c : text.substr(0, text.size() - rest.size())) value = value << 8 | static_cast<uint8_t>(c);
  return value;
}

int64_t strcmp_of(Frame& f, ByteView a, ByteView b) {
  const auto order = compare(collation(f), a, b);
  return order < 0 ? -1 : order > 0 ? 1 : 0;
}

// Where `what` stands in `text`, in bytes from `from`; npos if nowhere.
size_t find_bytes(ByteView text, ByteView what, size_t from) { return text.find(what, from); }

// Positions count from 1; 0: it is not there.
int64_t locate_bytes_from(ByteView what, ByteView text, int64_t from) {
  if (from < 1 || from > static_cast<int64_t>(text.size() - what.size()) + 1 || what.size() > text.size()) return 0;
  if (what.empty()) return from;
  const size_t found = find_bytes(text, what, static_cast<size_t>(from - 1));
  return found == ByteView::npos ? 0 : static_cast<int64_t>(found) + 1;
}
int64_t locate_bytes(ByteView what, ByteView text) { return locate_bytes_from(what, text, 1); }
int64_t instr_bytes(ByteView text, ByteView what) { return locate_bytes(what, text); }

// In a collation of weights, where the text at hand begins with character `from`: the character behind which the
// weights looked for begin.
int64_t locate_weights(Collation collation, ByteView what, ByteView text, int64_t from) {
  Bytes in, wanted;
  append_weights(collation, text, in);
  append_weights(collation, what, wanted);
  const size_t found = ByteView(in).find(wanted);
  if (found == ByteView::npos) return 0;
  int64_t position = from;
  for (size_t passed = 0; passed < found; ++position) {
    ByteView rest = text;
    take_char(rest);
    in.clear();
    append_weights(collation, text.substr(0, text.size() - rest.size()), in);
    passed += in.size();
    text = rest;
  }
  return position;
}

int64_t locate_chars_from(Frame& f, ByteView what, ByteView text, int64_t from) {
  const auto all = static_cast<int64_t>(count_chars(text)), wanted = static_cast<int64_t>(count_chars(what));
  if (from < 1 || from > all - wanted + 1) return 0;
  if (what.empty()) return from;
  const ByteView rest = text.substr(prefix_of_chars(text, static_cast<size_t>(from - 1)));
  if (!compares_bytes(collation(f))) return locate_weights(collation(f), what, rest, from);
  const size_t found = find_bytes(rest, what, 0);
  return found == ByteView::npos ? 0 : static_cast<int64_t>(count_chars(rest.substr(0, found))) + from;
}
int64_t locate_chars(Frame& f, ByteView what, ByteView text) { return locate_chars_from(f, what, text, 1); }
int64_t instr_chars(Frame& f, ByteView text, ByteView what) { return locate_chars_from(f, what, text, 1); }

int64_t find_in_set(Frame& f, ByteView what, ByteView list) {
  if (list.empty()) return 0;
  int64_t position = 1;
  while (true) {
    const size_t comma = list.find(',');
    if (compare(collation(f), list.substr(0, comma), what) == 0) return position;
    if (comma == ByteView::npos) return 0;
    list.remove_prefix(comma + 1);
    ++position;
  }
}

// FIELD: which of the others is like the first.
template <class T>
int64_t field(Frame& f, size_t row) {
  if (f.is_null(0, row)) return 0;
  for (size_t i = 1; i < f.args.size(); ++i) {
    if (f.is_null(i, row)) continue;
    if constexpr (std::is_same_v<T, ByteView>) {
      if (compare(collation(f), f.get<T>(0, row), f.get<T>(i, row)) == 0) return static_cast<int64_t>(i);
    } else {
      if (f.get<T>(0, row) == f.get<T>(i, row)) return static_cast<int64_t>(i);
    }
  }
  return 0;
}

template <class T>
Found field_of(const CallType& type) {
  if (type.args.size() < 2) return std::nullopt;
  return variadic<&field<T>>(ValueOf<T>::kType, type);
}

// Those that compare, by the result's collation.
Found find_comparing(tipb::ScalarFuncSig signature, const CallType& type) {
  if (!has_order(type.result, EvalType::kBytes)) return std::nullopt;
  switch (signature) {
    case tipb::Strcmp:
      return rowwise<&strcmp_of>();
    case tipb::Locate2ArgsUTF8:
      return rowwise<&locate_chars>();
    case tipb::Locate3ArgsUTF8:
      return rowwise<&locate_chars_from>();
    case tipb::InstrUTF8:
      return rowwise<&instr_chars>();
    case tipb::FindInSet:
      return rowwise<&find_in_set>();
    case tipb::FieldString:
      return field_of<ByteView>(type);
    default:
      return std::nullopt;
  }
}

}  // namespace

Found find_string_search(tipb::ScalarFuncSig signature, const CallType& type) {
  switch (signature) {
    case tipb::Length:
    case tipb::CharLength:
      return rowwise<&length>();
    case tipb::BitLength:
      return rowwise<&bit_length>();
    case tipb::CharLengthUTF8:
      return rowwise<&char_length>();
    case tipb::ASCII:
      return rowwise<&ascii>();
    case tipb::Ord:
      return rowwise<&ord>();
    case tipb::Locate2Args:
      return rowwise<&locate_bytes>();
    case tipb::Locate3Args:
      return rowwise<&locate_bytes_from>();
    case tipb::Instr:
      return rowwise<&instr_bytes>();
    case tipb::FieldInt:
      return field_of<int64_t>(type);
    case tipb::FieldReal:
      return field_of<double>(type);
    default:
      return find_comparing(signature, type);
  }
}

}  // namespace cairn::coprocessor
