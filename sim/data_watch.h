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
  void look();

 private:
  struct Region {
    RegionId id;
    LogIndex applied;
    Bytes start, end;  // engine keys
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
  static std::vector<Region> regions_of(const engine::memory::KvImage& data);
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
  std::map<std::string, Looked> looked_;  // by host
};

}  // namespace cairn::sim
