#include "pd/schedule/scores.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

namespace cairn::pd {
namespace {

constexpr double kMib = 1 << 20;
constexpr double kGib = 1 << 30;
constexpr double kWeightMin = 1e-6;
constexpr uint64_t kFewRegions = 100;
constexpr uint64_t kEnoughForFew = uint64_t{8} << 30;

// In the unit that is asked for.
struct Space {
  double capacity, available, used;
  Space(const StoreView& store, double unit)
      : capacity(static_cast<double>(store.info->stats.capacity()) / unit),
        available(static_cast<double>(store.info->stats.available()) / unit),
        used(static_cast<double>(store.info->stats.used_size()) / unit) {}
};

// Up to high_space_ratio the size of the regions counts, beyond low_space_ratio the room that is left, and between them
// the line from one to the other.
double score_v1(const StoreView& store, const ScheduleConfig& config, double delta) {
  constexpr double kScoreMax = 1024.0 * 1024 * 1024;
  const Space space(store, kMib);
  const auto size = static_cast<double>(store.count.weight_mib);
  // Files are smaller than what regions hold.
  const double packing = size == 0 || space.used == 0 ? 1 : size / space.used;
  const double high = (1 - config.high_space_ratio) * space.capacity;
  const double low = (1 - config.low_space_ratio) * space.capacity;
  const double left = space.available - delta / packing;
  if (left >= high) return size + delta;
  if (left <= low) return kScoreMax - left;
  const double size_at_high = (space.used + space.available - high) * packing;
  const double size_at_low = (space.used + space.available - low) * packing;
  const double slope = (kScoreMax - low - size_at_high) / (size_at_low - size_at_high);
  return slope * (size + delta - size_at_high) + size_at_high;
}

// The size of the regions, which counts the more the less room is left; and once it is little, the room.
double score_v2(const StoreView& store, const ScheduleConfig& config, double delta) {
  constexpr double kSizeWeight = 1;
  constexpr double kRoomWeight = 256;
  constexpr double kLeastRoom = 50;  // GiB
  constexpr double kLowRoomWeight = 1e10;
  Space space(store, kGib);
  const auto held = static_cast<double>(store.count.weight_mib);
  const double size = held + delta < 0 ? held : held + delta;
  if (held > 0) {
    // The disk as it will be.
    const double others = space.capacity - space.available - space.used;
    const double used = space.used * (1 + delta / held);
    if (used < 2 * space.used && used > space.used / 2) space.used = used;
    const double available = space.capacity - space.used - others;
    if (available > 0 && available < space.capacity) space.available = available;
  }
  if (space.available >= space.capacity || space.capacity < 1) return size;
  const double enough = std::max(kLeastRoom, space.capacity * (1 - config.low_space_ratio));
  if (space.available > enough) {
    const double left = space.available - enough + 1;
    const double curve = (std::log(space.capacity) - std::log(left)) / (space.capacity - left);
    return (kSizeWeight + kRoomWeight * curve) * size;
  }
  const double by_size = (kSizeWeight + kRoomWeight * std::log(space.capacity) / space.capacity) * size;
  // Where room is no worry it has no say: the free space of a disk with other work goes up and down by more than all
  // the regions of a small cluster hold, and would send them to and fro.
  if (!is_low_on_space(store, config)) return by_size;
  return by_size + kLowRoomWeight * (enough - space.available) / enough;
}

// The most regions that a store has, which large clusters tolerate a share of.
double tolerated_regions(const ClusterView& cluster) {
  constexpr double kShare = 0.005;
  const double wanted = cluster.config().tolerant_size_ratio;
  if (wanted > 0) return wanted;
  return std::max(static_cast<double>(cluster.most_peers()) * kShare, 1.0);
}

}  // namespace

bool is_low_on_space(const StoreView& store, const ScheduleConfig& config) {
  const auto& stats = store.info->stats;
  if (stats.capacity() == 0) return false;  // not told
  if (store.count.peers < kFewRegions && stats.available() > kEnoughForFew) return false;
  return static_cast<double>(stats.available()) < static_cast<double>(stats.capacity()) * (1 - config.low_space_ratio);
}

double leader_score(const StoreView& store, const ScheduleConfig& config, int64_t delta) {
  const uint64_t held = config.leader_schedule_policy == "size" ? store.count.leader_weight_mib : store.count.leaders;
  return static_cast<double>(static_cast<int64_t>(held) + delta) / std::max(store.leader_weight, kWeightMin);
}

double region_score(const StoreView& store, const ScheduleConfig& config, int64_t delta_mib) {
  const auto delta = static_cast<double>(delta_mib);
  const double score =
      config.region_score_formula_version == "v1" ? score_v1(store, config, delta) : score_v2(store, config, delta);
  return score / std::max(store.region_weight, kWeightMin);
}

int64_t leader_influence(const StoreView& store, const ScheduleConfig& config) {
  return config.leader_schedule_policy == "size" ? store.influence.leader_size_mib : store.influence.leaders;
}

int64_t tolerable_leaders(const ClusterView& cluster) {
  constexpr double kLeaders = 5;
  const auto& config = cluster.config();
  if (config.leader_schedule_policy == "size") return tolerable_mib(cluster);
  return static_cast<int64_t>(config.tolerant_size_ratio > 0 ? config.tolerant_size_ratio : kLeaders);
}

int64_t tolerable_mib(const ClusterView& cluster) {
  const auto regions = static_cast<double>(std::max<size_t>(cluster.regions().reported(), 1));
  return static_cast<int64_t>(static_cast<double>(cluster.regions().weight_mib()) / regions *
                              tolerated_regions(cluster));
}

bool is_leader_move_worth_it(const ClusterView& cluster, const StoreView& source, const StoreView& target,
                             uint64_t mib) {
  const auto& config = cluster.config();
  int64_t tolerable = tolerable_leaders(cluster);
  if (config.leader_schedule_policy == "size") tolerable = std::max(tolerable, static_cast<int64_t>(mib));
  const int64_t leaving = -std::abs(leader_influence(source, config));
  const int64_t coming = std::abs(leader_influence(target, config));
  return leader_score(source, config, leaving - tolerable) > leader_score(target, config, coming + tolerable);
}

bool is_region_move_worth_it(const ClusterView& cluster, const StoreView& source, const StoreView& target,
                             uint64_t mib) {
  constexpr int64_t kCaution = 5;  // a move takes long, and more may come meanwhile
  const auto& config = cluster.config();
  const int64_t tolerable = std::max(tolerable_mib(cluster), static_cast<int64_t>(mib));
  const int64_t leaving = -std::abs(region_influence(source)) * kCaution;
  const int64_t coming = std::abs(region_influence(target)) * kCaution;
  return region_score(source, config, leaving - tolerable) > region_score(target, config, coming + tolerable);
}

}  // namespace cairn::pd
