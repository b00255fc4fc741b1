#include "raft/tracker/tracker.h"

#include <algorithm>

#include "base/check.h"
#include "raft/conf_change.h"

namespace cairn::raft {
namespace {

bool contains(const std::vector<PeerId>& peers, PeerId peer) {
  return std::binary_search(peers.begin(), peers.end(), peer);
}

VoteCount count_votes(const std::vector<PeerId>& voters, const std::map<PeerId, bool>& votes) {
  VoteCount count{.voters = voters.size()};
  for (PeerId voter : voters) {
    auto vote = votes.find(voter);
    if (vote == votes.end()) continue;
    ++(vote->second ? count.granted : count.rejected);
  }
  return count;
}

}  // namespace

void Tracker::set_conf(ConfState conf, LogIndex last_index, uint64_t tick) {
  conf_ = normal_conf(std::move(conf));
  std::map<PeerId, Progress> next;
  auto keep = [&](const std::vector<PeerId>& peers) {
    for (PeerId peer : peers) {
      if (next.contains(peer)) continue;
      auto known = progress_.find(peer);
      if (known != progress_.end()) {
        next.emplace(peer, std::move(known->second));
      } else {
        next.emplace(peer, Progress(last_index.next(), inflight_max_)).first->second.on_heard(tick);
      }
    }
  };
  keep(conf_.voters);
  keep(conf_.voters_outgoing);
  keep(conf_.learners);
  keep(conf_.learners_next);
  progress_ = std::move(next);
}

void Tracker::reset_progress(LogIndex last_index) {
  for (auto& [peer, progress] : progress_) progress = Progress(last_index.next(), inflight_max_);
}

bool Tracker::is_voter(PeerId peer) const {
  return contains(conf_.voters, peer) || contains(conf_.voters_outgoing, peer);
}

bool Tracker::is_only_voter(PeerId peer) const {
  return !is_joint(conf_) && conf_.voters.size() == 1 && conf_.voters.front() == peer;
}

Progress* Tracker::find(PeerId peer) {
  auto found = progress_.find(peer);
  return found == progress_.end() ? nullptr : &found->second;
}

template <class ValueOf>
uint64_t Tracker::quorum_of(ValueOf value_of) const {
  auto collect = [&](const std::vector<PeerId>& voters, std::vector<uint64_t>& values) {
    values.clear();
    for (PeerId voter : voters) values.push_back(value_of(voter, progress_.at(voter)));
  };
  collect(conf_.voters, incoming_values_);
  collect(conf_.voters_outgoing, outgoing_values_);
  return joint_acked(incoming_values_, outgoing_values_);
}

LogIndex Tracker::quorum_matched() const {
  CHECK(!conf_.voters.empty(), "a leader without voters");
  return LogIndex(quorum_of([](PeerId, const Progress& progress) { return progress.matched.value; }));
}

uint64_t Tracker::quorum_read_ack(PeerId self, uint64_t own) const {
  return quorum_of([&](PeerId peer, const Progress& progress) { return peer == self ? own : progress.read_ack; });
}

bool Tracker::quorum_active(PeerId self, uint64_t tick, uint64_t within_ticks) const {
  return quorum_of([&](PeerId peer, const Progress& progress) -> uint64_t {
           return peer == self || progress.is_active(tick, within_ticks) ? 1 : 0;
         }) >= 1;
}

VoteResult Tracker::tally(const std::map<PeerId, bool>& votes) const {
  return joint_vote(count_votes(conf_.voters, votes), count_votes(conf_.voters_outgoing, votes));
}

}  // namespace cairn::raft
