// Functions that make strings of strings. Those with UTF8 in their name count characters, the others bytes.
#include <algorithm>

#include "coprocessor/expr/rowwise.h"
#include "coprocessor/functions/conversion.h"
#include "coprocessor/functions/families.h"
#include "coprocessor/types/collation.h"
#include "coprocessor/types/letter_case.h"

namespace cairn::coprocessor {
namespace {

// By characters or by bytes.
struct Chars {
  static size_t count(ByteView text) { return count_chars(text); }
  static size_t prefix(ByteView text, size_t n) { return prefix_of_chars(text, n); }
};
struct Octets {
  static size_t count(ByteView text) { return text.size(); }
  static size_t prefix(ByteView text, size_t n) { return std::min(n, text.size()); }
};

// A count that the SQL layer gave: negative ones are none.
size_t count_of(int64_t n, bool is_unsigned) {
  if (is_unsigned) return n < 0 ? SIZE_MAX / 2 : static_cast<size_t>(n);
  return n < 0 ? 0 : static_cast<size_t>(n);
}

// A result that is longer than a packet is NULL, with a warning.
bool fits_packet(Frame& f, size_t bytes) {
  if (bytes <= f.context.packet_bytes_max()) return true;
  f.context.warn(1301, "Result of function was larger than max_allowed_packet - truncated");
  return false;
}

std::optional<ByteView> concat(Frame& f, size_t row) {
  size_t size = 0;
  for (size_t i = 0; i < f.args.size(); ++i) {
    if (f.is_null(i, row)) return std::nullopt;
    size += f.get<ByteView>(i, row).size();
  }
  if (!fits_packet(f, size)) return std::nullopt;
  char* to = f.arena.allocate(size);
  size_t at = 0;
  for (size_t i = 0; i < f.args.size(); ++i) {
    const ByteView part = f.get<ByteView>(i, row);
    if (!part.empty()) std::memcpy(to + at, part.data(), part.size());
    at += part.size();
  }
  return ByteView(to, size);
}

// With a separator between them; NULLs are left out.
std::optional<ByteView> concat_ws(Frame& f, size_t row) {
  if (f.is_null(0, row)) return std::nullopt;
  std::string out;
  bool is_first = true;
  for (size_t i = 1; i < f.args.size(); ++i) {
    if (f.is_null(i, row)) continue;
    if (!is_first) out += f.get<ByteView>(0, row);
    out += f.get<ByteView>(i, row);
    is_first = false;
  }
  if (!fits_packet(f, out.size())) return std::nullopt;
  return f.keep(out);
}

template <class Unit>
ByteView left(Frame& f, ByteView text, int64_t n) {
  return text.substr(0, Unit::prefix(text, count_of(n, f.type.args[1].is_unsigned())));
}
template <class Unit>
ByteView right(Frame& f, ByteView text, int64_t n) {
  const size_t all = Unit::count(text), wanted = count_of(n, f.type.args[1].is_unsigned());
  return wanted >= all ? text : text.substr(Unit::prefix(text, all - wanted));
}

// From position `at`, counted from 1, or from the end if negative.
template <class Unit>
ByteView substring(Frame& f, ByteView text, int64_t at, std::optional<int64_t> length) {
  const auto all = static_cast<int64_t>(Unit::count(text));
  const bool is_unsigned = f.type.args[1].is_unsigned();
  if (is_unsigned && at < 0) return {};
  int64_t begin = at > 0 ? at - 1 : at == 0 ? all : all + at;
  if (begin < 0 || begin >= all) return {};
  const ByteView rest = text.substr(Unit::prefix(text, static_cast<size_t>(begin)));
  if (!length) return rest;
  return rest.substr(0, Unit::prefix(rest, count_of(*length, f.type.args[2].is_unsigned())));
}
template <class Unit>
ByteView substring2(Frame& f, ByteView text, int64_t at) {
  return substring<Unit>(f, text, at, std::nullopt);
}
template <class Unit>
ByteView substring3(Frame& f, ByteView text, int64_t at, int64_t n) {
  return substring<Unit>(f, text, at, n);
}

// What stands before the n-th delimiter; behind the n-th from the end if negative.
ByteView substring_index(Frame& f, ByteView text, ByteView by, int64_t n) {
  if (by.empty() || n == 0) return {};
  if (n > 0 || f.type.args[2].is_unsigned()) {
    size_t at = 0;
    const uint64_t wanted = static_cast<uint64_t>(n);
    for (uint64_t i = 0; i < wanted; ++i) {
      const size_t found = text.find(by, at);
      if (found == ByteView::npos) return text;
      if (i + 1 == wanted) return text.substr(0, found);
      at = found + by.size();
    }
    return text;
  }
  const uint64_t wanted = -static_cast<uint64_t>(n);
  size_t end = text.size();
  for (uint64_t i = 0; i < wanted; ++i) {
    if (end < by.size()) return text;
    const size_t found = text.rfind(by, end - by.size());
    if (found == ByteView::npos) return text;
    if (i + 1 == wanted) return text.substr(found + by.size());
    end = found;
  }
  return text;
}

enum class Side : uint8_t { kLeft, kRight };
template <class Unit, Side kSide>
std::optional<ByteView> pad(Frame& f, ByteView text, int64_t length, ByteView with) {
  if (length < 0 && !f.type.args[1].is_unsigned()) return std::nullopt;
  const size_t wanted = count_of(length, f.type.args[1].is_unsigned());
  const size_t all = Unit::count(text);
  if (wanted <= all) return text.substr(0, Unit::prefix(text, wanted));
  const size_t of_pad = Unit::count(with);
  if (of_pad == 0) return std::nullopt;
  const size_t missing = wanted - all;
  const size_t whole = missing / of_pad, rest = Unit::prefix(with, missing % of_pad);
  if (whole > f.context.packet_bytes_max() / with.size() || !fits_packet(f, text.size() + whole * with.size() + rest)) {
    return std::nullopt;
  }
  std::string padding;
  for (size_t i = 0; i < whole; ++i) padding += with;
  padding += with.substr(0, rest);
  return f.keep(kSide == Side::kLeft ? padding + std::string(text) : std::string(text) + padding);
}

ByteView trim_left(ByteView text, ByteView what) {
  while (!what.empty() && text.starts_with(what)) text.remove_prefix(what.size());
  return text;
}
ByteView trim_right(ByteView text, ByteView what) {
  while (!what.empty() && text.ends_with(what)) text.remove_suffix(what.size());
  return text;
}
ByteView ltrim(ByteView text) { return trim_left(text, " "); }
ByteView rtrim(ByteView text) { return trim_right(text, " "); }
ByteView trim(ByteView text) { return trim_left(trim_right(text, " "), " "); }
// The leading ones go first, which matters where `what` overlaps itself.
ByteView trim_of(ByteView text, ByteView what) { return trim_right(trim_left(text, what), what); }
// 1: both sides, 2: leading, 3: trailing.
ByteView trim_side(ByteView text, ByteView what, int64_t side) {
  if (side != 3) text = trim_left(text, what);
  if (side != 2) text = trim_right(text, what);
  return text;
}

ByteView reverse(Frame& f, ByteView text) { return f.keep(std::string(text.rbegin(), text.rend())); }
ByteView reverse_chars(Frame& f, ByteView text) {
  char* to = f.arena.allocate(text.size());
  size_t end = text.size();
  for (ByteView rest = text; !rest.empty();) {
    const ByteView before = rest;
    take_char(rest);
    const size_t size = before.size() - rest.size();
    end -= size;
    std::memcpy(to + end, before.data(), size);
  }
  return {to, text.size()};
}

std::optional<ByteView> repeat(Frame& f, ByteView text, int64_t n) {
  const size_t times = count_of(n, f.type.args[1].is_unsigned());
  if (times == 0 || text.empty()) return ByteView();
  if (times > f.context.packet_bytes_max() / text.size()) {
    fits_packet(f, SIZE_MAX);
    return std::nullopt;
  }
  std::string out;
  out.reserve(times * text.size());
  for (size_t i = 0; i < times; ++i) out += text;
  return f.keep(out);
}
std::optional<ByteView> space(Frame& f, int64_t n) {
  const size_t times = count_of(n, f.type.args[0].is_unsigned());
  if (!fits_packet(f, times)) return std::nullopt;
  return f.keep(std::string(times, ' '));
}

std::optional<ByteView> replace(Frame& f, ByteView text, ByteView from, ByteView to) {
  if (from.empty() || text.find(from) == ByteView::npos) return text;
  std::string out;
  while (true) {
    const size_t found = text.find(from);
    out += text.substr(0, found);
    if (found == ByteView::npos) break;
    out += to;
    if (!fits_packet(f, out.size())) return std::nullopt;
    text.remove_prefix(found + from.size());
  }
  return f.keep(out);
}

// `length` characters at `at` give way to `by`.
template <class Unit>
std::optional<ByteView> insert(Frame& f, ByteView text, int64_t at, int64_t length, ByteView by) {
  const auto all = static_cast<int64_t>(Unit::count(text));
  if (at < 1 || at > all) return text;
  if (length < 0 || length > all - at + 1) length = all - at + 1;
  const size_t begin = Unit::prefix(text, static_cast<size_t>(at - 1));
  const size_t cut = Unit::prefix(text.substr(begin), static_cast<size_t>(length));
  if (!fits_packet(f, text.size() + by.size())) return std::nullopt;
  return f.keep(std::string(text.substr(0, begin)) + std::string(by) + std::string(text.substr(begin + cut)));
}

template <char32_t (*kOf)(char32_t)>
ByteView with_case(Frame& f, ByteView text) {
  std::string out;
  while (!text.empty()) {
    const ByteView before = text;
    const char32_t c = take_char(text), changed = kOf(c);
    if (changed == c)
      out += before.substr(0, before.size() - text.size());
    else
      append_char(changed, out);
  }
  return f.keep(out);
}
// Of binary strings nothing changes.
ByteView same(ByteView text) { return text; }

std::optional<ByteView> elt(Frame& f, size_t row) {
  if (f.is_null(0, row)) return std::nullopt;
  const int64_t n = f.get<int64_t>(0, row);
  if (n < 1 || n >= static_cast<int64_t>(f.args.size()) || f.is_null(static_cast<size_t>(n), row)) return std::nullopt;
  return f.get<ByteView>(static_cast<size_t>(n), row);
}

// The strings whose bits are set.
std::optional<ByteView> make_set(Frame& f, size_t row) {
  if (f.is_null(0, row)) return std::nullopt;
  const auto bits = static_cast<uint64_t>(f.get<int64_t>(0, row));
  std::string out;
  bool is_first = true;
  for (size_t i = 1; i < f.args.size() && i <= 64; ++i) {
    if ((bits >> (i - 1) & 1) == 0 || f.is_null(i, row)) continue;
    if (!is_first) out += ',';
    out += f.get<ByteView>(i, row);
    is_first = false;
  }
  return f.keep(out);
}

// "on" or "off" for each bit, the lowest first.
std::optional<ByteView> export_set(Frame& f, size_t row) {
  for (size_t i = 0; i < f.args.size(); ++i) {
    if (f.is_null(i, row)) return std::nullopt;
  }
  const auto bits = static_cast<uint64_t>(f.get<int64_t>(0, row));
  const ByteView by = f.args.size() > 3 ? f.get<ByteView>(3, row) : ByteView(",");
  int64_t count = f.args.size() > 4 ? f.get<int64_t>(4, row) : 64;
  if (count < 0 || count > 64) count = 64;
  std::string out;
  for (int64_t i = 0; i < count; ++i) {
    if (i > 0) out += by;
    out += f.get<ByteView>((bits >> i & 1) != 0 ? 1 : 2, row);
    if (!fits_packet(f, out.size())) return std::nullopt;
  }
  return f.keep(out);
}

ByteView quote(Frame& f, std::optional<ByteView> text) {
  if (!text) return "NULL";
  std::string out = "'";
  for (const char c : *text) {
    if (c == '\\' || c == '\'') out += '\\';
    if (c == 0)
      out += "\\0";
    else if (c == 26)
      out += "\\Z";
    else
      out += c;
  }
  return f.keep(out + "'");
}

std::vector<EvalType> first_then_strings(size_t count) {
  std::vector<EvalType> args(count, EvalType::kBytes);
  args[0] = EvalType::kInt;
  return args;
}

Found find_part(tipb::ScalarFuncSig signature) {
  switch (signature) {
    case tipb::Left:
      return rowwise<&left<Octets>>();
    case tipb::LeftUTF8:
      return rowwise<&left<Chars>>();
    case tipb::Right:
      return rowwise<&right<Octets>>();
    case tipb::RightUTF8:
      return rowwise<&right<Chars>>();
    case tipb::Substring2Args:
      return rowwise<&substring2<Octets>>();
    case tipb::Substring2ArgsUTF8:
      return rowwise<&substring2<Chars>>();
    case tipb::Substring3Args:
      return rowwise<&substring3<Octets>>();
    case tipb::Substring3ArgsUTF8:
      return rowwise<&substring3<Chars>>();
    case tipb::SubstringIndex:
      return rowwise<&substring_index>();
    case tipb::LTrim:
      return rowwise<&ltrim>();
    case tipb::RTrim:
      return rowwise<&rtrim>();
    case tipb::Trim1Arg:
      return rowwise<&trim>();
    case tipb::Trim2Args:
      return rowwise<&trim_of>();
    case tipb::Trim3Args:
      return rowwise<&trim_side>();
    default:
      return std::nullopt;
  }
}

}  // namespace

Found find_string(tipb::ScalarFuncSig signature, const CallType& type) {
  switch (signature) {
    case tipb::Concat:
      if (type.args.empty()) return std::nullopt;
      return variadic<&concat>(EvalType::kBytes, type);
    case tipb::ConcatWS:
      if (type.args.size() < 2) return std::nullopt;
      return variadic<&concat_ws>(EvalType::kBytes, type);
    case tipb::Lpad:
      return rowwise<&pad<Octets, Side::kLeft>>();
    case tipb::LpadUTF8:
      return rowwise<&pad<Chars, Side::kLeft>>();
    case tipb::Rpad:
      return rowwise<&pad<Octets, Side::kRight>>();
    case tipb::RpadUTF8:
      return rowwise<&pad<Chars, Side::kRight>>();
    case tipb::Reverse:
      return rowwise<&reverse>();
    case tipb::ReverseUTF8:
      return rowwise<&reverse_chars>();
    case tipb::Repeat:
      return rowwise<&repeat>();
    case tipb::Space:
      return rowwise<&space>();
    case tipb::Replace:
      return rowwise<&replace>();
    case tipb::Insert:
      return rowwise<&insert<Octets>>();
    case tipb::InsertUTF8:
      return rowwise<&insert<Chars>>();
    case tipb::Upper:
    case tipb::Lower:
      return rowwise<&same>();
    case tipb::UpperUTF8:
      return rowwise<&with_case<&upper_case>>();
    case tipb::LowerUTF8:
      return rowwise<&with_case<&lower_case>>();
    case tipb::Elt:
      if (type.args.size() < 2) return std::nullopt;
      return variadic<&elt>(first_then_strings(type.args.size()));
    case tipb::MakeSet:
      if (type.args.size() < 2) return std::nullopt;
      return variadic<&make_set>(first_then_strings(type.args.size()));
    case tipb::ExportSet3Arg:
      return variadic<&export_set>({EvalType::kInt, EvalType::kBytes, EvalType::kBytes});
    case tipb::ExportSet4Arg:
      return variadic<&export_set>({EvalType::kInt, EvalType::kBytes, EvalType::kBytes, EvalType::kBytes});
    case tipb::ExportSet5Arg:
      return variadic<&export_set>(
          {EvalType::kInt, EvalType::kBytes, EvalType::kBytes, EvalType::kBytes, EvalType::kInt});
    case tipb::Quote:
      return rowwise<&quote>();
    default:
      return find_part(signature);
  }
}

}  // namespace cairn::coprocessor
