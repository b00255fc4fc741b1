// The stored form of a raw value. V1: the value itself. V1TTL: the value, then its expiry time in seconds since 1970 as
// u64 big-endian, 0 for none. Tests: rawkv_test.cc.
#pragma once

#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "engine/error.h"
#include "rawkv/rawkv.h"

namespace cairn::rawkv {

struct StoredValue {
  ByteView value;  // looks into the stored bytes
  uint64_t expires_s = 0;

  bool is_expired(uint64_t now_s) const { return expires_s != 0 && expires_s <= now_s; }
};

Bytes encode_value(ApiVersion version, ByteView value, uint64_t expires_s);
engine::Result<StoredValue> decode_value(ApiVersion version, ByteView stored);

}  // namespace cairn::rawkv
