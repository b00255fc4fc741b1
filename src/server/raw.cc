// The raw API: reads over a snapshot (point reads on the caller's thread while the lease holds and the cache has them),
// writes on the region's shard, all by rawkv/. Tests: node_test.cc.
#include "rawkv/rawkv.h"

#include "server/node.h"
#include "server/parts.h"

namespace cairn::server {
namespace {

rawkv::RawReader reader(const Parts& parts, const engine::RegionSnapshot& snapshot) {
  return rawkv::RawReader(snapshot, parts.raw_config, parts.clock.wall_now().seconds());
}

std::vector<rawkv::KeyRange> ranges_of(const google::protobuf::RepeatedPtrField<kvrpcpb::KeyRange>& ranges) {
  std::vector<rawkv::KeyRange> out;
  out.reserve(static_cast<size_t>(ranges.size()));
  for (const auto& range : ranges) out.push_back({range.start_key(), range.end_key()});
  return out;
}

void put_pairs(google::protobuf::RepeatedPtrField<kvrpcpb::KvPair>& out, std::vector<rawkv::KvPair>& pairs) {
  out.Reserve(static_cast<int>(pairs.size()));
  for (auto& pair : pairs) {
    auto& to = *out.Add();
    to.set_key(std::move(pair.key));
    to.set_value(std::move(pair.value));
  }
}

Answered answer_get(const Parts& parts, const kvrpcpb::RawGetRequest& request, kvrpcpb::RawGetResponse& response,
                    const engine::RegionSnapshot& snapshot) {
  auto value = reader(parts, snapshot).get(request.cf(), request.key());
  if (!value.ok()) return put_point_failure(response, value.error());
  // An empty value is found.
  if (*value) {
    response.set_value(std::move(**value));
  } else {
    response.set_not_found(true);
  }
  return Answered::kYes;
}

// NOLINTBEGIN(*-coroutine-parameters): read_on_pool() awaits these and owns what it passes
runtime::Task<void> answer_batch_get(const Parts& parts, const kvrpcpb::RawBatchGetRequest& request,
                                     kvrpcpb::RawBatchGetResponse& response, const engine::RegionSnapshot& snapshot,
                                     runtime::Slices& slices) {
  const std::vector<Bytes> keys(request.keys().begin(), request.keys().end());
  const auto from = reader(parts, snapshot);
  auto pairs = co_await from.batch_get(request.cf(), keys, slices);
  if (!pairs.ok()) co_return put_failure(response, pairs.error());
  put_pairs(*response.mutable_pairs(), *pairs);
}

runtime::Task<void> answer_scan(const Parts& parts, const kvrpcpb::RawScanRequest& request,
                                kvrpcpb::RawScanResponse& response, const engine::RegionSnapshot& snapshot,
                                runtime::Slices& slices) {
  rawkv::RawReader::Scan scan;
  scan.start = request.start_key();
  scan.end = request.end_key();
  scan.limit = request.limit();
  scan.key_only = request.key_only();
  scan.reverse = request.reverse();
  const auto from = reader(parts, snapshot);
  auto pairs = co_await from.scan(request.cf(), scan, slices);
  if (!pairs.ok()) co_return put_failure(response, pairs.error());
  put_pairs(*response.mutable_kvs(), *pairs);
}

runtime::Task<void> answer_batch_scan(const Parts& parts, const kvrpcpb::RawBatchScanRequest& request,
                                      kvrpcpb::RawBatchScanResponse& response, const engine::RegionSnapshot& snapshot,
                                      runtime::Slices& slices) {
  const rawkv::RawReader::BatchScan scan{ranges_of(request.ranges()), request.each_limit(), request.key_only(),
                                         request.reverse()};
  const auto from = reader(parts, snapshot);
  auto pairs = co_await from.batch_scan(request.cf(), scan, slices);
  if (!pairs.ok()) co_return put_failure(response, pairs.error());
  put_pairs(*response.mutable_kvs(), *pairs);
}

runtime::Task<void> answer_checksum(const Parts& parts, const kvrpcpb::RawChecksumRequest& request,
                                    kvrpcpb::RawChecksumResponse& response, const engine::RegionSnapshot& snapshot,
                                    runtime::Slices& slices) {
  const std::vector<rawkv::KeyRange> ranges = ranges_of(request.ranges());
  const auto from = reader(parts, snapshot);
  auto sum = co_await from.checksum(ranges, slices);
  if (!sum.ok()) co_return put_failure(response, sum.error());
  response.set_checksum(sum->checksum);
  response.set_total_kvs(sum->kvs);
  response.set_total_bytes(sum->bytes);
}
// NOLINTEND(*-coroutine-parameters)

Answered answer_ttl(const Parts& parts, const kvrpcpb::RawGetKeyTTLRequest& request,
                    kvrpcpb::RawGetKeyTTLResponse& response, const engine::RegionSnapshot& snapshot) {
  auto ttl = reader(parts, snapshot).key_ttl(request.cf(), request.key());
  if (!ttl.ok()) return put_point_failure(response, ttl.error());
  if (*ttl) {
    response.set_ttl(**ttl);
  } else {
    response.set_not_found(true);
  }
  return Answered::kYes;
}

template <class Req, class Resp>
void raw_read(const Parts& parts, api::Call<Req, Resp> call, std::type_identity_t<Answer<Req, Resp>> answer) {
  auto admitted = admit(parts, call, Family::kRaw);
  if (admitted) read(parts, std::move(call), std::move(*admitted), Locks::kReplicated, answer);
}

template <class Req, class Resp>
void raw_read_point(const Parts& parts, api::Call<Req, Resp> call,
                    std::type_identity_t<PointAnswer<Req, Resp>> answer) {
  auto admitted = admit(parts, call, Family::kRaw);
  if (admitted) read_point(parts, std::move(call), std::move(*admitted), answer);
}

// Awaits what the writer answers, and finishes the call.
template <class Req, class Resp>
runtime::Task<void> finish_write(const Parts* parts, api::Call<Req, Resp> call, Instant arrived,
                                 runtime::Task<rawkv::Answer<void>> writing) {
  auto answer = co_await std::move(writing);
  if (!answer.ok()) put_failure(call.response(), answer.error());
  finish(*parts, std::move(call), arrived);
}

// Runs `method` of the shard's writer.
template <class Command, class Req, class Resp>
void raw_write(Parts& parts, api::Call<Req, Resp> call, Command command,
               runtime::Task<rawkv::Answer<void>> (rawkv::RawWriter::*method)(Command, engine::RegionRequest)) {
  auto admitted = admit(parts, call, Family::kRaw);
  if (!admitted) return;
  const RegionId region = admitted->region.region;
  parts.store.on_shard(region, [parts = &parts, call = std::move(call), admitted = std::move(*admitted),
                                command = std::move(command), method](store::ShardHandle& shard) mutable {
    if (is_late(*parts, call, admitted)) return finish(*parts, std::move(call), admitted.arrived);
    auto writing = (parts->raw_writer(shard).*method)(std::move(command), admitted.region);
    runtime::spawn_inline(finish_write(parts, std::move(call), admitted.arrived, std::move(writing)));
  });
}

using CasCall = api::Call<kvrpcpb::RawCASRequest, kvrpcpb::RawCASResponse>;

runtime::Task<void> finish_swap(const Parts* parts, CasCall call, Instant arrived,
                                runtime::Task<rawkv::Answer<rawkv::RawCompareAndSwapResult>> swapping) {
  auto answer = co_await std::move(swapping);
  auto& response = call.response();
  if (!answer.ok()) {
    put_failure(response, answer.error());
  } else {
    response.set_succeed(answer->succeed);
    response.set_previous_not_exist(!answer->previous);
    if (answer->previous) response.set_previous_value(std::move(*answer->previous));
  }
  finish(*parts, std::move(call), arrived);
}

}  // namespace

void Node::raw_get(api::Call<kvrpcpb::RawGetRequest, kvrpcpb::RawGetResponse> call) {
  raw_read_point(*parts_, std::move(call), answer_get);
}

void Node::raw_get_key_ttl(api::Call<kvrpcpb::RawGetKeyTTLRequest, kvrpcpb::RawGetKeyTTLResponse> call) {
  raw_read_point(*parts_, std::move(call), answer_ttl);
}

void Node::raw_batch_get(api::Call<kvrpcpb::RawBatchGetRequest, kvrpcpb::RawBatchGetResponse> call) {
  raw_read(*parts_, std::move(call), answer_batch_get);
}

void Node::raw_scan(api::Call<kvrpcpb::RawScanRequest, kvrpcpb::RawScanResponse> call) {
  raw_read(*parts_, std::move(call), answer_scan);
}

void Node::raw_batch_scan(api::Call<kvrpcpb::RawBatchScanRequest, kvrpcpb::RawBatchScanResponse> call) {
  raw_read(*parts_, std::move(call), answer_batch_scan);
}

void Node::raw_checksum(api::Call<kvrpcpb::RawChecksumRequest, kvrpcpb::RawChecksumResponse> call) {
  if (call.request().algorithm() != kvrpcpb::ChecksumAlgorithm::Crc64_Xor) {
    return refuse(std::move(call), "unknown checksum algorithm");
  }
  raw_read(*parts_, std::move(call), answer_checksum);
}

void Node::raw_put(api::Call<kvrpcpb::RawPutRequest, kvrpcpb::RawPutResponse> call) {
  const auto& request = call.request();
  rawkv::RawPut command{request.cf(), request.key(), request.value(), request.ttl(), request.for_cas()};
  raw_write(*parts_, std::move(call), std::move(command), &rawkv::RawWriter::put);
}

void Node::raw_batch_put(api::Call<kvrpcpb::RawBatchPutRequest, kvrpcpb::RawBatchPutResponse> call) {
  const auto& request = call.request();
  rawkv::RawBatchPut command;
  command.cf = request.cf();
  command.pairs.reserve(static_cast<size_t>(request.pairs_size()));
  for (const auto& pair : request.pairs()) command.pairs.push_back({pair.key(), pair.value()});
  command.ttls_s.assign(request.ttls().begin(), request.ttls().end());
  if (command.ttls_s.empty() && request.ttl() != 0) command.ttls_s.push_back(request.ttl());
  command.for_cas = request.for_cas();
  raw_write(*parts_, std::move(call), std::move(command), &rawkv::RawWriter::batch_put);
}

void Node::raw_delete(api::Call<kvrpcpb::RawDeleteRequest, kvrpcpb::RawDeleteResponse> call) {
  const auto& request = call.request();
  rawkv::RawDelete command{request.cf(), {request.key()}, request.for_cas()};
  raw_write(*parts_, std::move(call), std::move(command), &rawkv::RawWriter::del);
}

void Node::raw_batch_delete(api::Call<kvrpcpb::RawBatchDeleteRequest, kvrpcpb::RawBatchDeleteResponse> call) {
  const auto& request = call.request();
  rawkv::RawDelete command{request.cf(), {request.keys().begin(), request.keys().end()}, request.for_cas()};
  raw_write(*parts_, std::move(call), std::move(command), &rawkv::RawWriter::del);
}

void Node::raw_delete_range(api::Call<kvrpcpb::RawDeleteRangeRequest, kvrpcpb::RawDeleteRangeResponse> call) {
  const auto& request = call.request();
  rawkv::RawDeleteRange command{request.cf(), {request.start_key(), request.end_key()}};
  raw_write(*parts_, std::move(call), std::move(command), &rawkv::RawWriter::delete_range);
}

void Node::raw_compare_and_swap(CasCall call) {
  auto admitted = admit(*parts_, call, Family::kRaw);
  if (!admitted) return;
  const auto& request = call.request();
  rawkv::RawCompareAndSwap command;
  command.cf = request.cf();
  command.key = request.key();
  if (!request.previous_not_exist()) command.expected = request.previous_value();
  command.value = request.value();
  command.del = request.delete_();
  command.ttl_s = request.ttl();
  const RegionId region = admitted->region.region;
  parts_->store.on_shard(region, [parts = parts_.get(), call = std::move(call), admitted = std::move(*admitted),
                                  command = std::move(command)](store::ShardHandle& shard) mutable {
    auto swapping = parts->raw_writer(shard).compare_and_swap(std::move(command), admitted.region);
    runtime::spawn_inline(finish_swap(parts, std::move(call), admitted.arrived, std::move(swapping)));
  });
}

}  // namespace cairn::server
