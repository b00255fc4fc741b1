// The stored form of a raw value; api_version.h draws it. The flags of V2: bit 0, an expiry time stands before them;
// bit 1, the key is deleted as of this version (a tombstone: the flags alone). Tests: value_test.cc.
#pragma once

#include <cstdint>

#include "base/bytes.h"
#include "engine/error.h"
#include "rawkv/api_version.h"

namespace cairn::rawkv {

struct StoredValue {
  ByteView value;  // looks into the stored bytes
  uint64_t expires_s = 0;
  bool is_deleted = false;

  bool is_expired(uint64_t now_s) const { return expires_s != 0 && expires_s <= now_s; }
  bool is_live(uint64_t now_s) const { return !is_deleted && !is_expired(now_s); }
};

// `expires_s` 0: never. V1 has no expiry: then it must be 0.
Bytes encode_value(ApiVersion version, ByteView value, uint64_t expires_s);
// What V2 stores for a key that is deleted.
Bytes encode_tombstone();
engine::Result<StoredValue> decode_value(ApiVersion version, ByteView stored);

}  // namespace cairn::rawkv
