// kvrpcpb.Context, read: which region is meant, how, until when, and whether the request may be served by this cluster
// at all. Tests: context_test.cc.
#pragma once

#include <optional>
#include <string>

#include "api/status.h"
#include "base/time.h"
#include "engine/region_request.h"
#include "kvrpcpb.pb.h"
#include "mvcc/read_options.h"
#include "server/node.h"

namespace cairn::server {

// Which of the two ways of using the store a request belongs to; admin requests belong to neither.
enum class Family { kTransaction, kRaw, kAdmin };

// Who asks what of which region, until when. `read_ts` matters for replica and stale reads.
engine::RegionRequest region_request(const kvrpcpb::Context& context, Instant now, Timestamp read_ts = {});

// Not OK if the request is for another cluster: the call fails as a whole.
api::Status check_cluster(const kvrpcpb::Context& context, const NodeOptions& options);

// In words why this store does not take requests of that API version; nothing if it does.
std::optional<std::string> check_api_version(const kvrpcpb::Context& context, Family family,
                                             const NodeOptions& options);

// How a transactional read sees locks and versions.
mvcc::ReadOptions read_options(const kvrpcpb::Context& context, Timestamp read_ts);

}  // namespace cairn::server
