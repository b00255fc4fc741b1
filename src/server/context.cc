#include "server/context.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

namespace cairn::server {

engine::RegionRequest region_request(const kvrpcpb::Context& context, Instant now, Timestamp read_ts) {
  engine::RegionRequest request;
  request.region = RegionId(context.region_id());
  if (context.has_peer()) {
    request.peer = PeerId(context.peer().id());
    request.store = StoreId(context.peer().store_id());
  }
  if (context.has_region_epoch()) {
    request.epoch = {context.region_epoch().conf_ver(), context.region_epoch().version()};
  }
  request.term = Term(context.term());
  request.replica_read = context.replica_read();
  request.stale_read = context.stale_read();
  request.read_ts = read_ts;
  if (context.max_execution_duration_ms() != 0) {
    // A day is for ever, and does not overflow.
    constexpr uint64_t kLongestMs = 24ull * 3600 * 1000;
    const uint64_t ms = std::min<uint64_t>(context.max_execution_duration_ms(), kLongestMs);
    request.deadline = now + std::chrono::milliseconds(ms);
  }
  return request;
}

api::Status check_cluster(const kvrpcpb::Context& context, const NodeOptions& options) {
  const ClusterId asked(context.cluster_id());
  if (!asked.is_set() || !options.cluster.is_set() || asked == options.cluster) return {};
  return {api::Code::kInvalidArgument,
          fmt::format("the request is for cluster {}, this is cluster {}", asked, options.cluster)};
}

std::optional<std::string> check_api_version(const kvrpcpb::Context& context, Family family,
                                             const NodeOptions& options) {
  if (family == Family::kAdmin) return std::nullopt;
  const bool is_ttl_store = options.api_version == ApiVersion::kV1Ttl;
  if (is_ttl_store && family == Family::kTransaction) {
    return "ApiVersionNotMatched: this store keeps raw values with expiry (V1TTL) and takes no transactions";
  }
  const auto asked = context.api_version();
  if (asked == kvrpcpb::APIVersion::V1 || (is_ttl_store && asked == kvrpcpb::APIVersion::V1TTL)) return std::nullopt;
  return fmt::format("ApiVersionNotMatched: the request is of API version {}, this store of {}",
                     kvrpcpb::APIVersion_Name(asked), is_ttl_store ? "V1TTL" : "V1");
}

mvcc::ReadOptions read_options(const kvrpcpb::Context& context, Timestamp read_ts) {
  mvcc::ReadOptions options;
  options.read_ts = read_ts;
  switch (context.isolation_level()) {
    case kvrpcpb::IsolationLevel::RC:
      options.isolation = mvcc::IsolationLevel::kRc;
      break;
    case kvrpcpb::IsolationLevel::RCCheckTS:
      options.isolation = mvcc::IsolationLevel::kRcCheckTs;
      break;
    default:
      options.isolation = mvcc::IsolationLevel::kSi;
  }
  for (const uint64_t ts : context.resolved_locks()) options.resolved_locks.emplace_back(ts);
  for (const uint64_t ts : context.committed_locks()) options.committed_locks.emplace_back(ts);
  options.is_replica_read = context.replica_read();
  options.fill_cache = !context.not_fill_cache();
  return options;
}

}  // namespace cairn::server
