#include "pd/http/region_stats.h"

#include <map>

namespace cairn::pd {

Json region_stats_json(const std::vector<RegionPtr>& regions) {
  struct OfStore {
    uint64_t leaders = 0, leader_mib = 0, leader_keys = 0, peers = 0, peer_mib = 0, peer_keys = 0;
  };
  std::map<uint64_t, OfStore> stores;
  uint64_t empty = 0;
  uint64_t mib = 0;
  uint64_t keys = 0;
  for (const auto& region : regions) {
    if (region->approximate_mib <= 1) ++empty;
    mib += region->approximate_mib;
    keys += region->approximate_keys;
    if (region->leader.store_id() != 0) {
      auto& store = stores[region->leader.store_id()];
      ++store.leaders;
      store.leader_mib += region->approximate_mib;
      store.leader_keys += region->approximate_keys;
    }
    for (const auto& peer : region->meta.peers()) {
      auto& store = stores[peer.store_id()];
      ++store.peers;
      store.peer_mib += region->approximate_mib;
      store.peer_keys += region->approximate_keys;
    }
  }
  Json out{{"count", regions.size()},
           {"empty_count", empty},
           {"storage_size", mib},
           {"user_storage_size", mib},
           {"user_columnar_storage_size", 0},
           {"storage_keys", keys},
           {"store_leader_count", Json::object()},
           {"store_peer_count", Json::object()},
           {"store_leader_size", Json::object()},
           {"store_leader_keys", Json::object()},
           {"store_peer_size", Json::object()},
           {"store_peer_keys", Json::object()}};
  for (const auto& [id, store] : stores) {
    const auto name = std::to_string(id);
    if (store.leaders > 0) {
      out["store_leader_count"][name] = store.leaders;
      out["store_leader_size"][name] = store.leader_mib;
      out["store_leader_keys"][name] = store.leader_keys;
    }
    out["store_peer_count"][name] = store.peers;
    out["store_peer_size"][name] = store.peer_mib;
    out["store_peer_keys"][name] = store.peer_keys;
  }
  return out;
}

}  // namespace cairn::pd
