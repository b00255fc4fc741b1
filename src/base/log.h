// The log of the process, in TiKV's format:
//
//   [2026/01/31 10:20:30.123 +00:00] [INFO] [shard.cc:52] ["region 7 became leader, term 6"] [thread_id=12]
//
// The logger is one of the two things that are ambient on purpose (the other is the metric registry). Who logs hands a
// line to a bounded queue and goes on; a thread writes (log_writer.h). Use: LOG_INFO("region {} became leader", id).
#pragma once

#include <spdlog/spdlog.h>

#include <cstdint>
#include <string>

namespace cairn::log {

struct Options {
  std::string level = "info";  // trace, debug, info, warn, error, fatal (as TiKV names them)
  std::string file;            // empty: standard error
  // Of files, as TiKV has them; 0: no bound.
  uint64_t file_mib_max = 300;  // then the log goes on in a new one
  uint64_t days_max = 0;        // full ones that are older go
  uint64_t backups_max = 0;     // full ones that are kept
};

// Configures the process-wide logger. Fails with a message if the level is unknown or the file cannot be opened.
// Returns an empty string on success. Before it is called, lines go to standard error at once.
[[nodiscard]] std::string init(const Options& options);

// Waits until what was logged so far is written, but not for long: a disk that hangs must not hold up the end.
void flush();

}  // namespace cairn::log

// The place in the source goes along; nothing is formatted below the level.
#define CAIRN_LOG(level, ...)                                                                                \
  do {                                                                                                       \
    if (::spdlog::should_log(level)) {                                                                       \
      ::spdlog::default_logger_raw()->log(::spdlog::source_loc{__FILE__, __LINE__, ""}, level, __VA_ARGS__); \
    }                                                                                                        \
  } while (false)
#define LOG_TRACE(...) CAIRN_LOG(::spdlog::level::trace, __VA_ARGS__)
#define LOG_DEBUG(...) CAIRN_LOG(::spdlog::level::debug, __VA_ARGS__)
#define LOG_INFO(...) CAIRN_LOG(::spdlog::level::info, __VA_ARGS__)
#define LOG_WARN(...) CAIRN_LOG(::spdlog::level::warn, __VA_ARGS__)
#define LOG_ERROR(...) CAIRN_LOG(::spdlog::level::err, __VA_ARGS__)
