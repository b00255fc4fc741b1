// What a PD node is told when it is made: who it is, who the other members are, and how it schedules. Plain values;
// whoever makes the node (the process, the simulator) reads them from its flags.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/time.h"

namespace cairn::pd {

// One member of the PD group. The id is also its id in the group's Raft.
struct MemberInfo {
  uint64_t id = 0;
  std::string name;
  std::vector<std::string> client_urls;  // as clients are to dial them ("http://10.0.0.1:2379"); none: not told yet
  std::vector<std::string> peer_urls;
  bool is_learner = false;  // it follows, and does not vote yet
};

// How replicas are placed and balanced. Names and defaults follow PD's.
struct ScheduleConfig {
  uint32_t max_replicas = 3;
  std::vector<std::string> location_labels;  // keys of stores' labels, the widest place first ("zone", "rack", "host")
  std::string isolation_level;               // one of them: no two replicas share its value; empty: none
  bool strictly_match_label = false;         // a store without all of them is refused

  bool halt_scheduling = false;                               // nothing is begun
  Duration max_store_down_time = std::chrono::minutes(30);    // silent for longer: its replicas are made up elsewhere
  Duration store_disconnect_time = std::chrono::seconds(20);  // silent for longer: no new work for it
  Duration patrol_region_interval = std::chrono::milliseconds(500);
  uint32_t patrol_region_batch = 1024;  // regions looked at in one patrol

  // Operators under way at once, by what made them.
  uint32_t replica_schedule_limit = 64;
  uint32_t leader_schedule_limit = 4;
  uint32_t region_schedule_limit = 2048;
  Duration operator_step_timeout = std::chrono::minutes(1);       // promote, remove, transfer
  Duration operator_snapshot_timeout = std::chrono::minutes(10);  // add a peer, which fetches a snapshot

  // What a store takes.
  uint32_t store_snapshot_limit = 16;    // peers being added to it, and snapshots it sends or fetches, at once
  uint32_t max_pending_peer_count = 64;  // peers there that lag behind; 0: any number
  double add_peer_limit = 15;            // a minute, of usual size; stores may have limits of their own
  double remove_peer_limit = 15;

  // Balance.
  std::string leader_schedule_policy = "count";     // or "size"
  double tolerant_size_ratio = 0;                   // differences of so many regions are left; 0: PD's own measure
  double low_space_ratio = 0.8;                     // of a store's disk: used beyond it, nothing more comes
  double high_space_ratio = 0.7;                    // of "v1": used beyond it, free space counts, too
  std::string region_score_formula_version = "v2";  // or "v1"

  // What the replica checker may do.
  bool enable_remove_down_replica = true;
  bool enable_replace_offline_replica = true;
  bool enable_make_up_replica = true;
  bool enable_remove_extra_replica = true;
  bool enable_location_replacement = true;
};

// What the etcd API takes in. PD allows requests of 150 MiB and 8 GiB of keys; here each request stops the others for
// as long as it is copied, and all keys are in memory.
struct EtcdLimits {
  uint64_t max_request_bytes = uint64_t{4} << 20;
  uint64_t quota_backend_bytes = uint64_t{256} << 20;  // MetaStore::bytes()
  uint64_t key_bytes_max = 32 << 10;
  uint64_t log_bytes_max = uint64_t{64} << 20;  // of the log that is not cut yet: beyond it the disk is behind
  size_t proposals_max = 5000;                  // that wait to be applied, as in etcd
};

struct Options {
  uint64_t member_id = 1;  // this node; one of `members`
  // The whole group as it began, this node included. What the group has agreed on since counts more.
  std::vector<MemberInfo> members;
  uint64_t group_id = 0;          // of the members together (identity.h); 0: this node began alone
  uint64_t data_id = 0;           // of this node's data; 0: likewise
  uint64_t cluster_id = 0;        // 0: chosen at the first start and kept
  std::string version = "9.0.0";  // told to etcd clients and in member lists
  std::string deploy_path;
  ScheduleConfig schedule;
  std::vector<std::string> schedulers{"balance-leader-scheduler", "balance-region-scheduler"};  // of a new cluster
  std::vector<std::string> keyspaces;  // keyspace.pre-alloc: made beside DEFAULT when they are not there yet

  Duration tso_save_interval = std::chrono::seconds(5);  // how far ahead the bound of timestamps is saved
  Duration tso_update_interval = std::chrono::milliseconds(50);
  // How long this node's collector of garbage stands back after the last sign of another (gc_owner.h).
  Duration gc_takeover_delay = std::chrono::hours(24);
  Duration raft_tick = std::chrono::milliseconds(100);
  int raft_election_ticks = 10;                     // of a group of more than one member
  uint64_t raft_log_gc_entries = 4096;              // the log is cut once it holds more that are applied and flushed
  uint64_t raft_log_gc_bytes = uint64_t{16} << 20;  // or more bytes
  EtcdLimits etcd;
};

}  // namespace cairn::pd
