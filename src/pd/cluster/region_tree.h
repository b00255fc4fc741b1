// RegionTree: what PD knows of all regions, by key range and by id: built from the heartbeats of their leaders. The
// ranges never overlap; there may be holes. Pure, in memory, rebuilt after a restart.
//
// Acceptance: a report is stale, and refused, if a region over part of its range is known at a higher version, or this
// region itself at a higher version, conf_ver or term. Otherwise it goes in and takes its range from all that it
// overlaps. What is left of such a region stays as a remnant, with the old epoch, until a report covers it: after a
// split the parent and its children report one by one, and a client that asks meanwhile is sent to a store that knows
// better, not to nowhere. So a key covered once stays covered (INV-ROUTES-STAY). Remnants are for routing alone.
//
// Owned by RegionService. Tests: region_tree_test.cc (against a naive model).
#pragma once

#include <array>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"
#include "base/result.h"
#include "pd/cluster/region_set.h"
#include "pdpb.pb.h"

namespace cairn::pd {

// One region as its leader last reported it. Never changed once it is in the tree.
struct RegionInfo {
  metapb::Region meta;
  metapb::Peer leader;
  uint64_t term = 0;  // 0: not told
  std::vector<pdpb::PeerStats> down_peers;
  std::vector<metapb::Peer> pending_peers;
  uint64_t approximate_mib = 0;  // 0: not known yet
  uint64_t approximate_keys = 0;
  uint64_t bytes_written = 0;  // in the last interval, like the others
  uint64_t bytes_read = 0;
  uint64_t keys_written = 0;
  uint64_t keys_read = 0;
  bool is_remnant = false;  // part of a region's former range, whose owner has not reported yet

  RegionId id() const { return RegionId(meta.id()); }
  // The peer on that store; null if there is none.
  const metapb::Peer* peer_on(StoreId store) const;
  bool is_down(uint64_t peer_id) const;
  bool is_pending(uint64_t peer_id) const;
  bool contains(ByteView key) const;
  // What it counts for where sizes are compared: a region whose size is not known, or is nearly nothing, as 1 MiB.
  uint64_t weight_mib() const { return approximate_mib == 0 ? 1 : approximate_mib; }
};
using RegionPtr = std::shared_ptr<const RegionInfo>;

// A region from a leader's report.
RegionPtr make_region(const pdpb::RegionHeartbeatRequest& report);
// Why this cannot be a region, whatever else is known; empty if it can.
std::string refuse_region(const metapb::Region& region);
// Whether the peers stand in a change of several at once that has not ended.
bool in_joint_state(const metapb::Region& region);
// Whether the end of such a change makes the peer a learner.
bool is_demoted(const metapb::Region& region, uint64_t peer_id);

class RegionTree {
 public:
  // What a store holds.
  struct Count {
    uint64_t peers = 0;
    uint64_t leaders = 0;
    uint64_t mib = 0;
    uint64_t weight_mib = 0;  // sums of RegionInfo::weight_mib()
    uint64_t leader_weight_mib = 0;
    friend bool operator==(const Count&, const Count&) = default;
  };
  // What a region is to a store that has a peer of it. One with a peer that lags there is pending as well.
  enum class Standing : uint8_t { kLeader, kFollower, kLearner, kPending };
  struct Accepted {
    bool is_new = false;
    bool meta_changed = false;  // epoch or peers
    bool leader_changed = false;
    std::vector<RegionId> removed;  // of which nothing is left
  };

  // Takes a report in; the text says why it is stale.
  Result<Accepted, std::string> put(RegionPtr region);
  // Takes in the regions of one split together, in the order of their keys: those that are not known at that version
  // yet. False, and nothing is changed, if they are not the range of a known region that stands among them, or are not
  // newer. Where the leaders are not told, they are taken to be on the store of the parent's.
  bool put_split(const std::vector<metapb::Region>& regions);
  void clear();

  RegionPtr find(ByteView key) const;
  // The region that ends where the one with the key begins; none if there is a hole.
  RegionPtr find_prev(ByteView key) const;
  RegionPtr by_id(RegionId id) const;
  // Regions that overlap [start, end) in order; an empty end is no bound. At most `limit` if that is positive.
  std::vector<RegionPtr> scan(ByteView start, ByteView end, int64_t limit) const;
  // The next `limit` regions whose start key lies behind `after` (or all from the first, if nothing): for patrols.
  std::vector<RegionPtr> next(const std::optional<Bytes>& after, size_t limit) const;
  size_t size() const { return by_start_.size(); }
  // Whether every key lies in a region that has reported itself and its leader.
  bool is_complete() const { return gaps_ == 0 && remnants_ == 0 && leaderless_ == 0; }
  Count count(StoreId store) const;
  const RegionSet& on_store(StoreId store, Standing standing) const;
  // Of all regions that have reported themselves.
  size_t reported() const { return reported_; }
  uint64_t weight_mib() const { return weight_mib_; }

 private:
  using ByStart = std::map<Bytes, RegionPtr, std::less<>>;
  // The region with the greatest start at or before the key.
  ByStart::const_iterator at_or_before(ByteView key) const;
  std::vector<RegionPtr> overlaps(ByteView start, ByteView end) const;
  void insert(const RegionPtr& region);
  void erase(const RegionPtr& region);
  // Puts back what `other` has outside of the range of `region`.
  void keep_remnants(const RegionInfo& other, const metapb::Region& region);
  // The number of holes between the neighbours of a place, the ends of the key space being neighbours, too.
  uint64_t gaps_around(ByteView start) const;
  // Counts the region in or out.
  void add_counts(const RegionInfo& region, bool add);
  void note_standings(const RegionInfo& region, bool add);

  ByStart by_start_;
  std::unordered_map<RegionId, RegionPtr> by_id_;
  // Without remnants.
  struct OnStore {
    Count count;
    std::array<RegionSet, 4> standings;  // in the order of Standing
  };
  std::unordered_map<StoreId, OnStore> stores_;
  size_t reported_ = 0;
  uint64_t weight_mib_ = 0;
  uint64_t gaps_ = 1;  // holes in by_start_; an empty tree is one
  uint64_t remnants_ = 0;
  uint64_t leaderless_ = 0;
};

}  // namespace cairn::pd
