#include "coprocessor/statistics/row_sample.h"

#include <algorithm>
#include <limits>

#include "tipb/analyze.pb.h"

namespace cairn::coprocessor {
namespace {

size_t bytes_of(const std::vector<Bytes>& row) {
  size_t bytes = sizeof(row);
  for (const auto& value : row) bytes += sizeof(value) + value.size();
  return bytes;
}

}  // namespace

void RowSample::offer(const std::vector<Bytes>& row) {
  if (rows_max_ == 0) {
    if (dice_.fraction() < rate_) keep(0, row);
    return;
  }
  const auto weight = static_cast<int64_t>(dice_.below(uint64_t{std::numeric_limits<int64_t>::max()}));
  const auto is_heavier = [](const Kept& a, const Kept& b) { return a.weight > b.weight; };
  if (kept_.size() == rows_max_) {
    if (weight <= kept_.front().weight) return;
    std::pop_heap(kept_.begin(), kept_.end(), is_heavier);
    bytes_ -= bytes_of(kept_.back().row);
    kept_.pop_back();
  }
  keep(weight, row);
  std::push_heap(kept_.begin(), kept_.end(), is_heavier);
}

void RowSample::keep(int64_t weight, const std::vector<Bytes>& row) {
  kept_.push_back({weight, row});
  bytes_ += bytes_of(row);
}

void RowSample::write(tipb::RowSampleCollector& out) const {
  for (const auto& kept : kept_) {
    auto& sample = *out.add_samples();
    for (const auto& value : kept.row) sample.add_row(value);
    if (rows_max_ > 0) sample.set_weight(kept.weight);
  }
}

}  // namespace cairn::coprocessor
