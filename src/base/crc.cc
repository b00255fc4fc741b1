#include "base/crc.h"

#include <zlib.h>

#include <array>

namespace cairn {
namespace {

constexpr std::array<uint64_t, 256> make_crc64_table() {
  std::array<uint64_t, 256> table{};
  for (uint64_t i = 0; i < 256; ++i) {
    uint64_t crc = i;
    for (int bit = 0; bit < 8; ++bit) crc = (crc & 1) != 0 ? (crc >> 1) ^ 0xC96C5795D7870F42ULL : crc >> 1;
    table[i] = crc;
  }
  return table;
}
constexpr auto kCrc64Table = make_crc64_table();

}  // namespace

uint32_t crc32(ByteView bytes, uint32_t seed) {
  return static_cast<uint32_t>(::crc32_z(seed, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size()));
}

uint64_t crc64(ByteView bytes, uint64_t seed) {
  uint64_t crc = ~seed;
  for (unsigned char c : bytes) crc = kCrc64Table[(crc ^ c) & 0xFF] ^ (crc >> 8);
  return ~crc;
}

}  // namespace cairn
