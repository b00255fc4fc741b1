// Checksums of the wire and the disk: CRC-32 (IEEE, as TiKV's snapshots carry it) and CRC-64 (ECMA-182 reflected, "XZ",
// as RawChecksum and the coprocessor's checksum use it).
#pragma once

#include <cstdint>

#include "base/bytes.h"

namespace cairn {

// Continues a CRC-32 from `seed` (0 to begin).
uint32_t crc32(ByteView bytes, uint32_t seed = 0);

// Continues a CRC-64 from `seed` (0 to begin), so that crc64(b, crc64(a)) == crc64(a + b).
uint64_t crc64(ByteView bytes, uint64_t seed = 0);

}  // namespace cairn
