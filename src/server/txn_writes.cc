// The writing RPCs of transactions: each request becomes a command of txn/commands.h and runs on the region's shard.
// What a request gets wrong in itself is refused before: it changes nothing. Tests: node_test.cc.
#include <fmt/format.h>

#include <algorithm>

#include "server/node.h"
#include "server/parts.h"
#include "txn/commands.h"

namespace cairn::server {
namespace {

std::vector<Bytes> keys_of(const google::protobuf::RepeatedPtrField<std::string>& keys) {
  return {keys.begin(), keys.end()};
}

// Words if a key may not be written.
std::optional<std::string> check_key(const Parts& parts, ByteView key) {
  if (key.empty()) return "the empty key cannot be written";
  if (key.size() > parts.options.key_bytes_max) {
    return fmt::format("KeyTooLarge: a key of {} bytes is over the limit of {}", key.size(),
                       parts.options.key_bytes_max);
  }
  return std::nullopt;
}

// Words if no transaction can have begun there.
std::optional<std::string> check_start_ts(uint64_t start_ts) {
  if (start_ts == 0) return "a transaction needs a start timestamp";
  if (Timestamp(start_ts).is_max()) return "no transaction begins at the largest timestamp";
  return std::nullopt;
}

std::optional<txn::Mutation> mutation_of(const kvrpcpb::Mutation& in) {
  txn::Mutation out;
  switch (in.op()) {
    case kvrpcpb::Op::Put:
      out.op = txn::Mutation::Op::kPut;
      break;
    case kvrpcpb::Op::Del:
      out.op = txn::Mutation::Op::kDelete;
      break;
    case kvrpcpb::Op::Lock:
      out.op = txn::Mutation::Op::kLock;
      break;
    case kvrpcpb::Op::Insert:
      out.op = txn::Mutation::Op::kInsert;
      break;
    case kvrpcpb::Op::CheckNotExists:
      out.op = txn::Mutation::Op::kCheckNotExists;
      break;
    case kvrpcpb::Op::SharedLock:
      out.op = txn::Mutation::Op::kSharedLock;
      break;
    default:
      return std::nullopt;
  }
  out.key = in.key();
  out.value = in.value();
  out.assertion = static_cast<txn::Assertion>(in.assertion());
  return out;
}

std::optional<std::string> check_mutations(const Parts& parts,
                                           const google::protobuf::RepeatedPtrField<kvrpcpb::Mutation>& mutations) {
  for (const auto& mutation : mutations) {
    if (auto bad = check_key(parts, mutation.key())) return bad;
    if (!mutation_of(mutation)) {
      return fmt::format("a prewrite cannot hold a mutation of kind {}", kvrpcpb::Op_Name(mutation.op()));
    }
    if (!kvrpcpb::Assertion_IsValid(mutation.assertion())) {
      return fmt::format("a prewrite cannot hold an assertion of kind {}", static_cast<int>(mutation.assertion()));
    }
  }
  return std::nullopt;
}

std::optional<std::string> check_flush(const Parts& parts, const kvrpcpb::FlushRequest& request) {
  if (auto bad = check_start_ts(request.start_ts())) return bad;
  if (request.generation() == 0) return "generation should be greater than 0 for Flush requests";
  if (auto bad = check_key(parts, request.primary_key())) return "primary: " + *bad;
  return check_mutations(parts, request.mutations());
}

std::optional<std::string> check_prewrite(const Parts& parts, const kvrpcpb::PrewriteRequest& request) {
  if (auto bad = check_start_ts(request.start_version())) return bad;
  if (Timestamp(request.for_update_ts()).is_max()) return "no statement runs at the largest timestamp";
  if (!request.txn_file_chunks().empty()) return "transactions in files are not served";
  if (auto bad = check_key(parts, request.primary_lock())) return "primary: " + *bad;
  if (auto bad = check_mutations(parts, request.mutations())) return bad;
  for (const auto& mutation : request.mutations()) {
    if (request.for_update_ts() != 0 && mutation.op() == kvrpcpb::Op::CheckNotExists) {
      return "cannot handle checkNotExists in pessimistic prewrite";
    }
  }
  for (const auto& constraint : request.for_update_ts_constraints()) {
    if (constraint.index() >= static_cast<uint32_t>(request.mutations_size())) {
      return fmt::format("a constraint of for_update_ts names mutation {} of {}", constraint.index(),
                         request.mutations_size());
    }
  }
  for (const int action : request.pessimistic_actions()) {
    if (!kvrpcpb::PrewriteRequest::PessimisticAction_IsValid(action)) {
      return fmt::format("a prewrite cannot hold a pessimistic action of kind {}", action);
    }
  }
  return std::nullopt;
}

// A mutation without an action of its own needs no check.
void add_pessimistic(txn::Prewrite& command, const kvrpcpb::PrewriteRequest& request) {
  command.for_update_ts = Timestamp(request.for_update_ts());
  const auto actions = std::min(static_cast<size_t>(request.pessimistic_actions_size()), command.mutations.size());
  for (size_t i = 0; i < actions; ++i) {
    command.mutations[i].pessimistic_action =
        static_cast<txn::Mutation::PessimisticAction>(request.pessimistic_actions(static_cast<int>(i)));
  }
  for (const auto& constraint : request.for_update_ts_constraints()) {
    command.mutations[constraint.index()].expected_for_update_ts = Timestamp(constraint.expected_for_update_ts());
  }
}

std::optional<std::string> check_lock(const Parts& parts, const kvrpcpb::PessimisticLockRequest& request) {
  if (auto bad = check_start_ts(request.start_version())) return bad;
  if (Timestamp(request.for_update_ts()).is_max()) return "no statement runs at the largest timestamp";
  if (request.mutations().empty()) return "there is nothing to lock";
  if (request.wake_up_mode() == kvrpcpb::PessimisticLockWakeUpMode::WakeUpModeForceLock &&
      request.mutations_size() != 1) {
    return fmt::format("the force-lock mode takes one key, and {} were given", request.mutations_size());
  }
  if (auto bad = check_key(parts, request.primary_lock())) return "primary: " + *bad;
  for (const auto& mutation : request.mutations()) {
    if (auto bad = check_key(parts, mutation.key())) return bad;
    if (mutation.op() != kvrpcpb::Op::PessimisticLock && mutation.op() != kvrpcpb::Op::SharedPessimisticLock) {
      return fmt::format("a pessimistic lock cannot be a mutation of kind {}", kvrpcpb::Op_Name(mutation.op()));
    }
  }
  return std::nullopt;
}

txn::PessimisticLock lock_of(const kvrpcpb::PessimisticLockRequest& request) {
  txn::PessimisticLock command;
  command.keys.reserve(static_cast<size_t>(request.mutations_size()));
  for (const auto& mutation : request.mutations()) {
    command.keys.push_back({mutation.key(), mutation.assertion() == kvrpcpb::Assertion::NotExist,
                            mutation.op() == kvrpcpb::Op::SharedPessimisticLock});
  }
  command.primary = request.primary_lock();
  command.start_ts = Timestamp(request.start_version());
  command.for_update_ts = Timestamp(request.for_update_ts());
  command.min_commit_ts = Timestamp(request.min_commit_ts());
  command.lock_ttl_ms = request.lock_ttl();
  command.is_first_lock = request.is_first_lock();
  command.wait_timeout_ms = request.wait_timeout();
  command.return_values = request.return_values();
  command.check_existence = request.check_existence();
  command.lock_only_if_exists = request.lock_only_if_exists();
  if (request.wake_up_mode() == kvrpcpb::PessimisticLockWakeUpMode::WakeUpModeForceLock) {
    command.wake_up_mode = txn::WakeUpMode::kForceLock;
  }
  command.resource_group_tag = request.context().resource_group_tag();
  return command;
}

// One result, whatever happened.
void put_force_locked(kvrpcpb::PessimisticLockResponse& response, const txn::PessimisticLockResult& result) {
  auto& out = *response.add_results();
  if (result.error) {
    out.set_type(kvrpcpb::PessimisticLockKeyResultType::LockResultFailed);
    return;
  }
  const txn::LockedKey& key = result.keys.front();
  out.set_type(key.conflict_ts.is_set() ? kvrpcpb::PessimisticLockKeyResultType::LockResultLockedWithConflict
                                        : kvrpcpb::PessimisticLockKeyResultType::LockResultNormal);
  out.set_value(key.value.value_or(Bytes()));
  out.set_existence(key.exists);
  out.set_locked_with_conflict_ts(key.conflict_ts.value);
}

// Clients rely on one entry for each key, in both lists.
void put_locked(const kvrpcpb::PessimisticLockRequest& request, kvrpcpb::PessimisticLockResponse& response,
                const txn::PessimisticLockResult& result) {
  if (!request.return_values() && !request.check_existence()) return;
  for (const auto& key : result.keys) {
    if (request.return_values()) response.add_values(key.value.value_or(Bytes()));
    response.add_not_founds(!key.exists);
  }
}

txn::Prewrite prewrite_of(const kvrpcpb::PrewriteRequest& request) {
  txn::Prewrite command;
  command.mutations.reserve(static_cast<size_t>(request.mutations_size()));
  for (const auto& mutation : request.mutations()) command.mutations.push_back(*mutation_of(mutation));
  command.primary = request.primary_lock();
  command.start_ts = Timestamp(request.start_version());
  command.lock_ttl_ms = request.lock_ttl();
  command.txn_size = request.txn_size();
  command.min_commit_ts = Timestamp(request.min_commit_ts());
  command.max_commit_ts = Timestamp(request.max_commit_ts());
  command.use_async_commit = request.use_async_commit();
  command.secondaries = keys_of(request.secondaries());
  command.try_one_pc = request.try_one_pc();
  command.assertion_level = static_cast<txn::AssertionLevel>(request.assertion_level());
  command.skip_constraint_check = request.skip_constraint_check();
  command.is_retry_request = request.context().is_retry_request();
  command.txn_source = request.context().txn_source();
  add_pessimistic(command, request);
  return command;
}

txn::Prewrite flush_of(const kvrpcpb::FlushRequest& request) {
  txn::Prewrite command;
  command.mutations.reserve(static_cast<size_t>(request.mutations_size()));
  for (const auto& mutation : request.mutations()) command.mutations.push_back(*mutation_of(mutation));
  command.primary = request.primary_key();
  command.start_ts = Timestamp(request.start_ts());
  command.lock_ttl_ms = request.lock_ttl();
  command.min_commit_ts = Timestamp(request.min_commit_ts());
  command.assertion_level = static_cast<txn::AssertionLevel>(request.assertion_level());
  command.is_retry_request = request.context().is_retry_request();
  command.txn_source = request.context().txn_source();
  command.generation = request.generation();
  return command;
}

// What can be true of a transaction.
std::optional<txn::TxnStatus> status_of(const kvrpcpb::TxnStatus& in) {
  if (check_start_ts(in.start_ts())) return std::nullopt;
  if (in.commit_ts() != 0 && (in.commit_ts() <= in.start_ts() || in.rolled_back())) return std::nullopt;
  return txn::TxnStatus{.start_ts = Timestamp(in.start_ts()),
                        .min_commit_ts = Timestamp(in.min_commit_ts()),
                        .commit_ts = Timestamp(in.commit_ts()),
                        .rolled_back = in.rolled_back(),
                        .is_completed = in.is_completed()};
}

// Statuses that one request may tell; a client has one or a few.
constexpr size_t kStatusesMax = 4096;

template <class Response>
void put_error(Response& response, const std::optional<mvcc::KeyError>& error) {
  if (error) *response.mutable_error() = to_proto(*error);
}

}  // namespace

void Node::kv_prewrite(api::Call<kvrpcpb::PrewriteRequest, kvrpcpb::PrewriteResponse> call) {
  auto admitted = admit(*parts_, call, Family::kTransaction);
  if (!admitted) return;
  if (auto bad = check_prewrite(*parts_, call.request())) return refuse(std::move(call), *bad);
  if (!believes(*this, *parts_, call, {call.request().start_version(), call.request().for_update_ts()},
                &Node::kv_prewrite))
    return;
  auto command = prewrite_of(call.request());
  write(*parts_, std::move(call), std::move(*admitted), std::move(command),
        [](const kvrpcpb::PrewriteRequest&, kvrpcpb::PrewriteResponse& response, txn::PrewriteResult result) {
          for (const auto& error : result.errors) *response.add_errors() = to_proto(error);
          response.set_min_commit_ts(result.min_commit_ts.value);
          response.set_one_pc_commit_ts(result.one_pc_commit_ts.value);
        });
}

void Node::kv_flush(api::Call<kvrpcpb::FlushRequest, kvrpcpb::FlushResponse> call) {
  auto admitted = admit(*parts_, call, Family::kTransaction);
  if (!admitted) return;
  if (auto bad = check_flush(*parts_, call.request())) return refuse(std::move(call), *bad);
  if (!believes(*this, *parts_, call, {call.request().start_ts()}, &Node::kv_flush)) return;
  auto command = flush_of(call.request());
  write(*parts_, std::move(call), std::move(*admitted), std::move(command),
        [](const kvrpcpb::FlushRequest&, kvrpcpb::FlushResponse& response, txn::PrewriteResult result) {
          for (const auto& error : result.errors) *response.add_errors() = to_proto(error);
        });
}

void Node::broadcast_txn_status(
    api::Call<kvrpcpb::BroadcastTxnStatusRequest, kvrpcpb::BroadcastTxnStatusResponse> call) {
  if (auto status = check_cluster(call.request().context(), parts_->options); !status.ok()) {
    return call.finish(std::move(status));
  }
  // A hint, for which the response has no error: what cannot be true is left out.
  std::vector<txn::TxnStatus> statuses;
  for (const auto& told : call.request().txn_status()) {
    if (statuses.size() == kStatusesMax) break;
    if (auto status = status_of(told)) statuses.push_back(*status);
  }
  for (int i = 0; i < parts_->store.shard_count(); ++i) {
    parts_->store.on_shard_at(i, [statuses](store::ShardHandle& shard) {
      for (const auto& status : statuses) shard.scheduler().learn(status);
    });
  }
  call.finish();
}

void Node::kv_commit(api::Call<kvrpcpb::CommitRequest, kvrpcpb::CommitResponse> call) {
  auto admitted = admit(*parts_, call, Family::kTransaction);
  if (!admitted) return;
  const auto& request = call.request();
  if (request.commit_version() <= request.start_version()) {
    auto text = fmt::format("InvalidTxnTso: commit timestamp {} is not after start timestamp {}",
                            request.commit_version(), request.start_version());
    return refuse(std::move(call), text);
  }
  if (auto bad = check_start_ts(request.start_version())) return refuse(std::move(call), *bad);
  if (Timestamp(request.commit_version()).is_max()) {
    return refuse(std::move(call), "nothing is committed at the largest timestamp");
  }
  txn::Commit command{keys_of(request.keys()), Timestamp(request.start_version()), Timestamp(request.commit_version())};
  write(*parts_, std::move(call), std::move(*admitted), std::move(command),
        [](const kvrpcpb::CommitRequest&, kvrpcpb::CommitResponse& response, txn::CommitResult result) {
          put_error(response, result.error);
          response.set_commit_version(result.commit_ts.value);
        });
}

void Node::kv_batch_rollback(api::Call<kvrpcpb::BatchRollbackRequest, kvrpcpb::BatchRollbackResponse> call) {
  auto admitted = admit(*parts_, call, Family::kTransaction);
  if (!admitted) return;
  if (auto bad = check_start_ts(call.request().start_version())) return refuse(std::move(call), *bad);
  if (!believes(*this, *parts_, call, {call.request().start_version()}, &Node::kv_batch_rollback)) return;
  txn::BatchRollback command{keys_of(call.request().keys()), Timestamp(call.request().start_version())};
  write(*parts_, std::move(call), std::move(*admitted), std::move(command),
        [](const kvrpcpb::BatchRollbackRequest&, kvrpcpb::BatchRollbackResponse& response,
           txn::BatchRollbackResult result) { put_error(response, result.error); });
}

void Node::kv_cleanup(api::Call<kvrpcpb::CleanupRequest, kvrpcpb::CleanupResponse> call) {
  auto admitted = admit(*parts_, call, Family::kTransaction);
  if (!admitted) return;
  const auto& request = call.request();
  if (auto bad = check_start_ts(request.start_version())) return refuse(std::move(call), *bad);
  if (!believes(*this, *parts_, call, {request.start_version()}, &Node::kv_cleanup)) return;
  txn::Cleanup command{request.key(), Timestamp(request.start_version()), Timestamp(request.current_ts())};
  write(*parts_, std::move(call), std::move(*admitted), std::move(command),
        [](const kvrpcpb::CleanupRequest&, kvrpcpb::CleanupResponse& response, txn::CleanupResult result) {
          put_error(response, result.error);
          response.set_commit_version(result.commit_ts.value);
        });
}

void Node::kv_check_txn_status(api::Call<kvrpcpb::CheckTxnStatusRequest, kvrpcpb::CheckTxnStatusResponse> call) {
  auto admitted = admit(*parts_, call, Family::kTransaction);
  if (!admitted) return;
  const auto& request = call.request();
  if (auto bad = check_start_ts(request.lock_ts())) return refuse(std::move(call), *bad);
  if (!believes(*this, *parts_, call, {request.lock_ts(), request.caller_start_ts(), request.current_ts()},
                &Node::kv_check_txn_status))
    return;
  txn::CheckTxnStatus command;
  command.primary = request.primary_key();
  command.lock_ts = Timestamp(request.lock_ts());
  command.caller_start_ts = Timestamp(request.caller_start_ts());
  command.current_ts = Timestamp(request.current_ts());
  command.rollback_if_not_exist = request.rollback_if_not_exist();
  command.force_sync_commit = request.force_sync_commit();
  command.resolving_pessimistic_lock = request.resolving_pessimistic_lock();
  command.verify_is_primary = request.verify_is_primary();
  write(*parts_, std::move(call), std::move(*admitted), std::move(command),
        [](const kvrpcpb::CheckTxnStatusRequest&, kvrpcpb::CheckTxnStatusResponse& response,
           txn::CheckTxnStatusResult result) {
          put_error(response, result.error);
          response.set_lock_ttl(result.lock_ttl_ms);
          response.set_commit_version(result.commit_ts.value);
          response.set_action(static_cast<kvrpcpb::Action>(result.action));
          if (result.lock) *response.mutable_lock_info() = to_proto(*result.lock);
        });
}

void Node::kv_check_secondary_locks(
    api::Call<kvrpcpb::CheckSecondaryLocksRequest, kvrpcpb::CheckSecondaryLocksResponse> call) {
  auto admitted = admit(*parts_, call, Family::kTransaction);
  if (!admitted) return;
  if (auto bad = check_start_ts(call.request().start_version())) return refuse(std::move(call), *bad);
  if (!believes(*this, *parts_, call, {call.request().start_version()}, &Node::kv_check_secondary_locks)) return;
  txn::CheckSecondaryLocks command{keys_of(call.request().keys()), Timestamp(call.request().start_version())};
  write(*parts_, std::move(call), std::move(*admitted), std::move(command),
        [](const kvrpcpb::CheckSecondaryLocksRequest&, kvrpcpb::CheckSecondaryLocksResponse& response,
           txn::CheckSecondaryLocksResult result) {
          put_error(response, result.error);
          for (const auto& lock : result.locks) *response.add_locks() = to_proto(lock);
          response.set_commit_ts(result.commit_ts.value);
        });
}

void Node::kv_resolve_lock(api::Call<kvrpcpb::ResolveLockRequest, kvrpcpb::ResolveLockResponse> call) {
  auto admitted = admit(*parts_, call, Family::kTransaction);
  if (!admitted) return;
  const auto& request = call.request();
  txn::ResolveLock command;
  if (request.txn_infos().empty()) {
    command.txns.push_back({Timestamp(request.start_version()), Timestamp(request.commit_version())});
  }
  for (const auto& info : request.txn_infos()) {
    command.txns.push_back({Timestamp(info.txn()), Timestamp(info.status())});
  }
  for (const auto& txn : command.txns) {
    if (auto bad = check_start_ts(txn.start_ts.value)) return refuse(std::move(call), *bad);
    if (txn.commit_ts.is_set() && txn.commit_ts <= txn.start_ts) {
      auto text = fmt::format("InvalidTxnTso: commit timestamp {} is not after start timestamp {}", txn.commit_ts,
                              txn.start_ts);
      return refuse(std::move(call), text);
    }
  }
  std::vector<uint64_t> start_timestamps;
  for (const auto& txn : command.txns) start_timestamps.push_back(txn.start_ts.value);
  if (!believes(*this, *parts_, call, std::move(start_timestamps), &Node::kv_resolve_lock)) return;
  command.keys = keys_of(request.keys());
  if (command.txns.size() != 1 && !command.keys.empty()) {
    return refuse(std::move(call), "keys can be resolved of one transaction at a time");
  }
  write(*parts_, std::move(call), std::move(*admitted), std::move(command),
        [](const kvrpcpb::ResolveLockRequest&, kvrpcpb::ResolveLockResponse& response, txn::ResolveLockResult result) {
          put_error(response, result.error);
        });
}

void Node::kv_txn_heart_beat(api::Call<kvrpcpb::TxnHeartBeatRequest, kvrpcpb::TxnHeartBeatResponse> call) {
  auto admitted = admit(*parts_, call, Family::kTransaction);
  if (!admitted) return;
  const auto& request = call.request();
  if (auto bad = check_start_ts(request.start_version())) return refuse(std::move(call), *bad);
  txn::TxnHeartBeat command;
  command.primary = request.primary_lock();
  command.start_ts = Timestamp(request.start_version());
  command.advise_ttl_ms = request.advise_lock_ttl();
  command.min_commit_ts = Timestamp(request.min_commit_ts());
  write(
      *parts_, std::move(call), std::move(*admitted), std::move(command),
      [](const kvrpcpb::TxnHeartBeatRequest&, kvrpcpb::TxnHeartBeatResponse& response, txn::TxnHeartBeatResult result) {
        put_error(response, result.error);
        response.set_lock_ttl(result.lock_ttl_ms);
      });
}

void Node::kv_delete_range(api::Call<kvrpcpb::DeleteRangeRequest, kvrpcpb::DeleteRangeResponse> call) {
  auto admitted = admit(*parts_, call, Family::kTransaction);
  if (!admitted) return;
  const auto& request = call.request();
  if (!request.end_key().empty() && request.start_key() > request.end_key()) {
    return refuse(std::move(call), "the range to delete ends before it begins");
  }
  txn::DeleteRange command{request.start_key(), request.end_key(), request.notify_only()};
  write(*parts_, std::move(call), std::move(*admitted), std::move(command),
        [](const kvrpcpb::DeleteRangeRequest&, kvrpcpb::DeleteRangeResponse& response, txn::DeleteRangeResult result) {
          if (result.error) response.set_error(mvcc::to_string(*result.error));
        });
}

void Node::kv_pessimistic_lock(api::Call<kvrpcpb::PessimisticLockRequest, kvrpcpb::PessimisticLockResponse> call) {
  auto admitted = admit(*parts_, call, Family::kTransaction);
  if (!admitted) return;
  if (auto bad = check_lock(*parts_, call.request())) return refuse(std::move(call), *bad);
  if (!believes(*this, *parts_, call, {call.request().start_version(), call.request().for_update_ts()},
                &Node::kv_pessimistic_lock))
    return;
  auto command = lock_of(call.request());
  write(*parts_, std::move(call), std::move(*admitted), std::move(command),
        [](const kvrpcpb::PessimisticLockRequest& request, kvrpcpb::PessimisticLockResponse& response,
           txn::PessimisticLockResult result) {
          if (result.error) *response.add_errors() = to_proto(*result.error);
          if (request.wake_up_mode() == kvrpcpb::PessimisticLockWakeUpMode::WakeUpModeForceLock) {
            put_force_locked(response, result);
          } else {
            put_locked(request, response, result);
          }
        });
}

void Node::kv_pessimistic_rollback(
    api::Call<kvrpcpb::PessimisticRollbackRequest, kvrpcpb::PessimisticRollbackResponse> call) {
  auto admitted = admit(*parts_, call, Family::kTransaction);
  if (!admitted) return;
  const auto& request = call.request();
  if (auto bad = check_start_ts(request.start_version())) return refuse(std::move(call), *bad);
  txn::PessimisticRollback command{keys_of(request.keys()), Timestamp(request.start_version()),
                                   Timestamp(request.for_update_ts())};
  write(*parts_, std::move(call), std::move(*admitted), std::move(command),
        [](const kvrpcpb::PessimisticRollbackRequest&, kvrpcpb::PessimisticRollbackResponse& response,
           txn::PessimisticRollbackResult result) {
          if (result.error) *response.add_errors() = to_proto(*result.error);
        });
}

}  // namespace cairn::server
