// What is wrong with a raw request before anything is read. Internal to rawkv/.
#pragma once

#include "rawkv/rawkv.h"

namespace cairn::rawkv {

// Raw data lives in the column families that clients may name: default, write, lock; in V2 they name none.
Answer<engine::Cf> check_cf(const Config& config, ByteView name);
Answer<void> check_key(const Config& config, ByteView key);
// The moment when a value put now expires; 0: never. Refused if values have no expiry time in this API version.
Answer<uint64_t> check_ttl(const Config& config, uint64_t ttl_s, uint64_t now_s);

}  // namespace cairn::rawkv
