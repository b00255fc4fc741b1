#include "pd/schedule/operator.h"

#include <algorithm>

namespace cairn::pd {
namespace {

template <class Kind>
bool has(const std::vector<Step>& steps) {
  return std::any_of(steps.begin(), steps.end(), [](const Step& step) { return std::holds_alternative<Kind>(step); });
}

}  // namespace

std::string kinds_of(OperatorKind kind, const std::vector<Step>& steps) {
  std::string out;
  const auto put = [&](const char* name) { out += (out.empty() ? "" : ",") + std::string(name); };
  if (kind == OperatorKind::kAdmin) put("admin");
  if (kind == OperatorKind::kReplica) put("replica");
  if (kind == OperatorKind::kRegion || has<AddLearner>(steps) || has<RemovePeer>(steps)) put("region");
  if (kind == OperatorKind::kLeader || has<TransferLeader>(steps)) put("leader");
  return out;
}

std::vector<LimitCost> limit_costs(const std::vector<Step>& steps, const RegionInfo& region) {
  std::vector<LimitCost> out;
  const int64_t cost = StoreLimits::cost_of(region.approximate_mib);
  for (const auto& step : steps) {
    if (const auto* add = std::get_if<AddLearner>(&step)) out.push_back({add->store, LimitKind::kAddPeer, cost});
    if (const auto* remove = std::get_if<RemovePeer>(&step)) {
      out.push_back({remove->store, LimitKind::kRemovePeer, cost});
    }
  }
  return out;
}

}  // namespace cairn::pd
