// What is neither a transaction's nor the raw API's: splitting, read index, looking at versions, safe timestamps,
// health. Tests: node_test.cc.
#include <fmt/format.h>

#include <algorithm>

#include "base/codec.h"
#include "mvcc/shared_locks.h"
#include "mvcc/write.h"
#include "server/node.h"
#include "server/parts.h"
#include "txn/reads.h"

namespace cairn::server {
namespace {

using SplitCall = api::Call<kvrpcpb::SplitRegionRequest, kvrpcpb::SplitRegionResponse>;
using DestroyCall = api::Call<kvrpcpb::UnsafeDestroyRangeRequest, kvrpcpb::UnsafeDestroyRangeResponse>;
using ReadIndexCall = api::Call<kvrpcpb::ReadIndexRequest, kvrpcpb::ReadIndexResponse>;

runtime::Task<void> split(const Parts* parts, SplitCall call, Admitted admitted, std::vector<Bytes> keys) {
  auto regions = co_await parts->store.split_region(admitted.region, std::move(keys), parts->store.read_pool());
  auto& response = call.response();
  if (!regions.ok()) {
    *response.mutable_region_error() = to_proto(regions.error());
  } else {
    for (const auto& region : *regions) *response.add_regions() = to_proto(region);
    if (regions->size() == 2) {
      *response.mutable_left() = to_proto(regions->front());
      *response.mutable_right() = to_proto(regions->back());
    }
  }
  call.finish();
}

runtime::Task<void> destroy_range(const Parts* parts, DestroyCall call, Bytes begin, Bytes end) {
  auto done = co_await parts->store.destroy_range(std::move(begin), std::move(end), parts->store.read_pool());
  if (!done.ok()) call.response().set_error(done.error().message);
  call.finish();
}

runtime::Task<void> answer_read_index(const Parts* parts, ReadIndexCall call, Admitted admitted) {
  auto index = co_await parts->store.read_index(admitted.region, parts->store.read_pool());
  if (index.ok()) {
    call.response().set_read_index(index->value);
  } else {
    *call.response().mutable_region_error() = to_proto(index.error());
  }
  call.finish();
}

kvrpcpb::Op op_of(mvcc::WriteKind kind) {
  switch (kind) {
    case mvcc::WriteKind::kPut:
      return kvrpcpb::Op::Put;
    case mvcc::WriteKind::kDelete:
      return kvrpcpb::Op::Del;
    case mvcc::WriteKind::kLock:
      return kvrpcpb::Op::Lock;
    case mvcc::WriteKind::kRollback:
      return kvrpcpb::Op::Rollback;
  }
  CHECK(false, "a write record of kind {}", static_cast<int>(kind));
  __builtin_unreachable();
}

void put_lock(kvrpcpb::MvccLock& out, const mvcc::Lock& lock) {
  out.set_type(static_cast<kvrpcpb::Op>(lock.kind));
  out.set_start_ts(lock.start_ts.value);
  out.set_primary(lock.primary);
  if (lock.short_value) out.set_short_value(*lock.short_value);
  out.set_ttl(lock.ttl_ms);
  out.set_for_update_ts(lock.for_update_ts.value);
  out.set_txn_size(lock.txn_size);
  out.set_use_async_commit(lock.use_async_commit);
  for (const auto& key : lock.secondaries) out.add_secondaries(key);
  for (const auto& ts : lock.rollback_ts) out.add_rollback_ts(ts.value);
  out.set_last_change_ts(lock.last_change.commit_ts.value);
  out.set_versions_to_last_change(lock.last_change.versions);
}

void put_write(kvrpcpb::MvccWrite& out, const mvcc::Write& write, Timestamp commit_ts) {
  out.set_type(op_of(write.kind));
  out.set_start_ts(write.start_ts.value);
  out.set_commit_ts(commit_ts.value);
  if (write.short_value) out.set_short_value(*write.short_value);
  out.set_has_overlapped_rollback(write.has_overlapped_rollback);
  out.set_has_gc_fence(write.gc_fence.has_value());
  if (write.gc_fence) out.set_gc_fence(write.gc_fence->value);
  out.set_last_change_ts(write.last_change.commit_ts.value);
  out.set_versions_to_last_change(write.last_change.versions);
}

// What looking at all that is stored under a key comes to: there is a bound to it, as to every answer.
class Look {
 public:
  // `slices` cuts it.
  Look(const engine::RegionSnapshot& snapshot, runtime::Slices& slices, size_t bytes_max)
      : snapshot_(snapshot), slices_(slices), bytes_max_(bytes_max) {}
  Look(const Look&) = delete;
  Look& operator=(const Look&) = delete;

  runtime::Task<engine::Result<void>> at(const Bytes& encoded, kvrpcpb::MvccInfo& info);

 private:
  // Walks the versions of the key in a column family, newest first.
  template <class Visit>
  runtime::Task<engine::Result<void>> visit_versions(engine::Cf cf, const Bytes& encoded, Visit visit);

  const engine::RegionSnapshot& snapshot_;
  runtime::Slices& slices_;
  const size_t bytes_max_;
  size_t bytes_ = 0;
};

// NOLINTBEGIN(*-coroutine-parameters): who calls these awaits them at once, and owns what it passes
template <class Visit>
runtime::Task<engine::Result<void>> Look::visit_versions(engine::Cf cf, const Bytes& encoded, Visit visit) {
  engine::IterOptions options;
  options.lower = encoded;
  options.upper = prefix_end(encoded);
  const auto it = snapshot_.iterator(cf, std::move(options));
  for (it->seek(encoded); it->valid(); it->next()) {
    if (!co_await slices_.turn()) co_return engine::Result<void>();
    const auto split_key = codec::split_ts(it->key());
    if (!split_key || split_key->encoded_key != encoded) break;
    constexpr size_t kOfAVersion = 64;
    bytes_ += it->value().size() + kOfAVersion;
    if (bytes_ > bytes_max_) {
      co_return Err(engine::Error{engine::Error::Kind::kInvalid,
                                  fmt::format("the key's versions are larger than {} bytes", bytes_max_)});
    }
    CO_TRY(visit(split_key->ts, it->value()));
  }
  co_return it->status();
}

runtime::Task<engine::Result<void>> Look::at(const Bytes& encoded, kvrpcpb::MvccInfo& info) {
  CO_TRY_ASSIGN(const auto lock, snapshot_.get(engine::Cf::kLock, encoded));
  if (lock) {
    CO_TRY_ASSIGN(const auto record, mvcc::decode_lock_record(*lock));
    const auto* shared = std::get_if<mvcc::SharedLocks>(&record);
    // There is room for one: of those who share the key, the first.
    if (!shared) put_lock(*info.mutable_lock(), std::get<mvcc::Lock>(record));
    if (shared && !shared->empty()) put_lock(*info.mutable_lock(), shared->locks().begin()->second);
  }
  CO_TRY(co_await visit_versions(engine::Cf::kWrite, encoded,
                                 [&info](Timestamp commit_ts, ByteView value) -> engine::Result<void> {
                                   TRY_ASSIGN(const auto write, mvcc::Write::decode(value));
                                   put_write(*info.add_writes(), write, commit_ts);
                                   return {};
                                 }));
  co_return co_await visit_versions(engine::Cf::kDefault, encoded,
                                    [&info](Timestamp start_ts, ByteView value) -> engine::Result<void> {
                                      auto& out = *info.add_values();
                                      out.set_start_ts(start_ts.value);
                                      out.set_value(Bytes(value));
                                      return {};
                                    });
}

runtime::Task<void> answer_by_key(const Parts& parts, const kvrpcpb::MvccGetByKeyRequest& request,
                                  kvrpcpb::MvccGetByKeyResponse& response, const engine::RegionSnapshot& snapshot,
                                  runtime::Slices& slices) {
  if (auto inside = txn::check_keys_in_region(snapshot, {request.key()}); !inside.ok()) {
    *response.mutable_region_error() = to_proto(inside.error());
    co_return;
  }
  const Bytes encoded = codec::encode_bytes(request.key());
  Look look(snapshot, slices, parts.options.answer_bytes_max);
  auto looked = co_await look.at(encoded, *response.mutable_info());
  if (looked.ok()) co_return;
  response.clear_info();
  response.set_error(looked.error().message);
}

// The first key of the region that the transaction touched: a walk over its write records, for debugging.
runtime::Task<engine::Result<std::optional<Bytes>>> find_by_start_ts(const engine::RegionSnapshot& snapshot,
                                                                     Timestamp start_ts, runtime::Slices& slices) {
  const auto locks = snapshot.iterator(engine::Cf::kLock, {});
  for (locks->seek_to_first(); locks->valid(); locks->next()) {
    if (!co_await slices.turn()) co_return std::optional<Bytes>();
    CO_TRY_ASSIGN(const auto record, mvcc::decode_lock_record(locks->value()));
    if (mvcc::lock_of(record, start_ts)) co_return std::optional<Bytes>(Bytes(locks->key()));
  }
  CO_TRY(locks->status());
  const auto writes = snapshot.iterator(engine::Cf::kWrite, {});
  for (writes->seek_to_first(); writes->valid(); writes->next()) {
    if (!co_await slices.turn()) co_return std::optional<Bytes>();
    const auto split_key = codec::split_ts(writes->key());
    if (!split_key || split_key->ts < start_ts) continue;  // committed before that transaction began
    CO_TRY_ASSIGN(const auto write, mvcc::Write::decode(writes->value()));
    if (write.start_ts == start_ts) co_return std::optional<Bytes>(Bytes(split_key->encoded_key));
  }
  CO_TRY(writes->status());
  co_return std::optional<Bytes>();
}

runtime::Task<void> answer_by_start_ts(const Parts& parts, const kvrpcpb::MvccGetByStartTsRequest& request,
                                       kvrpcpb::MvccGetByStartTsResponse& response,
                                       const engine::RegionSnapshot& snapshot, runtime::Slices& slices) {
  auto found = co_await find_by_start_ts(snapshot, Timestamp(request.start_ts()), slices);
  if (!found.ok()) co_return response.set_error(found.error().message);
  response.mutable_info();
  if (!*found) co_return;
  Look look(snapshot, slices, parts.options.answer_bytes_max);
  auto looked = co_await look.at(**found, *response.mutable_info());
  if (!looked.ok()) {
    response.clear_info();
    co_return response.set_error(looked.error().message);
  }
  if (auto key = codec::decode_bytes(**found)) response.set_key(std::move(*key));
}
// NOLINTEND(*-coroutine-parameters)

}  // namespace

void Node::split_region(SplitCall call) {
  auto admitted = admit(*parts_, call, Family::kAdmin);
  if (!admitted) return;
  const auto& request = call.request();
  std::vector<Bytes> keys(request.split_keys().begin(), request.split_keys().end());
  if (keys.empty() && !request.split_key().empty()) keys.push_back(request.split_key());
  if (keys.empty() || std::any_of(keys.begin(), keys.end(), [](const Bytes& key) { return key.empty(); })) {
    return refuse(std::move(call), "a region is split at one key or more, none of them empty");
  }
  // Only V1's raw keys are engine keys.
  if (!request.is_raw_kv() || parts_->options.api_version == ApiVersion::kV2) {
    for (auto& key : keys) key = codec::encode_bytes(key);
  }
  std::sort(keys.begin(), keys.end());
  keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
  runtime::spawn(parts_->store.read_pool(),
                 split(parts_.get(), std::move(call), std::move(*admitted), std::move(keys)));
}

void Node::read_index(ReadIndexCall call) {
  const Timestamp ts(call.request().start_ts());
  auto admitted = admit(*parts_, call, Family::kAdmin, ts);
  if (!admitted) return;
  if (!believes(*this, *parts_, call, {ts.value}, &Node::read_index)) return;
  // Who asks reads at `ts` elsewhere, whatever it says of where.
  parts_->store.concurrency().update_max_ts(ts);
  for (const auto& range : call.request().ranges()) {
    auto locked = txn::before_range_read(parts_->store.concurrency(), read_options(call.request().context(), ts),
                                         {range.start_key(), range.end_key()});
    if (!locked) continue;
    if (const auto* lock = std::get_if<mvcc::KeyIsLocked>(&*locked)) {
      *call.response().mutable_locked() = to_proto(lock->lock);
      return call.finish();
    }
  }
  runtime::spawn(parts_->store.read_pool(), answer_read_index(parts_.get(), std::move(call), std::move(*admitted)));
}

void Node::mvcc_get_by_key(api::Call<kvrpcpb::MvccGetByKeyRequest, kvrpcpb::MvccGetByKeyResponse> call) {
  auto admitted = admit(*parts_, call, Family::kAdmin);
  if (!admitted) return;
  read(*parts_, std::move(call), std::move(*admitted), Locks::kAll, answer_by_key);
}

void Node::mvcc_get_by_start_ts(api::Call<kvrpcpb::MvccGetByStartTsRequest, kvrpcpb::MvccGetByStartTsResponse> call) {
  auto admitted = admit(*parts_, call, Family::kAdmin);
  if (!admitted) return;
  read(*parts_, std::move(call), std::move(*admitted), Locks::kAll, answer_by_start_ts);
}

// The keys are user keys and are encoded, whatever data there is: as TiKV, which only destroys what TiDB has dropped.
void Node::unsafe_destroy_range(DestroyCall call) {
  if (!admit(*parts_, call, Family::kAdmin)) return;
  const auto& request = call.request();
  if (request.start_key().empty() || request.end_key().empty()) {
    return refuse(std::move(call), "a range to be destroyed has a start and an end");
  }
  if (request.end_key() < request.start_key()) {
    return refuse(std::move(call), "a range to be destroyed does not end before it starts");
  }
  Bytes begin = codec::encode_bytes(request.start_key()), end = codec::encode_bytes(request.end_key());
  runtime::spawn(parts_->store.read_pool(),
                 destroy_range(parts_.get(), std::move(call), std::move(begin), std::move(end)));
}

void Node::get_store_safe_ts(api::Call<kvrpcpb::StoreSafeTSRequest, kvrpcpb::StoreSafeTSResponse> call) {
  // Nothing is safe to read at a follower without asking the leader.
  call.response().set_safe_ts(0);
  call.finish();
}

void Node::get_health_feedback(api::Call<kvrpcpb::GetHealthFeedbackRequest, kvrpcpb::GetHealthFeedbackResponse> call) {
  if (!admit(*parts_, call, Family::kAdmin)) return;
  *call.response().mutable_health_feedback() = *health_feedback();
  call.finish();
}

std::optional<kvrpcpb::HealthFeedback> Node::health_feedback() {
  kvrpcpb::HealthFeedback feedback;
  feedback.set_store_id(parts_->store.id().value);
  feedback.set_feedback_seq_no(parts_->feedback_number++);
  feedback.set_slow_score(parts_->store.slow_score());
  return feedback;
}

}  // namespace cairn::server
