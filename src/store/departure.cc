#include "store/departure.h"

#include <algorithm>
#include <tuple>

namespace cairn::store {
namespace {

// A lag that an append or two make up for.
constexpr uint64_t kCloseLag = 32;

uint64_t scattered(RegionId region, PeerId peer) {
  uint64_t mixed = (region.value + 1) * 0x9E3779B97F4A7C15ULL ^ (peer.value + 1) * 0xC2B2AE3D27D4EB4FULL;
  return mixed ^ mixed >> 29;
}

}  // namespace

std::vector<PeerId> successors(RegionId region, std::vector<Follower> followers, Duration silence_max) {
  std::erase_if(followers, [&](const Follower& follower) {
    return !follower.is_voter || !follower.is_replicating || follower.silent_for > silence_max;
  });
  const auto rank = [region](const Follower& follower) {
    return std::tuple(!follower.has_room, follower.lag > kCloseLag ? follower.lag : 0,
                      scattered(region, follower.peer));
  };
  std::sort(followers.begin(), followers.end(),
            [&](const Follower& a, const Follower& b) { return rank(a) < rank(b); });
  std::vector<PeerId> peers;
  for (const auto& follower : followers) peers.push_back(follower.peer);
  return peers;
}

Departure::Look Departure::look(const std::vector<Led>& led, Instant now) {
  Look look;
  size_t under_way = 0;
  for (const auto& region : led) under_way += region.is_under_way ? 1 : 0;
  bool is_hopeful = under_way > 0;
  bool is_anybody_missing = false;  // a region has followers, and none can take it now
  for (const auto& region : led) {
    if (region.is_under_way || region.is_alone) continue;
    if (region.successors.empty()) {
      is_anybody_missing = true;
      continue;
    }
    is_hopeful = true;
    if (under_way >= options_.at_once_max) continue;
    ++under_way;
    const size_t attempt = tries_[region.region]++;
    look.to_hand_over.emplace_back(region.region, region.successors[attempt % region.successors.size()]);
  }
  if (is_hopeful) hopeful_at_ = now;
  look.is_over = !is_hopeful && (!is_anybody_missing || now - hopeful_at_ >= options_.patience);
  return look;
}

}  // namespace cairn::store
