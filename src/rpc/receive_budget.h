// ReceiveBudget: the bytes of requests that are not complete, or complete and not taken, over all connections of a
// server. A message may announce more than it sends, and many may come at once: what counts is what is here.
// Thread-safe.
#pragma once

#include <atomic>
#include <cstddef>

namespace cairn::rpc {

class ReceiveBudget {
 public:
  explicit ReceiveBudget(size_t bytes_max) : bytes_max_(bytes_max) {}

  // One holder's bytes change from `held` to `now`, and `held` with them. False if that is too much: then the holder is
  // to let go of what it has.
  [[nodiscard]] bool set(size_t& held, size_t now) {
    if (held == now) return true;
    const size_t before = used_.fetch_add(now - held);  // wraps around if it is fewer, as it should
    const size_t all = before + now - held;
    const bool is_more = now > held;
    held = now;
    return !is_more || all <= bytes_max_;
  }
  size_t used() const { return used_; }

 private:
  const size_t bytes_max_;
  std::atomic<size_t> used_{0};
};

}  // namespace cairn::rpc
