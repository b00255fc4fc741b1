#include "raft/conf_change.h"

#include <algorithm>

#include "base/check.h"

namespace cairn::raft {
namespace {

using Peers = std::vector<PeerId>;

bool contains(const Peers& peers, PeerId peer) { return std::binary_search(peers.begin(), peers.end(), peer); }

void insert(Peers& peers, PeerId peer) {
  auto at = std::lower_bound(peers.begin(), peers.end(), peer);
  if (at == peers.end() || *at != peer) peers.insert(at, peer);
}

void erase(Peers& peers, PeerId peer) {
  auto at = std::lower_bound(peers.begin(), peers.end(), peer);
  if (at != peers.end() && *at == peer) peers.erase(at);
}

void erase_everywhere(ConfState& conf, PeerId peer) {
  erase(conf.voters, peer);
  erase(conf.learners, peer);
  erase(conf.learners_next, peer);
}

void change_one(ConfState& conf, const ConfChangeSingle& change) {
  switch (change.type) {
    case ConfChangeType::kAddVoter:
      erase_everywhere(conf, change.peer);
      insert(conf.voters, change.peer);
      break;
    case ConfChangeType::kAddLearner:
      erase_everywhere(conf, change.peer);
      // A voter of the outgoing half has its vote until the joint configuration is left.
      insert(contains(conf.voters_outgoing, change.peer) ? conf.learners_next : conf.learners, change.peer);
      break;
    case ConfChangeType::kRemove:
      erase_everywhere(conf, change.peer);
      break;
  }
}

// In how many peers two sorted lists differ.
size_t difference(const Peers& a, const Peers& b) {
  Peers differing;
  std::set_symmetric_difference(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(differing));
  return differing.size();
}

Result<ConfState, ConfChangeRefusal> leave_joint(ConfState conf) {
  if (!is_joint(conf)) return Err(ConfChangeRefusal::kNotJoint);
  for (PeerId peer : conf.learners_next) insert(conf.learners, peer);
  conf.learners_next.clear();
  conf.voters_outgoing.clear();
  conf.auto_leave = false;
  return conf;
}

}  // namespace

bool is_joint(const ConfState& conf) { return !conf.voters_outgoing.empty(); }

ConfChangeWay conf_change_way(const ConfChange& change) {
  if (change.changes.empty()) return ConfChangeWay::kLeaveJoint;
  if (change.transition != ConfChangeTransition::kAuto || change.changes.size() > 1) return ConfChangeWay::kEnterJoint;
  return ConfChangeWay::kSimple;
}

Result<ConfState, ConfChangeRefusal> change_conf(const ConfState& now, const ConfChange& change) {
  ConfChangeWay way = conf_change_way(change);
  if (way == ConfChangeWay::kLeaveJoint) {
    TRY_ASSIGN(ConfState left, leave_joint(now));
    return normal_conf(std::move(left));
  }
  if (is_joint(now)) return Err(ConfChangeRefusal::kAlreadyJoint);
  ConfState next = now;
  if (way == ConfChangeWay::kEnterJoint) {
    next.voters_outgoing = now.voters;
    next.auto_leave = change.transition != ConfChangeTransition::kExplicit;
  }
  for (const ConfChangeSingle& one : change.changes) {
    if (!one.peer.is_set()) return Err(ConfChangeRefusal::kInvalidPeer);
    change_one(next, one);
  }
  if (next.voters.empty()) return Err(ConfChangeRefusal::kNoVoterLeft);
  if (way == ConfChangeWay::kSimple && difference(now.voters, next.voters) > 1) {
    return Err(ConfChangeRefusal::kTooManyVoters);
  }
  return normal_conf(std::move(next));
}

ConfState normal_conf(ConfState conf) {
  for (Peers* peers : {&conf.voters, &conf.learners, &conf.voters_outgoing, &conf.learners_next}) {
    std::sort(peers->begin(), peers->end());
    CHECK(std::adjacent_find(peers->begin(), peers->end()) == peers->end(), "a peer stands twice in a membership");
  }
  for (PeerId peer : conf.learners) {
    CHECK(!contains(conf.voters, peer) && !contains(conf.voters_outgoing, peer), "peer {} is learner and voter", peer);
  }
  for (PeerId peer : conf.learners_next) {
    CHECK(contains(conf.voters_outgoing, peer) && !contains(conf.voters, peer),
          "peer {} cannot become a learner: it is no outgoing voter", peer);
  }
  CHECK(is_joint(conf) || (conf.learners_next.empty() && !conf.auto_leave), "remains of a joint configuration");
  return conf;
}

}  // namespace cairn::raft
