// Majorities, alone and in pairs: which index a quorum has acknowledged, and how a vote stands. While a membership
// change is joint (thesis 4.3) both halves must agree. Pure functions; an empty half has no say. Tests: quorum_test.cc.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace cairn::raft {

// How many of `voters` make a majority.
size_t majority_of(size_t voters);

// The greatest value that a majority of voters have reached, given one value a voter. Reorders the span. No voters:
// UINT64_MAX, so that the other half alone decides.
uint64_t majority_acked(std::span<uint64_t> acked);
// Likewise for both halves.
uint64_t joint_acked(std::span<uint64_t> incoming, std::span<uint64_t> outgoing);

enum class VoteResult : uint8_t { kPending, kWon, kLost };
struct VoteCount {
  size_t voters = 0;
  size_t granted = 0;
  size_t rejected = 0;
};
// No voters: won.
VoteResult majority_vote(VoteCount count);
VoteResult joint_vote(VoteCount incoming, VoteCount outgoing);

}  // namespace cairn::raft
