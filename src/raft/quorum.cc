#include "raft/quorum.h"

#include <algorithm>

#include "base/check.h"

namespace cairn::raft {

size_t majority_of(size_t voters) { return voters / 2 + 1; }

uint64_t majority_acked(std::span<uint64_t> acked) {
  if (acked.empty()) return UINT64_MAX;
  // In ascending order, a majority stands at this position and behind.
  auto position = acked.begin() + static_cast<std::ptrdiff_t>(acked.size() - majority_of(acked.size()));
  std::nth_element(acked.begin(), position, acked.end());
  return *position;
}

uint64_t joint_acked(std::span<uint64_t> incoming, std::span<uint64_t> outgoing) {
  return std::min(majority_acked(incoming), majority_acked(outgoing));
}

VoteResult majority_vote(VoteCount count) {
  CHECK(count.granted + count.rejected <= count.voters, "{} granted and {} rejected of {} voters", count.granted,
        count.rejected, count.voters);
  if (count.voters == 0) return VoteResult::kWon;
  size_t needed = majority_of(count.voters);
  if (count.granted >= needed) return VoteResult::kWon;
  if (count.voters - count.rejected < needed) return VoteResult::kLost;
  return VoteResult::kPending;
}

VoteResult joint_vote(VoteCount incoming, VoteCount outgoing) {
  VoteResult a = majority_vote(incoming);
  VoteResult b = majority_vote(outgoing);
  if (a == b) return a;
  if (a == VoteResult::kLost || b == VoteResult::kLost) return VoteResult::kLost;
  return VoteResult::kPending;
}

}  // namespace cairn::raft
