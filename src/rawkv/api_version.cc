#include "rawkv/api_version.h"

#include "base/codec.h"

namespace cairn::rawkv {

const char* api_version_name(ApiVersion version) {
  switch (version) {
    case ApiVersion::kV1:
      return "V1";
    case ApiVersion::kV1Ttl:
      return "V1TTL";
    case ApiVersion::kV2:
      return "V2";
  }
  return "?";
}

KeyMode key_mode(ByteView user_key) {
  if (user_key.empty()) return KeyMode::kUnknown;
  switch (user_key.front()) {
    case kRawPrefix:
      return KeyMode::kRaw;
    case kTransactionPrefix:
      return KeyMode::kTransaction;
    case 'm':
    case 't':
      return KeyMode::kSql;
    default:
      return KeyMode::kUnknown;
  }
}

KeyMode range_mode(ByteView start, ByteView end) {
  if (start.empty() || end.empty()) return KeyMode::kUnknown;
  const bool ends_the_mode = end.size() == 1 && end.front() == static_cast<char>(start.front() + 1);
  return start.front() == end.front() || ends_the_mode ? key_mode(start) : KeyMode::kUnknown;
}

Bytes engine_key(ApiVersion version, ByteView user_key) {
  return version == ApiVersion::kV2 ? codec::encode_bytes(user_key) : Bytes(user_key);
}

Bytes engine_bound(ApiVersion version, ByteView user_key) {
  return user_key.empty() ? Bytes() : engine_key(version, user_key);
}

}  // namespace cairn::rawkv
