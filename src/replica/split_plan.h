// What a split makes of a region: n keys make n + 1 regions, and all of them get version + n (protocol d.6, e.6). The
// region that keeps the id is the right-most (or the left-most, without right_derive). Pure. Tests: split_plan_test.cc.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "metapb.pb.h"
#include "raft_cmdpb.pb.h"

namespace cairn::replica {

struct SplitPlan {
  std::vector<metapb::Region> regions;  // from left to right; tile the old region
  size_t derived = 0;                   // which of them keeps the id
};

// The error is the same on every replica.
Result<SplitPlan, std::string> plan_split(const metapb::Region& region, const raft_cmdpb::BatchSplitRequest& request);

}  // namespace cairn::replica
