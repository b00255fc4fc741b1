// Runs several tasks at once on one executor and waits for all of them.
#pragma once

#include <utility>
#include <vector>

#include "base/check.h"
#include "runtime/async.h"
#include "runtime/task.h"

namespace cairn::client {

namespace detail {
template <class T>
runtime::Task<void> deliver(runtime::Task<T> task, runtime::Promise<T> to) {
  to.set(co_await std::move(task));
}
}  // namespace detail

// The results in the order of the tasks. The caller is on `executor`.   NOLINTBEGIN(*-coroutine-parameters)
template <class T>
runtime::Task<std::vector<T>> gather(runtime::Executor& executor, std::vector<runtime::Task<T>> tasks) {
  std::vector<T> results;
  results.reserve(tasks.size());
  if (tasks.size() == 1) {
    results.push_back(co_await std::move(tasks.front()));
    co_return results;
  }
  std::vector<runtime::Future<T>> futures;
  futures.reserve(tasks.size());
  for (auto& task : tasks) {
    auto [promise, future] = runtime::one_shot<T>();
    futures.push_back(std::move(future));
    runtime::spawn_inline(detail::deliver(std::move(task), std::move(promise)));
  }
  for (auto& future : futures) {
    auto result = co_await future.wait(executor);
    CHECK(result, "a gathered task ended without a result");
    results.push_back(std::move(*result));
  }
  co_return results;
}
// NOLINTEND(*-coroutine-parameters)
}  // namespace cairn::client
