#include "engine/memory/local_region_store.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace cairn::engine {
namespace {

constexpr char kDataPrefix = 'z';

Bytes data_key(ByteView engine_key) {
  Bytes key;
  key.reserve(engine_key.size() + 1);
  key.push_back(kDataPrefix);
  key.append(engine_key);
  return key;
}

// The data key of an excluded bound; an empty one stands for the end of all data keys.
Bytes data_end_key(ByteView engine_key) {
  return engine_key.empty() ? Bytes(1, static_cast<char>(kDataPrefix + 1)) : data_key(engine_key);
}

// Shows data keys as engine keys.
class EngineKeyIterator final : public Iterator {
 public:
  EngineKeyIterator(std::shared_ptr<const Snapshot> snapshot, std::unique_ptr<Iterator> inner)
      : snapshot_(std::move(snapshot)), inner_(std::move(inner)) {}

  void seek(ByteView target) override { inner_->seek(data_key(target)); }
  void seek_for_prev(ByteView target) override { inner_->seek_for_prev(data_key(target)); }
  void seek_to_first() override { inner_->seek_to_first(); }
  void seek_to_last() override { inner_->seek_to_last(); }
  void next() override { inner_->next(); }
  void prev() override { inner_->prev(); }
  bool valid() const override { return inner_->valid(); }
  ByteView key() const override {
    ByteView key = inner_->key();
    CHECK(!key.empty() && key.front() == kDataPrefix, "not a data key: {}", to_hex(key));
    return key.substr(1);
  }
  ByteView value() const override { return inner_->value(); }
  Result<void> status() const override { return inner_->status(); }

 private:
  std::shared_ptr<const Snapshot> snapshot_;
  std::unique_ptr<Iterator> inner_;
};

class LocalSnapshot final : public RegionSnapshot {
 public:
  LocalSnapshot(std::shared_ptr<const Snapshot> snapshot, RegionDescription region, Term term, LogIndex applied)
      : snapshot_(std::move(snapshot)), region_(std::move(region)), term_(term), applied_(applied) {}

  Result<std::optional<Bytes>> get(Cf cf, ByteView engine_key, ReadTier tier) const override {
    CHECK(engine_key >= ByteView(region_.start_key) && (region_.end_key.empty() || engine_key < region_.end_key),
          "key {} lies outside region {}", to_hex(engine_key), region_.id);
    return snapshot_->get(cf, data_key(engine_key), tier);
  }
  std::unique_ptr<Iterator> iterator(Cf cf, IterOptions options) const override {
    Bytes lower = data_key(std::max<ByteView>(options.lower, region_.start_key));
    Bytes upper = std::min(data_end_key(options.upper), data_end_key(region_.end_key));
    options.upper = std::max(lower, upper);
    options.lower = std::move(lower);
    return std::make_unique<EngineKeyIterator>(snapshot_, snapshot_->iterator(cf, std::move(options)));
  }
  RegionId region_id() const override { return region_.id; }
  Term term() const override { return term_; }
  cairn::Result<WriteBasis, RegionError> write_basis() const override { return WriteBasis(term_, applied_); }
  LogIndex applied_index() const override { return applied_; }
  ByteView start_key() const override { return region_.start_key; }
  ByteView end_key() const override { return region_.end_key; }

 private:
  std::shared_ptr<const Snapshot> snapshot_;
  RegionDescription region_;
  Term term_;
  LogIndex applied_;
};

RegionError disk_error(const Error& error, const RegionDescription& region) {
  if (error.kind != Error::Kind::kNoSpace) return OtherRegionError{error.message};
  DiskFull full{{}, error.message};
  if (!region.peers.empty()) full.stores.push_back(region.peers.front().store);
  return full;
}

// The first key of a change that lies outside the region, if one does.
const Bytes* key_outside(const Modify& change, const RegionDescription& region) {
  const Bytes& end = region.end_key;
  if (change.key < region.start_key) return &change.key;
  if (change.op != Modify::Op::kDeleteRange) return !end.empty() && change.key >= end ? &change.key : nullptr;
  return !end.empty() && (change.value.empty() || change.value > end) ? &change.value : nullptr;
}

}  // namespace

LocalRegionStore::LocalRegionStore(std::shared_ptr<KvEngine> engine, runtime::Executor& executor,
                                   RegionDescription region)
    : engine_(std::move(engine)), executor_(executor), region_(std::move(region)) {
  CHECK(engine_ != nullptr, "a region store rests on an engine");
  CHECK(region_.id.is_set(), "a region has an id");
}

LocalRegionStore::~LocalRegionStore() = default;

RegionDescription LocalRegionStore::whole_key_space() {
  RegionDescription region;
  region.id = RegionId(1);
  region.epoch = {1, 1};
  region.peers.push_back({PeerId(1), StoreId(1)});
  return region;
}

RegionRequest LocalRegionStore::request() const {
  RegionRequest request;
  request.region = region_.id;
  request.epoch = region_.epoch;
  if (!region_.peers.empty()) request.peer = region_.peers.front().id;
  return request;
}

std::optional<RegionError> LocalRegionStore::check(const RegionRequest& request) const {
  if (hook_) {
    if (auto error = hook_(request)) return error;
  }
  if (!region_.peers.empty()) {
    StoreId own = region_.peers.front().store;
    if (request.store.is_set() && request.store != own) return StoreNotMatch{request.store, own};
  }
  if (request.region != region_.id) return RegionNotFound{request.region};
  if (!region_.peers.empty()) {
    PeerId own = region_.peers.front().id;
    if (request.peer.is_set() && request.peer != own) return MismatchPeerId{request.peer, own};
  }
  // A client may be one term behind: it learns of elections late.
  if (request.term.is_set() && term_ > request.term + 1) return StaleCommand{};
  bool epoch_given = request.epoch != RegionEpoch{};
  if (epoch_given && request.epoch.version != region_.epoch.version) return EpochNotMatch{{region_}};
  return std::nullopt;
}

RegionSnapshotPtr LocalRegionStore::snapshot_now() const {
  return std::make_shared<LocalSnapshot>(engine_->snapshot(), region_, term_, applied_);
}

cairn::Result<LogIndex, RegionError> LocalRegionStore::write_now(const WriteData& data) {
  auto batch = engine_->new_batch();
  for (const Modify& change : data.changes) {
    if (const Bytes* outside = key_outside(change, region_)) {
      return Err(RegionError(KeyNotInRegion{*outside, region_}));
    }
    switch (change.op) {
      case Modify::Op::kPut:
        batch->put(change.cf, data_key(change.key), change.value);
        break;
      case Modify::Op::kDelete:
        batch->del(change.cf, data_key(change.key));
        break;
      case Modify::Op::kDeleteRange:
        if (!change.notify_only) batch->delete_range(change.cf, data_key(change.key), data_end_key(change.value));
        break;
    }
  }
  if (!batch->empty()) {
    auto written = engine_->write(*batch);
    if (!written.ok()) return Err(disk_error(written.error(), region_));
  }
  applied_ = applied_.next();
  return applied_;
}

runtime::Task<cairn::Result<RegionSnapshotPtr, RegionError>> LocalRegionStore::snapshot(RegionRequest request) {
  if (auto error = check(request)) co_return Err(std::move(*error));
  co_return snapshot_now();
}

runtime::Task<cairn::Result<LogIndex, RegionError>> LocalRegionStore::write(RegionRequest request, WriteBasis basis,
                                                                            WriteData data) {
  if (auto error = check(request)) co_return Err(std::move(*error));
  if (basis.is_view() && basis.term() != term_) co_return Err(RegionError(StaleCommand{}));
  co_return write_now(data);
}

bool LocalRegionStore::is_busy(RegionId) const { return busy_; }

}  // namespace cairn::engine
