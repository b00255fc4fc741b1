// Watches what the stores' disks would still hold after a power cut at this moment, whether the stores are up or down:
//
//   INV-LOG-MATCH      an entry of one index and term is the same in every log, and so is the term of the one before it
//   INV-QUORUM-FSYNC   what a leader calls committed is on the disks of a majority of the region's voters, unless one
//   of
//                      the disks tells of a later membership: what the leader showed is past then
//   INV-LOG-NOT-AHEAD  the log holds every entry behind what the engine has flushed
//
// Part of ClusterWatch. Tests: world_test.cc.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "base/ids.h"
#include "engine/region_request.h"
#include "raft_serverpb.pb.h"
#include "sim/hosts.h"
#include "store/store.h"

namespace cairn::sim {

class DiskWatch {
 public:
  using Fail = std::function<void(std::string)>;
  DiskWatch(std::vector<StoreHost*> stores, Fail fail) : stores_(std::move(stores)), fail_(std::move(fail)) {}

  void look();

 private:
  // What one disk keeps of one region.
  struct Durable {
    LogIndex applied;    // of the engine; 0: it knows nothing of the region
    LogIndex truncated;  // likewise
    LogIndex last;       // of the log
    bool is_installing = false;
    std::optional<raft_serverpb::RegionLocalState> record;  // of the engine
    std::map<LogIndex, Term> terms;                         // of the entries behind `truncated`
  };
  using DurableRegions = std::map<RegionId, Durable>;

  DurableRegions read(StoreHost& host);
  void check_entry(const StoreHost& host, RegionId region, LogIndex index, Term term, uint64_t checksum,
                   std::optional<Term> before);
  static std::string describe(const Durable& durable, LogIndex index);
  static bool is_past(const engine::RegionDescription& seen, const engine::PeerDescription& peer,
                      const Durable& durable);
  void check_quorum(const std::map<StoreId, const DurableRegions*>& disks, const store::RegionStatus& leader);

  std::vector<StoreHost*> stores_;
  Fail fail_;
  struct Entry {
    uint64_t checksum = 0;
    std::optional<Term> before;  // of the entry before it; nothing: nobody has shown it yet
  };
  std::map<std::tuple<RegionId, LogIndex, Term>, Entry> entries_;
  std::map<std::string, StoreId> ids_;  // by host; a store that is down tells its id no more
  // By region: how far commits were checked, in a membership of which version.
  struct Checked {
    LogIndex committed;
    uint64_t conf_ver = 0;
  };
  std::map<RegionId, Checked> checked_;
};

}  // namespace cairn::sim
