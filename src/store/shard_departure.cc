// A shard gives its leaders away before the store stops.
#include <algorithm>
#include <utility>

#include "base/log.h"
#include "store/shard.h"

namespace cairn::store {

void Shard::depart(runtime::Job on_departed) {
  const Instant now = shared_.deps.clock.now();
  const Duration election = options_.tick * options_.election_ticks;
  departing_ =
      std::make_unique<Departing>(Departing{Departure({.patience = 2 * election}, now), std::move(on_departed)});
  hand_over_led(now);
}

// What comes to lead here after the departure, a child of a split or a region whose new leader died, goes as well.
void Shard::hand_over_led(Instant now) {
  if (!departing_) return;
  std::vector<Departure::Led> led;
  for (const auto& [id, replica] : replicas_) {
    if (replica->is_leader() && !replica->is_destroying()) led.push_back(describe_led(*replica, now));
  }
  const auto look = departing_->plan.look(led, now);
  for (const auto& [region, to] : look.to_hand_over) {
    const std::string refused = hand_over(*find(region), to);
    if (!refused.empty()) LOG_DEBUG("region {}: leadership is not handed to peer {}: {}", region, to, refused);
    touch(region);
  }
  count_leaders();
  if (look.is_over && departing_->on_departed) std::exchange(departing_->on_departed, nullptr)();
}

Departure::Led Shard::describe_led(const replica::Replica& replica, Instant now) const {
  Departure::Led led;
  led.region = replica.id();
  led.is_under_way = replica.node().is_transferring() || scheduler_->pessimistic_locks().is_handing_over(replica.id());
  std::vector<Follower> followers;
  const auto status = replica.node().status();
  for (const auto& progress : status.progress) {
    const metapb::Peer* peer = replica::find_peer(replica.region(), progress.id);
    if (!peer || progress.id.value == replica.self().id()) continue;
    Follower follower;
    follower.peer = progress.id;
    follower.is_voter = peer->role() == metapb::Voter || peer->role() == metapb::IncomingVoter;
    follower.is_replicating = progress.state == raft::PeerProgress::State::kReplicate;
    follower.lag = status.last_index.value - std::min(status.last_index, progress.matched).value;
    const auto heard = replica.last_heard().find(progress.id);
    follower.silent_for = heard == replica.last_heard().end() ? Duration::max() : now - heard->second;
    follower.has_room = !disk_usages_.contains(StoreId(peer->store_id()));
    followers.push_back(follower);
  }
  led.is_alone = std::none_of(followers.begin(), followers.end(), [](const Follower& f) { return f.is_voter; });
  led.successors = successors(replica.id(), std::move(followers), options_.tick * options_.election_ticks);
  // To try what hand_over() refuses would take the turn of the regions behind.
  std::erase_if(led.successors,
                [&](PeerId peer) { return !replica.view() || !replica.why_not_transfer(peer).empty(); });
  return led;
}

}  // namespace cairn::store
