// What tasks wait on. Each of these resumes the waiting task by posting to the executor that the waiter named, so a
// task never moves to another thread behind its back, and the one who signals never runs the waiter's code inline.
//
//   OneShot<T>   one value, from any thread, to one waiter; with a timeout if asked.
//   sleep        a timer.
//   TaskScope    counts the tasks of an actor, so that stopping can wait for them (seastar's gate).
//   Semaphore    a bounded number of holders, first come first served; single-executor.
//   CancelToken  says "stop"; whoever waits looks at it or registers a callback. Thread-safe.
//
// The executor named by a waiter must outlive the wait: Executors keep what they made until they die, and an executor
// that has stopped drops the wake-up, so the task then stays where it is for ever. Tests: async_test.cc.
#pragma once

#include <coroutine>
#include <deque>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "runtime/executor.h"
#include "runtime/task.h"

namespace cairn::runtime {

namespace detail {
template <class T>
struct OneShotState {
  Mutex mutex;
  std::optional<T> value CAIRN_GUARDED_BY(mutex);
  bool abandoned CAIRN_GUARDED_BY(mutex) = false;  // the sender died without a value
  bool resumed CAIRN_GUARDED_BY(mutex) = false;    // the waiter has been given its wake-up
  std::coroutine_handle<> waiter CAIRN_GUARDED_BY(mutex);
  Executor* executor CAIRN_GUARDED_BY(mutex) = nullptr;  // of the waiter
  TimerId timer CAIRN_GUARDED_BY(mutex);                 // of a wait with a timeout
};

// The resumption of a waiter; of nobody if it has no executor.
struct WakeUp {
  std::coroutine_handle<> waiter;
  Executor* executor = nullptr;
  TimerId timer;  // of a wait with a timeout

  void send() const {
    if (executor == nullptr) return;
    if (timer.is_set()) executor->cancel(timer);
    executor->post([handle = waiter] { handle.resume(); });
  }
};
}  // namespace detail

// The receiving end of a OneShot.
template <class T>
class [[nodiscard]] Future;

// The sending end. If it dies unsent, the waiter gets nothing (nullopt): an answer is never just missing.
template <class T>
class Promise {
 public:
  Promise() = default;
  Promise(Promise&& other) noexcept = default;
  Promise& operator=(Promise&& other) noexcept {
    if (this != &other) {
      abandon();
      state_ = std::move(other.state_);
    }
    return *this;
  }
  Promise(const Promise&) = delete;
  Promise& operator=(const Promise&) = delete;
  ~Promise() { abandon(); }

  // Delivers the value; once. Any thread.
  void set(T value) {
    CHECK(state_, "a promise is kept once");
    auto state = std::move(state_);
    detail::WakeUp wake_up;
    {
      MutexLock lock(state->mutex);
      state->value.emplace(std::move(value));
      wake_up = claim(*state);
    }
    wake_up.send();
  }
  bool is_pending() const { return state_ != nullptr; }

 private:
  template <class U>
  friend std::pair<Promise<U>, Future<U>> one_shot();
  template <class U>
  friend class Future;
  using State = detail::OneShotState<T>;

  explicit Promise(std::shared_ptr<State> state) : state_(std::move(state)) {}

  void abandon() {
    if (!state_) return;
    auto state = std::move(state_);
    detail::WakeUp wake_up;
    {
      MutexLock lock(state->mutex);
      state->abandoned = true;
      wake_up = claim(*state);
    }
    wake_up.send();
  }

  // The waiter's wake-up, for the one who asks first; nobody else can resume it then. To be sent without the lock: the
  // executor is never called under it, and the waiter does not run into it.
  static detail::WakeUp claim(State& state) CAIRN_REQUIRES(state.mutex) {
    if (!state.waiter || std::exchange(state.resumed, true)) return {};
    return {state.waiter, state.executor, state.timer};
  }

  std::shared_ptr<State> state_;
};

template <class T>
class [[nodiscard]] Future {
 public:
  Future() = default;

  // co_await future.wait(executor): the value, or nullopt if the sender died. The task goes on on `executor`.
  auto wait(Executor& executor) { return Awaiter{std::move(state_), &executor, std::nullopt}; }
  // Likewise, but nullopt too if nothing came within `timeout`.
  auto wait_for(Executor& executor, Duration timeout) { return Awaiter{std::move(state_), &executor, timeout}; }

 private:
  template <class U>
  friend std::pair<Promise<U>, Future<U>> one_shot();
  using State = detail::OneShotState<T>;

  struct Awaiter {
    std::shared_ptr<State> state;
    Executor* executor;
    std::optional<Duration> timeout;

    bool await_ready() const { return false; }
    bool await_suspend(std::coroutine_handle<> waiter) {
      CHECK(state, "a future is awaited once");
      const auto kept = state;  // this awaiter may be gone as soon as the waiter has been posted
      detail::WakeUp wake_up;
      {
        MutexLock lock(kept->mutex);
        const bool is_settled = kept->value || kept->abandoned;
        if (is_settled && executor->is_current()) return false;  // there already: go on
        kept->waiter = waiter;
        kept->executor = executor;
        if (is_settled) {
          wake_up = Promise<T>::claim(*kept);
        } else if (timeout) {
          // Under the lock: the sender must see the timer that it is to cancel.
          kept->timer = executor->after(*timeout, [weak = std::weak_ptr<State>(kept)] { time_out(weak); });
        }
      }
      wake_up.send();
      return true;
    }
    static void time_out(const std::weak_ptr<State>& weak) {
      const auto alive = weak.lock();
      if (!alive) return;
      std::coroutine_handle<> waiter;
      {
        MutexLock lock(alive->mutex);
        if (std::exchange(alive->resumed, true)) return;
        waiter = alive->waiter;
      }
      waiter.resume();
    }
    std::optional<T> await_resume() {
      MutexLock lock(state->mutex);
      return std::move(state->value);
    }
  };

  explicit Future(std::shared_ptr<State> state) : state_(std::move(state)) {}
  std::shared_ptr<State> state_;
};

// A promise and its future.
template <class T>
std::pair<Promise<T>, Future<T>> one_shot() {
  auto state = std::make_shared<detail::OneShotState<T>>();
  return {Promise<T>(state), Future<T>(state)};
}

// co_await sleep(executor, 10ms): the task goes on on `executor` after the delay.
inline auto sleep(Executor& executor, Duration delay) {
  struct Awaiter {
    Executor& executor;
    Duration delay;
    bool await_ready() const { return false; }
    void await_suspend(std::coroutine_handle<> waiter) {
      executor.after(delay, [waiter] { waiter.resume(); });
    }
    void await_resume() const {}
  };
  return Awaiter{executor, delay};
}

// co_await switch_to(executor): the task goes on on `executor`; at once if it is there already.
inline auto switch_to(Executor& executor) {
  struct Awaiter {
    Executor& executor;
    bool await_ready() const { return executor.is_current(); }
    void await_suspend(std::coroutine_handle<> waiter) {
      executor.post([waiter] { waiter.resume(); });
    }
    void await_resume() const {}
  };
  return Awaiter{executor};
}

// Counts running tasks. Owned by an actor and used on its executor only. close() refuses new ones; empty() is true when
// the last one ended, and `on_empty` then runs. The destructor checks that none is left.
class TaskScope {
 public:
  TaskScope() = default;
  TaskScope(const TaskScope&) = delete;
  TaskScope& operator=(const TaskScope&) = delete;
  ~TaskScope() { CHECK(running_ == 0, "{} tasks outlive their scope", running_); }

  // Starts the task here and now; false (and the task is dropped) if the scope is closed.
  bool spawn(Task<void> task) {
    if (closed_) return false;
    ++running_;
    spawn_inline(counted(this, std::move(task)));
    return true;
  }
  void close(Job on_empty = nullptr) {
    closed_ = true;
    on_empty_ = std::move(on_empty);
    notify();
  }
  bool closed() const { return closed_; }
  bool empty() const { return running_ == 0; }

 private:
  static Task<void> counted(TaskScope* scope, Task<void> task) {
    co_await std::move(task);
    --scope->running_;
    scope->notify();
  }
  void notify() {
    if (closed_ && running_ == 0 && on_empty_) std::exchange(on_empty_, nullptr)();
  }

  int running_ = 0;
  bool closed_ = false;
  Job on_empty_;
};

// A bounded number of holders. Used on one executor only.
class Semaphore {
 public:
  Semaphore(Executor& executor, int permits) : executor_(executor), free_(permits) {}

  // co_await semaphore.acquire(); pair it with release().
  auto acquire() {
    struct Awaiter {
      Semaphore& semaphore;
      bool await_ready() const {
        if (semaphore.free_ == 0) return false;
        --semaphore.free_;
        return true;
      }
      void await_suspend(std::coroutine_handle<> waiter) { semaphore.waiters_.push_back(waiter); }
      void await_resume() const {}
    };
    return Awaiter{*this};
  }
  void release() {
    if (waiters_.empty()) {
      ++free_;
      return;
    }
    executor_.post([waiter = waiters_.front()] { waiter.resume(); });  // the permit passes on
    waiters_.pop_front();
  }

 private:
  Executor& executor_;
  int free_;
  std::deque<std::coroutine_handle<>> waiters_;
};

// Says "stop" to whoever holds a copy. Thread-safe.
class CancelToken {
 public:
  bool is_cancelled() const {
    MutexLock lock(state_->mutex);
    return state_->cancelled;
  }
  // Runs the callbacks on the caller's thread, once.
  void cancel() {
    std::vector<Job> callbacks;
    {
      MutexLock lock(state_->mutex);
      if (std::exchange(state_->cancelled, true)) return;
      callbacks.swap(state_->callbacks);
    }
    for (auto& callback : callbacks) callback();
  }
  // `callback` runs when cancelled; at once if that has happened.
  void on_cancel(Job callback) {
    {
      MutexLock lock(state_->mutex);
      if (!state_->cancelled) {
        state_->callbacks.push_back(std::move(callback));
        return;
      }
    }
    callback();
  }

 private:
  struct State {
    Mutex mutex;
    bool cancelled CAIRN_GUARDED_BY(mutex) = false;
    std::vector<Job> callbacks CAIRN_GUARDED_BY(mutex);
  };
  std::shared_ptr<State> state_ = std::make_shared<State>();
};

}  // namespace cairn::runtime
