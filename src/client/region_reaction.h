// What a client does about each region error: one table, pure. `send` carries it out.
// Tests: region_cache_test.cc.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "base/time.h"
#include "errorpb.pb.h"

namespace cairn::client {

// Whether to wait before the next attempt.
enum class Wait { kNo, kShort, kLong };

// Another peer leads: address it.
struct SwitchLeader {
  metapb::Peer leader;
};
// This peer cannot serve: address the next one.
struct NextPeer {
  Wait wait = Wait::kShort;
};
// The picture of the region is wrong: ask PD again.
struct Reload {
  Wait wait = Wait::kNo;
};
// The store says how the regions are now.
struct Install {
  std::vector<metapb::Region> regions;
};
// Right place, wrong moment.
struct SameAgain {
  Wait wait = Wait::kShort;
  Duration at_least{};  // as the store asks
};
// The request will never do.
struct Hopeless {};
// The write may have happened.
struct Unknown {};

using Reaction = std::variant<SwitchLeader, NextPeer, Reload, Install, SameAgain, Hopeless, Unknown>;

Reaction react(const errorpb::Error& error);

}  // namespace cairn::client
