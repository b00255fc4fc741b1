#include "replica/log_gc.h"

#include <algorithm>

namespace cairn::replica {

std::optional<LogIndex> LogGc::compact_to(const View& view, const std::vector<raft::PeerProgress>& progress,
                                          const LogGcLimits& limits) {
  LogIndex matched = view.applied;
  for (const auto& peer : progress) matched = std::min(matched, peer.matched);
  LogIndex to = matched;
  bool forced = view.last - view.truncated >= limits.count_max || view.log_bytes >= limits.bytes_max;
  if (forced) {
    // Keep half of what is applied where a follower is behind, so that one that is only a little slow can catch up.
    LogIndex middle = view.truncated + (view.applied - view.truncated) / 2;
    to = std::max(to, middle);
  }
  // One entry stays: term checks at the follower's last index need it.
  if (to > LogIndex(0)) to = to.prev();
  if (to <= view.truncated || to - view.truncated < limits.threshold) return std::nullopt;
  CHECK(to <= view.applied, "compacting up to {} what is applied up to {}", to, view.applied);
  return to;
}

void LogGc::on_truncated(uint64_t sequence, LogIndex truncated) {
  CHECK(pending_.empty() || (pending_.back().sequence <= sequence && pending_.back().truncated <= truncated),
        "truncated at {} by sequence {} after a later one", truncated, sequence);
  pending_.push_back({sequence, truncated});
}

std::optional<LogIndex> LogGc::take_cuttable(uint64_t flushed_sequence) {
  std::optional<LogIndex> cuttable;
  while (!pending_.empty() && pending_.front().sequence <= flushed_sequence) {
    cuttable = pending_.front().truncated;
    pending_.pop_front();
  }
  return cuttable;
}

}  // namespace cairn::replica
