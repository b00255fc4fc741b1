// Task<T>: a lazy coroutine, for stories that wait several times (a transaction command, a PD retry, a snapshot
// transfer). It starts when awaited or spawned, and runs where it was resumed: each primitive that suspends
// (async.h) resumes it on the executor that was named, so a task stays on its actor.
//
// Rules: no capturing lambda coroutines (the closure dies first; pass by parameter), no reference parameters to things
// that may die before the task, no lock held across a co_await.
#pragma once

#include <coroutine>
#include <memory>
#include <optional>
#include <utility>

#include "base/check.h"
#include "runtime/executor.h"

namespace cairn::runtime {

template <class T>
class Task;

namespace detail {

struct PromiseBase {
  std::coroutine_handle<> continuation = std::noop_coroutine();

  struct FinalAwaiter {
    bool await_ready() const noexcept { return false; }
    template <class P>
    std::coroutine_handle<> await_suspend(std::coroutine_handle<P> done) noexcept {
      return done.promise().continuation;  // symmetric transfer: no stack growth
    }
    void await_resume() const noexcept {}
  };

  std::suspend_always initial_suspend() const noexcept { return {}; }
  FinalAwaiter final_suspend() const noexcept { return {}; }
  // Our code throws nothing; what libraries throw ends the process rather than being lost in a frame.
  [[noreturn]] void unhandled_exception() const {
    CHECK(false, "an exception reached the edge of a task");
    __builtin_unreachable();
  }
};

template <class T>
struct TaskPromise : PromiseBase {
  std::optional<T> result;
  Task<T> get_return_object();
  template <class U>
  void return_value(U&& value) {
    result.emplace(std::forward<U>(value));
  }
  T take() { return std::move(*result); }
};

template <>
struct TaskPromise<void> : PromiseBase {
  Task<void> get_return_object();
  void return_void() const {}
  void take() const {}
};

}  // namespace detail

template <class T = void>
class [[nodiscard]] Task {
 public:
  using promise_type = detail::TaskPromise<T>;
  using Handle = std::coroutine_handle<promise_type>;

  Task() = default;
  explicit Task(Handle handle) : handle_(handle) {}
  Task(Task&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  Task& operator=(Task&& other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
  }
  Task(const Task&) = delete;
  Task& operator=(const Task&) = delete;
  ~Task() {
    if (handle_) handle_.destroy();
  }

  auto operator co_await() && {
    struct Awaiter {
      Handle handle;
      bool await_ready() const noexcept { return false; }
      std::coroutine_handle<> await_suspend(std::coroutine_handle<> caller) noexcept {
        handle.promise().continuation = caller;
        return handle;
      }
      T await_resume() { return handle.promise().take(); }
    };
    CHECK(handle_, "awaiting a task that was moved from");
    return Awaiter{handle_};
  }

 private:
  Handle handle_;
};

namespace detail {
template <class T>
Task<T> TaskPromise<T>::get_return_object() {
  return Task<T>(std::coroutine_handle<TaskPromise>::from_promise(*this));
}
inline Task<void> TaskPromise<void>::get_return_object() {
  return Task<void>(std::coroutine_handle<TaskPromise>::from_promise(*this));
}

// The root of a detached task: owns the frames below it and frees itself at the end.
struct Detached {
  struct promise_type {
    Detached get_return_object() const { return {}; }
    std::suspend_never initial_suspend() const noexcept { return {}; }
    std::suspend_never final_suspend() const noexcept { return {}; }
    void return_void() const {}
    [[noreturn]] void unhandled_exception() const {
      CHECK(false, "an exception reached the edge of a task");
      __builtin_unreachable();
    }
  };
};
inline Detached run_detached(Task<void> task) { co_await std::move(task); }
}  // namespace detail

// Starts `task` here and now and lets it run to its end by itself. The caller must be on the executor on which the task
// is to live, and must see to it that what the task uses outlives it (a TaskScope of async.h waits for tasks).
inline void spawn_inline(Task<void> task) { detail::run_detached(std::move(task)); }

// Starts `task` on `executor`. Thread-safe.
inline void spawn(Executor& executor, Task<void> task) {
  executor.post([task = std::move(task)]() mutable { spawn_inline(std::move(task)); });
}

}  // namespace cairn::runtime
