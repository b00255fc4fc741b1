#include "rawkv/validation.h"

#include <fmt/format.h>

namespace cairn::rawkv {

Answer<engine::Cf> check_cf(const Config& config, ByteView name) {
  if (config.api_version == ApiVersion::kV2) {
    if (name.empty()) return engine::Cf::kDefault;
    return Err(InvalidRequest{fmt::format("cf is deprecated in API V2, cf name: {}", name)});
  }
  const auto cf = engine::cf_from_name(name);
  if (!cf || *cf == engine::Cf::kRaft) return Err(InvalidRequest{fmt::format("invalid cf name: {}", name)});
  return *cf;
}

Answer<void> check_key(const Config& config, ByteView key) {
  if (key.size() <= config.max_key_size) return {};
  return Err(
      InvalidRequest{fmt::format("max key size exceeded, size: {}, limit: {}", key.size(), config.max_key_size)});
}

Answer<uint64_t> check_ttl(const Config& config, uint64_t ttl_s, uint64_t now_s) {
  if (ttl_s == 0) return uint64_t{0};
  if (config.api_version == ApiVersion::kV1)
    return Err(InvalidRequest{"ttl is not enabled, but get put request with ttl"});
  return ttl_s > UINT64_MAX - now_s ? UINT64_MAX : now_s + ttl_s;
}

}  // namespace cairn::rawkv
