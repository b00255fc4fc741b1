#include "coprocessor/statistics/histogram.h"

#include "tipb/analyze.pb.h"

namespace cairn::coprocessor {

void Histogram::append(ByteView value) {
  if (!buckets_.empty() && buckets_.back().upper == value) {
    ++buckets_.back().count;
    ++buckets_.back().repeats;
    return;
  }
  ++distinct_;
  if (buckets_.size() >= buckets_max_ && is_last_full()) merge_neighbours();
  const uint64_t before = buckets_.empty() ? 0 : buckets_.back().count;
  if (is_last_full()) {
    buckets_.emplace_back().lower = value;
    bound_bytes_ += value.size();
  }
  Bucket& bucket = buckets_.back();
  bound_bytes_ += value.size();
  bound_bytes_ -= bucket.upper.size();
  bucket.upper = value;
  bucket.count = before + 1;
  bucket.repeats = 1;
  if (counts_distinct_) ++bucket.distinct;
}

bool Histogram::is_last_full() const {
  if (buckets_.empty()) return true;
  const uint64_t before = buckets_.size() == 1 ? 0 : buckets_[buckets_.size() - 2].count;
  return buckets_.back().count - before >= bucket_values_max_;
}

void Histogram::merge_neighbours() {
  std::vector<Bucket> merged;
  for (size_t i = 0; i < buckets_.size(); i += 2) {
    Bucket& first = buckets_[i];
    if (i + 1 == buckets_.size()) {
      merged.push_back(std::move(first));
      break;
    }
    Bucket& second = buckets_[i + 1];
    bound_bytes_ -= first.upper.size() + second.lower.size();
    second.lower = std::move(first.lower);
    second.distinct += first.distinct;
    merged.push_back(std::move(second));
  }
  buckets_ = std::move(merged);
  bucket_values_max_ *= 2;
}

void Histogram::write(tipb::Histogram& out) const {
  out.set_ndv(static_cast<int64_t>(distinct_));
  for (const auto& bucket : buckets_) {
    auto& to = *out.add_buckets();
    to.set_count(static_cast<int64_t>(bucket.count));
    to.set_lower_bound(bucket.lower);
    to.set_upper_bound(bucket.upper);
    to.set_repeats(static_cast<int64_t>(bucket.repeats));
    to.set_ndv(static_cast<int64_t>(bucket.distinct));
  }
}

}  // namespace cairn::coprocessor
