#include "coprocessor/statistics/sketches.h"

#include <algorithm>
#include <limits>

#include "coprocessor/statistics/murmur3.h"
#include "tipb/analyze.pb.h"

namespace cairn::coprocessor {

void FmSketch::insert(ByteView value) {
  const uint64_t hash = murmur3(value).first;
  if ((hash & mask_) != 0) return;
  hashes_.insert(hash);
  if (hashes_.size() <= max_) return;
  mask_ = mask_ << 1 | 1;
  absl::erase_if(hashes_, [this](uint64_t kept) { return (kept & mask_) != 0; });
}

void FmSketch::write(tipb::FMSketch& out) const {
  out.set_mask(mask_);
  out.mutable_hashset()->Add(hashes_.begin(), hashes_.end());
  std::sort(out.mutable_hashset()->begin(), out.mutable_hashset()->end());
}

CmSketch::CmSketch(size_t depth, size_t width) : depth_(depth), width_(width), counters_(depth * width) {}

void CmSketch::insert(ByteView value) {
  const auto [first, second] = murmur3(value);
  for (size_t row = 0; row < depth_; ++row) {
    uint32_t& counter = counters_[row * width_ + (first + second * row) % width_];
    if (counter != std::numeric_limits<uint32_t>::max()) ++counter;
  }
}

void CmSketch::move_to_top(const Bytes& value, uint64_t times) {
  const auto [first, second] = murmur3(value);
  for (size_t row = 0; row < depth_; ++row) {
    uint32_t& counter = counters_[row * width_ + (first + second * row) % width_];
    counter -= static_cast<uint32_t>(std::min<uint64_t>(counter, times));
  }
  top_.push_back({value, times});
}

void CmSketch::write(tipb::CMSketch& out) const {
  for (size_t row = 0; row < depth_; ++row) {
    const auto begin = counters_.begin() + static_cast<std::ptrdiff_t>(row * width_);
    out.add_rows()->mutable_counters()->Add(begin, begin + static_cast<std::ptrdiff_t>(width_));
  }
  for (const auto& frequent : top_) {
    auto& item = *out.add_top_n();
    item.set_data(frequent.value);
    item.set_count(frequent.times);
  }
}

}  // namespace cairn::coprocessor
