// Latches of keys: commands that name the same key run one after another, in the order in which they came. Keys are
// hashed; a set is taken in ascending order of hash, so two sets never wait for each other.
//
// Owned by an actor and used on its executor only; plain maps, no locks. Tests: latches_test.cc.
#pragma once

#include <coroutine>
#include <cstdint>
#include <deque>
#include <map>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/check.h"
#include "runtime/executor.h"

namespace cairn::runtime {

class Latches {
 public:
  explicit Latches(Executor& executor) : executor_(executor) {}
  Latches(const Latches&) = delete;
  Latches& operator=(const Latches&) = delete;

  // The hashes of a set of keys: sorted, each once.
  static std::vector<uint64_t> slots_of(const std::vector<Bytes>& keys);

  // Holds the latches of a set; releases them when it dies.
  class [[nodiscard]] Held {
   public:
    Held(Latches* owner, std::vector<uint64_t> slots) : owner_(owner), slots_(std::move(slots)) {}
    Held(Held&& other) noexcept : owner_(std::exchange(other.owner_, nullptr)), slots_(std::move(other.slots_)) {}
    Held& operator=(Held&&) = delete;
    Held(const Held&) = delete;
    ~Held() {
      if (owner_) owner_->release(slots_);
    }

   private:
    Latches* owner_;
    std::vector<uint64_t> slots_;
  };

  // co_await latches.acquire(slots): goes on once all are held; at once if all are free.
  auto acquire(std::vector<uint64_t> slots) {
    struct Awaiter {
      Latches& latches;
      Waiter waiter;
      bool await_ready() { return latches.advance(waiter); }
      void await_suspend(std::coroutine_handle<> handle) { waiter.handle = handle; }
      Held await_resume() { return Held(&latches, std::move(waiter.slots)); }
    };
    return Awaiter{*this, Waiter{std::move(slots), 0, {}}};
  }

  bool empty() const { return queues_.empty(); }

 private:
  struct Waiter {
    std::vector<uint64_t> slots;
    size_t held = 0;  // of slots, from the front
    std::coroutine_handle<> handle;
  };

  // Queues `waiter` for its next slots as long as it comes to hold them; true when it holds all.
  bool advance(Waiter& waiter);
  void release(const std::vector<uint64_t>& slots);

  Executor& executor_;
  // The front of a queue holds the latch; null for holders whose awaiter is gone.
  std::map<uint64_t, std::deque<Waiter*>> queues_;
};

}  // namespace cairn::runtime
