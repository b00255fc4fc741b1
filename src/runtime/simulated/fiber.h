// A stack of its own for a job that may wait in the middle, as a thread waits for a disk: the loop runs it until it
// waits or ends, and goes on with others meanwhile. A fiber that is destroyed while it waits is a thread that died with
// its machine: what stands on its stack is never destroyed, and the stack is kept.
//
// Used on the loop's thread only. Tests: sim_loop_test.cc.
#pragma once

#include <ucontext.h>

#include <cstddef>

#include "runtime/executor.h"

namespace cairn::runtime {

class Fiber {
 public:
  Fiber();
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;
  ~Fiber();

  // Runs the job until it waits or ends. Precondition: is_idle().
  void run(Job job);
  // Runs on from where it waits. Precondition: !is_idle(), called from outside.
  void resume();
  // Called by the job: back to whoever runs the fiber.
  void wait();
  // Whether it has no job: it may be given one.
  bool is_idle() const { return is_idle_; }

 private:
  static void enter(unsigned low, unsigned high);
  void loop();
  void switch_in();
  void switch_out();

  char* stack_;
  ucontext_t inside_{};
  ucontext_t outside_{};
  Job job_;
  bool is_idle_ = true;
  // For the sanitizers, which must know on which stack the program runs.
  struct Sanitizers {
    void* fake_inside = nullptr;
    void* fake_outside = nullptr;
    const void* outer_stack = nullptr;
    size_t outer_bytes = 0;
    void* thread_inside = nullptr;
    void* thread_outside = nullptr;
  };
  [[maybe_unused]] Sanitizers sanitizers_;
};

}  // namespace cairn::runtime
