#include "pd/cluster/region_tree.h"

#include <algorithm>
#include <set>

#include "base/check.h"
#include "base/redact.h"

namespace cairn::pd {
namespace {

constexpr uint64_t kMib = 1 << 20;

// Whether an end key lies behind a key; an empty end is behind everything.
bool ends_after(ByteView end, ByteView key) { return end.empty() || end > key; }

std::string describe(const metapb::Region& region) {
  return fmt::format("region {} [{}, {}) version {} conf_ver {}", region.id(), log::user_text(region.start_key()),
                     log::user_text(region.end_key()), region.region_epoch().version(),
                     region.region_epoch().conf_ver());
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

std::string refuse_region(const metapb::Region& region) {
  if (region.id() == 0) return "invalid request region, zero id";
  if (!region.end_key().empty() && region.start_key() >= region.end_key()) {
    return fmt::format("invalid request region {}, its range is empty", region.id());
  }
  std::set<uint64_t> ids;
  std::set<uint64_t> stores;
  for (const auto& peer : region.peers()) {
    if (peer.id() == 0 || peer.store_id() == 0 || !ids.insert(peer.id()).second ||
        !stores.insert(peer.store_id()).second) {
      return fmt::format("invalid request region {}, its peers are not distinct", region.id());
    }
  }
  if (ids.empty()) return fmt::format("invalid request region {}, it has no peers", region.id());
  return {};
}

bool in_joint_state(const metapb::Region& region) {
  return std::any_of(region.peers().begin(), region.peers().end(), [](const metapb::Peer& peer) {
    return peer.role() == metapb::IncomingVoter || peer.role() == metapb::DemotingVoter;
  });
}

bool is_demoted(const metapb::Region& region, uint64_t peer_id) {
  return std::any_of(region.peers().begin(), region.peers().end(), [&](const metapb::Peer& peer) {
    return peer.id() == peer_id && peer.role() == metapb::DemotingVoter;
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
  if (known) {  // INV-EPOCH-MONOTONIC
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
  for (const auto& other : overlapped) erase(other);
  if (known && by_id_.contains(known->id())) erase(known);  // it moved to another range
  for (const auto& other : overlapped) keep_remnants(*other, region->meta);
  if (known && std::find(overlapped.begin(), overlapped.end(), known) == overlapped.end()) {
    keep_remnants(*known, region->meta);
  }
  insert(region);
  by_id_[region->id()] = region;
  for (const auto& other : overlapped) {
    if (!by_id_.contains(other->id())) accepted.removed.push_back(other->id());
  }
  return accepted;
}

bool RegionTree::put_split(const std::vector<metapb::Region>& regions) {
  if (regions.size() < 2) return false;
  const Bytes& start = regions.front().start_key();
  const Bytes& end = regions.back().end_key();
  RegionPtr parent;
  std::set<uint64_t> ids;
  for (size_t i = 0; i < regions.size(); ++i) {
    const auto& region = regions[i];
    if (!refuse_region(region).empty() || (i > 0 && regions[i - 1].end_key() != region.start_key())) return false;
    if (!ids.insert(region.id()).second) return false;
    const auto known = by_id(RegionId(region.id()));
    if (known && known->meta.start_key() == start && known->meta.end_key() == end) parent = known;
  }
  if (!parent) return false;
  for (const auto& region : regions) {
    const auto& epoch = region.region_epoch();
    const auto& old = parent->meta.region_epoch();
    if (epoch.version() <= old.version() || epoch.conf_ver() < old.conf_ver()) return false;
    if (const auto known = by_id(RegionId(region.id())); known && known != parent) return false;
  }
  for (const auto& region : regions) {
    auto child = std::make_shared<RegionInfo>();
    child->meta = region;
    if (region.id() == parent->meta.id()) {
      child->term = parent->term;
      child->down_peers = parent->down_peers;
      child->pending_peers = parent->pending_peers;
    }
    if (const auto* leader = child->peer_on(StoreId(parent->leader.store_id()))) child->leader = *leader;
    if (!put(std::move(child)).ok()) return false;
  }
  return true;
}

void RegionTree::clear() {
  by_start_.clear();
  by_id_.clear();
  stores_.clear();
  reported_ = 0;
  weight_mib_ = 0;
  gaps_ = 1;
  remnants_ = 0;
  leaderless_ = 0;
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
  auto found = stores_.find(store);
  return found == stores_.end() ? Count{} : found->second.count;
}

const RegionSet& RegionTree::on_store(StoreId store, Standing standing) const {
  static const RegionSet none;
  auto found = stores_.find(store);
  return found == stores_.end() ? none : found->second.standings[static_cast<size_t>(standing)];
}

void RegionTree::keep_remnants(const RegionInfo& other, const metapb::Region& region) {
  const auto keep = [&](const Bytes& start, const Bytes& end) {
    auto rest = std::make_shared<RegionInfo>(other);
    rest->is_remnant = true;
    rest->meta.set_start_key(start);
    rest->meta.set_end_key(end);
    insert(rest);
    by_id_.try_emplace(rest->id(), rest);
  };
  const auto& old = other.meta;
  if (region.start_key() > old.start_key()) {
    const bool touches = ends_after(old.end_key(), region.start_key());
    keep(old.start_key(), touches ? region.start_key() : old.end_key());
    if (!touches) return;
  }
  if (!region.end_key().empty() && ends_after(old.end_key(), region.end_key())) {
    keep(std::max(region.end_key(), old.start_key()), old.end_key());
  }
}

uint64_t RegionTree::gaps_around(ByteView start) const {
  auto next = by_start_.lower_bound(start);
  uint64_t gaps = 0;
  Bytes at;  // where the region before ends
  if (next != by_start_.begin()) {
    at = std::prev(next)->second->meta.end_key();
    if (at.empty()) return 0;  // it is the last one
  }
  if (next != by_start_.end() && next->first == start) {
    if (at != next->first) ++gaps;
    at = next->second->meta.end_key();
    ++next;
  }
  if (next == by_start_.end()) return gaps + (at.empty() && !by_start_.empty() ? 0 : 1);
  return gaps + (at != next->first ? 1 : 0);
}

void RegionTree::insert(const RegionPtr& region) {
  const auto& start = region->meta.start_key();
  gaps_ -= gaps_around(start);
  const bool is_new = by_start_.emplace(start, region).second;
  CHECK(is_new, "two regions begin at {}", log::user_text(start));
  gaps_ += gaps_around(start);
  if (region->is_remnant) ++remnants_;
  if (region->leader.id() == 0) ++leaderless_;
  add_counts(*region, true);
}

void RegionTree::erase(const RegionPtr& region) {
  const auto& start = region->meta.start_key();
  gaps_ -= gaps_around(start);
  by_start_.erase(start);
  gaps_ += gaps_around(start);
  if (auto found = by_id_.find(region->id()); found != by_id_.end() && found->second == region) by_id_.erase(found);
  if (region->is_remnant) --remnants_;
  if (region->leader.id() == 0) --leaderless_;
  add_counts(*region, false);
}

void RegionTree::add_counts(const RegionInfo& region, bool add) {
  if (region.is_remnant) return;
  // Numbers wrap around: adding this is subtracting the other.
  const auto signed_of = [add](uint64_t value) { return add ? value : uint64_t{0} - value; };
  reported_ += signed_of(1);
  weight_mib_ += signed_of(region.weight_mib());
  for (const auto& peer : region.meta.peers()) {
    auto& count = stores_[StoreId(peer.store_id())].count;
    CHECK(add || count.peers > 0, "store {} loses a peer that was not counted", peer.store_id());
    count.peers += signed_of(1);
    count.mib += signed_of(region.approximate_mib);
    count.weight_mib += signed_of(region.weight_mib());
    if (peer.id() != region.leader.id()) continue;
    count.leaders += signed_of(1);
    count.leader_weight_mib += signed_of(region.weight_mib());
  }
  note_standings(region, add);
}

void RegionTree::note_standings(const RegionInfo& region, bool add) {
  for (const auto& peer : region.meta.peers()) {
    auto& standings = stores_[StoreId(peer.store_id())].standings;
    const auto note = [&](Standing standing) {
      auto& set = standings[static_cast<size_t>(standing)];
      add ? set.insert(region.id()) : set.erase(region.id());
    };
    if (peer.id() == region.leader.id()) {
      note(Standing::kLeader);
    } else {
      note(peer.role() == metapb::Learner ? Standing::kLearner : Standing::kFollower);
    }
    if (region.is_pending(peer.id())) note(Standing::kPending);
  }
}

}  // namespace cairn::pd
