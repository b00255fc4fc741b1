// KvGet, KvBatchGet, KvScan, KvScanLock, KvBufferBatchGet. Each raises max_ts and looks for memory locks before its
// snapshot is taken (INV-READ-MAX-TS), then reads by txn/reads.h. Tests: node_test.cc.
#include "txn/reads.h"
#include "server/node.h"
#include "server/parts.h"

namespace cairn::server {
namespace {

std::vector<Bytes> keys_of(const google::protobuf::RepeatedPtrField<std::string>& keys) {
  return {keys.begin(), keys.end()};
}

void put_pair(kvrpcpb::KvPair& out, txn::KvPair& pair) {
  if (pair.error) *out.mutable_error() = to_proto(*pair.error);
  out.set_key(std::move(pair.key));
  out.set_value(std::move(pair.value));
  out.set_commit_ts(pair.commit_ts.value);
}

template <class Response>
void put_answer(Response& response, txn::Answer<txn::FoundPairs> answer) {
  if (!answer.ok()) return put_failure(response, answer.error());
  if constexpr (requires { response.mutable_exec_details_v2(); }) {
    put_read_figures(*response.mutable_exec_details_v2(), answer->figures);
  }
  if (answer->error) return put_key_error(response, to_proto(*answer->error));
  response.mutable_pairs()->Reserve(static_cast<int>(answer->pairs.size()));
  for (auto& pair : answer->pairs) put_pair(*response.add_pairs(), pair);
}

Answered answer_get(const Parts&, const kvrpcpb::GetRequest& request, kvrpcpb::GetResponse& response,
                    const engine::RegionSnapshot& snapshot) {
  auto options = read_options(request.context(), Timestamp(request.version()));
  options.need_commit_ts = request.need_commit_ts();
  auto result = txn::get(snapshot, options, request.key());
  if (!result.ok()) return put_point_failure(response, result.error());
  put_read_figures(*response.mutable_exec_details_v2(), result->figures);
  if (result->error) {
    *response.mutable_error() = to_proto(*result->error);
  } else if (result->value) {
    response.set_value(std::move(*result->value));
    response.set_commit_ts(result->commit_ts.value);
  } else {
    response.set_not_found(true);
  }
  return Answered::kYes;
}

// NOLINTBEGIN(*-coroutine-parameters): read_on_pool() awaits these and owns what it passes
runtime::Task<void> answer_batch_get(const Parts& parts, const kvrpcpb::BatchGetRequest& request,
                                     kvrpcpb::BatchGetResponse& response, const engine::RegionSnapshot& snapshot,
                                     runtime::Slices& slices) {
  auto options = read_options(request.context(), Timestamp(request.version()));
  options.need_commit_ts = request.need_commit_ts();
  const std::vector<Bytes> keys = keys_of(request.keys());
  put_answer(response, co_await txn::batch_get(snapshot, options, keys, slices, parts.options.answer_bytes_max));
}

runtime::Task<void> answer_scan(const Parts& parts, const kvrpcpb::ScanRequest& request,
                                kvrpcpb::ScanResponse& response, const engine::RegionSnapshot& snapshot,
                                runtime::Slices& slices) {
  const auto options = read_options(request.context(), Timestamp(request.version()));
  txn::Scan scan;
  scan.start_key = request.start_key();
  scan.end_key = request.end_key();
  scan.limit = request.limit();
  scan.sample_step = request.sample_step();
  scan.reverse = request.reverse();
  scan.key_only = request.key_only();
  put_answer(response, co_await txn::scan(snapshot, options, scan, slices, parts.options.answer_bytes_max));
}

runtime::Task<void> answer_buffer_batch_get(const Parts& parts, const kvrpcpb::BufferBatchGetRequest& request,
                                            kvrpcpb::BufferBatchGetResponse& response,
                                            const engine::RegionSnapshot& snapshot, runtime::Slices& slices) {
  const std::vector<Bytes> keys = keys_of(request.keys());
  put_answer(response, co_await txn::buffer_batch_get(snapshot, Timestamp(request.version()), keys, slices,
                                                      parts.options.answer_bytes_max));
}

txn::ScanLock scan_lock_of(const kvrpcpb::ScanLockRequest& request) {
  txn::ScanLock scan;
  scan.max_version = Timestamp(request.max_version());
  scan.start_key = request.start_key();
  scan.end_key = request.end_key();
  scan.limit = request.limit();
  return scan;
}

runtime::Task<void> answer_scan_lock(const Parts& parts, const kvrpcpb::ScanLockRequest& request,
                                     kvrpcpb::ScanLockResponse& response, const engine::RegionSnapshot& snapshot,
                                     runtime::Slices& slices) {
  const txn::ScanLock scan = scan_lock_of(request);
  auto found = co_await txn::scan_lock(snapshot, scan, slices, parts.options.answer_bytes_max);
  if (!found.ok()) co_return put_failure(response, found.error());
  if (found->error) co_return put_key_error(response, to_proto(*found->error));
  for (const auto& lock : found->locks) *response.add_locks() = to_proto(lock);
}
// NOLINTEND(*-coroutine-parameters)

// A memory lock in the way is the answer.
template <class Req, class Resp>
void finish_locked(const Parts& parts, api::Call<Req, Resp> call, const Admitted& admitted,
                   const mvcc::KeyError& error) {
  put_key_error(call.response(), to_proto(error));
  finish(parts, std::move(call), admitted.arrived);
}

}  // namespace

void Node::kv_get(api::Call<kvrpcpb::GetRequest, kvrpcpb::GetResponse> call) {
  const Timestamp ts(call.request().version());
  auto admitted = admit(*parts_, call, Family::kTransaction, ts);
  if (!admitted) return;
  const auto& context = call.request().context();
  if (!context.stale_read() && !believes(*this, *parts_, call, {ts.value}, &Node::kv_get)) return;
  if (auto locked = txn::before_read(parts_->store.concurrency(), read_options(context, ts), {call.request().key()},
                                     context.stale_read())) {
    return finish_locked(*parts_, std::move(call), *admitted, *locked);
  }
  note_lock_check(*parts_, call, *admitted);
  read_point(*parts_, std::move(call), std::move(*admitted), answer_get);
}

void Node::kv_batch_get(api::Call<kvrpcpb::BatchGetRequest, kvrpcpb::BatchGetResponse> call) {
  const Timestamp ts(call.request().version());
  auto admitted = admit(*parts_, call, Family::kTransaction, ts);
  if (!admitted) return;
  const auto& context = call.request().context();
  if (!context.stale_read() && !believes(*this, *parts_, call, {ts.value}, &Node::kv_batch_get)) return;
  if (auto locked = txn::before_read(parts_->store.concurrency(), read_options(context, ts),
                                     keys_of(call.request().keys()), context.stale_read())) {
    return finish_locked(*parts_, std::move(call), *admitted, *locked);
  }
  note_lock_check(*parts_, call, *admitted);
  read(*parts_, std::move(call), std::move(*admitted), Locks::kReplicated, answer_batch_get);
}

void Node::kv_scan(api::Call<kvrpcpb::ScanRequest, kvrpcpb::ScanResponse> call) {
  const Timestamp ts(call.request().version());
  auto admitted = admit(*parts_, call, Family::kTransaction, ts);
  if (!admitted) return;
  const auto& request = call.request();
  if (!request.context().stale_read() && !believes(*this, *parts_, call, {ts.value}, &Node::kv_scan)) return;
  // In a reverse scan the bounds stand the other way round, the upper one first.
  const txn::KeyRange range = request.reverse() ? txn::KeyRange{request.end_key(), request.start_key()}
                                                : txn::KeyRange{request.start_key(), request.end_key()};
  if (auto locked = txn::before_range_read(parts_->store.concurrency(), read_options(request.context(), ts), range,
                                           request.context().stale_read())) {
    return finish_locked(*parts_, std::move(call), *admitted, *locked);
  }
  note_lock_check(*parts_, call, *admitted);
  read(*parts_, std::move(call), std::move(*admitted), Locks::kReplicated, answer_scan);
}

void Node::kv_scan_lock(api::Call<kvrpcpb::ScanLockRequest, kvrpcpb::ScanLockResponse> call) {
  auto admitted = admit(*parts_, call, Family::kTransaction, Timestamp(call.request().max_version()));
  if (!admitted) return;
  if (call.request().context().replica_read() || call.request().context().stale_read()) {
    // A follower does not know the locks of memory.
    return refuse(std::move(call), "locks are scanned at the leader only");
  }
  if (!believes(*this, *parts_, call, {call.request().max_version()}, &Node::kv_scan_lock)) return;
  if (auto locked = txn::before_scan_lock(parts_->store.concurrency(), scan_lock_of(call.request()))) {
    return finish_locked(*parts_, std::move(call), *admitted, *locked);
  }
  read(*parts_, std::move(call), std::move(*admitted), Locks::kAll, answer_scan_lock);
}

void Node::kv_buffer_batch_get(api::Call<kvrpcpb::BufferBatchGetRequest, kvrpcpb::BufferBatchGetResponse> call) {
  auto admitted = admit(*parts_, call, Family::kTransaction, Timestamp(call.request().version()));
  if (!admitted) return;
  read(*parts_, std::move(call), std::move(*admitted), Locks::kReplicated, answer_buffer_batch_get);
}

}  // namespace cairn::server
