// Watches what the stores' disks would still hold after a power cut at this moment, whether the stores are up or down:
//
//   INV-LOG-MATCH      an entry of one index and term is the same in every log, and so is the term of the one before it
//   INV-QUORUM-FSYNC   what a leader calls committed is on the disks of a majority of the voters it had when it was
//                      committed, unless one of the disks tells of a later membership: what the leader showed is past
//                      then
//   INV-LOG-NOT-AHEAD  the log holds every entry behind what the engine has flushed
//
// Part of ClusterWatch. Tests: world_test.cc, disk_watch_test.cc.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "base/ids.h"
#include "engine/memory/disk_state.h"
#include "engine/region_request.h"
#include "raft_serverpb.pb.h"
#include "sim/hosts.h"
#include "store/store.h"

namespace cairn::sim {

// The stores that are up, and what they show of their regions.
struct StoreSight {
  StoreHost* host;
  std::vector<store::RegionStatus> regions;
};
using Sights = std::vector<StoreSight>;

// What a look shows of a peer.
struct PeerSight {
  int life = 0;  // of its store
  uint64_t conf_ver = 0;
  Term term;
  bool is_leader = false;
  LogIndex committed;
};
// Whether what the leader `now` calls committed was committed between the two looks at this peer, by itself, with the
// voters that it shows. A leader counts by the membership that it has applied, whatever its log and the others' already
// know: what it took over from the leader before it, who may have counted otherwise, says nothing. `entry_term` is the
// term of the entry at now.committed, as far as a disk tells.
bool is_own_commit(const PeerSight& before, const PeerSight& now, std::optional<Term> entry_term);

class DiskWatch {
 public:
  using Fail = std::function<void(std::string)>;
  DiskWatch(std::vector<StoreHost*> stores, Fail fail) : stores_(std::move(stores)), fail_(std::move(fail)) {}

  void look(const Sights& now);

 private:
  using Text = std::shared_ptr<const Bytes>;
  struct LogEntry {
    LogIndex index;
    Text text;
    Term term;
    uint64_t checksum = 0;
    std::optional<Term> before;  // the term of the entry before it, as checked
  };
  // What one disk keeps of one region.
  struct Durable {
    LogIndex applied;    // of the engine; 0: it knows nothing of the region
    LogIndex truncated;  // likewise
    LogIndex last;       // of the log
    bool is_installing = false;
    std::optional<raft_serverpb::RegionLocalState> record;  // of the engine
    // Of the log: those behind `truncated` up to the first gap, and those behind `applied` up to the first gap.
    std::vector<LogEntry> entries;
    uint64_t changed_at = 0;  // the log, when it was read

    std::optional<Term> term(LogIndex index) const;
  };
  using DurableRegions = std::map<RegionId, Durable>;
  struct Disk {
    engine::memory::PersistentMap records;  // of the engine, when they were read
    DurableRegions regions;
  };

  void read(StoreHost& host, Disk& disk);
  void read_log(const StoreHost& host, RegionId region, const engine::memory::RegionLog& log, Durable& durable);
  // Reads the entries from `begin` up to the first gap behind those that are read; `known` were read before.
  void read_entries(const StoreHost& host, RegionId region, const engine::memory::RegionLog& log, LogIndex begin,
                    const std::vector<LogEntry>& known, Durable& durable);
  void check_entry(const StoreHost& host, RegionId region, const LogEntry& entry);
  static std::string describe(const Durable& durable, LogIndex index);
  static bool is_past(const engine::RegionDescription& seen, const engine::PeerDescription& peer,
                      const Durable& durable);
  // Checks what the leader calls committed, if it is its own commit.
  void check_commit(const std::map<StoreId, const DurableRegions*>& disks, const PeerSight& before,
                    const PeerSight& now, const store::RegionStatus& leader);
  void check_quorum(const std::map<StoreId, const DurableRegions*>& disks, const store::RegionStatus& leader);

  std::vector<StoreHost*> stores_;
  Fail fail_;
  struct Entry {
    uint64_t checksum = 0;
    std::optional<Term> before;  // of the entry before it; nothing: nobody has shown it yet
  };
  std::map<std::tuple<RegionId, LogIndex, Term>, Entry> entries_;
  std::map<std::string, StoreId> ids_;                            // by host; a store that is down tells its id no more
  std::map<std::string, Disk> disks_;                             // by host, as read last
  std::map<std::pair<RegionId, std::string>, PeerSight> sights_;  // by host, at the last look
};

}  // namespace cairn::sim
