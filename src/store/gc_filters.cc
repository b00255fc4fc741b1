#include "store/gc_filters.h"

#include <utility>

#include "base/metrics.h"
#include "rawkv/gc.h"

namespace cairn::store {
namespace {

// More is forgotten, and named again by later compactions.
constexpr size_t kLeftoverBytesMax = 16 << 20;
constexpr size_t kLeftoverOverhead = 64;  // of a key in the set, about

}  // namespace

bool GcFilters::set_safe_point(Timestamp safe_point) {
  static auto& gauge = metrics::gauge("tikv_gcworker_autogc_safe_point", "Safe point used for auto gc");
  uint64_t known = safe_point_.load();
  while (known < safe_point.value) {
    if (!safe_point_.compare_exchange_weak(known, safe_point.value)) continue;
    gauge.set(static_cast<double>(safe_point.value));
    return true;
  }
  return false;
}

std::unique_ptr<engine::CompactionFilter> GcFilters::begin(engine::Cf cf) {
  static auto& performed =
      metrics::counter("tikv_gc_compaction_filter_perform", "Compactions that collected old versions");
  static auto& skipped = metrics::counter("tikv_gc_compaction_filter_skip",
                                          "Compactions that collected no old versions for want of a safe point");
  if (is_closed_) return nullptr;
  const uint64_t now_s = clock_.wall_now().seconds();
  // All the data of V1TTL is raw, and needs no safe point.
  if (api_version_ == rawkv::ApiVersion::kV1Ttl) return std::make_unique<rawkv::ExpiryFilter>(now_s);
  const bool is_raw = cf == engine::Cf::kDefault && api_version_ == rawkv::ApiVersion::kV2;
  if (cf != engine::Cf::kWrite && !is_raw) return nullptr;
  if (!safe_point().is_set()) {
    skipped.add();
    return nullptr;
  }
  performed.add();
  if (!is_raw) return std::make_unique<mvcc::GcFilter>(safe_point(), shared_from_this());
  return std::make_unique<rawkv::VersionFilter>(safe_point(), now_s,
                                                [self = shared_from_this()](ByteView key) { self->on_leftover(key); });
}

void GcFilters::on_leftover(ByteView key) {
  static auto& forgotten =
      metrics::counter("tikv_gc_worker_too_busy", "Keys that found no room: a later compaction names them");
  MutexLock lock(mutex_);
  if (is_closed_) return;
  const bool was_empty = leftovers_.empty();
  if (!add_locked(Bytes(key))) return forgotten.add();
  if (was_empty) on_leftovers_();
}

bool GcFilters::add_locked(Bytes key) {
  const size_t bytes = key.size() + kLeftoverOverhead;
  if (leftover_bytes_ + bytes > kLeftoverBytesMax) return false;
  if (leftovers_.insert(std::move(key)).second) leftover_bytes_ += bytes;
  return true;
}

void GcFilters::on_pass(const mvcc::GcPass& pass) {
  static auto& filtered = metrics::counter("tikv_gc_compaction_filtered", "Filtered versions by compaction");
  static auto& rollbacks = metrics::counter("tikv_gc_compaction_mvcc_rollback", "Compaction of mvcc rollbacks");
  static auto& unreadable = metrics::counter("tikv_gc_compaction_failure", "Compaction filter meets failure");
  filtered.add(pass.dropped);
  rollbacks.add(pass.rollbacks);
  unreadable.add(pass.unreadable);
}

std::vector<Bytes> GcFilters::take_leftovers(size_t keys_max) {
  MutexLock lock(mutex_);
  std::vector<Bytes> keys;
  while (keys.size() < keys_max && !leftovers_.empty()) {
    auto node = leftovers_.extract(leftovers_.begin());
    leftover_bytes_ -= node.value().size() + kLeftoverOverhead;
    keys.push_back(std::move(node.value()));
  }
  return keys;
}

void GcFilters::put_back(std::vector<Bytes> keys) {
  MutexLock lock(mutex_);
  for (auto& key : keys) add_locked(std::move(key));
}

void GcFilters::close() {
  MutexLock lock(mutex_);
  is_closed_ = true;
  on_leftovers_ = nullptr;
  leftovers_.clear();
  leftover_bytes_ = 0;
}

}  // namespace cairn::store
