#include "coprocessor/statistics/murmur3.h"

#include <bit>

namespace cairn::coprocessor {
namespace {

constexpr uint64_t kFirst = 0x87c37b91114253d5, kSecond = 0x4cf5ad432745937f;
constexpr size_t kBlock = 16;

// Up to eight bytes, the first of them the lowest.
uint64_t little_endian(ByteView bytes) {
  uint64_t word = 0;
  for (size_t i = 0; i < bytes.size() && i < 8; ++i) word |= uint64_t{static_cast<uint8_t>(bytes[i])} << (8 * i);
  return word;
}

uint64_t mixed_first(uint64_t word) { return std::rotl(word * kFirst, 31) * kSecond; }
uint64_t mixed_second(uint64_t word) { return std::rotl(word * kSecond, 33) * kFirst; }

uint64_t finished(uint64_t word) {
  word = (word ^ word >> 33) * 0xff51afd7ed558ccd;
  word = (word ^ word >> 33) * 0xc4ceb9fe1a85ec53;
  return word ^ word >> 33;
}

}  // namespace

Hash128 murmur3(ByteView bytes) {
  uint64_t a = 0, b = 0;
  ByteView rest = bytes;
  for (; rest.size() >= kBlock; rest.remove_prefix(kBlock)) {
    a = (std::rotl(a ^ mixed_first(little_endian(rest)), 27) + b) * 5 + 0x52dce729;
    b = (std::rotl(b ^ mixed_second(little_endian(rest.substr(8))), 31) + a) * 5 + 0x38495ab5;
  }
  if (rest.size() > 8) b ^= mixed_second(little_endian(rest.substr(8)));
  a ^= mixed_first(little_endian(rest));
  a ^= bytes.size();
  b ^= bytes.size();
  a += b;
  b += a;
  a = finished(a);
  b = finished(b);
  a += b;
  b += a;
  return {a, b};
}

}  // namespace cairn::coprocessor
