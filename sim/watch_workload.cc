#include "sim/watch_workload.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "runtime/async.h"

namespace cairn::sim {
namespace {

namespace etcd = etcdserverpb;

constexpr uint64_t kKeys = 5;
constexpr Duration kTimeout = std::chrono::seconds(3);
constexpr int64_t kKept = 10;  // revisions that a compaction leaves

Bytes key_of(uint64_t number) { return fmt::format("watched/{}", number); }

}  // namespace

bool WatchWorkload::Watcher::has(const Bytes& key) const {
  return range.range_end().empty() ? key == range.key() : key >= range.key() && key < range.range_end();
}

runtime::Task<void> WatchWorkload::write(SimEtcd* etcd, runtime::Executor* executor, uint64_t seed) {
  runtime::Random dice(seed);
  ++writers_;
  while (!is_stopping_) {
    const Bytes key = key_of(dice.below(kKeys));
    bool is_done = false;
    if (dice.chance(0.1)) {
      is_done = co_await read(etcd, executor, key);
    } else if (dice.chance(0.02)) {
      is_done = co_await compact(etcd, executor);
    } else {
      std::map<Bytes, Value> changes;
      for (uint64_t count = 1 + dice.below(2); count > 0; --count) {
        auto& value = changes[key_of(dice.below(kKeys))];
        if (!dice.chance(0.2)) value = fmt::format("{}", ++values_);
      }
      is_done = co_await change(etcd, executor, std::move(changes));
    }
    if (!is_done) etcd->turn();
    co_await runtime::sleep(*executor, dice.between(5ms, 200ms));
  }
  if (--writers_ > 0) co_return;
  for (;;) {
    std::map<Bytes, Value> changes;
    for (uint64_t i = 0; i < kKeys; ++i) changes[key_of(i)] = fmt::format("{}", ++values_);
    if (co_await change(etcd, executor, std::move(changes))) break;
    etcd->turn();
    co_await runtime::sleep(*executor, 100ms);
  }
  end_ = newest_;
}

runtime::Task<bool> WatchWorkload::change(SimEtcd* etcd, runtime::Executor* executor, std::map<Bytes, Value> changes) {
  etcd::TxnRequest request;
  for (const auto& [key, value] : changes) {
    auto& op = *request.add_success();
    if (value) {
      op.mutable_request_put()->set_key(key);
      op.mutable_request_put()->set_value(*value);
    } else {
      op.mutable_request_delete_range()->set_key(key);
    }
  }
  const int64_t newest_before = newest_;
  const auto reply = co_await api::ask<etcd::TxnRequest, etcd::TxnResponse>(
      *executor, kTimeout, std::move(request), [etcd](auto call) { etcd->txn(std::move(call)); });
  if (!reply.ok()) co_return false;
  ++writes_;
  int at = 0;
  bool has_changed = false;
  for (const auto& [key, value] : changes) {
    const auto& done = reply->responses(at++);
    if (!value && done.response_delete_range().deleted() == 0) continue;
    has_changed = true;
    note(reply->header().revision(), key, value);
  }
  note_answer(reply->header().revision(), newest_before + (has_changed ? 1 : 0));
  co_return true;
}

runtime::Task<bool> WatchWorkload::read(SimEtcd* etcd, runtime::Executor* executor, Bytes key) {
  etcd::RangeRequest request;
  request.set_key(key);
  const int64_t newest_before = newest_;
  const auto reply = co_await api::ask<etcd::RangeRequest, etcd::RangeResponse>(
      *executor, kTimeout, std::move(request), [etcd](auto call) { etcd->range(std::move(call)); });
  if (!reply.ok()) co_return false;
  note_answer(reply->header().revision(), newest_before);
  for (const auto& found : reply->kvs()) note(found.mod_revision(), found.key(), found.value());
  co_return true;
}

runtime::Task<bool> WatchWorkload::compact(SimEtcd* etcd, runtime::Executor* executor) {
  etcd::CompactionRequest request;
  request.set_revision(newest_ - kKept);
  if (request.revision() <= 0) co_return true;
  compacted_ = std::max(compacted_, request.revision());
  const auto reply = co_await api::ask<etcd::CompactionRequest, etcd::CompactionResponse>(
      *executor, kTimeout, std::move(request), [etcd](auto call) { etcd->compact(std::move(call)); });
  co_return reply.ok();
}

void WatchWorkload::note(int64_t revision, const Bytes& key, Value value) {
  const auto [known, is_new] = told_.emplace(Place(revision, key), value);
  if (is_new || known->second == value) return;
  fail_(fmt::format("INV-WATCH-ONCE: at {} {} became {} and {}", revision, key, known->second.value_or("deleted"),
                    value.value_or("deleted")));
}

void WatchWorkload::note_answer(int64_t revision, int64_t newest_before) {
  if (revision < newest_before) {
    fail_(fmt::format("INV-WATCH-ONCE: an answer at {} came after one at {} had been heard", revision, newest_before));
  }
  newest_ = std::max(newest_, revision);
}

runtime::Task<void> WatchWorkload::watch(SimEtcd* etcd, runtime::Executor* executor, uint64_t seed) {
  runtime::Random dice(seed);
  Watcher& watcher = watchers_.emplace_back();
  watcher.range.set_key(key_of(dice.below(kKeys)));
  if (dice.chance(0.6)) watcher.range.set_range_end("watched0");
  watcher.range.set_prev_kv(dice.chance(0.5));
  while (end_ == 0 || watcher.next <= end_) {
    watcher.range.set_start_revision(watcher.next);
    auto [ending, ended] = runtime::one_shot<bool>();
    auto end = std::make_shared<std::optional<runtime::Promise<bool>>>(std::move(ending));
    const auto over = [end](bool went_well) {
      if (*end) std::exchange(*end, std::nullopt)->set(went_well);
    };
    auto stream =
        etcd->watch(watcher.range, {.respond =
                                        [this, over, watching = &watcher](const etcd::WatchResponse& message) {
                                          const bool goes_on = take(*watching, message);
                                          const bool is_last = end_ != 0 && watching->next > end_;
                                          if (!goes_on || is_last) over(true);
                                        },
                                    .close = [over](const api::Status&) { over(false); }});
    // Who hears nothing cannot tell whether there is nothing.
    const auto went_well = co_await ended.wait_for(*executor, dice.between(1s, 6s));
    stream.reset();
    if (!went_well.value_or(false)) etcd->turn();
    co_await runtime::sleep(*executor, dice.between(5ms, 300ms));
  }
}

bool WatchWorkload::take(Watcher& watcher, const etcd::WatchResponse& message) {
  const int64_t revision = message.header().revision();
  if (message.canceled()) {
    const int64_t first = message.compact_revision();
    if (first <= watcher.next || first > compacted_) {
      fail_(fmt::format("INV-WATCH-ONCE: a watch from {} was told that all before {} is gone, but {} was compacted: {}",
                        watcher.next, first, compacted_, message.cancel_reason()));
    }
    watcher.compacted.emplace_back(watcher.next, first);
    watcher.next = std::max(watcher.next, first);
    watcher.last.clear();
    return false;
  }
  if (message.created()) {
    if (watcher.first) return true;
    watcher.first = watcher.next = revision + 1;
    return true;
  }
  for (const auto& event : message.events()) take_event(watcher, event);
  // As etcd's client goes on.
  watcher.next = message.events().empty() ? std::max(watcher.next, revision + 1)
                                          : message.events().rbegin()->kv().mod_revision() + 1;
  return true;
}

void WatchWorkload::take_event(Watcher& watcher, const mvccpb::Event& event) {
  ++events_;
  const Bytes& key = event.kv().key();
  const int64_t revision = event.kv().mod_revision();
  const bool is_deleted = event.type() == mvccpb::Event::DELETE;
  note(revision, key, is_deleted ? Value() : Value(event.kv().value()));
  if (revision < watcher.next || !watcher.has(key) || !watcher.seen.emplace(revision, key).second) {
    fail_(fmt::format("INV-WATCH-ONCE: a change of {} at {} came to a watch of {} from {}", key, revision,
                      watcher.range.key(), watcher.next));
  }
  auto& last = watcher.last[key];
  if (event.has_prev_kv() && last != 0 && event.prev_kv().mod_revision() != last) {
    fail_(fmt::format("INV-WATCH-ONCE: before the change of {} at {} came one at {}, not at {}", key, revision,
                      event.prev_kv().mod_revision(), last));
  }
  last = revision;
}

void WatchWorkload::check() const {
  for (const Watcher& watcher : watchers_) {
    for (const auto& [place, value] : told_) {
      const auto& [revision, key] = place;
      const auto holds = [at = revision](const Span& span) { return at >= span.first && at < span.second; };
      if (!watcher.first || revision < *watcher.first || revision >= watcher.next || !watcher.has(key)) continue;
      if (std::any_of(watcher.compacted.begin(), watcher.compacted.end(), holds)) continue;
      if (watcher.seen.contains(place)) continue;
      fail_(fmt::format("INV-WATCH-ONCE: a watch of {} from {} on did not hear of the change of {} at {}",
                        watcher.range.key(), *watcher.first, key, revision));
    }
  }
}

}  // namespace cairn::sim
