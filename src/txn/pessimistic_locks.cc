#include "txn/pessimistic_locks.h"

#include <algorithm>

#include "base/check.h"
#include "mvcc/lock.h"
#include "txn/merged_iterator.h"
#include "txn/metrics.h"

namespace cairn::txn {

using engine::Cf;
using engine::Modify;

namespace {

// The pairs of [lower, upper), empty: no bound, as records.
template <class Entries>
Pairs copy_range(const Entries& entries, ByteView lower, ByteView upper) {
  Pairs pairs;
  for (auto it = entries.lower_bound(lower); it != entries.end() && (upper.empty() || it->first < upper); ++it) {
    pairs.emplace_back(it->first, it->second.record);
  }
  return pairs;
}

void tell_bytes(int64_t more) { PessimisticLocksMetrics::get().bytes.add(more); }

class FrozenView final : public engine::RegionSnapshot {
 public:
  FrozenView(engine::RegionSnapshotPtr base, Pairs locks) : base_(std::move(base)), locks_(std::move(locks)) {}

  engine::Result<std::optional<Bytes>> get(Cf cf, ByteView engine_key, engine::ReadTier tier) const override {
    TRY_ASSIGN(auto found, base_->get(cf, engine_key, tier));
    if (found || cf != Cf::kLock) return found;
    const auto it = lower_bound(engine_key);
    if (it != locks_.end() && it->first == engine_key) found = it->second;
    return found;
  }
  std::unique_ptr<engine::Iterator> iterator(Cf cf, engine::IterOptions options) const override {
    if (cf != Cf::kLock || locks_.empty()) return base_->iterator(cf, std::move(options));
    const auto begin = lower_bound(options.lower);
    Pairs pairs(begin, options.upper.empty() ? locks_.end() : std::max(begin, lower_bound(options.upper)));
    return merged_iterator(base_->iterator(cf, std::move(options)), std::move(pairs));
  }
  engine::ReadWork work_of_thread() const override { return base_->work_of_thread(); }
  RegionId region_id() const override { return base_->region_id(); }
  Term term() const override { return base_->term(); }
  Result<engine::WriteBasis, engine::RegionError> write_basis() const override { return base_->write_basis(); }
  LogIndex applied_index() const override { return base_->applied_index(); }
  bool is_max_ts_synced() const override { return base_->is_max_ts_synced(); }
  Timestamp max_ts_synced_at() const override { return base_->max_ts_synced_at(); }
  ByteView start_key() const override { return base_->start_key(); }
  ByteView end_key() const override { return base_->end_key(); }

 private:
  Pairs::const_iterator lower_bound(ByteView key) const {
    return std::lower_bound(locks_.begin(), locks_.end(), key,
                            [](const auto& pair, ByteView target) { return pair.first < target; });
  }
  const engine::RegionSnapshotPtr base_;
  const Pairs locks_;
};

}  // namespace

engine::Result<std::optional<Bytes>> PessimisticLocks::View::get(Cf cf, ByteView engine_key,
                                                                 engine::ReadTier tier) const {
  TRY_ASSIGN(auto found, base_.get(cf, engine_key, tier));
  if (found || cf != Cf::kLock) return found;
  if (const Bytes* record = locks_.find(base_.region_id(), base_.term(), engine_key)) found = *record;
  return found;
}

std::unique_ptr<engine::Iterator> PessimisticLocks::View::iterator(Cf cf, engine::IterOptions options) const {
  const Region* region = cf == Cf::kLock ? locks_.region_at(base_.region_id(), base_.term()) : nullptr;
  if (!region || region->entries.empty()) return base_.iterator(cf, std::move(options));
  Pairs pairs = copy_range(region->entries, options.lower, options.upper);
  return merged_iterator(base_.iterator(cf, std::move(options)), std::move(pairs));
}

engine::RegionSnapshotPtr PessimisticLocks::frozen(engine::RegionSnapshotPtr base) const {
  const Region* region = region_at(base->region_id(), base->term());
  if (!region || region->entries.empty()) return base;
  Pairs pairs = copy_range(region->entries, base->start_key(), base->end_key());
  return std::make_shared<FrozenView>(std::move(base), std::move(pairs));
}

// INV-PESSIMISTIC-TERM: nobody looks at a region's entries but by way of this.
const PessimisticLocks::Region* PessimisticLocks::region_at(RegionId region, Term term) const {
  const auto found = regions_.find(region);
  return found == regions_.end() || found->second.term != term ? nullptr : &found->second;
}

const Bytes* PessimisticLocks::find(RegionId region, Term term, ByteView key) const {
  const Region* held = region_at(region, term);
  if (!held) return nullptr;
  const auto entry = held->entries.find(key);
  return entry == held->entries.end() ? nullptr : &entry->second.record;
}

bool PessimisticLocks::has_room(RegionId region, const std::vector<NewLock>& locks) const {
  size_t more = 0;
  for (const auto& lock : locks) more += lock.key.size() + lock.record.size() + sizeof(Entry);
  const auto found = regions_.find(region);
  const size_t held = found == regions_.end() ? 0 : found->second.bytes;
  return held + more <= options_.region_bytes_max && bytes_ + more <= options_.bytes_max;
}

void PessimisticLocks::insert(Region& region, Bytes key, Entry entry) {
  const size_t bytes = bytes_of(key, entry);
  const bool is_new = region.entries.emplace(std::move(key), std::move(entry)).second;
  CHECK(is_new, "a lock is taken that is there already, in term {}", region.term);
  region.bytes += bytes;
  bytes_ += bytes;
  ++size_;
  tell_bytes(static_cast<int64_t>(bytes));
}

void PessimisticLocks::erase(Region& region, Entries::iterator entry) {
  const size_t bytes = bytes_of(entry->first, entry->second);
  CHECK(region.bytes >= bytes && bytes_ >= bytes && size_ > 0, "{} of {} bytes are given back", bytes, region.bytes);
  region.bytes -= bytes;
  bytes_ -= bytes;
  --size_;
  tell_bytes(-static_cast<int64_t>(bytes));
  region.entries.erase(entry);
}

void PessimisticLocks::erase_region(Regions::iterator region) {
  if (region == regions_.end()) return;
  bytes_ -= region->second.bytes;
  tell_bytes(-static_cast<int64_t>(region->second.bytes));
  size_ -= region->second.entries.size();
  regions_.erase(region);
}

PessimisticLocks::Kept PessimisticLocks::keep(const engine::RegionSnapshot& snapshot, std::vector<NewLock> acquired,
                                              std::vector<Modify>& changes) {
  CHECK(snapshot.write_basis().ok(), "region {}: locks are decided on over a view for reading", snapshot.region_id());
  Kept kept{snapshot.region_id(), snapshot.term(), {}, {}};
  if (acquired.empty() && size_ == 0) return kept;
  auto found = regions_.find(kept.region);
  if (found != regions_.end() && found->second.term != kept.term) {
    CHECK(found->second.term < kept.term, "region {}: a lock of term {} in term {}", kept.region, found->second.term,
          kept.term);
    erase_region(found);
    found = regions_.end();
  }
  const bool is_handing_over = found != regions_.end() && found->second.hand_over != HandOver::kNone;
  std::vector<Modify> replicated;
  replicated.reserve(changes.size() + acquired.size());
  for (auto& change : changes) {
    const bool may_concern = change.cf == Cf::kLock && found != regions_.end();
    if (may_concern && change.op == Modify::Op::kDeleteRange && !change.notify_only) {
      kept.deleted_ranges.emplace_back(change.key, change.value);
    }
    const bool is_range = change.op == Modify::Op::kDeleteRange;
    const auto held = may_concern && !is_range ? found->second.entries.find(change.key) : Entries::iterator();
    if (!may_concern || is_range || held == found->second.entries.end()) {
      replicated.push_back(std::move(change));
      continue;
    }
    Entry& entry = held->second;
    const bool is_put = change.op == Modify::Op::kPut;
    const bool is_update = is_put && mvcc::is_pessimistic_record(change.value) && !is_handing_over;
    if (is_update) {
      found->second.bytes += change.value.size() - entry.record.size();
      bytes_ += change.value.size() - entry.record.size();
      tell_bytes(static_cast<int64_t>(change.value.size() - entry.record.size()));
      entry.record = std::move(change.value);
      continue;
    }
    entry.is_leaving = true;
    kept.leaving.push_back({change.key, entry.start_ts});
    // The hand-over has put the lock into the column family, or will: there it must go, too.
    if (is_put || is_handing_over) replicated.push_back(std::move(change));
  }
  const auto& metrics = PessimisticLocksMetrics::get();
  const bool stay = options_.in_memory && !is_handing_over && replicated.empty() && has_room(kept.region, acquired);
  if (stay && !acquired.empty()) {
    auto& region = regions_[kept.region];
    region.term = kept.term;
    metrics.kept.add(acquired.size());
    for (auto& lock : acquired) insert(region, std::move(lock.key), {lock.start_ts, std::move(lock.record), false});
  } else {
    if (options_.in_memory) metrics.no_room.add(acquired.size());
    for (auto& lock : acquired)
      replicated.push_back(Modify::put(Cf::kLock, std::move(lock.key), std::move(lock.record)));
  }
  changes = std::move(replicated);
  return kept;
}

// The region may have been split since: then a child has the lock.
PessimisticLocks::Entry* PessimisticLocks::entry_of(const Kept& kept, const Kept::Leaving& leaving, Region** owner) {
  const auto look = [&](Regions::iterator region) -> Entry* {
    const auto entry = region->second.entries.find(leaving.key);
    if (entry == region->second.entries.end() || entry->second.start_ts != leaving.start_ts) return nullptr;
    *owner = &region->second;
    return &entry->second;
  };
  if (auto found = regions_.find(kept.region); found != regions_.end()) {
    if (Entry* entry = look(found)) return entry;
  }
  for (auto region = regions_.begin(); region != regions_.end(); ++region) {
    if (Entry* entry = look(region)) return entry;
  }
  return nullptr;
}

void PessimisticLocks::settle(const Kept& kept) {
  Region* owner = nullptr;
  for (const auto& leaving : kept.leaving) {
    if (entry_of(kept, leaving, &owner)) erase(*owner, owner->entries.find(leaving.key));
  }
  // Other regions that hold keys of the range are children that the region has had since.
  for (const auto& [begin, end] : kept.deleted_ranges) {
    for (auto& [id, region] : regions_) {
      if (id == kept.region && region.term != kept.term) continue;
      auto& entries = region.entries;
      for (auto it = entries.lower_bound(begin); it != entries.end() && (end.empty() || it->first < end);) {
        erase(region, it++);
      }
    }
  }
}

// A lock that a split has moved meanwhile is left alone: the child may have a change of its own under way.
void PessimisticLocks::give_up(const Kept& kept) {
  const auto found = regions_.find(kept.region);
  if (found == regions_.end() || found->second.term != kept.term) return;
  for (const auto& leaving : kept.leaving) {
    const auto entry = found->second.entries.find(leaving.key);
    if (entry != found->second.entries.end() && entry->second.start_ts == leaving.start_ts) {
      entry->second.is_leaving = false;
    }
  }
}

PessimisticLocks::HandedOver PessimisticLocks::begin_hand_over(RegionId region, Term term) {
  on_leader(region, term);
  auto& held = regions_[region];
  held.term = term;
  held.hand_over = HandOver::kReplicating;
  HandedOver out{.changes = {}, .kept = {region, term, {}, {}}};
  for (const auto& [key, entry] : held.entries) {
    // What replaces it is in the log already: the lock must not come after it.
    if (entry.is_leaving) continue;
    out.changes.push_back(Modify::put(Cf::kLock, key, entry.record));
    out.kept.leaving.push_back({key, entry.start_ts});
  }
  return out;
}

void PessimisticLocks::begin_transfer(const Kept& handed_over) {
  settle(handed_over);
  const auto found = regions_.find(handed_over.region);
  if (found != regions_.end() && found->second.term == handed_over.term) {
    found->second.hand_over = HandOver::kTransferring;
  }
}

void PessimisticLocks::end_hand_over(RegionId region, Term term) {
  const auto found = regions_.find(region);
  if (found == regions_.end() || found->second.term != term) return;
  found->second.hand_over = HandOver::kNone;
  if (found->second.entries.empty()) regions_.erase(found);
}

bool PessimisticLocks::is_transferring(RegionId region) const {
  const auto found = regions_.find(region);
  return found != regions_.end() && found->second.hand_over == HandOver::kTransferring;
}

bool PessimisticLocks::is_handing_over(RegionId region) const {
  const auto found = regions_.find(region);
  return found != regions_.end() && found->second.hand_over != HandOver::kNone;
}

void PessimisticLocks::split(RegionId parent, RegionId child, ByteView start, ByteView end, Term term) {
  drop(child);
  const auto found = regions_.find(parent);
  if (found == regions_.end()) return;
  auto& entries = found->second.entries;
  Region moved{.term = term};
  for (auto it = entries.lower_bound(start); it != entries.end() && (end.empty() || it->first < end);) {
    Bytes key = it->first;
    Entry entry = it->second;
    entry.is_leaving = false;  // what is under way for it is settled before the child leads, or will be refused
    erase(found->second, it++);
    insert(moved, std::move(key), std::move(entry));
  }
  if (!moved.entries.empty()) regions_.emplace(child, std::move(moved));
}

PessimisticLocks::Moving PessimisticLocks::take(RegionId region) {
  Moving moving{.region = region, .term = {}, .locks = {}};
  const auto found = regions_.find(region);
  if (found == regions_.end()) return moving;
  moving.term = found->second.term;
  for (const auto& [key, entry] : found->second.entries) moving.locks.push_back({key, entry.start_ts, entry.record});
  erase_region(found);
  return moving;
}

void PessimisticLocks::adopt(Moving moving) {
  drop(moving.region);
  if (moving.locks.empty()) return;
  Region& region = regions_[moving.region];
  region.term = moving.term;
  for (auto& lock : moving.locks) insert(region, std::move(lock.key), {lock.start_ts, std::move(lock.record), false});
}

void PessimisticLocks::on_no_leader(RegionId region, Term term, Campaign campaign) {
  const auto found = regions_.find(region);
  if (found == regions_.end()) return;
  const Term held = found->second.term;
  if (held > term || (held == term && campaign == Campaign::kInThisTerm)) return;
  erase_region(found);
}

void PessimisticLocks::on_leader(RegionId region, Term term) {
  const auto found = regions_.find(region);
  if (found != regions_.end() && found->second.term != term) erase_region(found);
}

}  // namespace cairn::txn
