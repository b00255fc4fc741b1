#include "client/locks.h"

#include <algorithm>
#include <map>

#include "base/codec.h"
#include "client/send.h"

namespace cairn::client {
namespace {

// What is to happen beside the plain question.
enum class Question {
  kPlain,
  kRollbackIfNotExist,  // no trace of the transaction: see to it that it never begins
  kForceSyncCommit,     // it fell back from async commit: treat it as if it had never been one
};

runtime::Task<Outcome<kvrpcpb::CheckTxnStatusResponse>> ask_primary(CorePtr core, EffortPtr effort,
                                                                    kvrpcpb::LockInfo lock, Timestamp caller_start_ts,
                                                                    Question question) {
  kvrpcpb::CheckTxnStatusRequest request;
  request.set_primary_key(lock.primary_lock());
  request.set_lock_ts(lock.lock_version());
  request.set_caller_start_ts(caller_start_ts.value);
  if (lock.lock_ttl() == 0) {
    request.set_current_ts(Timestamp::max().value);  // a lock without a time to live is over
  } else {
    CO_TRY_ASSIGN(const Timestamp now, co_await fresh_timestamp(core));
    request.set_current_ts(now.value);
  }
  request.set_rollback_if_not_exist(question == Question::kRollbackIfNotExist);
  request.set_force_sync_commit(question == Question::kForceSyncCommit);
  request.set_resolving_pessimistic_lock(lock.lock_type() == kvrpcpb::Op::PessimisticLock);
  request.set_verify_is_primary(true);
  co_return co_await send<kvrpcpb::CheckTxnStatusRequest, kvrpcpb::CheckTxnStatusResponse>(
      core, effort, codec::encode_bytes(lock.primary_lock()), std::move(request), &api::Tikv::kv_check_txn_status);
}

// Whether a lock of that age would be over by `now`; one without a time to live is.
bool is_expired(const kvrpcpb::LockInfo& lock, Timestamp now) {
  return lock.lock_ttl() == 0 || Timestamp(lock.lock_version()).physical_ms() + lock.lock_ttl() < now.physical_ms();
}

// The fate of an async commit whose locks are over: committed if all its locks are there, or one is committed already.
// Nothing: it fell back to two phases, so its primary alone decides.
runtime::Task<Outcome<std::optional<Fate>>> decide_async_commit(CorePtr core, EffortPtr effort,
                                                                kvrpcpb::LockInfo primary) {
  Timestamp commit_ts(primary.min_commit_ts());
  for (const auto& key : primary.secondaries()) {
    kvrpcpb::CheckSecondaryLocksRequest request;
    request.add_keys(key);
    request.set_start_version(primary.lock_version());
    auto reply = co_await send<kvrpcpb::CheckSecondaryLocksRequest, kvrpcpb::CheckSecondaryLocksResponse>(
        core, effort, codec::encode_bytes(key), std::move(request), &api::Tikv::kv_check_secondary_locks);
    if (!reply.ok()) co_return Err(std::move(reply).error());
    if (reply->has_error()) co_return Err(Error(Refused{reply->error().ShortDebugString()}));
    if (reply->commit_ts() != 0) co_return Fate{Fate::Kind::kCommitted, Timestamp(reply->commit_ts()), false};
    if (reply->locks().empty()) co_return Fate{Fate::Kind::kRolledBack, {}, false};
    if (!reply->locks(0).use_async_commit()) co_return std::optional<Fate>();
    commit_ts = std::max(commit_ts, Timestamp(reply->locks(0).min_commit_ts()));
  }
  co_return Fate{Fate::Kind::kCommitted, commit_ts, false};
}

Fate fate_of(const kvrpcpb::CheckTxnStatusResponse& reply) {
  if (reply.commit_version() != 0) return {Fate::Kind::kCommitted, Timestamp(reply.commit_version()), false};
  if (reply.lock_ttl() == 0) {
    const bool is_of_lock_only = reply.action() == kvrpcpb::Action::TTLExpirePessimisticRollback ||
                                 reply.action() == kvrpcpb::Action::LockNotExistDoNothing;
    return {Fate::Kind::kRolledBack, {}, is_of_lock_only};
  }
  return {reply.action() == kvrpcpb::Action::MinCommitTSPushed ? Fate::Kind::kPushed : Fate::Kind::kRunning, {}, false};
}

runtime::Task<Outcome<Fate>> find_fate(CorePtr core, EffortPtr effort, kvrpcpb::LockInfo lock,
                                       Timestamp caller_start_ts) {
  CO_TRY_ASSIGN(auto reply, co_await ask_primary(core, effort, lock, caller_start_ts, Question::kPlain));
  if (reply.has_error() && reply.error().has_txn_not_found()) {
    // The primary is not locked yet, or never will be: only an expired lock gives the right to decide that.
    CO_TRY_ASSIGN(const Timestamp now, co_await fresh_timestamp(core));
    if (!is_expired(lock, now)) co_return Fate{};
    CO_TRY_ASSIGN(reply, co_await ask_primary(core, effort, lock, caller_start_ts, Question::kRollbackIfNotExist));
  }
  if (reply.has_error() && reply.error().has_primary_mismatch()) co_return Fate{Fate::Kind::kMisled, {}, false};
  if (reply.has_error()) co_return Err(Error(Refused{reply.error().ShortDebugString()}));
  if (reply.lock_ttl() != 0 && reply.lock_info().use_async_commit()) {
    CO_TRY_ASSIGN(const Timestamp now, co_await fresh_timestamp(core));
    if (lock.lock_ttl() == 0 || is_expired(reply.lock_info(), now)) {
      CO_TRY_ASSIGN(const auto decided, co_await decide_async_commit(core, effort, reply.lock_info()));
      if (decided) co_return *decided;
      CO_TRY_ASSIGN(reply, co_await ask_primary(core, effort, lock, caller_start_ts, Question::kForceSyncCommit));
      if (reply.has_error()) co_return Err(Error(Refused{reply.error().ShortDebugString()}));
    }
  }
  co_return fate_of(reply);
}

// Removes one pessimistic lock, which decides nothing: its transaction may live on without it.
runtime::Task<Outcome<void>> remove_pessimistic(CorePtr core, EffortPtr effort, kvrpcpb::LockInfo lock) {
  kvrpcpb::PessimisticRollbackRequest request;
  request.set_start_version(lock.lock_version());
  request.set_for_update_ts(lock.lock_for_update_ts() != 0 ? lock.lock_for_update_ts() : Timestamp::max().value);
  request.add_keys(lock.key());
  CO_TRY_ASSIGN(
      const auto reply,
      co_await send<kvrpcpb::PessimisticRollbackRequest, kvrpcpb::PessimisticRollbackResponse>(
          core, effort, codec::encode_bytes(lock.key()), std::move(request), &api::Tikv::kv_pessimistic_rollback));
  if (!reply.errors().empty()) co_return Err(Error(Refused{reply.errors(0).ShortDebugString()}));
  co_return Outcome<void>();
}

// Gives one key's lock the fate of its transaction.
runtime::Task<Outcome<void>> finish_lock(CorePtr core, EffortPtr effort, kvrpcpb::LockInfo lock, Timestamp commit_ts) {
  if (lock.lock_type() == kvrpcpb::Op::PessimisticLock) co_return co_await remove_pessimistic(core, effort, lock);
  kvrpcpb::ResolveLockRequest request;
  request.set_start_version(lock.lock_version());
  request.set_commit_version(commit_ts.value);
  request.add_keys(lock.key());
  CO_TRY_ASSIGN(const auto reply,
                co_await send<kvrpcpb::ResolveLockRequest, kvrpcpb::ResolveLockResponse>(
                    core, effort, codec::encode_bytes(lock.key()), std::move(request), &api::Tikv::kv_resolve_lock));
  if (reply.has_error()) co_return Err(Error(Refused{reply.error().ShortDebugString()}));
  co_return Outcome<void>();
}

}  // namespace

void add_locks(const kvrpcpb::LockInfo& told, std::vector<kvrpcpb::LockInfo>& out) {
  if (told.lock_type() != kvrpcpb::Op::SharedLock) {
    out.push_back(told);
  } else {
    out.insert(out.end(), told.shared_lock_infos().begin(), told.shared_lock_infos().end());
  }
}

runtime::Task<Outcome<LocksResolved>> resolve_locks(CorePtr core, EffortPtr effort, Timestamp caller_start_ts,
                                                    std::vector<kvrpcpb::LockInfo> locks) {
  LocksResolved out;
  std::map<uint64_t, Fate> known;  // by start timestamp
  for (const auto& lock : locks) {
    auto it = known.find(lock.lock_version());
    // What holds for a pessimistic lock only says nothing of the transaction's other locks.
    if (it == known.end() || it->second.is_of_lock_only) {
      CO_TRY_ASSIGN(const Fate fate, co_await find_fate(core, effort, lock, caller_start_ts));
      it = known.insert_or_assign(lock.lock_version(), fate).first;
    }
    switch (const Fate& fate = it->second; fate.kind) {
      case Fate::Kind::kRunning:
      case Fate::Kind::kMisled:  // the lock has changed: look again
        out.must_wait = true;
        break;
      case Fate::Kind::kPushed:
        if (!caller_start_ts.is_set()) out.must_wait = true;
        out.passable.emplace_back(lock.lock_version());
        break;
      case Fate::Kind::kCommitted:
        CO_TRY(co_await finish_lock(core, effort, lock, fate.commit_ts));
        break;
      case Fate::Kind::kRolledBack:
        CO_TRY(co_await finish_lock(core, effort, lock, Timestamp()));
        out.passable.emplace_back(lock.lock_version());
        break;
    }
  }
  co_return out;
}

runtime::Task<Outcome<Fate>> judge(CorePtr core, EffortPtr effort, kvrpcpb::LockInfo lock, Mercy mercy) {
  if (mercy == Mercy::kNone) lock.set_lock_ttl(0);
  return find_fate(std::move(core), std::move(effort), std::move(lock), Timestamp());
}

}  // namespace cairn::client
