// The names of PD's own records in the meta store; those that other tools read are PD's.
#pragma once

#include <fmt/format.h>

#include "base/bytes.h"

namespace cairn::pd {

inline const Bytes kClusterIdKey = "/pd/cluster_id";  // u64 big-endian
// The txn safe point, in decimal: read by old clients.
inline const Bytes kTxnSafePointKey = "/tidb/store/gcworker/saved_safe_point";
// SQL servers tell the start of their oldest transaction here, in decimal.
inline const Bytes kMinStartTsPrefix = "/tidb/server/minstartts/";

// The records of one cluster.
class Keys {
 public:
  Keys() = default;
  explicit Keys(uint64_t cluster_id) : root_(fmt::format("/pd/{}", cluster_id)) {}

  Bytes cluster() const { return root_ + "/raft"; }                                    // metapb.Cluster
  Bytes bootstrap_time() const { return root_ + "/raft/status/raft_bootstrap_time"; }  // u64 big-endian, ns
  Bytes store_prefix() const { return root_ + "/raft/s/"; }
  Bytes store(uint64_t id) const { return fmt::format("{}/raft/s/{:020}", root_, id); }   // metapb.Store
  Bytes region(uint64_t id) const { return fmt::format("{}/raft/r/{:020}", root_, id); }  // metapb.Region
  Bytes alloc_id() const { return root_ + "/alloc_id"; }    // end of the window, u64 big-endian
  Bytes timestamp() const { return root_ + "/timestamp"; }  // bound of the timestamps, ns, u64 big-endian
  Bytes cluster_version() const { return root_ + "/cluster_version"; }
  Bytes gc_safe_point() const { return root_ + "/gc/safe_point"; }               // hexadecimal
  Bytes barrier_prefix() const { return root_ + "/gc/safe_point/service/"; }     // JSON
  Bytes gc_other_owner() const { return root_ + "/gc/other_owner"; }             // JSON
  Bytes global_barrier_prefix() const { return root_ + "/gc/global_barrier/"; }  // JSON
  Bytes keyspace_meta_prefix() const { return root_ + "/keyspaces/meta/"; }
  Bytes keyspace_meta(uint32_t id) const { return fmt::format("{}/keyspaces/meta/{:08}", root_, id); }  // KeyspaceMeta
  Bytes keyspace_id(const std::string& name) const { return root_ + "/keyspaces/id/" + name; }          // decimal
  Bytes keyspace_alloc_id() const { return root_ + "/keyspaces/alloc_id"; }  // the last one given out, u64 big-endian

 private:
  Bytes root_;
};

}  // namespace cairn::pd
