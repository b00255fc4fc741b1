#include "pd/cluster/region_scan.h"

#include <algorithm>

namespace cairn::pd {

RegionScan::RegionScan(Options options)
    : options_(std::move(options)), left_(options_.limit > 0 ? options_.limit : INT64_MAX) {
  if (!options_.ranges.empty()) at_ = options_.ranges[0].start;
}

bool RegionScan::finish(End end) {
  end_ = end;
  return true;
}

void RegionScan::next_range() {
  ++index_;
  if (index_ < options_.ranges.size()) at_ = options_.ranges[index_].start;
}

bool RegionScan::step(const RegionTree& tree, size_t count) {
  while (count > 0) {
    if (index_ == options_.ranges.size() || left_ == 0) return finish(End::kDone);
    const auto& range = options_.ranges[index_];
    const size_t asked = static_cast<size_t>(std::min<uint64_t>(count, static_cast<uint64_t>(left_ - 1) + 2));
    const auto batch = tree.scan(at_, range.end, static_cast<int64_t>(asked));
    count -= std::min(count, std::max<size_t>(1, batch.size()));
    bool is_covered = false;
    for (const auto& region : batch) {
      if (options_.must_cover && region->meta.start_key() > at_) return finish(End::kHole);
      at_ = region->meta.end_key();
      is_covered = at_.empty() || (!range.end.empty() && at_ >= range.end);
      // The first of a range may be the last of the one before. (A region and a remnant of it are two.)
      const bool is_known = !found_.empty() && found_.back()->meta.id() == region->meta.id() &&
                            found_.back()->meta.start_key() == region->meta.start_key();
      if (!is_known) {
        if (left_ == 0) return finish(End::kDone);
        bytes_ += region->meta.ByteSizeLong();
        if (bytes_ > options_.bytes_max) return finish(End::kTooLarge);
        found_.push_back(region);
        --left_;
      }
      if (is_covered) break;
    }
    if (is_covered) {
      next_range();
    } else if (batch.size() < asked) {
      if (options_.must_cover && left_ > 0) return finish(End::kHole);
      next_range();
    }
  }
  return false;
}

}  // namespace cairn::pd
