// How a store that is about to stop gives its leaders away: which region's leadership goes to which follower, and when
// there is nothing left to give. The store serves all the while. Pure; one per shard, which looks at each tick and
// carries out what it is told (shard_departure.cc). Tests: departure_test.cc.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "base/ids.h"
#include "base/time.h"

namespace cairn::store {

// A follower as the leader that goes away sees it.
struct Follower {
  PeerId peer;
  bool is_voter = false;
  bool is_replicating = false;  // takes appends as they come; else it is probed, or waits for a snapshot
  uint64_t lag = 0;             // entries that it does not have yet
  Duration silent_for{};        // since it was heard of last
  bool has_room = true;         // its store's disk takes writes
};

// Who may lead the region next, the best first: those that keep up, on stores with room. Of several that are as good,
// the region's id chooses, so that many regions spread over the stores.
std::vector<PeerId> successors(RegionId region, std::vector<Follower> followers, Duration silence_max);

class Departure {
 public:
  struct Options {
    Duration patience{};      // how long regions are waited for that nobody can take at the moment
    size_t at_once_max = 64;  // hand-overs under way: more elections at once would each take longer
  };
  // A region that is led here.
  struct Led {
    RegionId region;
    bool is_alone = false;      // this peer is its only voter
    bool is_under_way = false;  // its leadership is being handed over
    std::vector<PeerId> successors;
  };
  struct Look {
    std::vector<std::pair<RegionId, PeerId>> to_hand_over;
    bool is_over = false;  // whatever is still led here, nobody can take
  };

  Departure(Options options, Instant now) : options_(options), hopeful_at_(now) {}

  // `led` is every region that is led here now.
  Look look(const std::vector<Led>& led, Instant now);

 private:
  const Options options_;
  Instant hopeful_at_;                // when some region could last be handed over, or was being so
  std::map<RegionId, size_t> tries_;  // hand-overs begun: if one fails, the next goes to another follower
};

}  // namespace cairn::store
