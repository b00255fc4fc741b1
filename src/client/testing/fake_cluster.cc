#include "client/testing/fake_cluster.h"

#include "base/codec.h"

namespace cairn::client::testing {

FakeRegion make_region(uint64_t id, Bytes start, Bytes end, uint64_t version, std::vector<uint64_t> stores,
                       uint64_t leader_store) {
  FakeRegion region;
  region.meta.set_id(id);
  region.meta.set_start_key(std::move(start));
  region.meta.set_end_key(std::move(end));
  region.meta.mutable_region_epoch()->set_version(version);
  region.meta.mutable_region_epoch()->set_conf_ver(1);
  for (const uint64_t store : stores) {
    auto& peer = *region.meta.add_peers();
    peer.set_id(id * 100 + store);
    peer.set_store_id(store);
  }
  region.leader_store = leader_store;
  return region;
}

FakeRegion* FakeWorld::find(uint64_t id) {
  for (auto& region : regions) {
    if (region.meta.id() == id) return &region;
  }
  return nullptr;
}

void FakePd::tso(api::Call<pdpb::TsoRequest, pdpb::TsoResponse> call) {
  ++world_.tso_requests;
  world_.next_ts += call.request().count();
  call.response().set_count(call.request().count());
  call.response().mutable_timestamp()->set_physical(static_cast<int64_t>(world_.next_ts >> 18));
  call.response().mutable_timestamp()->set_logical(static_cast<int64_t>(world_.next_ts & ((1 << 18) - 1)));
  if (world_.tso_answers_on == nullptr) return call.finish();
  world_.tso_answers_on->after(1ms, [call = std::move(call)]() mutable { call.finish(); });
}

void FakePd::get_region(api::Call<pdpb::GetRegionRequest, pdpb::GetRegionResponse> call) {
  ++world_.region_requests;
  for (const auto& region : world_.pd_view) {
    const auto& key = call.request().region_key();
    if (key < region.meta.start_key() || (!region.meta.end_key().empty() && key >= region.meta.end_key())) continue;
    *call.response().mutable_region() = region.meta;
    for (const auto& peer : region.meta.peers()) {
      if (peer.store_id() == region.leader_store) *call.response().mutable_leader() = peer;
    }
  }
  call.finish();
}

void FakePd::get_prev_region(api::Call<pdpb::GetRegionRequest, pdpb::GetRegionResponse> call) {
  ++world_.region_requests;
  for (const auto& region : world_.pd_view) {
    if (region.meta.end_key() == call.request().region_key()) *call.response().mutable_region() = region.meta;
  }
  call.finish();
}

std::optional<errorpb::Error> FakeStore::check(const kvrpcpb::Context& context) {
  errorpb::Error error;
  error.set_message("refused");
  const auto* region = world_.find(context.region_id());
  if (region == nullptr) {
    error.mutable_region_not_found()->set_region_id(context.region_id());
    return error;
  }
  if (region->leader_store != id_) {
    error.mutable_not_leader()->set_region_id(context.region_id());
    for (const auto& peer : region->meta.peers()) {
      if (peer.store_id() == region->leader_store) *error.mutable_not_leader()->mutable_leader() = peer;
    }
    return error;
  }
  if (context.region_epoch().version() != region->meta.region_epoch().version()) {
    for (const auto& other : world_.regions) *error.mutable_epoch_not_match()->add_current_regions() = other.meta;
    return error;
  }
  return std::nullopt;
}

template <class Call, class Execute>
void FakeStore::serve(const char* name, Call call, Execute execute) {
  ++calls[name];
  Trouble trouble;
  if (!troubles.empty()) {
    trouble = std::move(troubles.front());
    troubles.pop_front();
  }
  if (trouble.status) return call.finish(*trouble.status);
  if (trouble.region_error.ByteSizeLong() != 0) {
    *call.response().mutable_region_error() = trouble.region_error;
    return call.finish();
  }
  auto swallow = [this](Call dropped) { swallowed_.push_back(std::make_shared<Call>(std::move(dropped))); };
  if (trouble.is_lost_before) return swallow(std::move(call));
  if (const auto hook = before.find(name); hook != before.end()) std::exchange(hook->second, [] {})();
  if (auto error = check(call.request().context())) {
    *call.response().mutable_region_error() = *error;
    return call.finish();
  }
  execute(call.request(), call.response());
  if (trouble.is_lost_after) return swallow(std::move(call));
  call.finish();
}

#define CAIRN_SERVE(name, Req, Resp)                                  \
  void FakeStore::name(api::Call<kvrpcpb::Req, kvrpcpb::Resp> call) { \
    serve(#name, std::move(call), [this](const kvrpcpb::Req& in, kvrpcpb::Resp& out) { \
      auto& w = world_;
#define CAIRN_END \
  });             \
  }

// clang-format off
CAIRN_SERVE(raw_get, RawGetRequest, RawGetResponse)
  const auto it = w.raw.find(in.key());
  out.set_not_found(it == w.raw.end());
  if (it != w.raw.end()) out.set_value(it->second);
CAIRN_END

CAIRN_SERVE(raw_put, RawPutRequest, RawPutResponse)
  if (in.key() == "forbidden") return out.set_error("not this key");
  w.raw[in.key()] = in.value();
CAIRN_END

CAIRN_SERVE(raw_batch_put, RawBatchPutRequest, RawBatchPutResponse)
  (void)out;
  for (const auto& pair : in.pairs()) w.raw[pair.key()] = pair.value();
CAIRN_END

CAIRN_SERVE(raw_scan, RawScanRequest, RawScanResponse)
  const Bytes low = in.reverse() ? in.end_key() : in.start_key();
  const Bytes high = in.reverse() ? in.start_key() : in.end_key();
  std::vector<std::pair<Bytes, Bytes>> found;
  for (auto it = w.raw.lower_bound(low); it != w.raw.end() && (high.empty() || it->first < high); ++it) {
    found.emplace_back(*it);
  }
  if (in.reverse()) std::reverse(found.begin(), found.end());
  if (found.size() > in.limit()) found.resize(in.limit());
  for (auto& [key, value] : found) {
    auto& pair = *out.add_kvs();
    pair.set_key(key);
    pair.set_value(value);
  }
CAIRN_END

CAIRN_SERVE(raw_compare_and_swap, RawCASRequest, RawCASResponse)
  const auto it = w.raw.find(in.key());
  out.set_previous_not_exist(it == w.raw.end());
  if (it != w.raw.end()) out.set_previous_value(it->second);
  out.set_succeed(in.previous_not_exist() ? it == w.raw.end()
                                          : it != w.raw.end() && it->second == in.previous_value());
  if (!out.succeed()) return;
  if (in.delete_()) w.raw.erase(in.key()); else w.raw[in.key()] = in.value();
CAIRN_END
// clang-format on

namespace {

void put_locked(kvrpcpb::KeyError& error, const Bytes& key, const FakeLock& lock) {
  auto& out = *error.mutable_locked();
  out.set_key(key);
  out.set_primary_lock(lock.primary);
  out.set_lock_version(lock.start_ts);
  out.set_lock_ttl(lock.ttl_ms);
  out.set_min_commit_ts(lock.min_commit_ts);
  if (lock.is_pessimistic) out.set_lock_type(kvrpcpb::Op::PessimisticLock);
  out.set_lock_for_update_ts(lock.for_update_ts);
  out.set_use_async_commit(lock.is_async);
  for (const auto& secondary : lock.secondaries) out.add_secondaries(secondary);
}

bool is_passed(const kvrpcpb::Context& context, uint64_t start_ts) {
  for (const uint64_t ts : context.resolved_locks()) {
    if (ts == start_ts) return true;
  }
  return false;
}

// The value at `ts`, or the error.
std::optional<Bytes> read_row(const kvrpcpb::Context& context, const Bytes& key, const FakeRow& row, uint64_t ts,
                              kvrpcpb::KeyError& error) {
  if (row.lock && row.lock->start_ts <= ts && !row.lock->is_lock_only && !row.lock->is_pessimistic &&
      row.lock->min_commit_ts <= ts && !is_passed(context, row.lock->start_ts)) {
    put_locked(error, key, *row.lock);
    return std::nullopt;
  }
  for (auto it = row.versions.rbegin(); it != row.versions.rend(); ++it) {
    if (it->first <= ts && it->second.changes_value) return it->second.value;
  }
  return std::nullopt;
}

std::optional<uint64_t> committed_at(const FakeRow& row, uint64_t start_ts) {
  for (const auto& [commit_ts, version] : row.versions) {
    if (version.start_ts == start_ts) return commit_ts;
  }
  return std::nullopt;
}

void roll_back(FakeRow& row, uint64_t start_ts) {
  if (row.lock && row.lock->start_ts == start_ts) row.lock.reset();
  row.rolled_back.insert(start_ts);
}

// The newest version that changes the value.
std::optional<Bytes> newest_value(const FakeRow& row) {
  for (auto it = row.versions.rbegin(); it != row.versions.rend(); ++it) {
    if (it->second.changes_value) return it->second.value;
  }
  return std::nullopt;
}

bool holds_pessimistic(const FakeRow& row, uint64_t start_ts) {
  return row.lock && row.lock->start_ts == start_ts && row.lock->is_pessimistic;
}

void commit_row(FakeRow& row, uint64_t commit_ts) {
  row.versions[commit_ts] = {row.lock->start_ts, row.lock->value, !row.lock->is_lock_only};
  row.lock.reset();
}

}  // namespace

// clang-format off
CAIRN_SERVE(kv_get, GetRequest, GetResponse)
  kvrpcpb::KeyError error;
  const auto value = read_row(in.context(), in.key(), w.rows[in.key()], in.version(), error);
  if (error.has_locked()) { *out.mutable_error() = error; return; }
  out.set_not_found(!value);
  if (value) out.set_value(*value);
CAIRN_END

CAIRN_SERVE(kv_batch_get, BatchGetRequest, BatchGetResponse)
  for (const auto& key : in.keys()) {
    kvrpcpb::KeyError error;
    const auto value = read_row(in.context(), key, w.rows[key], in.version(), error);
    if (!value && !error.has_locked()) continue;
    auto& pair = *out.add_pairs();
    pair.set_key(key);
    if (value) pair.set_value(*value); else *pair.mutable_error() = error;
  }
CAIRN_END

CAIRN_SERVE(kv_scan, ScanRequest, ScanResponse)
  const Bytes low = in.reverse() ? in.end_key() : in.start_key();
  const Bytes high = in.reverse() ? in.start_key() : in.end_key();
  std::vector<kvrpcpb::KvPair> found;
  for (auto it = w.rows.lower_bound(low); it != w.rows.end() && (high.empty() || it->first < high); ++it) {
    kvrpcpb::KeyError error;
    const auto value = read_row(in.context(), it->first, it->second, in.version(), error);
    if (!value && !error.has_locked()) continue;
    kvrpcpb::KvPair pair;
    pair.set_key(it->first);
    if (value) pair.set_value(*value); else *pair.mutable_error() = error;
    found.push_back(pair);
  }
  if (in.reverse()) std::reverse(found.begin(), found.end());
  if (found.size() > in.limit()) found.resize(in.limit());
  for (auto& pair : found) *out.add_pairs() = pair;
CAIRN_END

CAIRN_SERVE(kv_prewrite, PrewriteRequest, PrewriteResponse)
  std::optional<uint64_t> committed;
  for (int i = 0; i < in.mutations_size(); ++i) {
    const auto& mutation = in.mutations(i);
    auto& row = w.rows[mutation.key()];
    if (const auto commit_ts = committed_at(row, in.start_version())) committed = commit_ts;
    const bool must_be_held = i < in.pessimistic_actions_size() &&
                              in.pessimistic_actions(i) == kvrpcpb::PrewriteRequest::DO_PESSIMISTIC_CHECK;
    if (must_be_held) {
      const bool is_prewritten = row.lock && row.lock->start_ts == in.start_version() && !row.lock->is_pessimistic;
      if (!holds_pessimistic(row, in.start_version()) && !is_prewritten && !committed_at(row, in.start_version())) {
        out.add_errors()->set_abort("PessimisticLockNotFound");
      }
      for (const auto& constraint : in.for_update_ts_constraints()) {
        if (static_cast<int>(constraint.index()) != i || !holds_pessimistic(row, in.start_version())) continue;
        if (row.lock->for_update_ts != constraint.expected_for_update_ts()) out.add_errors()->set_abort("PessimisticLockNotFound");
      }
    } else if (row.lock && row.lock->start_ts != in.start_version()) {
      put_locked(*out.add_errors(), mutation.key(), *row.lock);
    } else if (row.rolled_back.contains(in.start_version())) {
      out.add_errors()->mutable_conflict()->set_reason(kvrpcpb::WriteConflict::SelfRolledBack);
    } else if (!row.versions.empty() && row.versions.rbegin()->first > in.start_version() &&
               !committed_at(row, in.start_version())) {
      auto& conflict = *out.add_errors()->mutable_conflict();
      conflict.set_key(mutation.key());
      conflict.set_start_ts(in.start_version());
      conflict.set_conflict_commit_ts(row.versions.rbegin()->first);
    } else if (mutation.op() == kvrpcpb::Op::Insert && !row.versions.empty() && row.versions.rbegin()->second.value) {
      out.add_errors()->mutable_already_exist()->set_key(mutation.key());
    }
  }
  if (!out.errors().empty()) return;
  if (committed) {
    out.set_min_commit_ts(*committed);
    if (in.try_one_pc()) out.set_one_pc_commit_ts(*committed);
    return;
  }
  const bool is_async = in.use_async_commit() && !refuses_async;
  const bool is_one_pc = in.try_one_pc() && !refuses_one_pc;
  for (const auto& mutation : in.mutations()) {
    auto& row = w.rows[mutation.key()];
    FakeLock lock{.start_ts = in.start_version(), .primary = in.primary_lock(), .ttl_ms = in.lock_ttl(),
                  .min_commit_ts = in.min_commit_ts(), .value = std::nullopt,
                  .is_lock_only = mutation.op() == kvrpcpb::Op::Lock, .is_pessimistic = false,
                  .for_update_ts = in.for_update_ts(), .is_async = is_async, .secondaries = {}};
    if (mutation.key() == in.primary_lock()) lock.secondaries.assign(in.secondaries().begin(), in.secondaries().end());
    if (mutation.op() == kvrpcpb::Op::Put || mutation.op() == kvrpcpb::Op::Insert) lock.value = mutation.value();
    if (!row.lock || row.lock->is_pessimistic) row.lock = lock;
    if (is_one_pc) commit_row(row, in.min_commit_ts());
  }
  if (is_one_pc) out.set_one_pc_commit_ts(in.min_commit_ts());
  if (is_async) out.set_min_commit_ts(in.min_commit_ts());
CAIRN_END

CAIRN_SERVE(kv_commit, CommitRequest, CommitResponse)
  for (const auto& key : in.keys()) {
    auto& row = w.rows[key];
    if (committed_at(row, in.start_version())) continue;
    if (!row.lock || row.lock->start_ts != in.start_version()) {
      out.mutable_error()->mutable_txn_lock_not_found()->set_key(key);
      return;
    }
    if (in.commit_version() < row.lock->min_commit_ts) {
      out.mutable_error()->mutable_commit_ts_expired()->set_min_commit_ts(row.lock->min_commit_ts);
      return;
    }
  }
  for (const auto& key : in.keys()) {
    if (w.rows[key].lock && w.rows[key].lock->start_ts == in.start_version()) commit_row(w.rows[key], in.commit_version());
  }
  out.set_commit_version(in.commit_version());
CAIRN_END

CAIRN_SERVE(kv_batch_rollback, BatchRollbackRequest, BatchRollbackResponse)
  (void)out;
  for (const auto& key : in.keys()) roll_back(w.rows[key], in.start_version());
CAIRN_END

CAIRN_SERVE(kv_check_txn_status, CheckTxnStatusRequest, CheckTxnStatusResponse)
  auto& row = w.rows[in.primary_key()];
  if (row.lock && row.lock->start_ts == in.lock_ts()) {
    const bool is_kept = row.lock->is_async && !in.force_sync_commit();
    if (!is_kept && (in.lock_ts() >> 18) + row.lock->ttl_ms < (in.current_ts() >> 18)) {
      if (row.lock->is_pessimistic && in.resolving_pessimistic_lock()) {
        row.lock.reset();
        out.set_action(kvrpcpb::Action::TTLExpirePessimisticRollback);
        return;
      }
      roll_back(row, in.lock_ts());
      out.set_action(kvrpcpb::Action::TTLExpireRollback);
      return;
    }
    kvrpcpb::KeyError shown;
    put_locked(shown, in.primary_key(), *row.lock);
    *out.mutable_lock_info() = shown.locked();
    if (!is_kept && row.lock->min_commit_ts != 0 && in.caller_start_ts() >= row.lock->min_commit_ts) {
      row.lock->min_commit_ts = in.caller_start_ts() + 1;
      out.set_action(kvrpcpb::Action::MinCommitTSPushed);
    }
    out.set_lock_ttl(row.lock->ttl_ms);
  } else if (const auto commit_ts = committed_at(row, in.lock_ts())) {
    out.set_commit_version(*commit_ts);
  } else if (!row.rolled_back.contains(in.lock_ts())) {
    if (!in.rollback_if_not_exist()) {
      out.mutable_error()->mutable_txn_not_found()->set_start_ts(in.lock_ts());
      return;
    }
    roll_back(row, in.lock_ts());
    out.set_action(kvrpcpb::Action::LockNotExistRollback);
  }
CAIRN_END

CAIRN_SERVE(kv_check_secondary_locks, CheckSecondaryLocksRequest, CheckSecondaryLocksResponse)
  for (const auto& key : in.keys()) {
    auto& row = w.rows[key];
    if (const auto commit_ts = committed_at(row, in.start_version())) return out.set_commit_ts(*commit_ts);
    if (!row.lock || row.lock->start_ts != in.start_version() || row.lock->is_pessimistic) {
      roll_back(row, in.start_version());
      return out.clear_locks();
    }
    kvrpcpb::KeyError shown;
    put_locked(shown, key, *row.lock);
    *out.add_locks() = shown.locked();
  }
CAIRN_END

CAIRN_SERVE(kv_pessimistic_lock, PessimisticLockRequest, PessimisticLockResponse)
  const bool is_forced = in.wake_up_mode() == kvrpcpb::PessimisticLockWakeUpMode::WakeUpModeForceLock;
  for (const auto& mutation : in.mutations()) {
    auto& row = w.rows[mutation.key()];
    const uint64_t newest = row.versions.empty() ? 0 : row.versions.rbegin()->first;
    if (row.lock && row.lock->start_ts != in.start_version() && mutation.key() == deadlock_at) {
      auto& deadlock = *out.add_errors()->mutable_deadlock();
      deadlock.set_lock_ts(row.lock->start_ts);
      deadlock.set_lock_key(mutation.key());
    } else if (row.lock && row.lock->start_ts != in.start_version()) {
      put_locked(*out.add_errors(), mutation.key(), *row.lock);
    } else if (row.rolled_back.contains(in.start_version())) {
      out.add_errors()->set_abort("PessimisticLockRolledBack");
    } else if (newest > in.for_update_ts() && !is_forced) {
      auto& conflict = *out.add_errors()->mutable_conflict();
      conflict.set_key(mutation.key());
      conflict.set_conflict_commit_ts(newest);
      conflict.set_reason(kvrpcpb::WriteConflict::PessimisticRetry);
    }
    if (!out.errors().empty()) return;
  }
  for (const auto& mutation : in.mutations()) {
    auto& row = w.rows[mutation.key()];
    const uint64_t newest = row.versions.empty() ? 0 : row.versions.rbegin()->first;
    const auto value = newest_value(row);
    if (value || !in.lock_only_if_exists()) {
      row.lock = FakeLock{.start_ts = in.start_version(), .primary = in.primary_lock(), .ttl_ms = in.lock_ttl(),
                          .min_commit_ts = in.min_commit_ts(), .value = std::nullopt, .is_lock_only = false,
                          .is_pessimistic = true, .for_update_ts = std::max(newest, in.for_update_ts()),
                          .is_async = false, .secondaries = {}};
    }
    if (is_forced) {
      auto& result = *out.add_results();
      result.set_existence(value.has_value());
      if (newest > in.for_update_ts()) {
        result.set_type(kvrpcpb::PessimisticLockKeyResultType::LockResultLockedWithConflict);
        result.set_locked_with_conflict_ts(newest);
      }
      if (value && (in.return_values() || newest > in.for_update_ts())) result.set_value(*value);
    } else {
      out.add_not_founds(!value);
      if (in.return_values()) out.add_values(value.value_or(""));
    }
  }
CAIRN_END

CAIRN_SERVE(kv_pessimistic_rollback, PessimisticRollbackRequest, PessimisticRollbackResponse)
  (void)out;
  for (const auto& key : in.keys()) {
    auto& row = w.rows[key];
    if (holds_pessimistic(row, in.start_version()) && row.lock->for_update_ts <= in.for_update_ts()) row.lock.reset();
  }
CAIRN_END

CAIRN_SERVE(kv_txn_heart_beat, TxnHeartBeatRequest, TxnHeartBeatResponse)
  auto& row = w.rows[in.primary_lock()];
  if (!row.lock || row.lock->start_ts != in.start_version()) {
    out.mutable_error()->mutable_txn_not_found()->set_start_ts(in.start_version());
    return;
  }
  row.lock->ttl_ms = std::max(row.lock->ttl_ms, in.advise_lock_ttl());
  out.set_lock_ttl(row.lock->ttl_ms);
CAIRN_END

CAIRN_SERVE(kv_resolve_lock, ResolveLockRequest, ResolveLockResponse)
  (void)out;
  for (const auto& key : in.keys()) {
    auto& row = w.rows[key];
    if (!row.lock || row.lock->start_ts != in.start_version()) continue;
    if (in.commit_version() != 0) commit_row(row, in.commit_version()); else roll_back(row, in.start_version());
  }
CAIRN_END
// clang-format on

FakeCluster::FakeCluster(Options options) {
  for (uint64_t id = 1; id <= 3; ++id) stores[id] = std::make_unique<FakeStore>(world, id);
  world.regions = {make_region(1, "", codec::encode_bytes("m"), 5, {1, 2, 3}, 1),
                   make_region(2, codec::encode_bytes("m"), "", 5, {1, 2, 3}, 2)};
  world.pd_view = world.regions;
  Connect connect = [this](StoreId id) -> api::Tikv* {
    const auto it = stores.find(id.value);
    return it == stores.end() ? nullptr : it->second.get();
  };
  client = std::make_unique<Client>(Deps{pd, connect, *executor, clock, runtime::Random(3)}, options);
}

}  // namespace cairn::client::testing
