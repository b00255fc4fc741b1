// One value from another thread.
#pragma once

#include <future>
#include <memory>
#include <utility>

namespace cairn::net::testing {

template <class T>
class Waiter {
 public:
  // To be called once; may outlive the waiter.
  auto setter() {
    return [promise = promise_](T value) { promise->set_value(std::move(value)); };
  }
  T get() { return promise_->get_future().get(); }

 private:
  std::shared_ptr<std::promise<T>> promise_ = std::make_shared<std::promise<T>>();
};

}  // namespace cairn::net::testing
