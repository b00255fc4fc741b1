#include "client/region_cache.h"

#include "base/check.h"

namespace cairn::client {
namespace {

bool is_stale(const metapb::RegionEpoch& offered, const metapb::RegionEpoch& cached) {
  return offered.version() < cached.version() || offered.conf_ver() < cached.conf_ver();
}

// Whether the region ends behind `engine_key`.
bool ends_behind(const metapb::Region& region, ByteView engine_key) {
  return region.end_key().empty() || ByteView(region.end_key()) > engine_key;
}

int index_of_peer(const metapb::Region& region, uint64_t peer_id) {
  for (int i = 0; i < region.peers_size(); ++i) {
    if (region.peers(i).id() == peer_id) return i;
  }
  return -1;
}

int first_voter(const metapb::Region& region) {
  for (int i = 0; i < region.peers_size(); ++i) {
    if (region.peers(i).role() != metapb::PeerRole::Learner) return i;
  }
  return 0;
}

}  // namespace

bool RegionRoute::contains(ByteView engine_key) const {
  return engine_key >= ByteView(start_key) && (end_key.empty() || engine_key < ByteView(end_key));
}

std::optional<RegionRoute> RegionCache::find(ByteView engine_key) const {
  auto it = by_start_.upper_bound(engine_key);
  if (it == by_start_.begin()) return std::nullopt;
  --it;
  const auto& [start, entry] = *it;
  if (!ends_behind(entry.region, engine_key)) return std::nullopt;
  return route_of(start, entry);
}

std::optional<RegionRoute> RegionCache::find_before(ByteView engine_key_end) const {
  auto it = engine_key_end.empty() ? by_start_.end() : by_start_.lower_bound(engine_key_end);
  if (it == by_start_.begin()) return std::nullopt;
  --it;
  const auto& [start, entry] = *it;
  const Bytes& end = entry.region.end_key();
  const bool reaches = end.empty() || (!engine_key_end.empty() && ByteView(end) >= engine_key_end);
  if (!reaches) return std::nullopt;
  return route_of(start, entry);
}

RegionRoute RegionCache::route_of(const Bytes& start, const Entry& entry) {
  CHECK(entry.addressed >= 0 && entry.addressed < entry.region.peers_size(), "peer {} of {} is addressed",
        entry.addressed, entry.region.peers_size());
  RegionRoute route;
  route.id = RegionId(entry.region.id());
  route.start_key = start;
  route.end_key = entry.region.end_key();
  route.epoch = entry.region.region_epoch();
  route.peer = entry.region.peers(entry.addressed);
  return route;
}

bool RegionCache::install(const metapb::Region& region, const metapb::Peer& leader) {
  if (region.id() == 0 || region.peers_size() == 0) return false;
  const auto old = find_id(RegionId(region.id()));
  int led_before = -1;
  if (old != by_start_.end()) {
    if (is_stale(region.region_epoch(), old->second.region.region_epoch())) return false;
    led_before = index_of_peer(region, old->second.region.peers(old->second.addressed).id());
    erase(old);
  }
  if (by_start_.size() >= regions_max_) {
    by_start_.clear();
    starts_.clear();
  }
  // What it overlaps: the one that reaches into it from the left, and those that begin inside it.
  auto it = by_start_.upper_bound(region.start_key());
  if (it != by_start_.begin()) {
    auto left = std::prev(it);
    if (ends_behind(left->second.region, region.start_key())) it = left;
  }
  while (it != by_start_.end() && ends_behind(region, it->first)) {
    if (it->second.region.region_epoch().version() > region.region_epoch().version()) return false;
    auto overlapped = it++;
    erase(overlapped);
  }
  Entry entry{region, index_of_peer(region, leader.id())};
  if (entry.addressed < 0) entry.addressed = led_before >= 0 ? led_before : first_voter(region);
  starts_[RegionId(region.id())] = region.start_key();
  by_start_.insert_or_assign(region.start_key(), std::move(entry));
  return true;
}

void RegionCache::drop(RegionId region) {
  if (auto it = find_id(region); it != by_start_.end()) erase(it);
}

bool RegionCache::switch_leader(RegionId region, const metapb::Peer& leader) {
  auto it = find_id(region);
  if (it == by_start_.end()) return false;
  const int index = index_of_peer(it->second.region, leader.id());
  if (index < 0) {
    erase(it);
    return false;
  }
  it->second.addressed = index;
  return true;
}

void RegionCache::next_peer(RegionId region, PeerId failed) {
  auto it = find_id(region);
  if (it == by_start_.end()) return;
  auto& entry = it->second;
  if (entry.region.peers(entry.addressed).id() != failed.value) return;
  for (int step = 1; step <= entry.region.peers_size(); ++step) {
    const int next = (entry.addressed + step) % entry.region.peers_size();
    if (entry.region.peers(next).role() == metapb::PeerRole::Learner) continue;
    entry.addressed = next;
    return;
  }
}

std::optional<metapb::RegionEpoch> RegionCache::epoch(RegionId region) const {
  auto it = const_cast<RegionCache*>(this)->find_id(region);
  if (it == by_start_.end()) return std::nullopt;
  return it->second.region.region_epoch();
}

RegionCache::Entries::iterator RegionCache::find_id(RegionId region) {
  const auto start = starts_.find(region);
  if (start == starts_.end()) return by_start_.end();
  auto it = by_start_.find(start->second);
  CHECK(it != by_start_.end() && it->second.region.id() == region.value, "region {} is not where it was put", region);
  return it;
}

void RegionCache::erase(Entries::iterator it) {
  starts_.erase(RegionId(it->second.region.id()));
  by_start_.erase(it);
}

}  // namespace cairn::client
