// RawWriter: raw writes as tasks. Validation comes first, then latches (only where a compare-and-swap may race), then
// replication. Tests: rawkv_test.cc.
#include <algorithm>
#include <utility>

#include "base/codec.h"
#include "engine/cached_view.h"
#include "rawkv/rawkv.h"
#include "rawkv/validation.h"
#include "rawkv/value.h"

namespace cairn::rawkv {

using engine::Modify;
using runtime::Latches;
using runtime::Task;

namespace {

engine::RegionError late() { return engine::ServerIsBusy{"deadline is exceeded", {}}; }

// A plain write waits for no compare-and-swap: it takes no latches.
std::vector<Bytes> latch_keys(bool for_cas, std::vector<Bytes> keys) {
  return for_cas ? std::move(keys) : std::vector<Bytes>();
}

}  // namespace

RawWriter::RawWriter(engine::RegionStore& store, const runtime::Clock& clock, Config config, FetchTimestamps timestamps)
    : store_(store),
      clock_(clock),
      config_(config),
      latches_(store.executor()),
      timestamps_(store.executor(), clock, config.causal_timestamps, std::move(timestamps)) {}

Task<Answer<void>> RawWriter::write(std::vector<Bytes> latch_keys, std::vector<Modify> changes,
                                    engine::RegionRequest request) {
  CHECK(store_.executor().is_current(), "a raw write runs on its shard's executor");
  request.replica_read = request.stale_read = false;
  if (store_.is_busy(request.region)) {
    co_return Err(engine::RegionError(engine::ServerIsBusy{"scheduler is busy", {}}));
  }
  auto held = co_await latches_.acquire(Latches::slots_of(latch_keys));
  if (clock_.now() > request.deadline) co_return Err(late());
  if (changes.empty()) co_return Answer<void>();
  co_return co_await propose(std::move(changes), nullptr, std::move(request));
}

Task<Answer<void>> RawWriter::propose(std::vector<Modify> changes, engine::RegionSnapshotPtr snapshot,
                                      engine::RegionRequest request) {
  const bool has_puts =
      std::any_of(changes.begin(), changes.end(), [](const Modify& change) { return change.op == Modify::Op::kPut; });
  const bool is_stamped = config_.api_version == ApiVersion::kV2 && has_puts;
  if (is_stamped && !snapshot) {
    CO_TRY_ASSIGN(snapshot, co_await store_.snapshot(request));
  }
  // In V2 for the timestamp, too: if the leader changed since, its timestamps may lie above this one.
  auto basis = engine::WriteBasis::nothing();
  if (snapshot) {
    CO_TRY_ASSIGN(basis, snapshot->write_basis());
  }
  if (is_stamped) {
    if (!snapshot->is_max_ts_synced()) co_return Err(engine::RegionError(engine::MaxTimestampNotSynced{}));
    auto ts = co_await timestamps_.next(snapshot->max_ts_synced_at());
    if (!ts.ok()) {
      co_return Err(engine::RegionError(engine::ServerIsBusy{"PD gives no timestamp: " + ts.error(), {}}));
    }
    // From here to the proposal nothing may wait: proposals go in the order of their timestamps.
    for (auto& change : changes) {
      if (change.op == Modify::Op::kPut) change.key = codec::append_ts(change.key, *ts);
    }
  }
  CO_TRY(co_await store_.write(std::move(request), basis, {std::move(changes), false}));
  co_return Answer<void>();
}

Modify RawWriter::deletion(engine::Cf cf, ByteView key) const {
  Bytes stored = engine_key(config_.api_version, key);
  if (config_.api_version == ApiVersion::kV2) return Modify::put(cf, std::move(stored), encode_tombstone());
  return Modify::del(cf, std::move(stored));
}

Task<Answer<void>> RawWriter::put(RawPut command, engine::RegionRequest request) {
  RawBatchPut batch;
  batch.cf = std::move(command.cf);
  batch.pairs.push_back({std::move(command.key), std::move(command.value)});
  batch.ttls_s = {command.ttl_s};
  batch.for_cas = command.for_cas;
  co_return co_await batch_put(std::move(batch), std::move(request));
}

Task<Answer<void>> RawWriter::batch_put(RawBatchPut command, engine::RegionRequest request) {
  CO_TRY_ASSIGN(const engine::Cf cf, check_cf(config_, command.cf));
  if (command.ttls_s.size() > 1 && command.ttls_s.size() != command.pairs.size()) {
    co_return Err(InvalidRequest{fmt::format("{} ttls for {} pairs", command.ttls_s.size(), command.pairs.size())});
  }
  const uint64_t now_s = clock_.wall_now().seconds();
  std::vector<Bytes> keys;
  std::vector<Modify> changes;
  for (size_t i = 0; i < command.pairs.size(); ++i) {
    const auto& pair = command.pairs[i];
    CO_TRY(check_key(config_, pair.key));
    const uint64_t ttl_s = command.ttls_s.empty()       ? 0
                           : command.ttls_s.size() == 1 ? command.ttls_s.front()
                                                        : command.ttls_s[i];
    CO_TRY_ASSIGN(const uint64_t expires_s, check_ttl(config_, ttl_s, now_s));
    changes.push_back(Modify::put(cf, engine_key(config_.api_version, pair.key),
                                  encode_value(config_.api_version, pair.value, expires_s)));
    keys.push_back(pair.key);
  }
  co_return co_await write(latch_keys(command.for_cas, std::move(keys)), std::move(changes), std::move(request));
}

Task<Answer<void>> RawWriter::del(RawDelete command, engine::RegionRequest request) {
  CO_TRY_ASSIGN(const engine::Cf cf, check_cf(config_, command.cf));
  std::vector<Modify> changes;
  for (const auto& key : command.keys) {
    CO_TRY(check_key(config_, key));
    changes.push_back(deletion(cf, key));
  }
  co_return co_await write(latch_keys(command.for_cas, std::move(command.keys)), std::move(changes),
                           std::move(request));
}

Task<Answer<void>> RawWriter::delete_range(RawDeleteRange command, engine::RegionRequest request) {
  CO_TRY_ASSIGN(const engine::Cf cf, check_cf(config_, command.cf));
  CO_TRY(check_key(config_, command.range.start));
  CO_TRY(check_key(config_, command.range.end));
  std::vector<Modify> changes;
  if (command.range.end.empty() || command.range.start < command.range.end) {
    // Versions and all.
    changes.push_back(Modify::delete_range(cf, engine_bound(config_.api_version, command.range.start),
                                           engine_bound(config_.api_version, command.range.end)));
  }
  co_return co_await write({}, std::move(changes), std::move(request));
}

Task<Answer<RawCompareAndSwapResult>> RawWriter::compare_and_swap(RawCompareAndSwap command,
                                                                  engine::RegionRequest request) {
  CO_TRY_ASSIGN(const engine::Cf cf, check_cf(config_, command.cf));
  CO_TRY(check_key(config_, command.key));
  const uint64_t now_s = clock_.wall_now().seconds();
  CO_TRY_ASSIGN(const uint64_t expires_s, check_ttl(config_, command.del ? 0 : command.ttl_s, now_s));
  request.replica_read = request.stale_read = false;
  if (store_.is_busy(request.region)) {
    co_return Err(engine::RegionError(engine::ServerIsBusy{"scheduler is busy", {}}));
  }

  auto held = co_await latches_.acquire(Latches::slots_of({command.key}));
  if (clock_.now() > request.deadline) co_return Err(late());
  CO_TRY_ASSIGN(engine::RegionSnapshotPtr snapshot, co_await store_.snapshot(request));
  CO_TRY(snapshot->write_basis());
  RawCompareAndSwapResult result;
  const engine::CachedView cached(*snapshot);
  auto previous = RawReader(cached, config_, now_s).get(command.cf, command.key);
  if (!previous.ok() && engine::is_not_cached(previous.error())) {
    // What follows from it is proposed in the view's term or not at all.
    runtime::Executor& home = store_.executor();
    co_await runtime::switch_to(store_.read_executor());
    previous = RawReader(*snapshot, config_, now_s).get(command.cf, command.key);
    co_await runtime::switch_to(home);
  }
  CO_TRY_ASSIGN(result.previous, std::move(previous));
  if (result.previous != command.expected) co_return result;
  result.succeed = true;
  std::vector<Modify> changes;
  if (command.del) {
    changes.push_back(deletion(cf, command.key));
  } else {
    changes.push_back(Modify::put(cf, engine_key(config_.api_version, command.key),
                                  encode_value(config_.api_version, command.value, expires_s)));
  }
  CO_TRY(co_await propose(std::move(changes), std::move(snapshot), std::move(request)));
  co_return result;
}

}  // namespace cairn::rawkv
