// The rules of membership changes: from one ConfState and a ConfChange to the next, or why not. Pure.
//
// simple: one voter more or less at most, so that old and new majorities meet (thesis 4.1). Joint (4.3): all changes at
// once, both majorities decide until the joint configuration is left, by its own entry.
//
// A ConfState of this file is normal: sorted lists, learners are no voters of either half, learners_next are voters of
// the outgoing half and not of the incoming, and without an outgoing half nothing is left of a joint one.
// Tests: conf_change_test.cc.
#pragma once

#include "base/result.h"
#include "raft/types.h"

namespace cairn::raft {

enum class ConfChangeRefusal : uint8_t {
  kAlreadyJoint,   // the joint configuration must be left first
  kNotJoint,       // nothing to leave
  kTooManyVoters,  // a simple change of more than one voter
  kNoVoterLeft,
  kInvalidPeer,
};

// How a change is to be done.
enum class ConfChangeWay : uint8_t { kSimple, kEnterJoint, kLeaveJoint };
ConfChangeWay conf_change_way(const ConfChange& change);

Result<ConfState, ConfChangeRefusal> change_conf(const ConfState& now, const ConfChange& change);

// Sorts the lists and checks the invariants.
ConfState normal_conf(ConfState conf);
bool is_joint(const ConfState& conf);

}  // namespace cairn::raft
