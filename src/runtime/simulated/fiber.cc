#include "runtime/simulated/fiber.h"

#include <sys/mman.h>

#include <cstdint>
#include <utility>

#include "base/check.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define CAIRN_FIBER_ASAN 1
#include <sanitizer/common_interface_defs.h>
#endif
#if __has_feature(thread_sanitizer)
#define CAIRN_FIBER_TSAN 1
#include <sanitizer/tsan_interface.h>
#endif
#endif

namespace cairn::runtime {

namespace {
constexpr size_t kStackBytes = 512 << 10;  // of address space; what is not touched costs nothing
constexpr size_t kGuardBytes = 4 << 10;
}  // namespace

Fiber::Fiber() {
  void* memory = mmap(nullptr, kStackBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  CHECK(memory != MAP_FAILED, "no memory for a stack");
  CHECK(mprotect(memory, kGuardBytes, PROT_NONE) == 0, "a stack without a guard");
  stack_ = static_cast<char*>(memory);
  CHECK(getcontext(&inside_) == 0, "no context");
  inside_.uc_stack.ss_sp = stack_;
  inside_.uc_stack.ss_size = kStackBytes;
  inside_.uc_link = nullptr;  // loop() never returns
  const auto self = reinterpret_cast<uintptr_t>(this);
  makecontext(&inside_, reinterpret_cast<void (*)()>(&Fiber::enter), 2, static_cast<unsigned>(self),
              static_cast<unsigned>(self >> 32));
#ifdef CAIRN_FIBER_TSAN
  sanitizers_.thread_inside = __tsan_create_fiber(0);
#endif
}

Fiber::~Fiber() {
  if (!is_idle_) return;  // its frames refer to the stack
  munmap(stack_, kStackBytes);
#ifdef CAIRN_FIBER_TSAN
  __tsan_destroy_fiber(sanitizers_.thread_inside);
#endif
}

void Fiber::enter(unsigned low, unsigned high) {
  reinterpret_cast<Fiber*>(static_cast<uintptr_t>(low) | static_cast<uintptr_t>(high) << 32)->loop();
}

void Fiber::loop() {
#ifdef CAIRN_FIBER_ASAN
  __sanitizer_finish_switch_fiber(nullptr, &sanitizers_.outer_stack, &sanitizers_.outer_bytes);
#endif
  while (true) {
    job_();
    job_ = nullptr;  // destroyed on its own executor
    is_idle_ = true;
    switch_out();
  }
}

void Fiber::run(Job job) {
  CHECK(is_idle_, "a fiber was given a second job");
  job_ = std::move(job);
  is_idle_ = false;
  switch_in();
}

void Fiber::resume() {
  CHECK(!is_idle_, "a fiber without a job was resumed");
  switch_in();
}

void Fiber::wait() { switch_out(); }

void Fiber::switch_in() {
#ifdef CAIRN_FIBER_TSAN
  sanitizers_.thread_outside = __tsan_get_current_fiber();
  __tsan_switch_to_fiber(sanitizers_.thread_inside, 0);
#endif
#ifdef CAIRN_FIBER_ASAN
  __sanitizer_start_switch_fiber(&sanitizers_.fake_outside, stack_, kStackBytes);
#endif
  CHECK(swapcontext(&outside_, &inside_) == 0, "no switch to a fiber");
#ifdef CAIRN_FIBER_ASAN
  __sanitizer_finish_switch_fiber(sanitizers_.fake_outside, nullptr, nullptr);
#endif
}

void Fiber::switch_out() {
#ifdef CAIRN_FIBER_TSAN
  __tsan_switch_to_fiber(sanitizers_.thread_outside, 0);
#endif
#ifdef CAIRN_FIBER_ASAN
  __sanitizer_start_switch_fiber(&sanitizers_.fake_inside, sanitizers_.outer_stack, sanitizers_.outer_bytes);
#endif
  CHECK(swapcontext(&inside_, &outside_) == 0, "no switch from a fiber");
#ifdef CAIRN_FIBER_ASAN
  __sanitizer_finish_switch_fiber(sanitizers_.fake_inside, &sanitizers_.outer_stack, &sanitizers_.outer_bytes);
#endif
}

}  // namespace cairn::runtime
