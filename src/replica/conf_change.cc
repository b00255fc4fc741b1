#include "replica/conf_change.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "replica/wire.h"

namespace cairn::replica {
namespace {

bool is_joint(const metapb::Region& region) {
  return std::any_of(region.peers().begin(), region.peers().end(), [](const metapb::Peer& peer) {
    return peer.role() == metapb::IncomingVoter || peer.role() == metapb::DemotingVoter;
  });
}

metapb::Peer* find_mutable(metapb::Region& region, uint64_t store) {
  for (auto& peer : *region.mutable_peers()) {
    if (peer.store_id() == store) return &peer;
  }
  return nullptr;
}

// Leaving a joint configuration: each half-way role becomes what it was to be.
metapb::Region leave_joint(metapb::Region region) {
  uint64_t changed = 0;
  for (auto& peer : *region.mutable_peers()) {
    if (peer.role() == metapb::IncomingVoter) {
      peer.set_role(metapb::Voter);
    } else if (peer.role() == metapb::DemotingVoter) {
      peer.set_role(metapb::Learner);
    } else {
      continue;
    }
    ++changed;
  }
  region.mutable_region_epoch()->set_conf_ver(region.region_epoch().conf_ver() + changed);
  return region;
}

std::string remove_peer(metapb::Region& region, const metapb::Peer& peer, bool joint) {
  auto& peers = *region.mutable_peers();
  for (int i = 0; i < peers.size(); ++i) {
    if (peers[i].store_id() != peer.store_id()) continue;
    if (peers[i].id() != peer.id()) return fmt::format("removing peer {} where {} stands", peer.id(), peers[i].id());
    if (joint && peers[i].role() == metapb::Voter) return fmt::format("voter {} must be demoted first", peer.id());
    peers.erase(peers.begin() + i);
    return {};
  }
  return fmt::format("removing peer {} which is not a member", peer.id());
}

std::string set_peer(metapb::Region& region, const metapb::Peer& peer, eraftpb::ConfChangeType type, bool joint) {
  metapb::Peer* existing = find_mutable(region, peer.store_id());
  if (existing && existing->id() != peer.id()) {
    return fmt::format("store {} has peer {} already", peer.store_id(), existing->id());
  }
  bool voter = type == eraftpb::AddNode;
  if (!existing) {
    metapb::Peer& added = *region.add_peers();
    added = peer;
    added.set_role(voter ? (joint ? metapb::IncomingVoter : metapb::Voter) : metapb::Learner);
    return {};
  }
  if (voter && existing->role() == metapb::Learner) {
    existing->set_role(joint ? metapb::IncomingVoter : metapb::Voter);
  } else if (!voter && existing->role() == metapb::Voter) {
    existing->set_role(joint ? metapb::DemotingVoter : metapb::Learner);
  } else {
    return fmt::format("peer {} has that role already", peer.id());
  }
  return {};
}

}  // namespace

PeerChanges changes_of(const raft_cmdpb::AdminRequest& admin) {
  if (admin.cmd_type() == raft_cmdpb::ChangePeerV2) {
    return {admin.change_peer_v2().changes().begin(), admin.change_peer_v2().changes().end()};
  }
  return {admin.change_peer()};
}

raft::ConfChange to_raft(const PeerChanges& changes) {
  raft::ConfChange out;
  out.transition = changes.size() > 1 ? raft::ConfChangeTransition::kExplicit : raft::ConfChangeTransition::kAuto;
  for (const auto& change : changes) {
    out.changes.push_back({static_cast<raft::ConfChangeType>(change.change_type()), PeerId(change.peer().id())});
  }
  return out;
}

Result<metapb::Region, std::string> change_peers(const metapb::Region& region, const PeerChanges& changes) {
  if (changes.empty()) {
    if (!is_joint(region)) return Err(std::string("leaving a joint configuration that was not entered"));
    return leave_joint(region);
  }
  if (is_joint(region)) return Err(std::string("the joint configuration must be left first"));
  bool joint = changes.size() > 1;
  metapb::Region out = region;
  for (const auto& change : changes) {
    std::string refused = change.change_type() == eraftpb::RemoveNode
                              ? remove_peer(out, change.peer(), joint)
                              : set_peer(out, change.peer(), change.change_type(), joint);
    if (!refused.empty()) return Err(std::move(refused));
  }
  out.mutable_region_epoch()->set_conf_ver(region.region_epoch().conf_ver() + changes.size());
  return out;
}

std::string why_not_propose(const PeerChanges& changes, const ConfChangeFacts& facts) {
  if (facts.pending) return "another change is under way";
  std::set<uint64_t> peers;
  bool touches_voters = changes.empty();
  for (const auto& change : changes) {
    const auto& peer = change.peer();
    if (peer.id() == 0 || peer.store_id() == 0) return "a peer without id or store";
    if (!eraftpb::ConfChangeType_IsValid(change.change_type())) return "a change of an unknown type";
    if (!peers.insert(peer.id()).second) return fmt::format("peer {} twice in one change", peer.id());
    if (change.change_type() == eraftpb::AddNode && peer.role() != metapb::Voter)
      return "adding a voter of another role";
    if (change.change_type() == eraftpb::AddLearnerNode && peer.role() != metapb::Learner) {
      return "adding a learner of another role";
    }
    const metapb::Peer* existing = find_peer(facts.region, PeerId(peer.id()));
    bool existing_voter = existing && existing->role() != metapb::Learner;
    touches_voters = touches_voters || existing_voter || change.change_type() == eraftpb::AddNode;
    if (peer.id() == facts.leader.value) {
      if (change.change_type() == eraftpb::RemoveNode) return "the leader would be removed";
      if (change.change_type() == eraftpb::AddLearnerNode && changes.size() == 1) return "the leader would be demoted";
    }
  }
  if (changes.size() > 1 && !touches_voters) return "a joint change of learners only";
  auto after = change_peers(facts.region, changes);
  if (!after.ok()) return after.error();
  if (changes.empty()) {
    const metapb::Peer* self = find_peer(facts.region, facts.leader);
    if (self && self->role() == metapb::DemotingVoter)
      return "leadership must move before the joint configuration is left";
  }

  // The new configuration must be able to go on: enough of its voters alive, and none so far behind that the commit
  // index which they could reach lies before the leader's log.
  raft::ConfState conf = conf_state_of(*after);
  std::vector<LogIndex> matched;
  size_t healthy = 0;
  for (PeerId voter : conf.voters) {
    auto progress = std::find_if(facts.progress.begin(), facts.progress.end(),
                                 [&](const raft::PeerProgress& p) { return p.id == voter; });
    bool known = progress != facts.progress.end();
    matched.push_back(known ? progress->matched : LogIndex(0));
    if (known && (progress->recently_active || voter == facts.leader)) ++healthy;
  }
  if (conf.voters.empty()) return "no voter would be left";
  // One voter alone may always take others in, though it does not know them yet: nobody else could let it.
  if (conf_state_of(facts.region).voters.size() == 1 && !is_joint(facts.region)) return {};
  // A brand-new voter without a learner phase is not known yet: counted as not healthy, as a crashed one is.
  if (healthy * 2 <= conf.voters.size()) return "too few healthy voters would be left";
  std::sort(matched.begin(), matched.end(), std::greater<>());
  LogIndex reachable = matched[conf.voters.size() / 2];
  if (reachable.next() < facts.first_index) return "a majority would lie behind the leader's log";
  return {};
}

}  // namespace cairn::replica
