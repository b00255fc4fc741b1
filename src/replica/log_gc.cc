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
    LogIndex needed = needed_from(view, progress);
    if (!limits.is_tight) middle = std::min(middle, needed);
    to = std::max(to, middle);
  } else {
    matched_.clear();
  }
  // One entry stays: term checks at the follower's last index need it.
  if (to > LogIndex(0)) to = to.prev();
  if (to <= view.truncated || to - view.truncated < limits.threshold) return std::nullopt;
  CHECK(to <= view.applied, "compacting up to {} what is applied up to {}", to, view.applied);
  return to;
}

LogIndex LogGc::needed_from(const View& view, const std::vector<raft::PeerProgress>& progress) {
  using State = raft::PeerProgress::State;
  LogIndex needed = view.applied;
  std::map<PeerId, LogIndex> matched;
  for (const auto& peer : progress) {
    if (!peer.recently_active) continue;
    switch (peer.state) {
      case State::kSnapshot:
        needed = std::min(needed, peer.pending_snapshot);
        break;
      case State::kProbe:
        // Asked for what follows the snapshot it got; or for what is no longer there, and then it is the next
        // snapshot's.
        if (peer.next > view.truncated) {
          needed = std::min(needed, peer.next.prev());
        } else if (view.snapshot) {
          needed = std::min(needed, *view.snapshot);
        }
        break;
      case State::kReplicate: {
        matched[peer.id] = peer.matched;
        auto before = matched_.find(peer.id);
        if (before == matched_.end() || before->second < peer.matched) needed = std::min(needed, peer.matched);
        break;
      }
    }
  }
  matched_ = std::move(matched);
  return needed;
}

LogGcLimits LogGcLimits::within(uint64_t store_bytes, uint64_t store_bytes_max, uint64_t regions) const {
  LogGcLimits limits = *this;
  const uint64_t share = store_bytes_max / std::max<uint64_t>(1, regions);
  limits.is_tight = store_bytes > store_bytes_max;
  if (!limits.is_tight || share >= bytes_max) return limits;
  const double part = static_cast<double>(share) / static_cast<double>(bytes_max);
  limits.bytes_max = share;
  // The bytes of entries from before the start are not known: their number stands for them.
  limits.count_max = std::max(threshold, static_cast<uint64_t>(static_cast<double>(count_max) * part));
  return limits;
}

void LogGc::on_truncated(uint64_t sequence, LogIndex truncated, uint64_t bytes) {
  CHECK(pending_.empty() || (pending_.back().sequence <= sequence && pending_.back().truncated <= truncated),
        "truncated at {} by sequence {} after a later one", truncated, sequence);
  pending_.push_back({sequence, truncated, bytes});
  waiting_bytes_ += bytes;
}

std::optional<LogIndex> LogGc::take_cuttable(uint64_t flushed_sequence) {
  std::optional<LogIndex> cuttable;
  while (!pending_.empty() && pending_.front().sequence <= flushed_sequence) {
    cuttable = pending_.front().truncated;
    waiting_bytes_ -= pending_.front().bytes;
    pending_.pop_front();
  }
  return cuttable;
}

}  // namespace cairn::replica
