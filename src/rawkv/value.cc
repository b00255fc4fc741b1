#include "rawkv/value.h"

#include "base/codec.h"

namespace cairn::rawkv {

Bytes encode_value(ApiVersion version, ByteView value, uint64_t expires_s) {
  Bytes stored(value);
  if (version == ApiVersion::kV1Ttl) codec::put_u64_be(stored, expires_s);
  CHECK(version == ApiVersion::kV1Ttl || expires_s == 0, "an expiry time {} where values have none", expires_s);
  return stored;
}

engine::Result<StoredValue> decode_value(ApiVersion version, ByteView stored) {
  if (version == ApiVersion::kV1) return StoredValue{stored, 0};
  constexpr size_t kExpirySize = 8;
  if (stored.size() < kExpirySize) {
    return Err(engine::Error{engine::Error::Kind::kCorruption, "raw value without its expiry time: " + to_hex(stored)});
  }
  StoredValue result{stored.substr(0, stored.size() - kExpirySize), 0};
  ByteView expiry = stored.substr(result.value.size());
  CHECK(codec::get_u64_be(expiry, result.expires_s), "eight bytes are a u64");
  return result;
}

}  // namespace cairn::rawkv
