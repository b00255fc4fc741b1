#include "net/resolver.h"

#include <pthread.h>

#include <utility>

namespace cairn::net {

namespace {

constexpr size_t kThreadsMax = 4;

}  // namespace

Resolver& Resolver::of_the_process() {
  static Resolver resolver(kThreadsMax);
  return resolver;
}

Resolver::~Resolver() {
  std::vector<std::thread> threads;
  {
    MutexLock lock(mutex_);
    is_over_ = true;
    threads.swap(threads_);
  }
  changed_.notify_all();
  for (auto& thread : threads) thread.join();
}

void Resolver::post(std::function<void()> lookup) {
  {
    MutexLock lock(mutex_);
    waiting_.push_back(std::move(lookup));
    if (idle_ < waiting_.size() && threads_.size() < threads_max_) threads_.emplace_back([this] { run(); });
  }
  changed_.notify_one();
}

void Resolver::run() {
  pthread_setname_np(pthread_self(), "resolver");
  while (const auto lookup = next()) lookup();
}

std::function<void()> Resolver::next() {
  MutexLock lock(mutex_);
  ++idle_;
  changed_.wait(mutex_, [this]() CAIRN_REQUIRES(mutex_) { return is_over_ || !waiting_.empty(); });
  --idle_;
  if (is_over_) return nullptr;
  auto lookup = std::move(waiting_.front());
  waiting_.pop_front();
  return lookup;
}

}  // namespace cairn::net
