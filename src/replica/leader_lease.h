// LeaderLease: until when this leader may serve reads without asking anybody (Raft thesis 6.4.1). A quorum that
// acknowledged something sent at time t refuses to elect another leader until the shortest election timeout has passed
// on its own clock; the lease ends a margin before that (INV-LEASE-BOUND).
//
// After TimeoutNow was sent in a term, the receiver may be elected at any moment regardless of others' timeouts, even
// much later if the message was delayed: the lease stays off for the rest of that term.
//
// Owned by the region's Replica, on its shard. Tests: leader_lease_test.cc.
#pragma once

#include <algorithm>

#include "base/time.h"

namespace cairn::replica {

class LeaderLease {
 public:
  explicit LeaderLease(Duration length) : length_(length) {}

  // A new term of leadership: no lease yet.
  void begin() {
    until_ = Instant{};
    off_ = false;
    leading_ = true;
  }
  // Leadership is lost or left.
  void end() {
    until_ = Instant{};
    leading_ = false;
  }
  // Leadership may pass to another at once: no lease in this term any more.
  void switch_off() {
    until_ = Instant{};
    off_ = true;
  }
  // A quorum has acknowledged something that was sent at `sent`.
  void renew(Instant sent) {
    if (leading_ && !off_) until_ = std::max(until_, sent + length_);
  }

  bool is_valid(Instant now) const { return now < until_; }
  // Zero if there is none.
  Instant until() const { return until_; }
  Duration length() const { return length_; }

 private:
  const Duration length_;
  Instant until_{};
  bool leading_ = false;
  bool off_ = false;
};

}  // namespace cairn::replica
