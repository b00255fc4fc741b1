#include "store/compaction_plan.h"

#include <algorithm>
#include <utility>

namespace cairn::store {
namespace {

// Whether `part` is at least `threshold`, and at least `percent` of the whole.
bool is_large(uint64_t part, uint64_t threshold, uint64_t whole, uint64_t percent) {
  return part > 0 && part >= threshold &&
         static_cast<double>(part) * 100 >= static_cast<double>(whole) * static_cast<double>(percent);
}

// Records beyond the one that each live row needs.
uint64_t redundant_of(const engine::TableStats& table) {
  return table.versions - std::min(table.versions, table.rows) + table.deletes;
}

bool has_old_versions(const engine::TableStats& table, const GcOptions& options) {
  const auto versions = static_cast<double>(table.versions);
  const auto values = static_cast<double>(table.versions - std::min(table.versions, table.deletes));
  const bool is_above_ratio = versions > static_cast<double>(table.rows) * options.ratio_threshold ||
                              versions > values * options.ratio_threshold;
  return is_above_ratio && is_large(redundant_of(table), options.redundant_rows_threshold, table.versions,
                                    options.redundant_rows_percent_threshold);
}

uint64_t waste_of(const engine::TableStats& table, const GcOptions& options, OldVersions old_versions) {
  uint64_t waste = 0;
  if (is_large(table.tombstones, options.tombstones_threshold, table.entries, options.tombstones_percent_threshold)) {
    waste += table.tombstones;
  }
  if (old_versions == OldVersions::kCount && has_old_versions(table, options)) waste += redundant_of(table);
  return waste;
}

}  // namespace

std::vector<CompactionRange> plan_compactions(const std::vector<engine::TableStats>& tables, const GcOptions& options,
                                              OldVersions old_versions, size_t ranges_max) {
  std::vector<CompactionRange> wasteful;
  for (const auto& table : tables) {
    const uint64_t waste = waste_of(table, options, old_versions);
    if (waste > 0) wasteful.push_back({table.smallest, table.largest, waste});
  }
  std::sort(wasteful.begin(), wasteful.end(), [](const auto& a, const auto& b) { return a.begin < b.begin; });
  std::vector<CompactionRange> ranges;
  for (auto& range : wasteful) {
    if (!ranges.empty() && range.begin <= ranges.back().end) {
      ranges.back().end = std::max(ranges.back().end, range.end);
      ranges.back().waste += range.waste;
    } else {
      ranges.push_back(std::move(range));
    }
  }
  std::sort(ranges.begin(), ranges.end(),
            [](const auto& a, const auto& b) { return a.waste != b.waste ? a.waste > b.waste : a.begin < b.begin; });
  if (ranges.size() > ranges_max) ranges.resize(ranges_max);
  return ranges;
}

}  // namespace cairn::store
