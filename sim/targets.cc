#include "sim/targets.h"

#include <algorithm>

namespace cairn::sim {

std::optional<Leader> draw_leader(World& world, runtime::Random& dice) {
  std::vector<Leader> leaders;
  for (auto& host : world.stores()) {
    if (host->store() == nullptr) continue;
    for (auto& status : host->store()->regions()) {
      if (status.is_leader) leaders.emplace_back(host.get(), std::move(status));
    }
  }
  if (leaders.empty()) return std::nullopt;
  return std::move(leaders[dice.below(leaders.size())]);
}

std::optional<Leader> find_leader(World& world, RegionId region) {
  for (auto& host : world.stores()) {
    if (host->store() == nullptr) continue;
    for (auto& status : host->store()->regions()) {
      if (status.is_leader && status.region.id == region) return Leader(host.get(), std::move(status));
    }
  }
  return std::nullopt;
}

std::vector<StoreHost*> followers_of(World& world, const Leader& leader, runtime::Random& dice) {
  std::vector<StoreHost*> followers;
  for (const auto& peer : leader.second.region.peers) {
    const auto node = world.directory().find(peer.store);
    StoreHost* host = node ? world.store_of(*node) : nullptr;
    if (host != nullptr && host != leader.first && host->is_up()) followers.push_back(host);
  }
  if (followers.size() >= 2 && dice.chance(0.5)) std::swap(followers[0], followers[1]);
  return followers;
}

std::optional<engine::PeerDescription> draw_heir(const Leader& leader, runtime::Random& dice) {
  std::vector<engine::PeerDescription> heirs;
  for (const auto& peer : leader.second.region.peers) {
    if (peer.role == engine::PeerDescription::Role::kVoter && peer.id != leader.second.peer) heirs.push_back(peer);
  }
  if (heirs.empty()) return std::nullopt;
  return heirs[dice.below(heirs.size())];
}

void cut_off(World& world, NodeId alone) {
  const uint64_t nodes = world.pds() + world.stores().size();  // PD comes first, the stores follow
  for (uint64_t other = 1; other <= nodes; ++other) {
    if (NodeId(other) == alone) continue;
    world.network().block(alone, NodeId(other));
    world.network().block(NodeId(other), alone);
  }
}

}  // namespace cairn::sim
