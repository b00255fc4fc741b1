#include "replica/split_plan.h"

#include <fmt/format.h>

#include "base/redact.h"
#include "replica/keys.h"

namespace cairn::replica {
namespace {

std::string check(const metapb::Region& region, const raft_cmdpb::BatchSplitRequest& request) {
  if (request.requests().empty()) return "a split without keys";
  ByteView last = region.start_key();
  for (const auto& part : request.requests()) {
    const Bytes& key = part.split_key();
    if (key.empty()) return "an empty split key";
    if (key <= last || (!region.end_key().empty() && key >= region.end_key())) {
      return fmt::format("split key {} is not strictly inside, or not ascending", log::user_text(key));
    }
    if (part.new_peer_ids_size() != region.peers_size()) {
      return fmt::format("{} new peers for {} peers", part.new_peer_ids_size(), region.peers_size());
    }
    if (part.new_region_id() == 0 || part.new_region_id() == region.id()) return "no new region id";
    last = key;
  }
  return {};
}

}  // namespace

Result<SplitPlan, std::string> plan_split(const metapb::Region& region, const raft_cmdpb::BatchSplitRequest& request) {
  if (std::string wrong = check(region, request); !wrong.empty()) return Err(std::move(wrong));
  int added = request.requests_size();
  uint64_t version = region.region_epoch().version() + static_cast<uint64_t>(added);

  SplitPlan plan;
  plan.derived = request.right_derive() ? static_cast<size_t>(added) : 0;
  int next = 0;
  for (int i = 0; i <= added; ++i) {
    metapb::Region part = region;
    part.mutable_region_epoch()->set_version(version);
    part.set_start_key(i == 0 ? region.start_key() : request.requests(i - 1).split_key());
    part.set_end_key(i == added ? region.end_key() : request.requests(i).split_key());
    if (static_cast<size_t>(i) != plan.derived) {
      const auto& ids = request.requests(next++);
      part.set_id(ids.new_region_id());
      for (int p = 0; p < part.peers_size(); ++p) part.mutable_peers(p)->set_id(ids.new_peer_ids(p));
    }
    plan.regions.push_back(std::move(part));
  }
  return plan;
}

}  // namespace cairn::replica
