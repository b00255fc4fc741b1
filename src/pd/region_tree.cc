#include "pd/region_tree.h"

#include <algorithm>

#include "base/check.h"

namespace cairn::pd {
namespace {

constexpr uint64_t kMib = 1 << 20;

// Whether an end key lies behind a key; an empty end is behind everything.
bool ends_after(ByteView end, ByteView key) { return end.empty() || end > key; }

std::string describe(const metapb::Region& region) {
  return fmt::format("region {} [{}, {}) version {} conf_ver {}", region.id(), to_hex(region.start_key()),
                     to_hex(region.end_key()), region.region_epoch().version(), region.region_epoch().conf_ver());
}

bool same_peers(const metapb::Region& a, const metapb::Region& b) {
  if (a.peers_size() != b.peers_size()) return false;
  for (int i = 0; i < a.peers_size(); ++i) {
    if (a.peers(i).id() != b.peers(i).id() || a.peers(i).role() != b.peers(i).role()) return false;
  }
  return true;
}

}  // namespace

const metapb::Peer* RegionInfo::peer_on(StoreId store) const {
  for (const auto& peer : meta.peers()) {
    if (peer.store_id() == store.value) return &peer;
  }
  return nullptr;
}

bool RegionInfo::is_down(uint64_t peer_id) const {
  return std::any_of(down_peers.begin(), down_peers.end(),
                     [&](const auto& down) { return down.peer().id() == peer_id; });
}

bool RegionInfo::is_pending(uint64_t peer_id) const {
  return std::any_of(pending_peers.begin(), pending_peers.end(),
                     [&](const auto& peer) { return peer.id() == peer_id; });
}

bool RegionInfo::contains(ByteView key) const { return key >= meta.start_key() && ends_after(meta.end_key(), key); }

RegionPtr make_region(const pdpb::RegionHeartbeatRequest& report) {
  auto region = std::make_shared<RegionInfo>();
  region->meta = report.region();
  region->leader = report.leader();
  region->term = report.term();
  region->down_peers.assign(report.down_peers().begin(), report.down_peers().end());
  region->pending_peers.assign(report.pending_peers().begin(), report.pending_peers().end());
  region->approximate_mib =
      report.approximate_size() == 0 ? 0 : std::max<uint64_t>(1, report.approximate_size() / kMib);
  region->approximate_keys = report.approximate_keys();
  region->bytes_written = report.bytes_written();
  region->bytes_read = report.bytes_read();
  region->keys_written = report.keys_written();
  region->keys_read = report.keys_read();
  return region;
}

bool in_joint_state(const metapb::Region& region) {
  return std::any_of(region.peers().begin(), region.peers().end(), [](const metapb::Peer& peer) {
    return peer.role() == metapb::IncomingVoter || peer.role() == metapb::DemotingVoter;
  });
}

Result<RegionTree::Accepted, std::string> RegionTree::put(RegionPtr region) {
  const auto& meta = region->meta;
  const auto& epoch = meta.region_epoch();
  const auto overlapped = overlaps(meta.start_key(), meta.end_key());
  for (const auto& other : overlapped) {
    if (other->meta.region_epoch().version() > epoch.version()) {
      return Err(fmt::format("region is stale: {} overlaps newer {}", describe(meta), describe(other->meta)));
    }
  }
  const auto known = by_id(region->id());
  if (known) {
    const auto& old = known->meta.region_epoch();
    const bool older_term = region->term != 0 && region->term < known->term;
    if (old.version() > epoch.version() || old.conf_ver() > epoch.conf_ver() || older_term) {
      return Err(fmt::format("region is stale: {} term {} is known as {} term {}", describe(meta), region->term,
                             describe(known->meta), known->term));
    }
  }
  Accepted accepted;
  accepted.is_new = known == nullptr;
  accepted.meta_changed = !known || known->meta.region_epoch().version() != epoch.version() ||
                          known->meta.region_epoch().conf_ver() != epoch.conf_ver() || !same_peers(known->meta, meta);
  accepted.leader_changed = !known || known->leader.id() != region->leader.id();
  const auto reported = region;  // `meta` looks into it
  if (known && region->approximate_mib == 0 && known->approximate_mib != 0) {
    auto sized = std::make_shared<RegionInfo>(*region);  // not computed yet: what was known stands
    sized->approximate_mib = known->approximate_mib;
    sized->approximate_keys = known->approximate_keys;
    region = std::move(sized);
  }
  for (const auto& other : overlapped) {
    if (other->id() != region->id()) accepted.removed.push_back(other->id());
    erase(other);
  }
  if (known && by_id_.contains(known->id())) erase(known);  // it moved to another range
  by_start_[region->meta.start_key()] = region;
  by_id_[region->id()] = region;
  add_counts(*region, true);
  return accepted;
}

void RegionTree::clear() {
  by_start_.clear();
  by_id_.clear();
  counts_.clear();
}

RegionTree::ByStart::const_iterator RegionTree::at_or_before(ByteView key) const {
  auto it = by_start_.upper_bound(key);
  return it == by_start_.begin() ? by_start_.end() : std::prev(it);
}

RegionPtr RegionTree::find(ByteView key) const {
  auto it = at_or_before(key);
  return it != by_start_.end() && it->second->contains(key) ? it->second : nullptr;
}

RegionPtr RegionTree::find_prev(ByteView key) const {
  auto current = find(key);
  if (!current || current->meta.start_key().empty()) return nullptr;
  auto it = by_start_.find(current->meta.start_key());
  if (it == by_start_.begin()) return nullptr;
  --it;
  return it->second->meta.end_key() == current->meta.start_key() ? it->second : nullptr;
}

RegionPtr RegionTree::by_id(RegionId id) const {
  auto found = by_id_.find(id);
  return found == by_id_.end() ? nullptr : found->second;
}

std::vector<RegionPtr> RegionTree::scan(ByteView start, ByteView end, int64_t limit) const {
  std::vector<RegionPtr> out;
  auto it = at_or_before(start);
  if (it == by_start_.end()) {
    it = by_start_.begin();
  } else if (!it->second->contains(start)) {
    ++it;
  }
  for (; it != by_start_.end(); ++it) {
    if (!end.empty() && it->first >= end) break;
    if (limit > 0 && out.size() >= static_cast<size_t>(limit)) break;
    out.push_back(it->second);
  }
  return out;
}

std::vector<RegionPtr> RegionTree::overlaps(ByteView start, ByteView end) const { return scan(start, end, 0); }

std::vector<RegionPtr> RegionTree::next(const std::optional<Bytes>& after, size_t limit) const {
  std::vector<RegionPtr> out;
  auto it = after ? by_start_.upper_bound(*after) : by_start_.begin();
  for (; it != by_start_.end() && out.size() < limit; ++it) out.push_back(it->second);
  return out;
}

RegionTree::Count RegionTree::count(StoreId store) const {
  auto found = counts_.find(store);
  return found == counts_.end() ? Count{} : found->second;
}

void RegionTree::erase(const RegionPtr& region) {
  add_counts(*region, false);
  by_start_.erase(region->meta.start_key());
  by_id_.erase(region->id());
}

void RegionTree::add_counts(const RegionInfo& region, bool add) {
  const uint64_t one = add ? 1 : UINT64_MAX;  // wraps around: minus one
  for (const auto& peer : region.meta.peers()) {
    auto& count = counts_[StoreId(peer.store_id())];
    CHECK(add || count.peers > 0, "store {} loses a peer that was not counted", peer.store_id());
    count.peers += one;
    count.mib += add ? region.approximate_mib : UINT64_MAX - region.approximate_mib + 1;
    if (peer.id() == region.leader.id()) count.leaders += one;
  }
}

}  // namespace cairn::pd
