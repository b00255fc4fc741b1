// A region's view that reads from the cache alone: for threads that must not wait for the disk. What a computation over
// it ends with kNotCached, is done again over the view itself, on a thread that may wait.
#pragma once

#include <memory>
#include <optional>
#include <utility>
#include <variant>

#include "engine/region_store.h"

namespace cairn::engine {

class CachedView final : public RegionSnapshot {
 public:
  // `base` must outlive the view.
  explicit CachedView(const RegionSnapshot& base) : base_(base) {}

  Result<std::optional<Bytes>> get(Cf cf, ByteView engine_key, ReadTier) const override {
    return base_.get(cf, engine_key, ReadTier::kCache);
  }
  std::unique_ptr<Iterator> iterator(Cf cf, IterOptions options) const override {
    options.tier = ReadTier::kCache;
    return base_.iterator(cf, std::move(options));
  }
  ReadWork work_of_thread() const override { return base_.work_of_thread(); }
  RegionId region_id() const override { return base_.region_id(); }
  Term term() const override { return base_.term(); }
  cairn::Result<WriteBasis, RegionError> write_basis() const override { return base_.write_basis(); }
  LogIndex applied_index() const override { return base_.applied_index(); }
  bool is_max_ts_synced() const override { return base_.is_max_ts_synced(); }
  Timestamp max_ts_synced_at() const override { return base_.max_ts_synced_at(); }
  ByteView start_key() const override { return base_.start_key(); }
  ByteView end_key() const override { return base_.end_key(); }

 private:
  const RegionSnapshot& base_;
};

// Whether a computation failed, of all reasons, for what the cache did not hold.
template <class... Reasons>
bool is_not_cached(const std::variant<Reasons...>& failure) {
  const auto* of_engine = std::get_if<Error>(&failure);
  return of_engine && of_engine->kind == Error::Kind::kNotCached;
}

}  // namespace cairn::engine
