// How keys and raw values are laid out on a cluster's stores: chosen when the cluster is made, and kept for all its
// life.
//
//             raw key in the engine      raw value in the engine
//   V1        key                        value
//   V1TTL     key                        value, u64 big-endian expiry in seconds (0: never)
//   V2        enc(key) + ~timestamp      value [, u64 big-endian expiry], flags
//
// In V2 the first byte of a key says whose it is: 'r' raw, 'x' transactional (three bytes of keyspace id follow both),
// 'm' and 't' a SQL layer's, which goes on speaking V1. So raw and transactional data never meet under one key. Clients
// put the prefix on; a store only checks it. Tests: api_version_test.cc.
#pragma once

#include <cstdint>
#include <string>

#include "base/bytes.h"

namespace cairn::rawkv {

enum class ApiVersion : uint8_t { kV1, kV1Ttl, kV2 };

const char* api_version_name(ApiVersion version);  // "V1", "V1TTL", "V2"

// Whose a key of API V2 is.
enum class KeyMode : uint8_t { kRaw, kTransaction, kSql, kUnknown };

inline constexpr char kRawPrefix = 'r';
inline constexpr char kTransactionPrefix = 'x';

KeyMode key_mode(ByteView user_key);
// Whose all the keys of [start, end) are. Both bounds must be given; an end that is just the next prefix ("s" after
// "r...") bounds the whole of a mode.
KeyMode range_mode(ByteView start, ByteView end);

// The engine key of a raw user key, in V2 without its timestamp. An empty bound of a range stays empty.
Bytes engine_key(ApiVersion version, ByteView user_key);
Bytes engine_bound(ApiVersion version, ByteView user_key);

}  // namespace cairn::rawkv
