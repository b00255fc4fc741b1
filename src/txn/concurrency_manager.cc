#include "txn/concurrency_manager.h"

#include <algorithm>

#include "base/redact.h"

namespace cairn::txn {

void ConcurrencyManager::update_max_ts(Timestamp ts) {
  if (ts.is_max()) return;
  uint64_t current = max_ts_.load(std::memory_order_seq_cst);
  while (current < ts.value && !max_ts_.compare_exchange_weak(current, ts.value, std::memory_order_seq_cst)) {
  }
}

namespace {

int64_t in_ms(Duration duration) { return duration / std::chrono::milliseconds(1); }
int64_t ahead_ms(Timestamp ts, Instant now) { return static_cast<int64_t>(ts.physical_ms()) - in_ms(now.since_start); }

}  // namespace

void ConcurrencyManager::learn_tso(Timestamp tso, Instant now, Duration drift_max) {
  const int64_t ahead = ahead_ms(tso, now) + in_ms(drift_max);
  int64_t known = ahead_ms_max_.load();
  while ((known == kUnknown || known < ahead) && !ahead_ms_max_.compare_exchange_weak(known, ahead)) {
  }
}

bool ConcurrencyManager::is_from_future(Timestamp ts, Instant now) const {
  return !ts.is_max() && ahead_ms(ts, now) > ahead_ms_max_.load();
}

Timestamp ConcurrencyManager::limit(Instant now) const {
  const int64_t ahead = ahead_ms_max_.load();
  if (ahead == kUnknown) return Timestamp::max();
  return Timestamp::compose(static_cast<uint64_t>(in_ms(now.since_start) + ahead), 0);
}

ConcurrencyManager::Guard::Guard(Guard&& other) noexcept
    : owner_(std::exchange(other.owner_, nullptr)), key_(std::move(other.key_)), id_(other.id_) {}

ConcurrencyManager::Guard& ConcurrencyManager::Guard::operator=(Guard&& other) noexcept {
  if (this != &other) {
    release();
    owner_ = std::exchange(other.owner_, nullptr);
    key_ = std::move(other.key_);
    id_ = other.id_;
  }
  return *this;
}

void ConcurrencyManager::Guard::release() {
  if (owner_) std::exchange(owner_, nullptr)->remove(key_, id_);
}

std::optional<ConcurrencyManager::Guard> ConcurrencyManager::publish(
    ByteView user_key, const std::function<std::optional<mvcc::Lock>(Timestamp max_ts)>& decide) {
  Slot& slot = slot_of(user_key);
  MutexLock hold(slot.mutex);
  // Before max_ts is read: a reader that raised max_ts too late for us must not take the short cut over the slots.
  count_.fetch_add(1, std::memory_order_seq_cst);
  auto lock = decide(max_ts());
  if (!lock) {
    count_.fetch_sub(1, std::memory_order_seq_cst);
    return std::nullopt;
  }
  const uint64_t id = slot.next_id++;
  slot.locks.emplace(Bytes(user_key), Published{id, std::move(*lock)});
  return Guard(this, Bytes(user_key), id);
}

void ConcurrencyManager::remove(const Bytes& user_key, uint64_t id) {
  Slot& slot = slot_of(user_key);
  MutexLock hold(slot.mutex);
  const auto [begin, end] = slot.locks.equal_range(user_key);
  const auto published = std::find_if(begin, end, [&](const auto& lock) { return lock.second.id == id; });
  CHECK(published != end, "memory lock {} of {} is gone", id, log::user_text(user_key));
  slot.locks.erase(published);
  count_.fetch_sub(1, std::memory_order_seq_cst);
}

std::optional<std::pair<Bytes, mvcc::Lock>> ConcurrencyManager::find(ByteView user_key,
                                                                     const Predicate& matches) const {
  if (count_.load(std::memory_order_seq_cst) == 0) return std::nullopt;
  const Slot& slot = slot_of(user_key);
  MutexLock hold(slot.mutex);
  const auto [begin, end] = slot.locks.equal_range(user_key);
  for (auto it = begin; it != end; ++it) {
    if (matches(it->first, it->second.lock)) return std::pair(it->first, it->second.lock);
  }
  return std::nullopt;
}

std::optional<std::pair<Bytes, mvcc::Lock>> ConcurrencyManager::find_in_range(ByteView start, ByteView end,
                                                                              const Predicate& matches) const {
  if (count_.load(std::memory_order_seq_cst) == 0) return std::nullopt;
  std::optional<std::pair<Bytes, mvcc::Lock>> first;
  for (const Slot& slot : slots_) {
    MutexLock hold(slot.mutex);
    for (auto it = slot.locks.lower_bound(start); it != slot.locks.end(); ++it) {
      if ((!end.empty() && it->first >= end) || (first && it->first >= first->first)) break;
      if (!matches(it->first, it->second.lock)) continue;
      first.emplace(it->first, it->second.lock);
      break;
    }
  }
  return first;
}

std::optional<Timestamp> ConcurrencyManager::min_lock_ts() const {
  if (count_.load(std::memory_order_seq_cst) == 0) return std::nullopt;
  std::optional<Timestamp> min;
  for (const Slot& slot : slots_) {
    MutexLock hold(slot.mutex);
    for (const auto& [key, published] : slot.locks) {
      min = std::min(min.value_or(published.lock.start_ts), published.lock.start_ts);
    }
  }
  return min;
}

const ConcurrencyManager::Slot& ConcurrencyManager::slot_of(ByteView user_key) const {
  return slots_[std::hash<ByteView>()(user_key) % kSlots];
}

ConcurrencyManager::Slot& ConcurrencyManager::slot_of(ByteView user_key) {
  return slots_[std::hash<ByteView>()(user_key) % kSlots];
}

}  // namespace cairn::txn
