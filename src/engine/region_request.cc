#include "engine/region_request.h"
#include "base/redact.h"

#include <fmt/format.h>

namespace cairn::engine {
namespace {

struct Describe {
  std::string operator()(const NotLeader& e) const {
    if (!e.leader) return fmt::format("region {} is not led by this peer and its leader is unknown", e.region);
    return fmt::format("region {} is led by peer {} on store {}", e.region, e.leader->id, e.leader->store);
  }
  std::string operator()(const RegionNotFound& e) const {
    return fmt::format("region {} is not on this store", e.region);
  }
  std::string operator()(const KeyNotInRegion& e) const {
    return fmt::format("key {} is outside region {} [{}, {})", log::user_text(e.key), e.region.id,
                       log::user_text(e.region.start_key), log::user_text(e.region.end_key));
  }
  std::string operator()(const EpochNotMatch& e) const {
    if (e.current.empty()) return "the region's epoch has changed";
    const auto& region = e.current.front();
    return fmt::format("the epoch of region {} is now conf_ver {} version {}", region.id, region.epoch.conf_ver,
                       region.epoch.version);
  }
  std::string operator()(const StoreNotMatch& e) const {
    return fmt::format("the request is for store {}, this is store {}", e.asked, e.actual);
  }
  std::string operator()(const MismatchPeerId& e) const {
    return fmt::format("the request is for peer {}, this is peer {}", e.asked, e.actual);
  }
  std::string operator()(const ServerIsBusy& e) const { return "the server is busy: " + e.reason; }
  std::string operator()(const StaleCommand&) const { return "the leader changed before the command was committed"; }
  std::string operator()(const RaftEntryTooLarge& e) const {
    return fmt::format("a write of {} bytes to region {} is over the limit of one raft entry", e.bytes, e.region);
  }
  std::string operator()(const MaxTimestampNotSynced&) const {
    return "the new leader has not synchronised max_ts yet";
  }
  std::string operator()(const ReadIndexNotReady& e) const {
    return fmt::format("region {} cannot give a read index now: {}", e.region, e.reason);
  }
  std::string operator()(const ProposalInMergingMode& e) const {
    return fmt::format("region {} is being merged", e.region);
  }
  std::string operator()(const DataIsNotReady& e) const {
    return fmt::format("region {} is safe to read up to {} on peer {}", e.region, e.safe_ts, e.peer);
  }
  std::string operator()(const RegionNotInitialized& e) const {
    return fmt::format("region {} has no data here yet", e.region);
  }
  std::string operator()(const DiskFull& e) const {
    std::string stores;
    for (StoreId store : e.stores) stores += fmt::format("{}{}", stores.empty() ? "" : ", ", store);
    return fmt::format("no room on the disk of store {}: {}", stores, e.reason);
  }
  std::string operator()(const UndeterminedResult& e) const { return "the outcome is unknown: " + e.reason; }
  std::string operator()(const OtherRegionError& e) const { return e.message; }
};

}  // namespace

std::string to_string(const RegionError& error) { return std::visit(Describe{}, error); }

}  // namespace cairn::engine
