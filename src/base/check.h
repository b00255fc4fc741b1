// CHECK: an invariant of ours that holds in production too. If it fails, the process says what it saw and ends, because
// going on could lose data or serve a lie. For the world's errors there is Result; CHECK is for our bugs.
#pragma once

#include <fmt/format.h>

#include <string>

namespace cairn {

// Prints the failed condition with its place and message, then aborts. In the simulator the hook set here runs first,
// to print the seed and the trace.
[[noreturn]] void check_failed(const char* condition, const char* file, int line, const std::string& message);

// Called by check_failed before it aborts; one hook a process, null to remove it.
void set_check_hook(void (*hook)());

}  // namespace cairn

// CHECK(condition, "format {}", values...): the message is formatted only on failure.
#define CHECK(condition, ...)                                                               \
  do {                                                                                      \
    if (__builtin_expect(!(condition), 0)) {                                                \
      ::cairn::check_failed(#condition, __FILE__, __LINE__, ::fmt::format("" __VA_ARGS__)); \
    }                                                                                       \
  } while (false)

// DCHECK: for conditions too dear for production; on in debug and sanitizer builds.
#ifdef CAIRN_DCHECKS
#define DCHECK(condition, ...) CHECK(condition __VA_OPT__(, ) __VA_ARGS__)
#else
#define DCHECK(condition, ...)        \
  do {                                \
    if (false) {                      \
      static_cast<void>((condition)); \
    }                                 \
  } while (false)
#endif
