// RawWriter: raw writes as tasks. Validation comes first, then latches (only where a compare-and-swap may race), then
// replication. Tests: rawkv_test.cc.
#include <utility>

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

RawWriter::RawWriter(engine::RegionStore& store, const runtime::Clock& clock, Config config)
    : store_(store), clock_(clock), config_(config), latches_(store.executor()) {}

Task<Answer<void>> RawWriter::write(std::vector<Bytes> latch_keys, std::vector<Modify> changes,
                                    engine::RegionRequest request) {
  CHECK(store_.executor().is_current(), "a raw write runs on its shard's executor");
  if (store_.is_busy(request.region)) {
    co_return Err(engine::RegionError(engine::ServerIsBusy{"scheduler is busy", {}}));
  }
  auto held = co_await latches_.acquire(Latches::slots_of(latch_keys));
  if (clock_.now() > request.deadline) co_return Err(late());
  if (changes.empty()) co_return Answer<void>();
  CO_TRY(co_await store_.write(request, Term(), {std::move(changes), false}));
  co_return Answer<void>();
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
  CO_TRY_ASSIGN(const engine::Cf cf, check_cf(command.cf));
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
    changes.push_back(Modify::put(cf, pair.key, encode_value(config_.api_version, pair.value, expires_s)));
    keys.push_back(pair.key);
  }
  co_return co_await write(latch_keys(command.for_cas, std::move(keys)), std::move(changes), std::move(request));
}

Task<Answer<void>> RawWriter::del(RawDelete command, engine::RegionRequest request) {
  CO_TRY_ASSIGN(const engine::Cf cf, check_cf(command.cf));
  std::vector<Modify> changes;
  for (const auto& key : command.keys) {
    CO_TRY(check_key(config_, key));
    changes.push_back(Modify::del(cf, key));
  }
  co_return co_await write(latch_keys(command.for_cas, std::move(command.keys)), std::move(changes),
                           std::move(request));
}

Task<Answer<void>> RawWriter::delete_range(RawDeleteRange command, engine::RegionRequest request) {
  CO_TRY_ASSIGN(const engine::Cf cf, check_cf(command.cf));
  CO_TRY(check_key(config_, command.range.start));
  CO_TRY(check_key(config_, command.range.end));
  std::vector<Modify> changes;
  if (command.range.end.empty() || command.range.start < command.range.end) {
    changes.push_back(Modify::delete_range(cf, std::move(command.range.start), std::move(command.range.end)));
  }
  co_return co_await write({}, std::move(changes), std::move(request));
}

Task<Answer<RawCompareAndSwapResult>> RawWriter::compare_and_swap(RawCompareAndSwap command,
                                                                  engine::RegionRequest request) {
  CO_TRY_ASSIGN(const engine::Cf cf, check_cf(command.cf));
  CO_TRY(check_key(config_, command.key));
  const uint64_t now_s = clock_.wall_now().seconds();
  CO_TRY_ASSIGN(const uint64_t expires_s, check_ttl(config_, command.del ? 0 : command.ttl_s, now_s));
  if (store_.is_busy(request.region)) {
    co_return Err(engine::RegionError(engine::ServerIsBusy{"scheduler is busy", {}}));
  }

  auto held = co_await latches_.acquire(Latches::slots_of({command.key}));
  if (clock_.now() > request.deadline) co_return Err(late());
  CO_TRY_ASSIGN(engine::RegionSnapshotPtr snapshot, co_await store_.snapshot(request));
  RawCompareAndSwapResult result;
  CO_TRY_ASSIGN(result.previous, RawReader(*snapshot, config_, now_s).get(command.cf, command.key));
  if (result.previous != command.expected) co_return result;
  result.succeed = true;
  std::vector<Modify> changes;
  changes.push_back(command.del
                        ? Modify::del(cf, command.key)
                        : Modify::put(cf, command.key, encode_value(config_.api_version, command.value, expires_s)));
  CO_TRY(co_await store_.write(request, snapshot->term(), {std::move(changes), false}));
  co_return result;
}

}  // namespace cairn::rawkv
