// Resolver: the threads on which names are looked up, because that may take seconds. A few, so that a name whose server
// does not answer does not hold up the others; made as they are needed. Tests: resolver_test.cc.
#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <thread>
#include <vector>

#include "base/mutex.h"

namespace cairn::net {

class Resolver {
 public:
  static Resolver& of_the_process();
  explicit Resolver(size_t threads_max) : threads_max_(threads_max) {}
  // Waits for the lookups that are under way; those that wait are dropped.
  ~Resolver();
  Resolver(const Resolver&) = delete;
  Resolver& operator=(const Resolver&) = delete;

  // Any thread.
  void post(std::function<void()> lookup);

 private:
  void run();
  // Waits for it; nothing once the resolver ends.
  std::function<void()> next();

  const size_t threads_max_;
  Mutex mutex_;
  CondVar changed_;
  std::deque<std::function<void()>> waiting_ CAIRN_GUARDED_BY(mutex_);
  size_t idle_ CAIRN_GUARDED_BY(mutex_) = 0;  // threads
  bool is_over_ CAIRN_GUARDED_BY(mutex_) = false;
  std::vector<std::thread> threads_ CAIRN_GUARDED_BY(mutex_);
};

}  // namespace cairn::net
