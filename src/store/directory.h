// RegionDirectory: which region lives on which shard, its published read view, and which key ranges are taken. The one
// place where shards meet: a region's peer is made only if no other region here holds or awaits a part of its range
// (INV-REGIONS-TILE).
//
// Shared on purpose, thread-safe; lookups take one of many locks for a moment. Tests: directory_test.cc.
#pragma once

#include <array>
#include <map>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"
#include "base/mutex.h"
#include "replica/read_view.h"

namespace cairn::store {

class RegionDirectory {
 public:
  struct Entry {
    int shard = 0;
    std::shared_ptr<replica::ReadCell> cell;
  };
  std::optional<Entry> find(RegionId region) const;
  // The region's entry; made for `shard` if there is none.
  Entry claim(RegionId region, int shard);
  void erase(RegionId region);  // its ranges too
  // Ascending.
  std::vector<RegionId> regions() const;

  struct Range {
    RegionId region;
    Bytes start, end;  // engine keys; an empty end is no bound
  };
  // Replaces the ranges of these regions together; CHECKs that the result does not overlap.
  void set_ranges(const std::vector<Range>& ranges);
  // The regions here to the left of this one, the nearest first, `count` at most.
  std::vector<RegionId> left_of(RegionId region, size_t count) const;
  // The region here that holds the engine key.
  std::optional<RegionId> region_at(ByteView key) const;
  // Whether another region holds or awaits a part of the range.
  bool overlaps(const Range& range) const;
  // The range is kept for a snapshot that is about to be installed; false if it overlaps another region's, or if the
  // peer has no data as far as its shard knows but a range here: then a split is making it.
  enum class Peer : uint8_t { kEmpty, kWithData };
  bool reserve(const Range& range, Peer peer);
  void release_reservation(RegionId region);

 private:
  struct Bounds {
    Bytes start, end;
  };
  bool overlaps_locked(const Range& range) const CAIRN_REQUIRES(ranges_mutex_);

  static constexpr size_t kStripes = 64;
  struct Stripe {
    mutable Mutex mutex;
    std::unordered_map<uint64_t, Entry> entries CAIRN_GUARDED_BY(mutex);
  };
  std::array<Stripe, kStripes> stripes_;

  mutable Mutex ranges_mutex_;
  std::map<RegionId, Bounds> ranges_ CAIRN_GUARDED_BY(ranges_mutex_);
  std::map<Bytes, RegionId> by_start_ CAIRN_GUARDED_BY(ranges_mutex_);  // same regions
  std::map<RegionId, Bounds> reserved_ CAIRN_GUARDED_BY(ranges_mutex_);
};

}  // namespace cairn::store
