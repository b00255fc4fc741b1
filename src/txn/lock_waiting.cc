#include "txn/lock_waiting.h"

#include <algorithm>

#include "base/check.h"
#include "txn/metrics.h"

namespace cairn::txn {
namespace {

void count(int64_t waiters, int64_t keys) {
  const auto& metrics = LockWaitMetrics::get();
  metrics.waiters.add(waiters);
  metrics.table_waiters.add(waiters);
  metrics.keys.add(keys);
  metrics.table_keys.add(keys);
}

}  // namespace

LockWaiting::LockWaiting(runtime::Executor& executor, const runtime::Clock& clock, DeadlockClient& deadlocks,
                         LockWaitingOptions options)
    : executor_(executor),
      clock_(clock),
      deadlocks_(deadlocks),
      options_(options),
      self_(std::make_shared<LockWaiting*>(this)) {}

std::pair<LockWaiting::WaiterId, runtime::Future<LockWaiting::Wake>> LockWaiting::join(Waiter waiter,
                                                                                       const LockInfo& lock) {
  CHECK(lock.kind == mvcc::LockKind::kShared || waiter.start_ts != lock.start_ts,
        "transaction {} waits for its own lock", lock.start_ts);
  CHECK(!is_full(), "{} waiters", waiters_.size());
  const WaiterId id = next_id_++;
  auto [promise, future] = runtime::one_shot<Wake>();
  auto [queue, is_new] = queues_.try_emplace(lock.key);
  if (is_new || queue->second.lock.holders() != lock.holders()) queue->second.lock_since = clock_.now();
  queue->second.lock = lock;
  queue->second.places.insert({waiter.start_ts, id});
  const auto& metrics = LockWaitMetrics::get();
  metrics.waits.add();
  metrics.queue_length.observe(queue->second.places.size());
  count(1, is_new ? 1 : 0);
  by_region_[waiter.region].insert(id);
  const bool may_deadlock = waiter.may_deadlock;
  waiters_.emplace(id, Entry{std::move(waiter), lock.key, std::move(promise), {}, clock_.now()});
  if (may_deadlock) detect(id, lock);
  return {id, std::move(future)};
}

LockInfo LockWaiting::leave(WaiterId id) {
  const auto found = waiters_.find(id);
  CHECK(found != waiters_.end(), "waiter {} does not wait", id);
  const Queue& queue = queues_.at(found->second.key);
  LockInfo lock = queue.lock;
  const auto waited = (clock_.now() - queue.lock_since) / std::chrono::milliseconds(1);
  lock.duration_to_last_update_ms = static_cast<uint64_t>(std::max<int64_t>(1, waited));
  for (auto& shared : lock.shared) shared.duration_to_last_update_ms = lock.duration_to_last_update_ms;
  const Entry entry = take(id);
  return lock;
}

// Takes the waiter out of all that it stands in.
LockWaiting::Entry LockWaiting::take(WaiterId id) {
  const auto found = waiters_.find(id);
  CHECK(found != waiters_.end(), "waiter {} does not wait", id);
  Entry entry = std::move(found->second);
  waiters_.erase(found);
  for (const auto& wait : entry.waits) deadlocks_.clean_up_wait_for(wait);
  const auto region = by_region_.find(entry.waiter.region);
  region->second.erase(id);
  if (region->second.empty()) by_region_.erase(region);
  const auto queue = queues_.find(entry.key);
  std::vector<LockWait> ended;
  add_waits_of(entry, queue->second.lock, ended);
  for (auto& wait : ended) ended_.push_back(std::move(wait));
  while (ended_.size() > options_.ended_waits_max) ended_.pop_front();
  queue->second.places.erase({entry.waiter.start_ts, id});
  const bool is_last = queue->second.places.empty();
  count(-1, is_last ? -1 : 0);
  if (is_last) {
    if (queue->second.delayed.is_set()) executor_.cancel(queue->second.delayed);
    queues_.erase(queue);
  }
  return entry;
}

void LockWaiting::add_waits_of(const Entry& entry, const LockInfo& lock, std::vector<LockWait>& out) const {
  for (Timestamp holder : lock.holders()) {
    out.push_back({.edge = {entry.waiter.start_ts, holder, deadlock_key_hash(lock.key), lock.key,
                            entry.waiter.resource_group_tag},
                   .waited = clock_.now() - entry.since});
  }
}

std::vector<LockWait> LockWaiting::waits() const {
  std::vector<LockWait> waits;
  waits.reserve(waiters_.size());
  for (const auto& [id, entry] : waiters_) add_waits_of(entry, queues_.at(entry.key).lock, waits);
  return waits;
}

void LockWaiting::wake(WaiterId id, Wake why) {
  LockWaitMetrics::get().wake_ups.add();
  take(id).promise.set(std::move(why));
}

void LockWaiting::on_released(const Bytes& key, Release release) {
  const auto found = queues_.find(key);
  if (found == queues_.end()) return;
  Queue& queue = found->second;
  const WaiterId first = queue.places.begin()->id;
  if (waiters_.at(first).waiter.mode == WakeUpMode::kForceLock) {
    // It locks the key, or passes its turn on: nobody else has anything to try meanwhile.
    if (queue.delayed.is_set()) executor_.cancel(std::exchange(queue.delayed, {}));
    wake(first, GoOn{release});
    return;
  }
  queue.last_release = release;
  queue.delayed_below = next_id_;
  if (!queue.delayed.is_set() && queue.places.size() > 1) {
    queue.delayed = executor_.after(options_.wake_up_delay, [alive = std::weak_ptr(self_), key] {
      if (auto self = alive.lock()) (*self)->wake_delayed(key);
    });
  }
  std::vector<WaiterId> together{first};
  if (waiters_.at(first).waiter.wants_share) {
    for (auto place = std::next(queue.places.begin()); place != queue.places.end(); ++place) {
      const Waiter& waiter = waiters_.at(place->id).waiter;
      if (!waiter.wants_share || waiter.mode != WakeUpMode::kNormal) break;
      together.push_back(place->id);
    }
  }
  for (WaiterId id : together) wake(id, TryAgain{release});  // the last to touch the queue: it may be gone
}

void LockWaiting::wake_delayed(const Bytes& key) {
  const auto found = queues_.find(key);
  if (found == queues_.end()) return;
  Queue& queue = found->second;
  queue.delayed = {};
  const Release release = queue.last_release;
  std::vector<WaiterId> normal;
  std::optional<WaiterId> force_lock;
  for (const Place& place : queue.places) {
    if (place.id >= queue.delayed_below) continue;
    if (waiters_.at(place.id).waiter.mode == WakeUpMode::kForceLock) {
      force_lock = place.id;
      break;
    }
    normal.push_back(place.id);
  }
  for (WaiterId id : normal) wake(id, TryAgain{release});
  if (force_lock) wake(*force_lock, GoOn{release});
}

void LockWaiting::on_acquired(const LockInfo& lock) {
  const auto found = queues_.find(lock.key);
  if (found == queues_.end()) return;
  found->second.lock = lock;
  found->second.lock_since = clock_.now();
  std::vector<WaiterId> ids;
  for (const Place& place : found->second.places) ids.push_back(place.id);
  for (WaiterId id : ids) {
    const auto waiter = waiters_.find(id);  // a detection may have told one that it is in a deadlock
    if (waiter == waiters_.end()) continue;
    const auto holders = lock.holders();
    if (std::find(holders.begin(), holders.end(), waiter->second.waiter.start_ts) != holders.end()) {
      wake(id, GoOn{});  // another request of its transaction was first
    } else if (waiter->second.waiter.may_deadlock) {
      detect(id, lock);
    }
  }
}

void LockWaiting::wake_region(RegionId region) {
  const auto found = by_region_.find(region);
  if (found == by_region_.end()) return;
  for (WaiterId id : std::set<WaiterId>(found->second)) wake(id, GoOn{});
}

// The waiter waits for the holders of `lock` from now on, and for nobody else.
void LockWaiting::detect(WaiterId id, const LockInfo& lock) {
  for (const auto& wait : std::exchange(waiters_.at(id).waits, {})) deadlocks_.clean_up_wait_for(wait);
  for (Timestamp holder : lock.holders()) {
    const auto found = waiters_.find(id);
    if (found == waiters_.end()) return;  // an answer came at once: it is in a deadlock
    Entry& entry = found->second;
    // A share in the key that is the transaction's own is in its way, too, but closes no cycle.
    if (holder == entry.waiter.start_ts) continue;
    entry.waits.push_back(
        {entry.waiter.start_ts, holder, deadlock_key_hash(lock.key), lock.key, entry.waiter.resource_group_tag});
    LockWaitMetrics::get().detections.add();
    runtime::spawn_inline(detect_and_tell(self_, &deadlocks_, &executor_, id, entry.waits.back()));
  }
}

runtime::Task<void> LockWaiting::detect_and_tell(std::weak_ptr<LockWaiting*> self, DeadlockClient* deadlocks,
                                                 runtime::Executor* executor, WaiterId id, WaitForEdge wait) {
  auto cycle = co_await deadlocks->detect(wait, *executor);
  const auto alive = self.lock();
  if (!cycle || !alive) co_return;
  const auto found = (*alive)->waiters_.find(id);
  // It may have been woken since, or wait for another by now.
  if (found == (*alive)->waiters_.end()) co_return;
  const auto& waits = found->second.waits;
  if (std::find(waits.begin(), waits.end(), wait) == waits.end()) co_return;
  (*alive)->wake(id, std::move(*cycle));
}

}  // namespace cairn::txn
