#include "store/directory.h"

#include <algorithm>

#include "base/check.h"
#include "base/redact.h"
#include "replica/keys.h"

namespace cairn::store {

std::optional<RegionDirectory::Entry> RegionDirectory::find(RegionId region) const {
  const Stripe& stripe = stripes_[region.value % kStripes];
  MutexLock lock(stripe.mutex);
  auto entry = stripe.entries.find(region.value);
  if (entry == stripe.entries.end()) return std::nullopt;
  return entry->second;
}

RegionDirectory::Entry RegionDirectory::claim(RegionId region, int shard) {
  Stripe& stripe = stripes_[region.value % kStripes];
  MutexLock lock(stripe.mutex);
  auto [entry, made] = stripe.entries.try_emplace(region.value);
  if (made) entry->second = {shard, std::make_shared<replica::ReadCell>()};
  return entry->second;
}

void RegionDirectory::erase(RegionId region) {
  {
    MutexLock lock(ranges_mutex_);
    if (auto range = ranges_.find(region); range != ranges_.end()) {
      by_start_.erase(range->second.start);
      ranges_.erase(range);
    }
    reserved_.erase(region);
  }
  Stripe& stripe = stripes_[region.value % kStripes];
  MutexLock lock(stripe.mutex);
  stripe.entries.erase(region.value);
}

std::vector<RegionId> RegionDirectory::regions() const {
  std::vector<RegionId> out;
  for (const auto& stripe : stripes_) {
    MutexLock lock(stripe.mutex);
    for (const auto& [id, entry] : stripe.entries) out.emplace_back(id);
  }
  std::sort(out.begin(), out.end());
  return out;
}

bool RegionDirectory::overlaps_locked(const Range& range) const {
  // Ranges do not overlap one another: only the last one that begins before the end can reach in, or lie inside.
  auto after = range.end.empty() ? by_start_.end() : by_start_.lower_bound(range.end);
  while (after != by_start_.begin()) {
    --after;
    const Bounds& bounds = ranges_.at(after->second);
    if (!replica::ranges_overlap(bounds.start, bounds.end, range.start, range.end)) break;
    if (after->second != range.region) return true;
  }
  return std::any_of(reserved_.begin(), reserved_.end(), [&](const auto& reserved) {
    return reserved.first != range.region &&
           replica::ranges_overlap(reserved.second.start, reserved.second.end, range.start, range.end);
  });
}

void RegionDirectory::set_ranges(const std::vector<Range>& ranges) {
  MutexLock lock(ranges_mutex_);
  for (const auto& range : ranges) {
    reserved_.erase(range.region);
    auto old = ranges_.find(range.region);
    if (old == ranges_.end()) continue;
    by_start_.erase(old->second.start);
    ranges_.erase(old);
  }
  for (const auto& range : ranges) {
    CHECK(!overlaps_locked(range), "region {} [{}, {}) overlaps another region of this store", range.region,
          log::user_text(range.start), log::user_text(range.end));
    ranges_[range.region] = {range.start, range.end};
    by_start_[range.start] = range.region;
  }
}

std::vector<RegionId> RegionDirectory::left_of(RegionId region, size_t count) const {
  std::vector<RegionId> out;
  MutexLock lock(ranges_mutex_);
  auto own = ranges_.find(region);
  if (own == ranges_.end()) return out;
  for (auto at = by_start_.lower_bound(own->second.start); at != by_start_.begin() && out.size() < count;) {
    out.push_back((--at)->second);
  }
  return out;
}

std::optional<RegionId> RegionDirectory::region_at(ByteView key) const {
  MutexLock lock(ranges_mutex_);
  auto after = by_start_.upper_bound(Bytes(key));
  if (after == by_start_.begin()) return std::nullopt;
  const RegionId region = std::prev(after)->second;
  const Bounds& bounds = ranges_.at(region);
  if (!bounds.end.empty() && key >= bounds.end) return std::nullopt;
  return region;
}

bool RegionDirectory::overlaps(const Range& range) const {
  MutexLock lock(ranges_mutex_);
  return overlaps_locked(range);
}

bool RegionDirectory::reserve(const Range& range, Peer peer) {
  MutexLock lock(ranges_mutex_);
  if (overlaps_locked(range)) return false;
  if (peer == Peer::kEmpty && ranges_.contains(range.region)) return false;
  reserved_[range.region] = {range.start, range.end};
  return true;
}

void RegionDirectory::release_reservation(RegionId region) {
  MutexLock lock(ranges_mutex_);
  reserved_.erase(region);
}

}  // namespace cairn::store
