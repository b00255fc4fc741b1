#include "base/log.h"

#include <fcntl.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/sink.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <memory>
#include <system_error>
#include <utility>

#include "base/log_output.h"
#include "base/mutex.h"

namespace cairn::log {
namespace {

// Bytes of the UTF-8 character at the front of `text`; 0 if there is none.
size_t character_length(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(0);
  const size_t length = lead < 0x80 ? 1 : lead < 0xC2 ? 0 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : lead < 0xF5 ? 4 : 0;
  if (length == 0 || length > text.size()) return 0;
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return 0;
  }
  if (length == 3 && ((lead == 0xE0 && byte(1) < 0xA0) || (lead == 0xED && byte(1) >= 0xA0))) return 0;
  if (length == 4 && ((lead == 0xF0 && byte(1) < 0x90) || (lead == 0xF4 && byte(1) >= 0x90))) return 0;
  return length;
}

// Whether the character ends a line, moves the cursor or changes the direction of what follows.
bool is_control(std::string_view character) {
  if (character.size() == 1) return static_cast<unsigned char>(character[0]) < 0x20 || character[0] == 0x7F;
  if (character.size() == 2) return character[0] == '\xC2' && static_cast<unsigned char>(character[1]) < 0xA0;
  // U+2028 to U+202E and U+2066 to U+2069: line and paragraph separators, marks of direction.
  if (character.size() != 3 || character[0] != '\xE2') return false;
  const auto low = static_cast<unsigned char>(character[2]);
  return (character[1] == '\x80' && low >= 0xA8 && low <= 0xAE) ||
         (character[1] == '\x81' && low >= 0xA6 && low <= 0xA9);
}

bool is_plain(std::string_view text) {
  for (const char c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) >= 0x7F) return false;
  }
  return true;
}

// Appends to a file, or to standard error if it has no name.
class Sink final : public spdlog::sinks::sink {
 public:
  explicit Sink(std::string path) : path_(std::move(path)) {}
  ~Sink() override { close_file(); }

  // Why not, or nothing.
  std::string open() {
    if (path_.empty()) return "";
    const int opened = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (opened < 0) return "cannot open the log file " + path_ + ": " + std::generic_category().message(errno);
    MutexLock lock(mutex_);
    close_file();
    fd_ = opened;
    return "";
  }

  void log(const spdlog::details::log_msg& message) override {
    MutexLock lock(mutex_);
    spdlog::memory_buf_t line;
    const std::string_view text(message.payload.data(), message.payload.size());
    if (is_plain(text)) {
      formatter_->format(message, line);
    } else {
      const std::string safe = escaped(text);
      spdlog::details::log_msg copy = message;
      copy.payload = safe;
      formatter_->format(copy, line);
    }
    write(line.data(), line.size());
  }
  void flush() override {}  // each line is handed to the operating system as it comes
  void set_pattern(const std::string& pattern) override {
    set_formatter(std::make_unique<spdlog::pattern_formatter>(pattern));
  }
  void set_formatter(std::unique_ptr<spdlog::formatter> formatter) override {
    MutexLock lock(mutex_);
    formatter_ = std::move(formatter);
  }

 private:
  void write(const char* data, size_t size) const CAIRN_REQUIRES(mutex_) {
    while (size > 0) {
      const ssize_t written = ::write(fd_, data, size);
      if (written < 0 && errno == EINTR) continue;
      if (written <= 0) return;  // no room: the process goes on without this line
      data += written;
      size -= static_cast<size_t>(written);
    }
  }
  void close_file() CAIRN_REQUIRES(mutex_) {
    if (fd_ != STDERR_FILENO) ::close(fd_);
    fd_ = STDERR_FILENO;
  }

  const std::string path_;
  Mutex mutex_;
  std::unique_ptr<spdlog::formatter> formatter_ CAIRN_GUARDED_BY(mutex_) =
      std::make_unique<spdlog::pattern_formatter>();
  int fd_ CAIRN_GUARDED_BY(mutex_) = STDERR_FILENO;
};

// Of init(); the logger keeps it alive.
std::weak_ptr<Sink> current_sink;  // NOLINT: the logger is ambient on purpose

}  // namespace

std::string escaped(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const size_t length = character_length(text);
    const std::string_view character = text.substr(0, std::max<size_t>(length, 1));
    text.remove_prefix(character.size());
    if (length != 0 && !is_control(character)) {
      out += character;
    } else if (character == "\n") {
      out += "\\n";
    } else if (character == "\r") {
      out += "\\r";
    } else if (character == "\t") {
      out += "\\t";
    } else {
      for (const char byte : character) out += fmt::format("\\x{:02x}", static_cast<unsigned char>(byte));
    }
  }
  return out;
}

namespace {
const std::vector<std::pair<std::string, spdlog::level::level_enum>>& named_levels() {
  static const std::vector<std::pair<std::string, spdlog::level::level_enum>> kLevels = {
      {"trace", spdlog::level::trace},   {"debug", spdlog::level::debug},  {"info", spdlog::level::info},
      {"warn", spdlog::level::warn},     {"warning", spdlog::level::warn}, {"error", spdlog::level::err},
      {"fatal", spdlog::level::critical}};
  return kLevels;
}
}  // namespace

std::vector<std::string> levels() {
  std::vector<std::string> names;
  for (const auto& [name, _] : named_levels()) names.push_back(name);
  return names;
}

std::string init(const Options& options) {
  std::string wanted = options.level;  // TiKV and PD take them in any case
  std::transform(wanted.begin(), wanted.end(), wanted.begin(), [](unsigned char c) { return std::tolower(c); });
  const auto& known = named_levels();
  const auto level = std::find_if(known.begin(), known.end(), [&](const auto& one) { return one.first == wanted; });
  if (level == known.end()) {
    return "unknown log level \"" + options.level + "\": use trace, debug, info, warn, error or fatal";
  }
  auto sink = std::make_shared<Sink>(options.file);
  if (std::string refused = sink->open(); !refused.empty()) return refused;
  current_sink = sink;
  auto logger = std::make_shared<spdlog::logger>("cairn", std::move(sink));
  logger->set_pattern("[%Y/%m/%d %H:%M:%S.%e %z] [%^%l%$] %v");
  logger->set_level(level->second);
  spdlog::set_default_logger(std::move(logger));
  return "";
}

void flush() { spdlog::default_logger_raw()->flush(); }

std::string reopen() {
  const auto sink = current_sink.lock();
  return sink ? sink->open() : "";
}

}  // namespace cairn::log
