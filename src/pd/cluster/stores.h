// Stores: the stores of the cluster: their durable records with the rules for changing them, and what their last
// heartbeats said. Pure: put(), remove(), cancel_removal() say what the new record is, the owner makes it durable and
// then calls set().
//
//   Up (Preparing, Serving) <-> Offline (Removing) -> Tombstone (Removed) -> forgotten
//
// A store that is Offline is emptied by the replica checker; once it holds no replica it becomes a Tombstone. Its
// address is free from then on; that of a physically destroyed one at once.
//
// Owned by ClusterService. Tests: stores_test.cc.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "base/time.h"
#include "pd/cluster/version.h"
#include "pd/config.h"
#include "pdpb.pb.h"

namespace cairn::pd {

// How a store looks from here, by its silence and its record.
enum class StoreHealth {
  kUp,
  kDisconnected,  // silent for a while: no new work for it
  kDown,          // silent for long: its replicas are made up elsewhere
  kOffline,       // being emptied
  kTombstone,
};

// As PD's tools write it.
const char* health_name(StoreHealth health);

// A Tombstone.
bool is_gone(const metapb::Store& store);

struct StoreInfo {
  metapb::Store meta;
  pdpb::StoreStats stats;          // of the last heartbeat
  Instant last_heartbeat;          // by this node's clock
  int64_t saved_heartbeat_ns = 0;  // what the durable record says, in Unix time
  std::optional<uint64_t> min_resolved_ts;

  StoreId id() const { return StoreId(meta.id()); }
  bool is_tombstone() const { return is_gone(meta); }
};

// A columnar store; not for ordinary replicas.
bool is_columnar(const metapb::Store& store);

class Stores {
 public:
  explicit Stores(const ScheduleConfig& config) : config_(config) {}

  void clear() { stores_.clear(); }
  // The record is durable. Keeps what heartbeats said.
  void set(metapb::Store meta, Instant now);
  // A record from the disk: the store has been silent since the heartbeat that it tells of.
  void load(metapb::Store meta, Instant now, WallTime wall);
  void set_cluster_version(Version version);

  // The record that PutStore makes of the one asked for, or why it is refused.
  Result<metapb::Store, pdpb::Error> put(const metapb::Store& wanted) const;
  // What the cluster version becomes once `store` is in: the lowest of all live stores, never lower than it was.
  Version version_with(const metapb::Store& store) const;
  // The record of a store that is to be emptied; the present one if it is being emptied already. A destroyed store is
  // taken out even if too few are left.
  enum class Loss { kLeaves, kPhysicallyDestroyed };
  Result<metapb::Store, std::string> remove(StoreId store, Loss loss) const;
  // The record of a store that is to stay after all.
  Result<metapb::Store, std::string> cancel_removal(StoreId store) const;
  // The record is no more.
  void erase(StoreId store) { stores_.erase(store); }

  // Whether what is durable of the last heartbeat is so old that a restart would misjudge the store's silence.
  bool wants_heartbeat_saved(const StoreInfo& store) const;
  // Takes a heartbeat; the error if the store may not speak.
  Result<void, pdpb::Error> heartbeat(const pdpb::StoreStats& stats, Instant now, WallTime wall);

  const StoreInfo* get(StoreId id) const;
  StoreInfo* find(StoreId id);
  const std::map<StoreId, StoreInfo>& all() const { return stores_; }
  StoreHealth health(const StoreInfo& store, Instant now) const;
  const Version& cluster_version() const { return cluster_version_; }
  // The error of GetStore for an id that was never seen.
  static pdpb::Error no_such_store(uint64_t id);

 private:
  const ScheduleConfig& config_;
  std::map<StoreId, StoreInfo> stores_;
  Version cluster_version_;
};

}  // namespace cairn::pd
