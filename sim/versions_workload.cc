#include "sim/versions_workload.h"

#include <fmt/format.h>

#include <limits>
#include <utility>

#include "api/call.h"
#include "runtime/async.h"

namespace cairn::sim {

namespace {

constexpr uint32_t kEnough = 100'000;  // pairs in a scan

std::string describe(const std::map<Bytes, Bytes>& row) {
  std::string out;
  for (const auto& [key, value] : row) out += fmt::format(" {}={}", key, value.substr(0, 8));
  return out;
}

}  // namespace

VersionsWorkload::VersionsWorkload(std::function<void(std::string)> fail, SafePoint& safe_point, Options options)
    : fail_(std::move(fail)), options_(std::move(options)), safe_point_(safe_point) {}

runtime::Task<void> VersionsWorkload::run(client::Client* client, runtime::Executor* executor, uint64_t seed) {
  runtime::Random dice(seed);
  while (!is_stopping_) {
    if (dice.chance(0.8)) {
      co_await write(client, &dice);
    } else {
      co_await look(client, executor, &dice);
    }
    co_await runtime::sleep(*executor, dice.between(1ms, options_.pause_max));
  }
}

runtime::Task<void> VersionsWorkload::write(client::Client* client, runtime::Random* dice) {
  Hold hold(&safe_point_);
  auto txn = co_await client->begin();
  if (!txn.ok()) co_return;
  if (!hold.move_to(txn->start_ts())) co_return fail_("INV-TSO-MONOTONIC: a transaction begins below the safe point");
  auto written = std::make_shared<Written>();
  written->start_ts = txn->start_ts();
  for (uint64_t n = 1 + dice->below(3); n > 0; --n) {
    const Bytes key = fmt::format("{}{:02}", options_.prefix, dice->below(static_cast<uint64_t>(options_.keys)));
    if (written->changes.contains(key)) continue;
    auto& value = written->changes[key];
    if (dice->chance(0.25)) {
      txn->del(key);
      continue;
    }
    value = fmt::format("v{:07}", next_value_++);
    if (dice->chance(0.4)) value->resize(300, '.');  // too long for its record
    txn->put(key, *value);
  }
  written_.push_back(written);
  auto committed = co_await txn->commit();
  if (committed.ok()) {
    written->commit_ts = *committed;
    ++commits_;
  } else if (!std::holds_alternative<client::Undetermined>(committed.error())) {
    written->changes.clear();
  }
}

runtime::Task<std::optional<VersionsWorkload::Row>> VersionsWorkload::read_all(client::Client* client, Timestamp at,
                                                                               bool is_reverse) {
  auto txn = client->begin_at(at);
  const Bytes end = prefix_end(options_.prefix);
  auto pairs = is_reverse ? co_await txn.reverse_scan(options_.prefix, end, kEnough)
                          : co_await txn.scan(options_.prefix, end, kEnough);
  if (!pairs.ok()) co_return std::nullopt;
  Row row;
  for (auto& [key, value] : *pairs) row.emplace(std::move(key), std::move(value));
  co_return row;
}

runtime::Task<void> VersionsWorkload::look(client::Client* client, runtime::Executor* executor, runtime::Random* dice) {
  Hold hold(&safe_point_);
  auto txn = co_await client->begin();
  if (!txn.ok()) co_return;
  const Timestamp at = txn->start_ts();
  if (!hold.move_to(at)) co_return fail_("INV-TSO-MONOTONIC: a transaction begins below the safe point");
  std::optional<Row> first;
  for (uint64_t looks = 1 + dice->below(3); looks > 0; --looks) {
    auto seen = co_await read_all(client, at, dice->chance(0.4));
    if (seen) {
      ++looks_;
      compare(at, *seen);
      if (first && *first != *seen) {
        fail_(fmt::format("INV-GC-VISIBLE: the snapshot at {} showed{} and then{}; the safe point is {}", at,
                          describe(*first), describe(*seen), safe_point_.reached()));
        co_return;
      }
      first = std::move(seen);
    }
    co_await runtime::sleep(*executor, dice->between(1ms, options_.hold_max));
  }
}

bool VersionsWorkload::is_uncertain(const Bytes& key, Timestamp at) const {
  for (const auto& one : written_) {
    if (one->commit_ts.is_set() || one->start_ts >= at || !one->changes.contains(key)) continue;
    // Whoever began later and committed has seen it end, or made it fail.
    bool is_over = false;
    for (const auto& other : written_) {
      is_over = is_over || (other->commit_ts.is_set() && other->commit_ts <= at && other->start_ts > one->start_ts &&
                            other->changes.contains(key));
    }
    if (!is_over) return true;
  }
  return false;
}

void VersionsWorkload::compare(Timestamp at, const Row& seen) {
  for (int i = 0; i < options_.keys; ++i) {
    const Bytes key = fmt::format("{}{:02}", options_.prefix, i);
    if (is_uncertain(key, at)) continue;
    const Written* newest = nullptr;
    for (const auto& one : written_) {
      const bool counts = one->commit_ts.is_set() && one->commit_ts <= at && one->changes.contains(key);
      if (counts && (newest == nullptr || one->commit_ts > newest->commit_ts)) newest = one.get();
    }
    const auto expected = newest == nullptr ? std::nullopt : newest->changes.at(key);
    const auto found = seen.find(key);
    const auto actual = found == seen.end() ? std::nullopt : std::optional(found->second);
    if (actual != expected) {
      fail_(fmt::format("INV-GC-VISIBLE: at {} {} is {}, not {}; the safe point is {}", at, key,
                        actual.value_or("nothing").substr(0, 8), expected.value_or("nothing").substr(0, 8),
                        safe_point_.reached()));
    }
  }
}

runtime::Task<bool> VersionsWorkload::resolve_others(client::Client* client, Timestamp at) {
  for (const Bytes& prefix : options_.others_prefixes) {
    auto txn = client->begin_at(at);
    const auto pairs = co_await txn.scan(prefix, prefix_end(prefix), kEnough);
    if (!pairs.ok()) co_return false;
  }
  co_return true;
}

runtime::Task<void> VersionsWorkload::collect(client::Client* client, api::Pd* pd, runtime::Executor* executor) {
  while (!is_stopping_) {
    co_await runtime::sleep(*executor, options_.collect_pause);
    auto now = co_await client->timestamp();
    if (!now.ok()) continue;
    const auto target = safe_point_.advance(*now);
    if (!target) continue;
    // Locks at or below it are resolved now.
    if (!co_await read_all(client, *target, /*is_reverse=*/false)) continue;
    if (!co_await resolve_others(client, *target)) continue;
    pdpb::UpdateServiceGCSafePointRequest txn_safe_point;
    txn_safe_point.mutable_header()->set_cluster_id(options_.cluster.value);
    txn_safe_point.set_service_id("gc_worker");
    txn_safe_point.set_ttl(std::numeric_limits<int64_t>::max());
    txn_safe_point.set_safe_point(target->value);
    auto moved = co_await api::ask<pdpb::UpdateServiceGCSafePointRequest, pdpb::UpdateServiceGCSafePointResponse>(
        *executor, 1s, std::move(txn_safe_point),
        [pd](auto call) { pd->update_service_gc_safe_point(std::move(call)); });
    if (!moved.ok() || moved->header().error().type() != pdpb::OK) continue;
    ++collections_;
    pdpb::UpdateGCSafePointRequest safe_point;
    safe_point.mutable_header()->set_cluster_id(options_.cluster.value);
    safe_point.set_safe_point(target->value);
    static_cast<void>(co_await api::ask<pdpb::UpdateGCSafePointRequest, pdpb::UpdateGCSafePointResponse>(
        *executor, 1s, std::move(safe_point), [pd](auto call) { pd->update_gc_safe_point(std::move(call)); }));
  }
}

}  // namespace cairn::sim
