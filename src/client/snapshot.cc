#include "client/snapshot.h"

#include <algorithm>
#include <iterator>

#include "client/gather.h"
#include "client/locks.h"
#include "client/range.h"
#include "client/send.h"

namespace cairn::client {
namespace {

// Tells the store which locks do not concern this read.
template <class Request>
void put_passed(const Transaction::State& txn, Request& request) {
  for (const Timestamp ts : txn.passed_locks) request.mutable_context()->add_resolved_locks(ts.value);
}

// Deals with the errors of keys that a read met. No error: read again.
runtime::Task<Outcome<void>> settle(TransactionState txn, EffortPtr effort, std::vector<kvrpcpb::KeyError> errors) {
  std::vector<kvrpcpb::LockInfo> locks;
  for (const auto& error : errors) {
    if (!error.has_locked()) co_return Err(Error(Refused{error.ShortDebugString()}));
    add_locks(error.locked(), locks);
  }
  effort->note("a lock of another transaction");
  CO_TRY_ASSIGN(const auto resolved, co_await resolve_locks(txn->core, effort, txn->start_ts, std::move(locks)));
  txn->passed_locks.insert(resolved.passable.begin(), resolved.passable.end());
  const bool has_time = co_await effort->wait(txn->core, resolved.must_wait ? Wait::kShort : Wait::kNo);
  if (!has_time) co_return Err(effort->exhausted());
  co_return Outcome<void>();
}

using Found = std::map<Bytes, Bytes>;

runtime::Task<Outcome<Found>> get_all(TransactionState txn, EffortPtr effort, std::vector<Bytes> keys);

// The keys of one batch; if the regions have changed, by dividing anew.
runtime::Task<Outcome<Found>> get_batch(TransactionState txn, EffortPtr effort, Batch<Bytes> batch) {
  kvrpcpb::BatchGetRequest request;
  for (const auto& key : batch.items) request.add_keys(key);
  request.set_version(txn->start_ts.value);
  put_passed(*txn, request);
  CO_TRY_ASSIGN(auto reply, co_await attempt<kvrpcpb::BatchGetRequest, kvrpcpb::BatchGetResponse>(
                                txn->core, effort, batch.route, std::move(request), &api::Tikv::kv_batch_get));
  if (!reply) co_return co_await get_all(txn, effort, std::move(batch.items));
  Found found;
  std::vector<kvrpcpb::KeyError> errors;
  std::vector<Bytes> again;
  if (reply->has_error()) {
    errors.push_back(reply->error());
    again = std::move(batch.items);
  } else {
    for (auto& pair : *reply->mutable_pairs()) {
      if (pair.has_error()) {
        again.push_back(pair.error().has_locked() ? pair.error().locked().key() : pair.key());
        errors.push_back(pair.error());
      } else {
        found.emplace(std::move(*pair.mutable_key()), std::move(*pair.mutable_value()));
      }
    }
  }
  if (!errors.empty()) {
    CO_TRY(co_await settle(txn, effort, std::move(errors)));
    CO_TRY_ASSIGN(auto rest, co_await get_all(txn, effort, std::move(again)));
    found.merge(rest);
  }
  co_return found;
}

runtime::Task<Outcome<Found>> get_all(TransactionState txn, EffortPtr effort, std::vector<Bytes> keys) {
  std::sort(keys.begin(), keys.end());
  keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
  CO_TRY_ASSIGN(auto batches,
                co_await divide<Bytes>(
                    txn->core, effort, std::move(keys), [](const Bytes& key) { return codec::encode_bytes(key); },
                    [](const Bytes& key) { return key.size(); }));
  std::vector<runtime::Task<Outcome<Found>>> tasks;
  for (auto& batch : batches) tasks.push_back(get_batch(txn, effort, std::move(batch)));
  Found found;
  for (auto& part : co_await gather(txn->core->deps.executor, std::move(tasks))) {
    if (!part.ok()) co_return Err(std::move(part).error());
    found.merge(*part);
  }
  co_return found;
}

}  // namespace

runtime::Task<Outcome<std::optional<Bytes>>> snapshot_get(TransactionState txn, Bytes key) {
  auto effort = std::make_shared<Effort>(*txn->core, Effect::kRead);
  for (;;) {
    kvrpcpb::GetRequest request;
    request.set_key(key);
    request.set_version(txn->start_ts.value);
    put_passed(*txn, request);
    CO_TRY_ASSIGN(auto reply, co_await send<kvrpcpb::GetRequest, kvrpcpb::GetResponse>(
                                  txn->core, effort, codec::encode_bytes(key), std::move(request), &api::Tikv::kv_get));
    if (!reply.has_error()) {
      if (reply.not_found()) co_return std::optional<Bytes>();
      co_return std::optional<Bytes>(std::move(*reply.mutable_value()));
    }
    std::vector<kvrpcpb::KeyError> errors{reply.error()};
    CO_TRY(co_await settle(txn, effort, std::move(errors)));
  }
}

runtime::Task<Outcome<Found>> snapshot_batch_get(TransactionState txn, std::vector<Bytes> keys) {
  auto effort = std::make_shared<Effort>(*txn->core, Effect::kRead);
  co_return co_await get_all(std::move(txn), std::move(effort), std::move(keys));
}

runtime::Task<Outcome<ScanPage>> snapshot_scan_page(TransactionState txn, Bytes begin, Bytes end, uint32_t limit,
                                                    Direction direction) {
  auto effort = std::make_shared<Effort>(*txn->core, Effect::kRead);
  for (;;) {
    CO_TRY_ASSIGN(const auto stretch,
                  co_await next_stretch(txn->core, effort, KeyForm::kEncoded, begin, end, direction));
    kvrpcpb::ScanRequest request;
    const bool is_reverse = direction == Direction::kReverse;
    request.set_reverse(is_reverse);
    request.set_start_key(is_reverse ? stretch.end : stretch.begin);
    request.set_end_key(is_reverse ? stretch.begin : stretch.end);
    request.set_limit(limit);
    request.set_version(txn->start_ts.value);
    put_passed(*txn, request);
    CO_TRY_ASSIGN(auto reply, co_await attempt<kvrpcpb::ScanRequest, kvrpcpb::ScanResponse>(
                                  txn->core, effort, stretch.route, std::move(request), &api::Tikv::kv_scan));
    if (!reply) continue;
    std::vector<kvrpcpb::KeyError> errors;
    if (reply->has_error()) errors.push_back(reply->error());
    for (const auto& pair : reply->pairs()) {
      if (pair.has_error()) errors.push_back(pair.error());
    }
    if (!errors.empty()) {
      CO_TRY(co_await settle(txn, effort, std::move(errors)));
      continue;
    }
    std::vector<KeyValue> pairs;
    for (auto& pair : *reply->mutable_pairs()) {
      pairs.push_back({std::move(*pair.mutable_key()), std::move(*pair.mutable_value())});
    }
    co_return page_of(stretch, std::move(pairs), limit, direction);
  }
}

}  // namespace cairn::client
