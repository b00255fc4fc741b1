#include "replica/read_view.h"

#include <algorithm>
#include <utility>

#include "base/redact.h"
#include "replica/keys.h"

namespace cairn::replica {
namespace {

// Shows data keys as engine keys.
class EngineKeyIterator final : public engine::Iterator {
 public:
  explicit EngineKeyIterator(std::unique_ptr<engine::Iterator> inner) : inner_(std::move(inner)) {}

  void seek(ByteView target) override { inner_->seek(data_key(target)); }
  void seek_for_prev(ByteView target) override { inner_->seek_for_prev(data_key(target)); }
  void seek_to_first() override { inner_->seek_to_first(); }
  void seek_to_last() override { inner_->seek_to_last(); }
  void next() override { inner_->next(); }
  void prev() override { inner_->prev(); }
  bool valid() const override { return inner_->valid(); }
  ByteView key() const override { return inner_->key().substr(1); }
  ByteView value() const override { return inner_->value(); }
  engine::Result<void> status() const override { return inner_->status(); }

 private:
  std::unique_ptr<engine::Iterator> inner_;
};

class EngineRegionSnapshot final : public engine::RegionSnapshot {
 public:
  EngineRegionSnapshot(std::shared_ptr<const engine::Snapshot> snapshot, ReadViewPtr view, LogIndex applied)
      : snapshot_(std::move(snapshot)), view_(std::move(view)), applied_(applied) {}

  engine::Result<std::optional<Bytes>> get(engine::Cf cf, ByteView engine_key, engine::ReadTier tier) const override {
    CHECK(in_range(engine_key, start_key(), end_key()), "reading key {} of region {} [{}, {})",
          log::user_text(engine_key), region_id(), log::user_text(start_key()), log::user_text(end_key()));
    return snapshot_->get(cf, data_key(engine_key), tier);
  }
  std::unique_ptr<engine::Iterator> iterator(engine::Cf cf, engine::IterOptions options) const override {
    options.lower = data_key(std::max<ByteView>(options.lower, start_key()));
    bool clip = options.upper.empty() || (!end_key().empty() && end_key() < options.upper);
    options.upper = clip ? data_end_key(end_key()) : data_key(options.upper);
    options.upper = std::max(options.upper, options.lower);
    return std::make_unique<EngineKeyIterator>(snapshot_->iterator(cf, std::move(options)));
  }

  engine::ReadWork work_of_thread() const override { return snapshot_->work_of_thread(); }
  RegionId region_id() const override { return view_->region.id; }
  Term term() const override { return view_->term; }
  cairn::Result<engine::WriteBasis, engine::RegionError> write_basis() const override {
    if (!view_->is_of_leader) return Err(engine::RegionError(engine::StaleCommand{}));
    return engine::WriteBasis(view_->term, applied_);
  }
  LogIndex applied_index() const override { return applied_; }
  ByteView start_key() const override { return view_->region.start_key; }
  ByteView end_key() const override { return view_->region.end_key; }
  bool is_max_ts_synced() const override { return view_->max_ts_synced; }
  Timestamp max_ts_synced_at() const override { return view_->max_ts_synced_at; }

 private:
  std::shared_ptr<const engine::Snapshot> snapshot_;
  ReadViewPtr view_;
  LogIndex applied_;
};

}  // namespace

engine::RegionSnapshotPtr make_region_snapshot(std::shared_ptr<const engine::Snapshot> snapshot, ReadViewPtr view,
                                               LogIndex applied) {
  return std::make_shared<EngineRegionSnapshot>(std::move(snapshot), std::move(view), applied);
}

}  // namespace cairn::replica
