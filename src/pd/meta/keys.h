// The names of PD's own records (own_records.h), and of the keys of the etcd key space that SQL servers and old clients
// share with PD.
#pragma once

#include <fmt/format.h>

#include <optional>

#include "base/bytes.h"
#include "base/codec.h"

namespace cairn::pd {

inline const Bytes kClusterIdKey = "/pd/cluster_id";  // u64 big-endian
// In the etcd key space: a copy of the txn safe point, in decimal, for old clients.
inline const Bytes kPublishedTxnSafePointKey = "/tidb/store/gcworker/saved_safe_point";
// In the etcd key space: SQL servers tell the start of their oldest transaction here, in decimal.
inline const Bytes kMinStartTsPrefix = "/tidb/server/minstartts/";

// Numbers in records: u64 big-endian. 0 for what is not there, or is no number.
inline uint64_t number_of(const std::optional<Bytes>& value) {
  if (!value) return 0;
  ByteView in = *value;
  uint64_t number = 0;
  return codec::get_u64_be(in, number) ? number : 0;
}
inline Bytes number_bytes(uint64_t number) {
  Bytes value;
  codec::put_u64_be(value, number);
  return value;
}

// The records of one cluster.
class Keys {
 public:
  Keys() = default;
  explicit Keys(uint64_t cluster_id) : root_(fmt::format("/pd/{}", cluster_id)) {}

  const Bytes& root() const { return root_; }
  Bytes cluster() const { return root_ + "/raft"; }                                    // metapb.Cluster
  Bytes bootstrap_time() const { return root_ + "/raft/status/raft_bootstrap_time"; }  // u64 big-endian, ns
  Bytes store_prefix() const { return root_ + "/raft/s/"; }
  Bytes store(uint64_t id) const { return fmt::format("{}/raft/s/{:020}", root_, id); }  // metapb.Store
  Bytes region_prefix() const { return root_ + "/raft/r/"; }
  Bytes region(uint64_t id) const { return fmt::format("{}/raft/r/{:020}", root_, id); }  // metapb.Region
  Bytes alloc_id() const { return root_ + "/alloc_id"; }    // end of the window, u64 big-endian
  Bytes timestamp() const { return root_ + "/timestamp"; }  // bound of the timestamps, ns, u64 big-endian
  // Of schedulers and of limits and weights of stores (coordinator_records.cc).
  Bytes schedule_prefix() const { return root_ + "/schedule/"; }
  Bytes cluster_version() const { return root_ + "/cluster_version"; }
  Bytes txn_safe_point() const { return root_ + "/gc/txn_safe_point"; }          // decimal
  Bytes gc_safe_point() const { return root_ + "/gc/safe_point"; }               // hexadecimal
  Bytes barrier_prefix() const { return root_ + "/gc/safe_point/service/"; }     // JSON
  Bytes gc_other_owner() const { return root_ + "/gc/other_owner"; }             // JSON
  Bytes global_barrier_prefix() const { return root_ + "/gc/global_barrier/"; }  // JSON
  Bytes keyspace_meta_prefix() const { return root_ + "/keyspaces/meta/"; }
  Bytes keyspace_meta(uint32_t id) const { return fmt::format("{}/keyspaces/meta/{:08}", root_, id); }  // KeyspaceMeta
  Bytes keyspace_id(const std::string& name) const { return root_ + "/keyspaces/id/" + name; }          // decimal
  Bytes keyspace_id_prefix() const { return root_ + "/keyspaces/id/"; }
  Bytes keyspace_alloc_id() const { return root_ + "/keyspaces/alloc_id"; }  // the last one given out, u64 big-endian

 private:
  Bytes root_;
};

}  // namespace cairn::pd
