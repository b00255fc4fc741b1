#include "client/pessimistic.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include "base/codec.h"
#include "base/log.h"
#include "client/gather.h"
#include "client/locks.h"
#include "client/send.h"
#include "runtime/async.h"

namespace cairn::client {
namespace {

using Locked = std::map<Bytes, LockedKey>;

// Beyond this age a transaction is no longer kept alive: its application has forgotten it.
constexpr Duration kLifeMax = std::chrono::hours(1);

// What the tasks of one lock_keys() share.
struct Plan {
  TransactionState txn;
  EffortPtr effort;
  LockOptions options;
  Instant wait_until{};
  Timestamp for_update_ts;  // of the call; grows when a key turns out to be newer
};
using PlanPtr = std::shared_ptr<Plan>;

uint64_t in_ms(Duration duration) { return static_cast<uint64_t>(duration / std::chrono::milliseconds(1)); }

// The time to live of the primary's lock, which counts from the start timestamp.
uint64_t ttl_ms(const Transaction::State& txn) {
  return in_ms(txn.core->deps.clock.now() - txn.began + txn.core->options.managed_lock_ttl);
}

// Milliseconds that the store is to wait for a lock; -1: it is not to wait. Less than an attempt may take, so that its
// answer comes.
int64_t wait_ms(const Plan& plan) {
  const auto& core = *plan.txn->core;
  const Duration left = std::min(
      {plan.wait_until - core.deps.clock.now(), core.options.try_timeout / 2, plan.effort->time_left(core) / 2});
  return left < 1ms ? -1 : left / 1ms;
}

kvrpcpb::PessimisticLockRequest request_of(const Plan& plan, const std::vector<Bytes>& keys) {
  const auto& txn = *plan.txn;
  kvrpcpb::PessimisticLockRequest request;
  for (const auto& key : keys) {
    auto& mutation = *request.add_mutations();
    mutation.set_op(kvrpcpb::Op::PessimisticLock);
    mutation.set_key(key);
  }
  request.set_primary_lock(txn.primary);
  request.set_start_version(txn.start_ts.value);
  request.set_lock_ttl(ttl_ms(txn));
  request.set_for_update_ts(plan.for_update_ts.value);
  request.set_min_commit_ts(plan.for_update_ts.value + 1);
  request.set_is_first_lock(txn.held.empty());
  request.set_wait_timeout(wait_ms(plan));
  request.set_return_values(plan.options.return_values);
  request.set_check_existence(true);
  request.set_lock_only_if_exists(plan.options.only_if_exists);
  if (plan.options.force) request.set_wake_up_mode(kvrpcpb::PessimisticLockWakeUpMode::WakeUpModeForceLock);
  return request;
}

// What a call that locked its keys says of the i-th of them.
LockedKey locked_key(const Plan& plan, kvrpcpb::PessimisticLockResponse& reply, int i) {
  LockedKey out;
  if (plan.options.force) {
    auto& result = *reply.mutable_results(i);
    out.exists = result.existence();
    out.newer_commit_ts = Timestamp(result.locked_with_conflict_ts());
    const bool is_told = plan.options.return_values || out.newer_commit_ts.is_set();
    if (out.exists && is_told) out.value = std::move(*result.mutable_value());
    return out;
  }
  out.exists = !reply.not_founds(i);
  if (out.exists && plan.options.return_values) out.value = std::move(*reply.mutable_values(i));
  return out;
}

// The answer must speak of each key.
bool is_complete(const Plan& plan, const kvrpcpb::PessimisticLockResponse& reply, int keys) {
  if (plan.options.force) return reply.results_size() == keys;
  return reply.not_founds_size() == keys && (!plan.options.return_values || reply.values_size() == keys);
}

void hold(const Plan& plan, const Bytes& key, const LockedKey& locked, Timestamp for_update_ts) {
  auto& txn = *plan.txn;
  const Timestamp at = std::max(for_update_ts, locked.newer_commit_ts);
  auto& held = txn.held[key];
  held = {at, locked.exists, held.is_by_force || plan.options.force};
  txn.for_update_ts = std::max(txn.for_update_ts, at);
  txn.writes.try_emplace(key, Buffered{Buffered::Op::kLock, {}});
}

Error error_of(const kvrpcpb::KeyError& error) {
  if (error.has_deadlock()) return Deadlock{error.deadlock().lock_key(), Timestamp(error.deadlock().lock_ts())};
  if (error.abort().find("PessimisticLockRolledBack") != std::string::npos) return RolledBack{error.abort()};
  return Refused{error.ShortDebugString()};
}

// Sees to what stands in the way of a lock. No error: ask again.
runtime::Task<Outcome<void>> settle(PlanPtr plan, std::vector<kvrpcpb::KeyError> errors) {
  const auto core = plan->txn->core;
  std::vector<kvrpcpb::LockInfo> locks;
  for (const auto& error : errors) {
    if (error.has_conflict() && error.conflict().reason() != kvrpcpb::WriteConflict::SelfRolledBack) {
      // A version newer than the statement, or a lock that went away while it waited: look again, at a newer moment.
      plan->effort->note("the key was written meanwhile");
      CO_TRY_ASSIGN(const Timestamp now, co_await fresh_timestamp(core));
      plan->for_update_ts = std::max(plan->for_update_ts, now);
      plan->txn->for_update_ts = std::max(plan->txn->for_update_ts, now);
    } else if (error.has_locked()) {
      add_locks(error.locked(), locks);
    } else {
      co_return Err(error_of(error));
    }
  }
  std::optional<LockWaitTimeout> held;
  if (!locks.empty()) {
    LockWaitTimeout in_the_way{locks.front().key(), Timestamp(locks.front().lock_version())};
    plan->effort->note("a lock of another transaction");
    CO_TRY_ASSIGN(const auto resolved, co_await resolve_locks(core, plan->effort, Timestamp(), std::move(locks)));
    if (resolved.must_wait) held = std::move(in_the_way);
  }
  // The store has done the waiting.
  const bool has_time = co_await plan->effort->wait(core, Wait::kNo);
  if (held && (!has_time || core->deps.clock.now() >= plan->wait_until)) co_return Err(Error(std::move(*held)));
  if (!has_time) co_return Err(plan->effort->exhausted());
  co_return Outcome<void>();
}

runtime::Task<Outcome<Locked>> lock_all(PlanPtr plan, std::vector<Bytes> keys);

runtime::Task<Outcome<Locked>> lock_batch(PlanPtr plan, Batch<Bytes> batch) {
  for (;;) {
    auto request = request_of(*plan, batch.items);
    const Timestamp for_update_ts(request.for_update_ts());
    CO_TRY_ASSIGN(auto reply,
                  co_await attempt<kvrpcpb::PessimisticLockRequest, kvrpcpb::PessimisticLockResponse>(
                      plan->txn->core, plan->effort, batch.route, std::move(request), &api::Tikv::kv_pessimistic_lock));
    if (!reply) co_return co_await lock_all(plan, std::move(batch.items));
    if (reply->errors().empty()) {
      if (!is_complete(*plan, *reply, static_cast<int>(batch.items.size()))) {
        co_return Err(Error(Refused{"the answer does not speak of each key: " + reply->ShortDebugString()}));
      }
      Locked locked;
      for (size_t i = 0; i < batch.items.size(); ++i) {
        const Bytes& key = batch.items[i];
        auto told = locked_key(*plan, *reply, static_cast<int>(i));
        if (told.exists || !plan->options.only_if_exists) hold(*plan, key, told, for_update_ts);
        locked.emplace(key, std::move(told));
      }
      co_return locked;
    }
    CO_TRY(co_await settle(plan, {reply->errors().begin(), reply->errors().end()}));
  }
}

// All batches are waited for even if one fails, so that none locks behind the rollback's back.
runtime::Task<Outcome<Locked>> lock_all(PlanPtr plan, std::vector<Bytes> keys) {
  const auto core = plan->txn->core;
  const size_t in_one = plan->options.force ? 1 : SIZE_MAX;  // the mode takes one key a request
  CO_TRY_ASSIGN(auto batches,
                co_await divide<Bytes>(
                    core, plan->effort, std::move(keys), [](const Bytes& key) { return codec::encode_bytes(key); },
                    [](const Bytes& key) { return key.size(); }, in_one));
  std::vector<runtime::Task<Outcome<Locked>>> tasks;
  for (auto& batch : batches) tasks.push_back(lock_batch(plan, std::move(batch)));
  Locked locked;
  std::optional<Error> trouble;
  for (auto& part : co_await gather(core->deps.executor, std::move(tasks))) {
    if (part.ok()) {
      locked.merge(*part);
    } else if (!trouble) {
      trouble = std::move(part).error();
    }
  }
  if (trouble) co_return Err(std::move(*trouble));
  co_return locked;
}

runtime::Task<Outcome<void>> release(TransactionState txn, EffortPtr effort, std::vector<Bytes> keys,
                                     Timestamp for_update_ts);

runtime::Task<Outcome<void>> release_batch(TransactionState txn, EffortPtr effort, Batch<Bytes> batch,
                                           Timestamp for_update_ts) {
  kvrpcpb::PessimisticRollbackRequest request;
  request.set_start_version(txn->start_ts.value);
  request.set_for_update_ts(for_update_ts.value);
  for (const auto& key : batch.items) request.add_keys(key);
  CO_TRY_ASSIGN(const auto reply,
                co_await attempt<kvrpcpb::PessimisticRollbackRequest, kvrpcpb::PessimisticRollbackResponse>(
                    txn->core, effort, batch.route, std::move(request), &api::Tikv::kv_pessimistic_rollback));
  if (!reply) co_return co_await release(txn, effort, std::move(batch.items), for_update_ts);
  if (!reply->errors().empty()) co_return Err(error_of(reply->errors(0)));
  co_return Outcome<void>();
}

runtime::Task<Outcome<void>> release(TransactionState txn, EffortPtr effort, std::vector<Bytes> keys,
                                     Timestamp for_update_ts) {
  CO_TRY_ASSIGN(auto batches,
                co_await divide<Bytes>(
                    txn->core, effort, std::move(keys), [](const Bytes& key) { return codec::encode_bytes(key); },
                    [](const Bytes& key) { return key.size(); }));
  std::vector<runtime::Task<Outcome<void>>> tasks;
  for (auto& batch : batches) tasks.push_back(release_batch(txn, effort, std::move(batch), for_update_ts));
  for (auto& outcome : co_await gather(txn->core->deps.executor, std::move(tasks))) {
    if (!outcome.ok()) co_return Err(std::move(outcome).error());
  }
  co_return Outcome<void>();
}

// Best effort: locks that stay expire. Locks younger than `for_update_ts` are another call's and stay.
runtime::Task<void> release_in_background(TransactionState txn, std::vector<Bytes> keys, Timestamp for_update_ts) {
  auto effort = std::make_shared<Effort>(*txn->core, Effect::kRepeatable);
  if (auto done = co_await release(txn, effort, std::move(keys), for_update_ts); !done.ok()) {
    LOG_DEBUG("transaction {} leaves pessimistic locks behind: {}", txn->start_ts, to_string(done.error()));
  }
}

// One beat; false if the primary's lock is gone.
runtime::Task<bool> beat(TransactionState txn) {
  auto effort = std::make_shared<Effort>(*txn->core, Effect::kRead);
  kvrpcpb::TxnHeartBeatRequest request;
  request.set_primary_lock(txn->primary);
  request.set_start_version(txn->start_ts.value);
  request.set_advise_lock_ttl(ttl_ms(*txn));
  Bytes engine_key = codec::encode_bytes(txn->primary);
  const auto reply = co_await send<kvrpcpb::TxnHeartBeatRequest, kvrpcpb::TxnHeartBeatResponse>(
      txn->core, effort, std::move(engine_key), std::move(request), &api::Tikv::kv_txn_heart_beat);
  if (!reply.ok()) {
    LOG_DEBUG("a heartbeat of transaction {} fails: {}", txn->start_ts, to_string(reply.error()));
    co_return true;
  }
  co_return !reply->has_error();
}

// Keeps the primary's lock alive while the transaction lives and somebody holds it.
runtime::Task<void> keep_alive(CorePtr core, std::weak_ptr<Transaction::State> weak) {
  for (;;) {
    co_await runtime::sleep(core->deps.executor, core->options.managed_lock_ttl / 2);
    const auto txn = weak.lock();
    if (!txn) co_return;
    if (txn->held.empty() || core->deps.clock.now() - txn->began > kLifeMax || !co_await beat(txn)) {
      txn->heart_beats = false;
      co_return;
    }
  }
}

}  // namespace

runtime::Task<Outcome<Locked>> lock_pessimistic(TransactionState txn, std::vector<Bytes> keys, LockOptions options) {
  const auto core = txn->core;
  if (!txn->options.is_pessimistic) co_return Err(Error(Refused{"an optimistic transaction takes no locks"}));
  if (txn->is_over) co_return Err(Error(Refused{"the transaction is over"}));
  if (options.only_if_exists && !options.return_values) {
    co_return Err(Error(Refused{"locking only keys that exist needs their values"}));
  }
  if (keys.empty()) co_return Locked();
  std::sort(keys.begin(), keys.end());
  keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
  std::vector<Bytes> fresh;  // to be released if the call fails
  for (const auto& key : keys) {
    if (!txn->held.contains(key)) fresh.push_back(key);
  }

  auto plan = std::make_shared<Plan>();
  plan->txn = txn;
  plan->effort = std::make_shared<Effort>(*core, Effect::kRead);  // a lock too many does no harm
  plan->options = options;
  plan->wait_until = core->deps.clock.now() + options.wait_max.value_or(core->options.budget);
  CO_TRY_ASSIGN(plan->for_update_ts, co_await fresh_timestamp(core));
  txn->for_update_ts = std::max(txn->for_update_ts, plan->for_update_ts);

  Locked locked;
  std::optional<Error> trouble;
  while (!keys.empty() && !trouble) {
    // The primary first, by itself: the other locks point to it.
    std::vector<Bytes> step;
    if (txn->held.empty()) {
      txn->primary = keys.front();
      step.push_back(keys.front());
      keys.erase(keys.begin());
    } else {
      step = std::exchange(keys, {});
    }
    auto part = co_await lock_all(plan, std::move(step));
    if (part.ok()) {
      locked.merge(*part);
    } else {
      trouble = std::move(part).error();
    }
    if (!txn->held.empty() && !std::exchange(txn->heart_beats, true)) runtime::spawn_inline(keep_alive(core, txn));
  }
  if (trouble) {
    for (const auto& key : fresh) {
      txn->held.erase(key);
      const auto it = txn->writes.find(key);
      if (it != txn->writes.end() && it->second.op == Buffered::Op::kLock) txn->writes.erase(it);
    }
    if (!fresh.empty()) runtime::spawn_inline(release_in_background(txn, std::move(fresh), txn->for_update_ts));
  }
  if (txn->held.empty()) txn->primary.clear();
  if (trouble) co_return Err(std::move(*trouble));
  co_return locked;
}

void release_all(const TransactionState& txn) {
  if (txn->held.empty()) return;
  std::vector<Bytes> keys;
  for (const auto& [key, lock] : txn->held) keys.push_back(key);
  txn->held.clear();
  runtime::spawn_inline(release_in_background(txn, std::move(keys), txn->for_update_ts));
}

}  // namespace cairn::client
