// Decimals from text, and to and from the bytes of rows and keys.
#include "coprocessor/types/decimal_words.h"

namespace cairn::coprocessor {

using namespace decimal_words;

namespace {

constexpr std::array<int, 10> kBytesOfDigits = {0, 1, 1, 2, 2, 3, 3, 4, 4, 4};

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_blank(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

size_t digits_at(ByteView text) {
  size_t n = 0;
  while (n < text.size() && is_digit(text[n])) ++n;
  return n;
}

// The exponent behind 'e', bounded; consumes it. No digits: no exponent.
int take_exponent(ByteView& text) {
  if (text.size() < 2 || (text[0] != 'e' && text[0] != 'E')) return 0;
  ByteView in = text.substr(1);
  const bool is_negative = in[0] == '-';
  if (in[0] == '-' || in[0] == '+') in.remove_prefix(1);
  const size_t digits = digits_at(in);
  if (digits == 0) return 0;
  int exponent = 0;
  for (const char c : in.substr(0, digits)) exponent = std::min(exponent * 10 + (c - '0'), 10'000);
  text = in.substr(digits);
  return is_negative ? -exponent : exponent;
}

Fitted<Decimal> from_digits(ByteView ints, ByteView fracs, bool negative) {
  while (!ints.empty() && ints.front() == '0') ints.remove_prefix(1);
  if (ints.size() > static_cast<size_t>(Decimal::kDigitsMax)) {
    return {Decimal::largest(Decimal::kDigitsMax, 0, negative), Fit::kOverflow};
  }
  const int int_words = words_of(static_cast<int>(ints.size()));
  const size_t room = static_cast<size_t>((Decimal::kWords - int_words) * Decimal::kDigitsOfWord);
  const Fit fit = fracs.size() > room ? Fit::kTruncated : Fit::kExact;
  fracs = fracs.substr(0, room);
  const int frac_words = words_of(static_cast<int>(fracs.size()));
  Words words{};
  for (size_t i = 0; i < ints.size(); ++i) {
    const size_t from_point = ints.size() - 1 - i;
    auto& word = words[static_cast<size_t>(int_words) - 1 - from_point / Decimal::kDigitsOfWord];
    word = word * 10 + static_cast<uint32_t>(ints[i] - '0');
  }
  for (size_t i = 0; i < fracs.size(); ++i) {
    words[static_cast<size_t>(int_words) + i / Decimal::kDigitsOfWord] +=
        static_cast<uint32_t>(fracs[i] - '0') * kPowers[Decimal::kDigitsOfWord - 1 - i % Decimal::kDigitsOfWord];
  }
  auto result = from_words({words.data(), static_cast<size_t>(int_words + frac_words)}, int_words, frac_words,
                           static_cast<int>(fracs.size()), negative);
  if (fit != Fit::kExact) result.fit = fit;
  return result;
}

}  // namespace

std::optional<Fitted<Decimal>> Decimal::parse(ByteView text, ByteView* rest) {
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  if (text.empty()) return std::nullopt;
  const bool negative = text.front() == '-';
  if (text.front() == '-' || text.front() == '+') text.remove_prefix(1);
  const ByteView ints = text.substr(0, digits_at(text));
  text.remove_prefix(ints.size());
  ByteView fracs;
  if (!text.empty() && text.front() == '.') {
    fracs = text.substr(1, digits_at(text.substr(1)));
    if (ints.empty() && fracs.empty()) return std::nullopt;
    text.remove_prefix(1 + fracs.size());
  }
  if (ints.empty() && fracs.empty()) return std::nullopt;
  const int exponent = take_exponent(text);
  if (rest != nullptr) *rest = text;
  auto number = from_digits(ints, fracs, negative);
  if (exponent == 0 || number.fit == Fit::kOverflow) return number;
  auto shifted = number.value.shifted(exponent);
  if (shifted.fit == Fit::kExact) shifted.fit = number.fit;
  return shifted;
}

Fit Decimal::encode(Bytes& out, int precision, int frac) const {
  const View v = view(*this);
  const int ints = precision - frac;
  Fit fit = int_digits > ints ? Fit::kOverflow : frac_digits > frac ? Fit::kTruncated : Fit::kExact;
  const uint32_t mask = negative ? UINT32_MAX : 0;
  out.push_back(static_cast<char>(precision));
  out.push_back(static_cast<char>(frac));
  const size_t begin = out.size();
  const auto put = [&](uint32_t word, int bytes) {
    word ^= mask;
    for (int i = bytes - 1; i >= 0; --i) out.push_back(static_cast<char>(word >> (8 * i)));
  };
  const int leading = ints % kDigitsOfWord, trailing = frac % kDigitsOfWord;
  if (leading > 0) {
    put(v.at(-ints / kDigitsOfWord - 1) % kPowers[static_cast<size_t>(leading)],
        kBytesOfDigits[static_cast<size_t>(leading)]);
  }
  for (int at = -ints / kDigitsOfWord; at < frac / kDigitsOfWord; ++at) put(v.at(at), 4);
  if (trailing > 0) {
    put(v.at(frac / kDigitsOfWord) / kPowers[static_cast<size_t>(kDigitsOfWord - trailing)],
        kBytesOfDigits[static_cast<size_t>(trailing)]);
  }
  if (out.size() > begin) out[begin] = static_cast<char>(out[begin] ^ 0x80);
  return fit;
}

size_t Decimal::encoded_size(ByteView in) {
  if (in.size() < 2) return 0;
  const int precision = static_cast<uint8_t>(in[0]), frac = static_cast<uint8_t>(in[1]);
  if (frac > precision) return 0;
  const int ints = precision - frac;
  const int bytes = ints / kDigitsOfWord * 4 + kBytesOfDigits[static_cast<size_t>(ints % kDigitsOfWord)] +
                    frac / kDigitsOfWord * 4 + kBytesOfDigits[static_cast<size_t>(frac % kDigitsOfWord)];
  return bytes == 0 ? 0 : static_cast<size_t>(bytes) + 2;
}

bool Decimal::decode(ByteView& in, Decimal& out) {
  const size_t size = encoded_size(in);
  if (size == 0 || size > in.size()) return false;
  const int precision = static_cast<uint8_t>(in[0]), frac = static_cast<uint8_t>(in[1]);
  const int ints = precision - frac;
  const int int_words = words_of(ints), frac_words = words_of(frac);
  if (int_words + frac_words > kWords) return false;
  const bool is_negative = (static_cast<uint8_t>(in[2]) & 0x80) == 0;
  const uint32_t mask = is_negative ? UINT32_MAX : 0;
  size_t at = 2;
  bool ok = true;
  const auto take = [&](int digits) {
    uint32_t word = is_negative ? UINT32_MAX : 0;
    for (int i = 0; i < kBytesOfDigits[static_cast<size_t>(digits)]; ++i, ++at) {
      const auto byte = static_cast<uint8_t>(in[at] ^ (at == 2 ? 0x80 : 0));
      word = word << 8 | byte;
    }
    word ^= mask;
    ok = ok && word < kPowers[static_cast<size_t>(digits)];
    return word;
  };
  std::array<uint32_t, kWords> words{};
  size_t count = 0;
  if (ints % kDigitsOfWord > 0) words[count++] = take(ints % kDigitsOfWord);
  for (int i = 0; i < ints / kDigitsOfWord + frac / kDigitsOfWord; ++i) words[count++] = take(kDigitsOfWord);
  const int trailing = frac % kDigitsOfWord;
  if (trailing > 0) words[count++] = take(trailing) * kPowers[static_cast<size_t>(kDigitsOfWord - trailing)];
  if (!ok) return false;
  out = from_words({words.data(), count}, int_words, frac_words, frac, is_negative).value;
  in.remove_prefix(size);
  return true;
}

// Sign, number of digits before the point, then the digits up to the last that is not zero and an end that sorts below
// them; all of it inverted if negative.
void Decimal::append_sort_key(Bytes& out) const {
  const size_t begin = out.size();
  if (is_zero()) return out.push_back(1);
  std::string digits = all_digits(*this);
  int point = int_digits;
  const size_t leading = digits.find_first_not_of('0');
  point -= static_cast<int>(leading);
  digits = digits.substr(leading, digits.find_last_not_of('0') - leading + 1);
  out.push_back(2);
  out.push_back(static_cast<char>(point + 128));
  out.append(digits);
  out.push_back(0);
  if (!negative) return;
  for (size_t i = begin; i < out.size(); ++i) out[i] = static_cast<char>(~out[i]);
  out[begin] = 0;
}

}  // namespace cairn::coprocessor
