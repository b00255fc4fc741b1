#include "net/deadlines.h"

#include <utility>

namespace cairn::net {

Deadlines::Deadlines(Loop& loop, std::function<TimePoint(TimePoint)> look)
    : loop_(loop), look_(std::move(look)), self_(std::make_shared<Deadlines*>(this)) {}

Deadlines::~Deadlines() {
  *self_ = nullptr;
  loop_.cancel(timer_);
}

void Deadlines::clear() {
  loop_.cancel(timer_);
  timer_ = {};
  set_for_ = kNone;
  // A job that is already on its way finds nobody.
  *self_ = nullptr;
  self_ = std::make_shared<Deadlines*>(this);
}

void Deadlines::add(TimePoint when) {
  if (when < set_for_) set(when);
}

void Deadlines::set(TimePoint when) {
  loop_.cancel(timer_);
  set_for_ = when;
  if (when == kNone) {
    timer_ = {};
    return;
  }
  // A job that is already on its way is not cancelled any more.
  timer_ = loop_.after(when - std::chrono::steady_clock::now(), [weak = std::weak_ptr(self_)] {
    const auto held = weak.lock();
    if (!held || *held == nullptr) return;
    (*held)->set_for_ = kNone;
    const TimePoint left = (*held)->look_(std::chrono::steady_clock::now());
    // Whoever was looked at may have added deadlines, or ended the owner of this.
    if (*held != nullptr) (*held)->add(left);
  });
}

}  // namespace cairn::net
