// Deadlines: one timer for many deadlines of which nearly all are never reached. Whoever has them looks through its own
// when told; the timer is set again only if a deadline comes that is earlier than all before. Confined to the loop's
// thread. Tests: http2_test.cc.
#pragma once

#include <functional>

#include "base/time.h"
#include "net/loop.h"

namespace cairn::net {

class Deadlines {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;
  static constexpr TimePoint kNone = TimePoint::max();

  // `look(now)` ends what is past and returns the earliest deadline that is left, or kNone.
  Deadlines(Loop& loop, std::function<TimePoint(TimePoint now)> look);
  ~Deadlines();
  Deadlines(const Deadlines&) = delete;
  Deadlines& operator=(const Deadlines&) = delete;

  // One more deadline.
  void add(TimePoint when);
  // Forgets them all: `look` is not called for them any more.
  void clear();

 private:
  void set(TimePoint when);
  Loop& loop_;
  const std::function<TimePoint(TimePoint)> look_;
  std::shared_ptr<Deadlines*> self_;
  TimePoint set_for_ = kNone;
  runtime::TimerId timer_;
};

}  // namespace cairn::net
