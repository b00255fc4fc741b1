// The standard library's mutexes and condition variable, as clang's thread safety analysis knows them
// (base/thread_annotations.h). They add nothing but the annotations. Tests: mutex_test.cc.
//
//   Mutex mutex_;
//   std::deque<Job> queue_ CAIRN_GUARDED_BY(mutex_);
//   ...
//   MutexLock lock(mutex_);
//   work_here_.wait(mutex_, [this]() CAIRN_REQUIRES(mutex_) { return !queue_.empty(); });
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <shared_mutex>

#include "base/thread_annotations.h"

namespace cairn {

class CAIRN_CAPABILITY("mutex") Mutex {
 public:
  Mutex() = default;
  Mutex(const Mutex&) = delete;
  Mutex& operator=(const Mutex&) = delete;

  // Where a MutexLock does not fit.
  void lock() CAIRN_ACQUIRE() { mutex_.lock(); }
  void unlock() CAIRN_RELEASE() { mutex_.unlock(); }

 private:
  friend class CondVar;
  std::mutex mutex_;
};

// Held by one writer or by many readers.
class CAIRN_CAPABILITY("mutex") SharedMutex {
 public:
  SharedMutex() = default;
  SharedMutex(const SharedMutex&) = delete;
  SharedMutex& operator=(const SharedMutex&) = delete;

  void lock() CAIRN_ACQUIRE() { mutex_.lock(); }
  void unlock() CAIRN_RELEASE() { mutex_.unlock(); }
  void lock_shared() CAIRN_ACQUIRE_SHARED() { mutex_.lock_shared(); }
  void unlock_shared() CAIRN_RELEASE_SHARED() { mutex_.unlock_shared(); }

 private:
  std::shared_mutex mutex_;
};

// Holds the mutex from here to the end of the scope.
class [[nodiscard]] CAIRN_SCOPED_CAPABILITY MutexLock {
 public:
  explicit MutexLock(Mutex& mutex) CAIRN_ACQUIRE(mutex) : mutex_(mutex) { mutex_.lock(); }
  ~MutexLock() CAIRN_RELEASE() { mutex_.unlock(); }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

 private:
  Mutex& mutex_;
};

// Likewise, as the only one, and as one of the readers.
class [[nodiscard]] CAIRN_SCOPED_CAPABILITY WriterLock {
 public:
  explicit WriterLock(SharedMutex& mutex) CAIRN_ACQUIRE(mutex) : mutex_(mutex) { mutex_.lock(); }
  ~WriterLock() CAIRN_RELEASE() { mutex_.unlock(); }
  WriterLock(const WriterLock&) = delete;
  WriterLock& operator=(const WriterLock&) = delete;

 private:
  SharedMutex& mutex_;
};

class [[nodiscard]] CAIRN_SCOPED_CAPABILITY ReaderLock {
 public:
  explicit ReaderLock(SharedMutex& mutex) CAIRN_ACQUIRE_SHARED(mutex) : mutex_(mutex) { mutex_.lock_shared(); }
  ~ReaderLock() CAIRN_RELEASE() { mutex_.unlock_shared(); }
  ReaderLock(const ReaderLock&) = delete;
  ReaderLock& operator=(const ReaderLock&) = delete;

 private:
  SharedMutex& mutex_;
};

// Waits with a Mutex held, which is free meanwhile. All who wait on one variable at a time name the same mutex.
//
// `done` is a lambda that requires the mutex; it runs with it held. The analysis cannot know that, for it does not tie
// the lambda's name of the mutex to the parameter: so these three are not analysed, and the lambdas are.
class CondVar {
 public:
  CondVar() = default;
  CondVar(const CondVar&) = delete;
  CondVar& operator=(const CondVar&) = delete;

  void notify_one() { variable_.notify_one(); }
  void notify_all() { variable_.notify_all(); }

  // Until it is notified, or for no reason: to be called in a loop.
  void wait(Mutex& mutex) CAIRN_REQUIRES(mutex) CAIRN_NO_THREAD_SAFETY_ANALYSIS {
    Adopted lock(mutex);
    variable_.wait(lock.native);
  }
  // Likewise, or until then.
  template <class TimePoint>
  void wait_until(Mutex& mutex, TimePoint when) CAIRN_REQUIRES(mutex) CAIRN_NO_THREAD_SAFETY_ANALYSIS {
    Adopted lock(mutex);
    variable_.wait_until(lock.native, when);
  }
  // Until `done()` holds.
  template <class Done>
  void wait(Mutex& mutex, Done done) CAIRN_REQUIRES(mutex) CAIRN_NO_THREAD_SAFETY_ANALYSIS {
    Adopted lock(mutex);
    variable_.wait(lock.native, std::move(done));
  }
  // Until `done()` holds, but not beyond `limit`; whether it holds.
  template <class Rep, class Period, class Done>
  bool wait_for(Mutex& mutex, std::chrono::duration<Rep, Period> limit, Done done)
      CAIRN_REQUIRES(mutex) CAIRN_NO_THREAD_SAFETY_ANALYSIS {
    Adopted lock(mutex);
    return variable_.wait_for(lock.native, limit, std::move(done));
  }

 private:
  // The standard's lock over a mutex that the caller holds, and goes on to hold.
  struct Adopted {
    explicit Adopted(Mutex& mutex) : native(mutex.mutex_, std::adopt_lock) {}
    ~Adopted() { native.release(); }
    Adopted(const Adopted&) = delete;
    Adopted& operator=(const Adopted&) = delete;
    std::unique_lock<std::mutex> native;
  };

  std::condition_variable variable_;
};

}  // namespace cairn
