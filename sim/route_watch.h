// Watches what PD tells clients of the regions:
//
//   INV-REGIONS-TILE     its regions never overlap, and where it knows none, that does not last
//   INV-EPOCH-MONOTONIC  its view of a region's epoch only grows, within one leadership of PD
//
// Part of ClusterWatch. Tests: world_test.cc.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "base/ids.h"
#include "base/time.h"
#include "pdpb.pb.h"
#include "sim/hosts.h"

namespace cairn::sim {

class RouteWatch : public std::enable_shared_from_this<RouteWatch> {
 public:
  using Fail = std::function<void(std::string)>;
  RouteWatch(runtime::SimLoop& loop, PdHosts pds, ClusterId cluster, Fail fail)
      : loop_(loop), pds_(std::move(pds)), cluster_(cluster), fail_(std::move(fail)) {}

  // Asks PD for all regions; what it answers is looked at when it comes.
  void look();
  // How long keys may be without a region while PD serves: its leaders may be cut off from it for a while.
  void set_hole_max(Duration longest) { hole_max_ = longest; }
  // Whether the last answer left no key without a region.
  bool is_whole() const { return is_whole_; }

 private:
  void on_answer(const pdpb::ScanRegionsResponse& answer, uint64_t life);

  // Of whom is asked: another life, another leadership.
  uint64_t life_of_pd() const;

  runtime::SimLoop& loop_;
  PdHosts pds_;
  ClusterId cluster_;
  Fail fail_;
  Duration hole_max_ = std::chrono::seconds(30);
  bool is_whole_ = false;
  uint64_t life_ = 0;
  std::optional<Duration> hole_since_;
  std::map<RegionId, std::pair<uint64_t, uint64_t>> epochs_;  // version and conf_ver
};

}  // namespace cairn::sim
