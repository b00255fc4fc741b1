// What the client believes of the cluster's regions: bounds, epoch, peers and which of them leads. Pure: others load it
// and tell it what they learned. Owned by the client's Core, used on its executor.
//
// Invariants: cached regions do not overlap; each has at least one peer; of two descriptions of a range the one with
// the newer epoch is kept. Bounded: over `regions_max` the cache starts anew, which costs loads and nothing else.
// Tests: region_cache_test.cc.
#pragma once

#include <map>
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"
#include "metapb.pb.h"

namespace cairn::client {

// A region as a request names it: a copy, good for one attempt.
struct RegionRoute {
  RegionId id;
  Bytes start_key;  // engine keys
  Bytes end_key;    // empty: no bound
  metapb::RegionEpoch epoch;
  metapb::Peer peer;  // to whom to send

  bool contains(ByteView engine_key) const;
};

class RegionCache {
 public:
  explicit RegionCache(size_t regions_max = 100000) : regions_max_(regions_max) {}

  // The region of the key, addressed to the peer that is believed to lead.
  std::optional<RegionRoute> find(ByteView engine_key) const;
  // The region that ends at or holds the key before `engine_key_end`; empty: the last region.
  std::optional<RegionRoute> find_before(ByteView engine_key_end) const;
  // Adds a region and drops what it overlaps; refused (false) if what is there is newer or the region has no peers.
  // `leader` unset: the peer that led before, else the first voter.
  bool install(const metapb::Region& region, const metapb::Peer& leader);
  // Forgets the region.
  void drop(RegionId region);
  // The region is led by `leader`; false if that is not one of the peers known: then the region is forgotten.
  bool switch_leader(RegionId region, const metapb::Peer& leader);
  // Peer `failed` did not serve: address the next one, unless another one is addressed by now.
  void next_peer(RegionId region, PeerId failed);
  // The epoch that is cached, if it is.
  std::optional<metapb::RegionEpoch> epoch(RegionId region) const;
  size_t size() const { return by_start_.size(); }

 private:
  struct Entry {
    metapb::Region region;
    int addressed = 0;  // index in region.peers
  };
  using Entries = std::map<Bytes, Entry, std::less<>>;

  static RegionRoute route_of(const Bytes& start, const Entry& entry);
  Entries::iterator find_id(RegionId region);
  void erase(Entries::iterator it);

  size_t regions_max_;
  Entries by_start_;                  // by start key
  std::map<RegionId, Bytes> starts_;  // start key of each cached region
};

}  // namespace cairn::client
