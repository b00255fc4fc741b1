// Where a scan's next request goes: the region at the near end of what is left to scan, and the part of it to ask for.
// Tests: client_test.cc, transaction_test.cc.
#pragma once

#include <vector>

#include "base/codec.h"
#include "client/send.h"

namespace cairn::client {

// How user keys stand in region bounds.
enum class KeyForm { kEncoded, kPlain };

enum class Direction { kForward, kReverse };

// A part of a range that lies in one region; user keys.
struct Stretch {
  RegionRoute route;
  Bytes begin;
  Bytes end;             // empty: no bound
  bool is_last = false;  // nothing of the range is behind it, in the direction of the scan
};

// The near end of [begin, end) (empty `end`: no bound).
runtime::Task<Outcome<Stretch>> next_stretch(CorePtr core, EffortPtr effort, KeyForm form, Bytes begin, Bytes end,
                                             Direction direction);

// What one step of a scan found, and where to go on.
struct ScanPage {
  std::vector<KeyValue> pairs;  // in the order of the scan
  bool is_last = false;
  Bytes next;  // of a forward scan the next `begin`, of a reverse one the next `end`
};

// The page that a stretch's answer makes; fewer pairs than `limit` exhaust the stretch.
ScanPage page_of(const Stretch& stretch, std::vector<KeyValue> pairs, uint32_t limit, Direction direction);

}  // namespace cairn::client
