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
#include <string>
#include <utility>
#include <vector>

#include "base/ids.h"
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
  std::vector<Region> regions_of(const engine::Snapshot& snapshot) const;
  void compare(const StoreHost& host, const engine::Snapshot& snapshot, const Region& region);
  void check_records(const StoreHost& host, const engine::Snapshot& snapshot, const Region& region);

  std::vector<StoreHost*> stores_;
  Fail fail_;
  bool compares_ = true;
  struct Seen {
    uint64_t checksum = 0;
    std::string host;
  };
  std::map<std::pair<RegionId, LogIndex>, Seen> seen_;
};

}  // namespace cairn::sim
