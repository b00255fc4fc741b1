// Runs work that can be sliced (slices.h) to its end, here and now. For tests only.
#pragma once

#include <optional>
#include <utility>

#include "base/check.h"
#include "runtime/slices.h"
#include "runtime/task.h"

namespace cairn::runtime::testing {

template <class T>
Task<void> keep_result(Task<T> task, std::optional<T>* result) {
  result->emplace(co_await std::move(task));
}

template <class T>
T finish_now(Task<T> task) {
  std::optional<T> result;
  spawn_inline(keep_result<T>(std::move(task), &result));
  CHECK(result.has_value(), "a task waits that was to run at once");
  return std::move(*result);
}

// `make` is given slices that are never cut, and returns the task.
template <class Make>
auto run_now(Make make) {
  Slices whole;
  return finish_now(make(whole));
}

}  // namespace cairn::runtime::testing
