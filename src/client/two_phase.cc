#include "client/two_phase.h"

#include <algorithm>
#include <set>

#include "base/codec.h"
#include "base/log.h"
#include "client/gather.h"
#include "client/locks.h"
#include "client/send.h"

namespace cairn::client {
namespace {

// What the tasks of one commit share.
struct Plan {
  TransactionState txn;
  EffortPtr effort;  // of the phase under way
  Bytes primary;
  uint64_t lock_ttl_ms = 0;
};
using PlanPtr = std::shared_ptr<Plan>;

Bytes encoded(const Bytes& key) { return codec::encode_bytes(key); }

kvrpcpb::Op op_of(Buffered::Op op) {
  switch (op) {
    case Buffered::Op::kPut:
      return kvrpcpb::Op::Put;
    case Buffered::Op::kInsert:
      return kvrpcpb::Op::Insert;
    case Buffered::Op::kDelete:
      return kvrpcpb::Op::Del;
    case Buffered::Op::kLock:
      return kvrpcpb::Op::Lock;
  }
  CHECK(false, "a buffered write of kind {}", static_cast<int>(op));
  __builtin_unreachable();
}

// What the error of a key means for the transaction; locks are dealt with before.
Error error_of(const kvrpcpb::KeyError& error) {
  if (error.has_conflict()) {
    const auto& c = error.conflict();
    if (c.reason() == kvrpcpb::WriteConflict::SelfRolledBack) return RolledBack{error.ShortDebugString()};
    return Conflict{c.key(), Timestamp(c.start_ts()), Timestamp(c.conflict_ts()), Timestamp(c.conflict_commit_ts())};
  }
  if (error.has_already_exist()) return AlreadyExists{error.already_exist().key()};
  if (error.has_txn_lock_not_found()) return RolledBack{"its locks are gone"};
  return Refused{error.ShortDebugString()};
}

kvrpcpb::PrewriteRequest prewrite_of(const Plan& plan, const std::vector<Bytes>& keys) {
  const auto& txn = *plan.txn;
  kvrpcpb::PrewriteRequest request;
  for (const auto& key : keys) {
    const auto& write = txn.writes.at(key);
    auto& mutation = *request.add_mutations();
    mutation.set_op(op_of(write.op));
    mutation.set_key(key);
    mutation.set_value(write.value);
  }
  request.set_primary_lock(plan.primary);
  request.set_start_version(txn.start_ts.value);
  request.set_lock_ttl(plan.lock_ttl_ms);
  request.set_txn_size(txn.writes.size());
  request.set_min_commit_ts(txn.start_ts.value + 1);  // a reader that meets the lock may push it
  return request;
}

runtime::Task<Outcome<void>> prewrite_all(PlanPtr plan, std::vector<Bytes> keys);

runtime::Task<Outcome<void>> prewrite_batch(PlanPtr plan, Batch<Bytes> batch) {
  const auto core = plan->txn->core;
  for (bool is_retry = false;; is_retry = true) {
    auto request = prewrite_of(*plan, batch.items);
    request.mutable_context()->set_is_retry_request(is_retry);
    CO_TRY_ASSIGN(auto reply, co_await attempt<kvrpcpb::PrewriteRequest, kvrpcpb::PrewriteResponse>(
                                  core, plan->effort, batch.route, std::move(request), &api::Tikv::kv_prewrite));
    if (!reply) co_return co_await prewrite_all(plan, std::move(batch.items));
    if (reply->errors().empty()) co_return Outcome<void>();
    std::vector<kvrpcpb::LockInfo> locks;
    for (const auto& error : reply->errors()) {
      if (!error.has_locked()) co_return Err(error_of(error));
      locks.push_back(error.locked());
    }
    plan->effort->note("a lock of another transaction");
    CO_TRY_ASSIGN(const auto resolved, co_await resolve_locks(core, plan->effort, Timestamp(), std::move(locks)));
    const bool has_time = co_await plan->effort->wait(core, resolved.must_wait ? Wait::kShort : Wait::kNo);
    if (!has_time) co_return Err(plan->effort->exhausted());
  }
}

runtime::Task<Outcome<std::vector<Batch<Bytes>>>> divide_keys(PlanPtr plan, std::vector<Bytes> keys) {
  return divide<Bytes>(plan->txn->core, plan->effort, std::move(keys), encoded,
                       [plan](const Bytes& key) { return key.size() + plan->txn->writes.at(key).value.size(); });
}

// Waits for all batches even if one fails: what is still under way must not lock keys behind the rollback's back.
runtime::Task<Outcome<void>> for_all(PlanPtr plan, std::vector<runtime::Task<Outcome<void>>> tasks) {
  if (tasks.empty()) co_return Outcome<void>();
  for (auto& outcome : co_await gather(plan->txn->core->deps.executor, std::move(tasks))) {
    if (!outcome.ok()) co_return Err(std::move(outcome).error());
  }
  co_return Outcome<void>();
}

runtime::Task<Outcome<void>> prewrite_all(PlanPtr plan, std::vector<Bytes> keys) {
  CO_TRY_ASSIGN(auto batches, co_await divide_keys(plan, std::move(keys)));
  std::vector<runtime::Task<Outcome<void>>> tasks;
  for (auto& batch : batches) tasks.push_back(prewrite_batch(plan, std::move(batch)));
  co_return co_await for_all(plan, std::move(tasks));
}

// Commits one batch at `commit_ts`; the response, or nothing if the regions have changed.
runtime::Task<Attempt<kvrpcpb::CommitResponse>> try_commit(PlanPtr plan, Batch<Bytes> batch, Timestamp commit_ts) {
  kvrpcpb::CommitRequest request;
  for (const auto& key : batch.items) request.add_keys(key);
  request.set_start_version(plan->txn->start_ts.value);
  request.set_commit_version(commit_ts.value);
  request.set_primary_key(plan->primary);
  return attempt<kvrpcpb::CommitRequest, kvrpcpb::CommitResponse>(plan->txn->core, plan->effort, std::move(batch.route),
                                                                  std::move(request), &api::Tikv::kv_commit);
}

struct PrimaryCommitted {
  Timestamp commit_ts;
  std::vector<Bytes> keys;  // those that went with the primary
};

// The moment of truth. The primary goes with the keys of its batch.
runtime::Task<Outcome<PrimaryCommitted>> commit_primary(PlanPtr plan, std::vector<Bytes> keys) {
  CO_TRY_ASSIGN(Timestamp commit_ts, co_await fresh_timestamp(plan->txn->core));
  for (;;) {
    CO_TRY_ASSIGN(const auto batches, co_await divide_keys(plan, keys));
    const auto with_primary = std::find_if(batches.begin(), batches.end(), [&plan](const Batch<Bytes>& batch) {
      return std::find(batch.items.begin(), batch.items.end(), plan->primary) != batch.items.end();
    });
    CHECK(with_primary != batches.end(), "the primary is in none of {} batches", batches.size());
    CO_TRY_ASSIGN(const auto reply, co_await try_commit(plan, *with_primary, commit_ts));
    if (!reply) continue;
    if (!reply->has_error()) co_return PrimaryCommitted{commit_ts, with_primary->items};
    if (!reply->error().has_commit_ts_expired()) co_return Err(error_of(reply->error()));
    // A reader pushed the transaction behind its snapshot; at this timestamp it cannot commit any more.
    CO_TRY_ASSIGN(commit_ts, co_await fresh_timestamp(plan->txn->core));
  }
}

runtime::Task<Outcome<void>> commit_rest(PlanPtr plan, std::vector<Bytes> keys, Timestamp commit_ts);

runtime::Task<Outcome<void>> commit_batch(PlanPtr plan, Batch<Bytes> batch, Timestamp commit_ts) {
  CO_TRY_ASSIGN(const auto reply, co_await try_commit(plan, batch, commit_ts));
  if (!reply) co_return co_await commit_rest(plan, std::move(batch.items), commit_ts);
  if (reply->has_error()) co_return Err(error_of(reply->error()));
  co_return Outcome<void>();
}

runtime::Task<Outcome<void>> commit_rest(PlanPtr plan, std::vector<Bytes> keys, Timestamp commit_ts) {
  if (keys.empty()) co_return Outcome<void>();
  CO_TRY_ASSIGN(auto batches, co_await divide_keys(plan, std::move(keys)));
  std::vector<runtime::Task<Outcome<void>>> tasks;
  for (auto& batch : batches) tasks.push_back(commit_batch(plan, std::move(batch), commit_ts));
  co_return co_await for_all(plan, std::move(tasks));
}

// Best effort: readers that meet a lock ask at the primary.
runtime::Task<void> commit_secondaries(PlanPtr plan, std::vector<Bytes> keys, Timestamp commit_ts) {
  plan->effort = std::make_shared<Effort>(*plan->txn->core, Effect::kRepeatable);
  const Timestamp start_ts = plan->txn->start_ts;
  if (auto done = co_await commit_rest(plan, std::move(keys), commit_ts); !done.ok()) {
    LOG_DEBUG("transaction {} leaves committed keys locked: {}", start_ts, to_string(done.error()));
  }
}

runtime::Task<Outcome<void>> rollback_keys(PlanPtr plan, std::vector<Bytes> keys);

runtime::Task<Outcome<void>> rollback_batch(PlanPtr plan, Batch<Bytes> batch) {
  kvrpcpb::BatchRollbackRequest request;
  for (const auto& key : batch.items) request.add_keys(key);
  request.set_start_version(plan->txn->start_ts.value);
  CO_TRY_ASSIGN(const auto reply,
                co_await attempt<kvrpcpb::BatchRollbackRequest, kvrpcpb::BatchRollbackResponse>(
                    plan->txn->core, plan->effort, batch.route, std::move(request), &api::Tikv::kv_batch_rollback));
  if (!reply) co_return co_await rollback_keys(plan, std::move(batch.items));
  if (reply->has_error()) co_return Err(error_of(reply->error()));
  co_return Outcome<void>();
}

runtime::Task<Outcome<void>> rollback_keys(PlanPtr plan, std::vector<Bytes> keys) {
  CO_TRY_ASSIGN(auto batches, co_await divide_keys(plan, std::move(keys)));
  std::vector<runtime::Task<Outcome<void>>> tasks;
  for (auto& batch : batches) tasks.push_back(rollback_batch(plan, std::move(batch)));
  co_return co_await for_all(plan, std::move(tasks));
}

// Best effort: locks that stay expire.
runtime::Task<void> remove_locks(PlanPtr plan, std::vector<Bytes> keys) {
  plan->effort = std::make_shared<Effort>(*plan->txn->core, Effect::kRepeatable);
  const Timestamp start_ts = plan->txn->start_ts;
  if (auto done = co_await rollback_keys(plan, std::move(keys)); !done.ok()) {
    LOG_DEBUG("transaction {} leaves locks behind: {}", start_ts, to_string(done.error()));
  }
}

}  // namespace

runtime::Task<Outcome<Timestamp>> commit_two_phase(TransactionState txn) {
  const auto core = txn->core;
  CHECK(!txn->writes.empty(), "transaction {} commits nothing", txn->start_ts);
  auto plan = std::make_shared<Plan>();
  plan->txn = txn;
  plan->effort = std::make_shared<Effort>(*core, Effect::kRead);  // until the commit nothing can be undetermined
  plan->primary = txn->writes.begin()->first;
  // Counted from the start timestamp, so the time since then comes on top.
  const Duration ttl = core->options.lock_ttl + (core->deps.clock.now() - txn->began);
  plan->lock_ttl_ms = static_cast<uint64_t>(ttl / std::chrono::milliseconds(1));
  std::vector<Bytes> keys;
  for (const auto& [key, write] : txn->writes) keys.push_back(key);

  if (auto locked = co_await prewrite_all(plan, keys); !locked.ok()) {
    runtime::spawn_inline(remove_locks(plan, std::move(keys)));
    co_return Err(std::move(locked).error());
  }
  plan->effort = std::make_shared<Effort>(*core, Effect::kRepeatable);
  auto committed = co_await commit_primary(plan, keys);
  if (!committed.ok()) {
    auto error = std::move(committed).error();
    const bool is_known = !plan->effort->has_lost() || std::holds_alternative<RolledBack>(error);
    if (!is_known) co_return Err(Error(Undetermined{to_string(error)}));
    runtime::spawn_inline(remove_locks(plan, std::move(keys)));
    co_return Err(std::move(error));
  }
  const std::set<Bytes> done(committed->keys.begin(), committed->keys.end());
  std::erase_if(keys, [&done](const Bytes& key) { return done.contains(key); });
  const Timestamp commit_ts = committed->commit_ts;
  if (core->options.await_secondaries) {
    co_await commit_secondaries(plan, std::move(keys), commit_ts);
  } else if (!keys.empty()) {
    runtime::spawn_inline(commit_secondaries(plan, std::move(keys), commit_ts));
  }
  co_return commit_ts;
}

}  // namespace cairn::client
