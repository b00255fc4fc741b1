// Where stores are, by their labels: how far apart the replicas of a region lie. Labels are compared without their
// case; a store without a label is in the same place as any other. Pure. Tests: location_test.cc.
#pragma once

#include <string>
#include <vector>

#include "pd/cluster/stores.h"

namespace cairn::pd {

// Empty if it has none.
std::string label_of(const metapb::Store& store, const std::string& key);
// The first of the labels by which two stores differ; -1 if by none.
int first_difference(const metapb::Store& a, const metapb::Store& b, const std::vector<std::string>& labels);
// How well a store lies apart from others: the sum over them, a difference in the widest place counting most. The store
// itself does not count.
double isolation_score(const metapb::Store& store, const std::vector<const metapb::Store*>& others,
                       const std::vector<std::string>& labels);
// Whether a store may hold a replica beside the others': it differs from each at `level` or a wider place. An empty
// level asks for nothing.
bool is_isolated(const metapb::Store& store, const std::vector<const metapb::Store*>& others,
                 const std::vector<std::string>& labels, const std::string& level);

}  // namespace cairn::pd
