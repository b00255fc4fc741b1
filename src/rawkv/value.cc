#include "rawkv/value.h"

#include "base/check.h"
#include "base/codec.h"
#include "base/redact.h"

namespace cairn::rawkv {
namespace {

constexpr size_t kExpirySize = 8;
constexpr uint8_t kHasExpiry = 1;
constexpr uint8_t kIsDeleted = 2;

auto corruption(const char* what, ByteView stored) {
  return Err(engine::Error{engine::Error::Kind::kCorruption, what + log::user_text(stored)});
}

// Takes the expiry time off the end of `value`; false if there is none.
bool take_expiry(StoredValue& value) {
  if (value.value.size() < kExpirySize) return false;
  ByteView expiry = value.value.substr(value.value.size() - kExpirySize);
  value.value.remove_suffix(kExpirySize);
  CHECK(codec::get_u64_be(expiry, value.expires_s), "eight bytes are a u64");
  return true;
}

}  // namespace

Bytes encode_value(ApiVersion version, ByteView value, uint64_t expires_s) {
  CHECK(version != ApiVersion::kV1 || expires_s == 0, "an expiry time {} where values have none", expires_s);
  Bytes stored;
  stored.reserve(value.size() + kExpirySize + 1);
  stored.append(value);
  if (version == ApiVersion::kV1Ttl || expires_s != 0) codec::put_u64_be(stored, expires_s);
  if (version == ApiVersion::kV2) stored.push_back(expires_s != 0 ? kHasExpiry : 0);
  return stored;
}

Bytes encode_tombstone() { return Bytes(1, static_cast<char>(kIsDeleted)); }

engine::Result<StoredValue> decode_value(ApiVersion version, ByteView stored) {
  StoredValue result{stored};
  if (version == ApiVersion::kV1) return result;
  if (version == ApiVersion::kV1Ttl) {
    if (!take_expiry(result)) return corruption("raw value without its expiry time: ", stored);
    return result;
  }
  if (stored.empty()) return corruption("raw value without its flags", stored);
  const auto flags = static_cast<uint8_t>(stored.back());
  if ((flags & ~(kHasExpiry | kIsDeleted)) != 0) return corruption("raw value with unknown flags: ", stored);
  result.value.remove_suffix(1);
  result.is_deleted = (flags & kIsDeleted) != 0;
  if ((flags & kHasExpiry) != 0 && !take_expiry(result)) {
    return corruption("raw value without its expiry time: ", stored);
  }
  return result;
}

}  // namespace cairn::rawkv
