#include "base/crc.h"

#include <zlib.h>

#include <array>

namespace cairn {
namespace {

// Table `n` says what a byte does to the checksum when `n` zero bytes follow it, so that eight bytes are taken at once
// ("slicing by eight").
using Crc64Tables = std::array<std::array<uint64_t, 256>, 8>;
constexpr Crc64Tables make_crc64_tables() {
  Crc64Tables tables{};
  for (uint64_t i = 0; i < 256; ++i) {
    uint64_t crc = i;
    for (int bit = 0; bit < 8; ++bit) crc = (crc & 1) != 0 ? (crc >> 1) ^ 0xC96C5795D7870F42ULL : crc >> 1;
    tables[0][i] = crc;
  }
  for (size_t n = 1; n < tables.size(); ++n) {
    for (size_t i = 0; i < 256; ++i) tables[n][i] = tables[0][tables[n - 1][i] & 0xFF] ^ (tables[n - 1][i] >> 8);
  }
  return tables;
}
constexpr auto kCrc64 = make_crc64_tables();

uint64_t little_endian_u64(const char* bytes) {
  uint64_t out = 0;
  for (int i = 7; i >= 0; --i) out = out << 8 | static_cast<unsigned char>(bytes[i]);
  return out;
}

}  // namespace

uint32_t crc32(ByteView bytes, uint32_t seed) {
  return static_cast<uint32_t>(::crc32_z(seed, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size()));
}

uint64_t crc64(ByteView bytes, uint64_t seed) {
  uint64_t crc = ~seed;
  for (; bytes.size() >= 8; bytes.remove_prefix(8)) {
    const uint64_t word = crc ^ little_endian_u64(bytes.data());
    crc = 0;
    for (size_t i = 0; i < 8; ++i) crc ^= kCrc64[7 - i][(word >> (8 * i)) & 0xFF];
  }
  for (unsigned char c : bytes) crc = kCrc64[0][(crc ^ c) & 0xFF] ^ (crc >> 8);
  return ~crc;
}

}  // namespace cairn
