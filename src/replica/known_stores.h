// Cairn beside TiKV in one Raft group. A TiKV leader serves reads under a lease of 9 s, since TiKV's voters wait 10 s
// before they elect another; ours wait 0.6 s. So whoever does not know better must hold out for as long as TiKV.
//
//   Who is who: a store of Cairn says so to PD, in a label of its own (kEngineLabel). Every other store counts as TiKV,
//   a store that is not known yet among them. PD's list is read before the first region is loaded, again with every
//   heartbeat of the store, and at once when an unknown store is met. What was a store of Cairn once stays one.
//   What a peer waits: TiKV's 10 to 20 s (kTikvPatience) while it follows a leader on a store that counts as TiKV, and
//   while its region has a peer on one, learners and both halves of a joint membership included. Else its own.
//   Why no lease outlives that (INV-LEASE-BOUND): a lease counts on answers to its leader, and from the moment a peer
//   follows a leader, before it answers, it waits as long as that leader's lease may be; what it knows of the
//   membership, early or late, does not matter. It waits less only once it follows a leader of Cairn, and that one was
//   elected when all earlier leases had ended; or nobody, after the long wait, a transfer or a higher term.
//   A restart forgets whom it followed: if the cluster has one store that counts as TiKV, or had one, it neither votes
//   nor seeks election for TiKV's time.
//   What never grows: the lease and the interval of heartbeats of our own leaders. Stores learn at different times who
//   is who. A longer lease would outlive the patience of a follower that knows already that all are of Cairn, and rarer
//   heartbeats would cost the leader its followers. So leases are as short as the least patience, patience as long as
//   the longest lease. To TiKV, more heartbeats than it needs are heartbeats.
//   Hibernation: a TiKV leader stops its heartbeats only when every peer that is alive has agreed, and ours never do.
//
// Immutable values; each shard holds the newest that its store's session with PD has told. Tests: known_stores_test.cc,
// mixed_test.cc in store/, simulator.
#pragma once

#include <set>
#include <string_view>

#include "base/ids.h"
#include "base/time.h"
#include "metapb.pb.h"

namespace cairn::replica {

// For real PD a label like any other: its own begin with `$` or are called `engine`, `engine_role` and `exclusive`, and
// would keep regions off the store.
inline constexpr std::string_view kEngineLabel = "engine-family";
inline constexpr std::string_view kEngineOfOurs = "cairn";

// TiKV's raft-base-tick-interval times its raft-election-timeout-ticks; raft-store-max-leader-lease is below.
inline constexpr Duration kTikvPatience = std::chrono::seconds(10);

class KnownStores {
 public:
  KnownStores() = default;
  explicit KnownStores(StoreId own) : ours_{own} {}

  // Each: true if it is news.
  bool learn_own(StoreId store);
  bool learn(const metapb::Store& store);
  bool learn_unknown(StoreId store) { return !is_ours(store) && others_.insert(store).second; }

  bool is_ours(StoreId store) const { return ours_.contains(store); }
  bool is_known(StoreId store) const { return is_ours(store) || others_.contains(store); }
  // Of the cluster, stores that have left it included.
  bool has_others() const { return !others_.empty(); }

 private:
  std::set<StoreId> ours_;
  std::set<StoreId> others_;
};

// kTikvPatience on a clock that ticks so, or what the store has by itself if that is more.
int election_ticks_beside_tikv(Duration tick, int own_ticks);

}  // namespace cairn::replica
