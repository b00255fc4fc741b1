// API V2's rule of keys: a request may name only keys of its own kind, raw ones ('r'), transactional ones ('x'), or, if
// it speaks V1, a SQL layer's ('m', 't'). So no request reaches the data of another kind. Requests that name keys which
// an earlier request has already named (commit, rollback, resolve) are not looked at. Tests: key_mode_test.cc.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "coprocessor.pb.h"
#include "kvrpcpb.pb.h"
#include "rawkv/api_version.h"
#include "server/context.h"

namespace cairn::server {

// What a request names, as views into it.
struct NamedKeys {
  std::vector<ByteView> keys;
  struct Range {
    ByteView start;
    ByteView end;
  };
  std::vector<Range> ranges;
};

NamedKeys named_keys(const kvrpcpb::GetRequest& request);
NamedKeys named_keys(const kvrpcpb::BatchGetRequest& request);
NamedKeys named_keys(const kvrpcpb::ScanRequest& request);
NamedKeys named_keys(const kvrpcpb::PrewriteRequest& request);
NamedKeys named_keys(const kvrpcpb::PessimisticLockRequest& request);
NamedKeys named_keys(const kvrpcpb::FlushRequest& request);
NamedKeys named_keys(const kvrpcpb::BufferBatchGetRequest& request);
NamedKeys named_keys(const kvrpcpb::DeleteRangeRequest& request);
NamedKeys named_keys(const ::coprocessor::Request& request);
NamedKeys named_keys(const kvrpcpb::RawGetRequest& request);
NamedKeys named_keys(const kvrpcpb::RawBatchGetRequest& request);
NamedKeys named_keys(const kvrpcpb::RawGetKeyTTLRequest& request);
NamedKeys named_keys(const kvrpcpb::RawPutRequest& request);
NamedKeys named_keys(const kvrpcpb::RawBatchPutRequest& request);
NamedKeys named_keys(const kvrpcpb::RawDeleteRequest& request);
NamedKeys named_keys(const kvrpcpb::RawBatchDeleteRequest& request);
NamedKeys named_keys(const kvrpcpb::RawDeleteRangeRequest& request);
NamedKeys named_keys(const kvrpcpb::RawScanRequest& request);
NamedKeys named_keys(const kvrpcpb::RawBatchScanRequest& request);
NamedKeys named_keys(const kvrpcpb::RawChecksumRequest& request);
NamedKeys named_keys(const kvrpcpb::RawCASRequest& request);

// In words which key is not of the request's kind; nothing if all are.
std::optional<std::string> check_key_modes(const NamedKeys& named, Family family, kvrpcpb::APIVersion asked);

// Likewise, of any request to a store of that API version.
template <class Req>
std::optional<std::string> check_keys(const Req& request, Family family, rawkv::ApiVersion version) {
  if constexpr (requires { named_keys(request); }) {
    if (version == rawkv::ApiVersion::kV2) {
      return check_key_modes(named_keys(request), family, request.context().api_version());
    }
  }
  return std::nullopt;
}

}  // namespace cairn::server
