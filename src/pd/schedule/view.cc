#include "pd/schedule/view.h"

#include <algorithm>

namespace cairn::pd {

namespace {

double weight_of(const std::map<StoreId, double>& weights, StoreId store) {
  const auto found = weights.find(store);
  return found == weights.end() ? 1 : found->second;
}

}  // namespace

StoreView ClusterView::view_of(const StoreInfo& info) const {
  return {.info = &info,
          .health = parts_.stores.health(info, now_),
          .count = parts_.regions.count(info.id()),
          .influence = parts_.influences.of(info.id()),
          .leader_weight = weight_of(parts_.weights.leader, info.id()),
          .region_weight = weight_of(parts_.weights.region, info.id())};
}

std::optional<StoreView> ClusterView::store(StoreId id) const {
  const auto* info = parts_.stores.get(id);
  if (info == nullptr) return std::nullopt;
  return view_of(*info);
}

std::vector<StoreView> ClusterView::stores() const {
  std::vector<StoreView> out;
  out.reserve(parts_.stores.all().size());
  for (const auto& [id, info] : parts_.stores.all()) out.push_back(view_of(info));
  return out;
}

uint64_t ClusterView::most_peers() const {
  if (!most_peers_) {
    uint64_t most = 0;
    for (const auto& [id, info] : parts_.stores.all()) most = std::max(most, parts_.regions.count(id).peers);
    most_peers_ = most;
  }
  return *most_peers_;
}

}  // namespace cairn::pd
