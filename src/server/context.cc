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
  if (kvrpcpb::DiskFullOpt_IsValid(context.disk_full_opt())) {
    request.disk_full_opt = static_cast<engine::DiskFullOpt>(context.disk_full_opt());
  }
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
  const auto asked = context.api_version();
  const auto not_matched = [&](const char* why) {
    return fmt::format("ApiVersionNotMatched: the request is of API version {}, this store of {}{}",
                       kvrpcpb::APIVersion_Name(asked), rawkv::api_version_name(options.api_version), why);
  };
  switch (options.api_version) {
    case ApiVersion::kV1:
      if (asked == kvrpcpb::APIVersion::V1) return std::nullopt;
      break;
    case ApiVersion::kV1Ttl:
      if (family == Family::kTransaction) return not_matched(", which takes no transactions");
      if (asked == kvrpcpb::APIVersion::V1 || asked == kvrpcpb::APIVersion::V1TTL) return std::nullopt;
      break;
    case ApiVersion::kV2:
      if (asked == kvrpcpb::APIVersion::V2) return std::nullopt;
      // A SQL layer speaks V1; check_keys() sees to it that it stays with its own keys.
      if (asked == kvrpcpb::APIVersion::V1 && family == Family::kTransaction) return std::nullopt;
      break;
  }
  return not_matched("");
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
