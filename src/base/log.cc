#include "base/log.h"

#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>

namespace cairn::log {

std::string init(const Options& options) {
  std::string name = options.level == "warning" ? "warn" : options.level;
  if (name == "fatal") name = "critical";
  const auto level = spdlog::level::from_str(name);
  if (level == spdlog::level::off && name != "off") {
    return "unknown log level \"" + options.level + "\": use trace, debug, info, warn, error or fatal";
  }
  try {
    std::shared_ptr<spdlog::sinks::sink> sink;
    if (options.file.empty()) {
      sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
    } else {
      sink = std::make_shared<spdlog::sinks::basic_file_sink_mt>(options.file);
    }
    auto logger = std::make_shared<spdlog::logger>("cairn", std::move(sink));
    logger->set_pattern("[%Y/%m/%d %H:%M:%S.%e %z] [%^%l%$] %v");
    logger->set_level(level);
    logger->flush_on(spdlog::level::info);  // few lines, and the last ones matter most
    spdlog::set_default_logger(std::move(logger));
  } catch (const spdlog::spdlog_ex& error) {
    return std::string("cannot open the log file: ") + error.what();
  }
  return "";
}

void flush() { spdlog::default_logger_raw()->flush(); }

}  // namespace cairn::log
