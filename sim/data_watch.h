// Watches what the stores' engines hold, as the applied entries leave it:
//
//   INV-APPLY-ORDER    two replicas of a region that have applied the same index hold the same data, at any time and in
//                      any life
//   INV-LOCK-OR-WRITE  no transaction has both a lock and its commit on one key
//   INV-GC-TOGETHER    each long value belongs to a lock or a record, and each of these has its value
//
// Part of ClusterWatch. Tests: world_test.cc, old_versions_test.cc.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/ids.h"
#include "engine/memory/disk_state.h"
#include "sim/hosts.h"

namespace cairn::sim {

class DataWatch {
 public:
  using Fail = std::function<void(std::string)>;
  DataWatch(std::vector<StoreHost*> stores, Fail fail) : stores_(std::move(stores)), fail_(std::move(fail)) {}

  // Garbage collection takes what it may from one replica earlier than from another: their data is compared no more.
  void allow_gc() { compares_ = false; }
  // Compares the data of regions that have applied something since the last time: cheap, to be called often, for few
  // indexes last long.
  void compare();
  // Checks what transactions have left where something has changed since the last time.
  void look();

 private:
  struct Region {
    RegionId id;
    Bytes start, end;  // engine keys
    Bytes apply_key;   // of its apply state
  };
  // A store's regions as they were compared last.
  struct Compared {
    engine::memory::PersistentMap records;  // of the store itself: where they lie
    std::map<RegionId, Region> regions;     // those that are there, by these records
  };
  // A transaction's traces on one key.
  struct Writer {
    Bytes key;  // encoded
    Timestamp start_ts;
    auto operator<=>(const Writer&) const = default;
  };
  struct Traces {
    int commits = 0;
    int locks = 0;         // pessimistic ones apart: a stale one beside its own commit harms nobody
    int long_commits = 0;  // of the commits, those whose value lies apart
    int long_locks = 0;
    int values = 0;  // that lie apart
    bool is_empty() const { return commits == 0 && locks == 0 && values == 0; }
  };
  // A store as it was looked at last.
  struct Looked {
    engine::memory::KvImage data;
    std::map<Writer, Traces> writers;
    // Those whose traces have changed since they were checked: what lies in no region, or in one that is being
    // installed, waits.
    std::set<Writer> unchecked;
  };
  // What is on the store's disk, and which regions are in the middle of an installation: there it is neither the old
  // nor the new.
  static std::pair<engine::memory::KvImage, std::set<RegionId>> read(StoreHost& host);
  static std::optional<Region> decode_region(const engine::memory::Entry& record);
  // Takes in what has changed of the regions; returns those that have applied something, or have changed.
  static std::set<RegionId> follow(Compared& compared, const engine::memory::PersistentMap& records);
  void compare(const StoreHost& host, const engine::memory::KvImage& data, const Region& region);
  static void take_in(Looked& looked, const engine::memory::KvImage& data);
  void check_writers(const StoreHost& host, Looked& looked, const Region& region);
  void check(const StoreHost& host, const Writer& writer, const Looked& looked);

  std::vector<StoreHost*> stores_;
  Fail fail_;
  bool compares_ = true;
  struct Seen {
    uint64_t digest = 0;
    std::string host;
  };
  std::map<std::pair<RegionId, LogIndex>, Seen> seen_;
  std::map<std::string, Looked> looked_;      // by host
  std::map<std::string, Compared> compared_;  // by host
};

}  // namespace cairn::sim
