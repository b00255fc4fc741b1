// GcFilters: what the engine's compactions ask for their filters, and where they leave what is to be collected by hand:
// those of transactions (mvcc/gc_filter.h), and of raw values in V1TTL and V2 (rawkv/gc.h).
// The place where the engine's threads meet the store: knows the safe point, and keeps a bounded set of keys.
//
// Shared on purpose, thread-safe. A filter may outlive the store: after close() it is told nothing and passes nothing
// on. Tests: gc_worker_test.cc.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <vector>

#include "base/mutex.h"
#include "engine/kv_engine.h"
#include "mvcc/gc_filter.h"
#include "rawkv/api_version.h"
#include "runtime/clock.h"

namespace cairn::store {

class GcFilters final : public engine::CompactionFilterFactory,
                        public mvcc::GcSink,
                        public std::enable_shared_from_this<GcFilters> {
 public:
  // `on_leftovers` is called, on any thread, when there are keys again after there were none. The clock must outlive
  // the engine's last compaction.
  GcFilters(rawkv::ApiVersion api_version, const runtime::Clock& clock, std::function<void()> on_leftovers)
      : api_version_(api_version), clock_(clock), on_leftovers_(std::move(on_leftovers)) {}

  // No filter drops anything before the first. Only ever grows; false if it did not.
  bool set_safe_point(Timestamp safe_point);
  Timestamp safe_point() const { return Timestamp(safe_point_.load()); }

  std::vector<Bytes> take_leftovers(size_t keys_max);
  // What could not be finished. The caller goes on with it: nobody is called.
  void put_back(std::vector<Bytes> keys);
  void close();

  std::unique_ptr<engine::CompactionFilter> begin(engine::Cf cf) override;
  void on_leftover(ByteView key) override;
  void on_pass(const mvcc::GcPass& pass) override;

 private:
  bool add_locked(Bytes key) CAIRN_REQUIRES(mutex_);

  const rawkv::ApiVersion api_version_;
  const runtime::Clock& clock_;
  std::atomic<uint64_t> safe_point_{0};
  std::atomic<bool> is_closed_{false};
  Mutex mutex_;
  std::function<void()> on_leftovers_ CAIRN_GUARDED_BY(mutex_);
  std::set<Bytes> leftovers_ CAIRN_GUARDED_BY(mutex_);
  size_t leftover_bytes_ CAIRN_GUARDED_BY(mutex_) = 0;
};

}  // namespace cairn::store
