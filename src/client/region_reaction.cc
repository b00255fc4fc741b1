#include "client/region_reaction.h"

namespace cairn::client {

Reaction react(const errorpb::Error& error) {
  if (error.has_not_leader()) {
    if (error.not_leader().has_leader() && error.not_leader().leader().id() != 0) {
      return SwitchLeader{error.not_leader().leader()};
    }
    return NextPeer{Wait::kShort};  // an election is under way
  }
  if (error.has_epoch_not_match()) {
    const auto& regions = error.epoch_not_match().current_regions();
    if (regions.empty()) return Reload{Wait::kShort};
    return Install{{regions.begin(), regions.end()}};
  }
  if (error.has_region_not_found()) return Reload{Wait::kShort};
  if (error.has_key_not_in_region()) return Reload{Wait::kShort};
  if (error.has_store_not_match()) return Reload{Wait::kShort};
  if (error.has_mismatch_peer_id()) return Reload{Wait::kShort};
  if (error.has_is_witness()) return Reload{Wait::kShort};
  if (error.has_recoveryinprogress()) return Reload{Wait::kLong};
  if (error.has_server_is_busy()) {
    return SameAgain{Wait::kLong,
                     std::chrono::milliseconds(std::min<uint64_t>(error.server_is_busy().backoff_ms(), 5000))};
  }
  if (error.has_disk_full()) return SameAgain{Wait::kLong, {}};
  // Proposed and overtaken by a change of leader: it did not happen.
  if (error.has_stale_command()) return NextPeer{Wait::kShort};
  if (error.has_max_timestamp_not_synced()) return SameAgain{};
  if (error.has_read_index_not_ready()) return SameAgain{};
  if (error.has_proposal_in_merging_mode()) return SameAgain{};
  // It cannot lead: who took it for the leader was wrong, and would be for as long as it waits for its data.
  if (error.has_region_not_initialized()) return NextPeer{Wait::kShort};
  if (error.has_data_is_not_ready()) return NextPeer{Wait::kShort};
  if (error.has_bucket_version_not_match()) return SameAgain{};
  if (error.has_raft_entry_too_large()) return Hopeless{};
  if (error.has_flashbackinprogress() || error.has_flashbacknotprepared()) return Hopeless{};
  if (error.has_undetermined_result()) return Unknown{};
  return NextPeer{Wait::kLong};  // of a newer server, or words only
}

}  // namespace cairn::client
