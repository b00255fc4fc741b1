// The safe point of a world in which garbage is collected, and those who hold it where it is: whoever reads at a
// timestamp holds it there until the last read is over. Owned by the World, shared by its workloads; used on the loop's
// thread. Tests: safe_point_test.cc, old_versions_test.cc.
#pragma once

#include <algorithm>
#include <optional>
#include <set>

#include "base/ids.h"

namespace cairn::sim {

class SafePoint {
 public:
  // How far it has been moved; PD may know of less.
  Timestamp reached() const { return reached_; }
  // Moves it up to `wanted`, or to just below the oldest that is held, and returns it; nothing if it stays.
  // To be called before PD is told: from then on nobody can begin to hold what may be collected, however long the
  // telling takes and whether or not an answer comes.
  std::optional<Timestamp> advance(Timestamp wanted) {
    const Timestamp held = held_.empty() ? Timestamp::max() : *held_.begin();
    const Timestamp target = held.is_set() ? std::min(wanted, Timestamp(held.value - 1)) : Timestamp();
    if (target <= reached_) return std::nullopt;
    reached_ = target;
    return target;
  }

 private:
  friend class Hold;
  Timestamp reached_;
  std::multiset<Timestamp> held_;
};

// Keeps the safe point below a timestamp while it lives. Before the timestamp is known it is held where it is: what PD
// hands out from then on is newer. In a world without garbage collection `of` is null, and nothing is to be held.
class Hold {
 public:
  explicit Hold(SafePoint* of) : of_(of) {
    if (of_ != nullptr) at_ = of_->held_.insert(of_->reached_);
  }
  ~Hold() {
    if (of_ != nullptr) of_->held_.erase(at_);
  }
  Hold(const Hold&) = delete;
  Hold& operator=(const Hold&) = delete;
  // Of a timestamp of the past: false if it is collected already.
  bool move_to(Timestamp ts) {
    if (of_ == nullptr) return true;
    if (ts <= of_->reached_) return false;
    of_->held_.erase(at_);
    at_ = of_->held_.insert(ts);
    return true;
  }

 private:
  SafePoint* of_;
  std::multiset<Timestamp>::iterator at_;
};

}  // namespace cairn::sim
