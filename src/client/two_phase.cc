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
  Timestamp min_commit_ts;  // the transaction commits at this or later
  // How it hopes to commit. A store that says no, or a request too many, puts it right.
  bool is_async = false;
  bool is_one_pc = false;
  bool is_one_pc_only = false;  // it hoped for one phase and never for async commit
  // The greatest timestamp that the stores named for an async commit.
  Timestamp async_commit_ts;
  // Set: a prewrite found, or made, the transaction committed.
  Timestamp committed_at;
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

// Limits of async commit, whose primary lock lists all other keys.
constexpr size_t kAsyncKeysMax = 256;
constexpr size_t kAsyncKeyBytesMax = 4096;

// What the error of a key means for the transaction; locks are dealt with before.
Error error_of(const kvrpcpb::KeyError& error) {
  if (error.has_conflict()) {
    const auto& c = error.conflict();
    if (c.reason() == kvrpcpb::WriteConflict::SelfRolledBack) return RolledBack{error.ShortDebugString()};
    return Conflict{c.key(), Timestamp(c.start_ts()), Timestamp(c.conflict_ts()), Timestamp(c.conflict_commit_ts())};
  }
  if (error.has_already_exist()) return AlreadyExists{error.already_exist().key()};
  if (error.has_txn_lock_not_found()) return RolledBack{"its locks are gone"};
  if (error.abort().find("PessimisticLockNotFound") != std::string::npos) return RolledBack{error.abort()};
  return Refused{error.ShortDebugString()};
}

// What only a pessimistic transaction says of its keys.
void put_pessimistic(const Transaction::State& txn, const std::vector<Bytes>& keys, kvrpcpb::PrewriteRequest& request) {
  request.set_for_update_ts(txn.for_update_ts.value);
  for (size_t i = 0; i < keys.size(); ++i) {
    const auto it = txn.held.find(keys[i]);
    // A key that it never locked is checked as in an optimistic transaction.
    request.add_pessimistic_actions(it == txn.held.end() ? kvrpcpb::PrewriteRequest::DO_CONSTRAINT_CHECK
                                                         : kvrpcpb::PrewriteRequest::DO_PESSIMISTIC_CHECK);
    if (it == txn.held.end() || !it->second.is_by_force) continue;
    auto& constraint = *request.add_for_update_ts_constraints();
    constraint.set_index(static_cast<uint32_t>(i));
    constraint.set_expected_for_update_ts(it->second.for_update_ts.value);
  }
}

void put_async(const Plan& plan, const std::vector<Bytes>& keys, kvrpcpb::PrewriteRequest& request) {
  request.set_use_async_commit(true);
  if (std::find(keys.begin(), keys.end(), plan.primary) == keys.end()) return;
  for (const auto& [key, write] : plan.txn->writes) {
    if (key != plan.primary) request.add_secondaries(key);
  }
}

kvrpcpb::PrewriteRequest prewrite_of(const Plan& plan, const std::vector<Bytes>& keys) {
  const auto& txn = *plan.txn;
  kvrpcpb::PrewriteRequest request;
  if (txn.options.is_pessimistic) put_pessimistic(txn, keys, request);
  if (plan.is_async) put_async(plan, keys, request);
  request.set_try_one_pc(plan.is_one_pc);
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
  request.set_min_commit_ts(plan.min_commit_ts.value);  // a reader that meets the lock may push it
  return request;
}

runtime::Task<Outcome<void>> prewrite_all(PlanPtr plan, std::vector<Bytes> keys);

// Takes what a prewrite that locked its keys says of the commit. The arguments: how it was asked.
void note_prewritten(Plan& plan, const kvrpcpb::PrewriteResponse& reply, bool was_async, bool was_one_pc) {
  const Timestamp named(reply.min_commit_ts());
  if (was_one_pc && reply.one_pc_commit_ts() != 0) {
    plan.committed_at = Timestamp(reply.one_pc_commit_ts());
  } else if (was_async) {
    if (named.is_set()) {
      plan.async_commit_ts = std::max(plan.async_commit_ts, named);
    } else {
      plan.is_async = false;
    }
  } else if (named.is_set() && plan.is_one_pc_only) {
    plan.committed_at = named;  // an earlier attempt had committed it in one phase
  }
}

runtime::Task<Outcome<void>> prewrite_batch(PlanPtr plan, Batch<Bytes> batch) {
  const auto core = plan->txn->core;
  for (bool is_retry = false;; is_retry = true) {
    auto request = prewrite_of(*plan, batch.items);
    const bool is_async = request.use_async_commit();
    const bool is_one_pc = request.try_one_pc();
    request.mutable_context()->set_is_retry_request(is_retry);
    CO_TRY_ASSIGN(auto reply, co_await attempt<kvrpcpb::PrewriteRequest, kvrpcpb::PrewriteResponse>(
                                  core, plan->effort, batch.route, std::move(request), &api::Tikv::kv_prewrite));
    if (!reply) co_return co_await prewrite_all(plan, std::move(batch.items));
    if (reply->errors().empty()) {
      note_prewritten(*plan, *reply, is_async, is_one_pc);
      co_return Outcome<void>();
    }
    std::vector<kvrpcpb::LockInfo> locks;
    for (const auto& error : reply->errors()) {
      if (!error.has_locked()) co_return Err(error_of(error));
      add_locks(error.locked(), locks);
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

// An error that says for sure that the transaction does not commit, however its other requests end.
bool is_definite(const Error& error) {
  return std::holds_alternative<Conflict>(error) || std::holds_alternative<AlreadyExists>(error) ||
         std::holds_alternative<RolledBack>(error);
}

// Waits for all batches even if one fails: what is still under way must not lock keys behind the rollback's back. Of
// several errors a definite one counts.
runtime::Task<Outcome<void>> for_all(PlanPtr plan, std::vector<runtime::Task<Outcome<void>>> tasks) {
  if (tasks.empty()) co_return Outcome<void>();
  std::optional<Error> trouble;
  for (auto& outcome : co_await gather(plan->txn->core->deps.executor, std::move(tasks))) {
    if (outcome.ok() || (trouble && is_definite(*trouble))) continue;
    trouble = std::move(outcome).error();
  }
  if (trouble) co_return Err(std::move(*trouble));
  co_return Outcome<void>();
}

runtime::Task<Outcome<void>> prewrite_all(PlanPtr plan, std::vector<Bytes> keys) {
  CO_TRY_ASSIGN(auto batches, co_await divide_keys(plan, std::move(keys)));
  if (batches.size() > 1) plan->is_one_pc = false;
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

// How the transaction may commit, from what it wishes and how large it is.
runtime::Task<Outcome<void>> choose_mode(PlanPtr plan) {
  const auto& txn = *plan->txn;
  plan->min_commit_ts = Timestamp(std::max(txn.start_ts, txn.for_update_ts).value + 1);
  size_t key_bytes = 0;
  for (const auto& [key, write] : txn.writes) key_bytes += key.size();
  plan->is_async = txn.options.use_async_commit && txn.writes.size() <= kAsyncKeysMax && key_bytes <= kAsyncKeyBytesMax;
  plan->is_one_pc = txn.options.try_one_pc;
  plan->is_one_pc_only = plan->is_one_pc && !plan->is_async;
  if ((!plan->is_async && !plan->is_one_pc) || txn.options.is_causal) co_return Outcome<void>();
  // Whoever began before now must not find the transaction in its snapshot later: the stores know only those readers
  // that came to them.
  CO_TRY_ASSIGN(const Timestamp now, co_await fresh_timestamp(txn.core));
  plan->min_commit_ts = Timestamp(now.value + 1);
  co_return Outcome<void>();
}

// Commits the keys whose fate is decided, in the background unless the client is to wait.
runtime::Task<void> finish(PlanPtr plan, std::vector<Bytes> keys, Timestamp commit_ts) {
  if (keys.empty()) co_return;
  if (plan->txn->core->options.await_secondaries) {
    co_await commit_secondaries(plan, std::move(keys), commit_ts);
  } else {
    runtime::spawn_inline(commit_secondaries(plan, std::move(keys), commit_ts));
  }
}

}  // namespace

runtime::Task<Outcome<Timestamp>> commit_two_phase(TransactionState txn) {
  const auto core = txn->core;
  CHECK(!txn->writes.empty(), "transaction {} commits nothing", txn->start_ts);
  auto plan = std::make_shared<Plan>();
  plan->txn = txn;
  plan->effort = std::make_shared<Effort>(*core, Effect::kRead);  // until the commit nothing can be undetermined
  plan->primary = txn->primary.empty() ? txn->writes.begin()->first : txn->primary;
  // Counted from the start timestamp, so the time since then comes on top.
  const Duration ttl = (txn->heart_beats ? core->options.managed_lock_ttl : core->options.lock_ttl) +
                       (core->deps.clock.now() - txn->began);
  plan->lock_ttl_ms = static_cast<uint64_t>(ttl / std::chrono::milliseconds(1));
  std::vector<Bytes> keys;
  for (const auto& [key, write] : txn->writes) keys.push_back(key);

  auto locked = co_await choose_mode(plan);
  const bool may_commit_at_once = plan->is_async || plan->is_one_pc;
  if (locked.ok()) locked = co_await prewrite_all(plan, keys);
  if (!locked.ok()) {
    auto error = std::move(locked).error();
    // A prewrite without an answer may have committed the transaction, or may do so yet.
    if (may_commit_at_once && plan->effort->has_lost() && !is_definite(error)) {
      co_return Err(Error(Undetermined{to_string(error)}));
    }
    runtime::spawn_inline(remove_locks(plan, std::move(keys)));
    co_return Err(std::move(error));
  }
  if (plan->committed_at.is_set()) co_return plan->committed_at;
  if (plan->is_async) {
    co_await finish(plan, std::move(keys), plan->async_commit_ts);
    co_return plan->async_commit_ts;
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
  co_await finish(plan, std::move(keys), commit_ts);
  co_return commit_ts;
}

}  // namespace cairn::client
