// Long work on a pool that it shares, cut into slices: between two steps it asks for its turn, and gets it at once
// until its slice is used up. Then it goes behind what waits, and is told whether anybody still wants the rest.
//
//   for (...) {
//     if (!co_await slices.turn()) co_return ...;   // nobody does
//     ... one step ...
//   }
//
// Belongs to one task, and lives as long as it does. Tests: slices_test.cc.
#pragma once

#include <coroutine>
#include <cstdint>
#include <functional>
#include <limits>
#include <utility>

#include "runtime/clock.h"
#include "runtime/executor.h"

namespace cairn::runtime {

struct SliceLimits {
  Duration time = std::chrono::milliseconds(2);
  uint32_t steps = std::numeric_limits<uint32_t>::max();
};

// Is told of the slices' ends and begins, on the thread of each; not of the first begin, nor of the last end.
class SliceWatch {
 public:
  virtual ~SliceWatch() = default;
  virtual void on_slice_begun() = 0;
  virtual void on_slice_ended() = 0;
};

class Slices {
 public:
  // Never cut: for work that is to end here and now.
  Slices() = default;
  // `executor` (a lane of a FairPool, say) and `clock` must outlive the work. `is_in_vain` is asked before each slice
  // but the first.
  Slices(Executor& executor, const Clock& clock, SliceLimits limits, std::function<bool()> is_in_vain)
      : executor_(&executor), clock_(&clock), limits_(limits), is_in_vain_(std::move(is_in_vain)) {}
  Slices(const Slices&) = delete;
  Slices& operator=(const Slices&) = delete;

  // From now on `watch` is told, which must outlive the work; null: nobody.
  void set_watch(SliceWatch* watch) { watch_ = watch; }

  // Whether turn() has said no.
  bool is_given_up() const { return is_given_up_; }

  auto turn() {
    struct Awaiter {
      Slices& slices;
      bool await_ready() const { return !slices.is_used_up(); }
      void await_suspend(std::coroutine_handle<> waiter) {
        if (slices.watch_ != nullptr) slices.watch_->on_slice_ended();
        slices.executor_->post(Resumption(slices, waiter));
      }
      bool await_resume() const { return !slices.is_given_up_; }
    };
    return Awaiter{*this};
  }

 private:
  // Resumes the work; also if it is dropped because the executor has stopped: then for the work to end.
  class Resumption {
   public:
    Resumption(Slices& slices, std::coroutine_handle<> waiter) : slices_(&slices), waiter_(waiter) {}
    Resumption(Resumption&& other) noexcept : slices_(other.slices_), waiter_(std::exchange(other.waiter_, nullptr)) {}
    Resumption& operator=(Resumption&&) = delete;
    ~Resumption() {
      if (!waiter_) return;
      slices_->is_given_up_ = true;
      waiter_.resume();
    }
    void operator()() {
      slices_->begin();
      std::exchange(waiter_, nullptr).resume();
    }

   private:
    Slices* slices_;
    std::coroutine_handle<> waiter_;
  };

  static constexpr uint32_t kStepsUnwatched = 8;  // between two looks at the clock

  bool is_used_up() {
    if (executor_ == nullptr || is_given_up_) return false;
    if (steps_ == 0) begun_ = clock_->now();
    if (++steps_ > limits_.steps) return true;
    return steps_ % kStepsUnwatched == 0 && clock_->now() - begun_ >= limits_.time;
  }
  void begin() {
    steps_ = 1;
    begun_ = clock_->now();
    is_given_up_ = is_in_vain_();
    if (watch_ != nullptr) watch_->on_slice_begun();
  }

  Executor* executor_ = nullptr;
  const Clock* clock_ = nullptr;
  SliceLimits limits_;
  std::function<bool()> is_in_vain_;
  SliceWatch* watch_ = nullptr;
  Instant begun_;
  uint32_t steps_ = 0;  // of this slice
  bool is_given_up_ = false;
};

}  // namespace cairn::runtime
