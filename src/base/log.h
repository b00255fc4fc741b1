// The log of the process: one line an event, level first. The logger is one of the two things that are ambient on
// purpose (the other is the metric registry). Format: LOG_INFO("region {} became leader, term {}", id, term).
#pragma once

#include <spdlog/spdlog.h>

#include <string>

namespace cairn::log {

struct Options {
  std::string level = "info";  // trace, debug, info, warn, error, fatal (as TiKV names them)
  std::string file;            // empty: standard error
};

// Configures the process-wide logger. Fails with a message if the level is unknown or the file cannot be opened.
// Returns an empty string on success.
[[nodiscard]] std::string init(const Options& options);

// Writes out what is buffered.
void flush();

}  // namespace cairn::log

#define LOG_TRACE(...) SPDLOG_TRACE(__VA_ARGS__)
#define LOG_DEBUG(...)                                                              \
  do {                                                                              \
    if (::spdlog::should_log(::spdlog::level::debug)) ::spdlog::debug(__VA_ARGS__); \
  } while (false)
#define LOG_INFO(...)                                                             \
  do {                                                                            \
    if (::spdlog::should_log(::spdlog::level::info)) ::spdlog::info(__VA_ARGS__); \
  } while (false)
#define LOG_WARN(...) ::spdlog::warn(__VA_ARGS__)
#define LOG_ERROR(...) ::spdlog::error(__VA_ARGS__)
