#include "base/log.h"

#include <fmt/chrono.h>
#include <spdlog/sinks/sink.h>

#include <algorithm>
#include <cctype>
#include <chrono>
#include <cstdlib>
#include <ctime>
#include <memory>
#include <utility>

#include "base/log_output.h"
#include "base/log_writer.h"

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

// Of a character of up to three bytes.
uint32_t code_point(std::string_view character) {
  const auto bits = [&](size_t i, unsigned mask) { return static_cast<unsigned char>(character[i]) & mask; };
  if (character.size() == 1) return bits(0, 0x7F);
  if (character.size() == 2) return bits(0, 0x1F) << 6 | bits(1, 0x3F);
  return bits(0, 0x0F) << 12 | bits(1, 0x3F) << 6 | bits(2, 0x3F);
}

const char* name_of(spdlog::level::level_enum level) {
  switch (level) {
    case spdlog::level::trace:
      return "TRACE";
    case spdlog::level::debug:
      return "DEBUG";
    case spdlog::level::info:
      return "INFO";
    case spdlog::level::warn:
      return "WARN";
    case spdlog::level::err:
      return "ERROR";
    default:
      return "FATAL";
  }
}

std::string_view file_of(const char* path) {
  const std::string_view text = path == nullptr ? "unknown" : path;
  return text.substr(text.rfind('/') + 1);
}

// A message of one plain word stands as it is; all others as a string of JSON.
void append_message(std::string_view text, std::string& out) {
  const auto is_word = [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte > 0x20 && byte < 0x7F && c != '"' && c != '=' && c != '[' && c != ']' && c != '\\';
  };
  if (!text.empty() && std::all_of(text.begin(), text.end(), is_word)) {
    out += text;
  } else {
    out += json_text(text);
  }
}

std::string line_of(const spdlog::details::log_msg& message) {
  const auto since_epoch = message.time.time_since_epoch();
  const auto millis = std::chrono::duration_cast<std::chrono::milliseconds>(since_epoch).count() % 1000;
  const std::time_t seconds = spdlog::log_clock::to_time_t(message.time);
  std::tm local{};
  localtime_r(&seconds, &local);
  const long minutes = local.tm_gmtoff / 60;
  std::string line = fmt::format("[{:%Y/%m/%d %H:%M:%S}.{:03} {}{:02}:{:02}] [{}] [{}:{}] [", local, millis,
                                 minutes < 0 ? '-' : '+', std::abs(minutes) / 60, std::abs(minutes) % 60,
                                 name_of(message.level), file_of(message.source.filename), message.source.line);
  append_message({message.payload.data(), message.payload.size()}, line);
  line += fmt::format("] [thread_id={}]\n", message.thread_id);
  return line;
}

// Hands lines to the writer.
class Sink final : public spdlog::sinks::sink {
 public:
  explicit Sink(const std::string& path) : writer(path) {}
  void log(const spdlog::details::log_msg& message) override { writer.write(line_of(message)); }
  void flush() override { writer.flush(); }
  void set_pattern(const std::string&) override {}  // there is one
  void set_formatter(std::unique_ptr<spdlog::formatter>) override {}

  Writer writer;
};

// Of init(); the logger keeps it alive.
std::weak_ptr<Sink> current_sink;  // NOLINT: the logger is ambient on purpose

}  // namespace

// "\\n" and its like, for what has a letter; empty: it has none.
std::string_view letter_of(std::string_view character) {
  if (character == "\n") return "\\n";
  if (character == "\r") return "\\r";
  if (character == "\t") return "\\t";
  return {};
}

std::string escaped(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const size_t length = character_length(text);
    const std::string_view character = text.substr(0, std::max<size_t>(length, 1));
    text.remove_prefix(character.size());
    if (length != 0 && !is_control(character)) {
      out += character;
    } else if (const auto letter = letter_of(character); !letter.empty()) {
      out += letter;
    } else {
      for (const char byte : character) out += fmt::format("\\x{:02x}", static_cast<unsigned char>(byte));
    }
  }
  return out;
}

std::string json_text(std::string_view text) {
  std::string out = "\"";
  while (!text.empty()) {
    const size_t length = character_length(text);
    const std::string_view character = text.substr(0, std::max<size_t>(length, 1));
    text.remove_prefix(character.size());
    if (length == 0) {
      out += fmt::format("\\\\x{:02x}", static_cast<unsigned char>(character[0]));  // no text: shown as such
    } else if (character == "\"" || character == "\\") {
      out += '\\';
      out += character;
    } else if (!is_control(character)) {
      out += character;
    } else if (const auto letter = letter_of(character); !letter.empty()) {
      out += letter;
    } else {
      out += fmt::format("\\u{:04x}", code_point(character));
    }
  }
  return out + "\"";
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

std::string set_level(const std::string& name) {
  std::string wanted = name;  // TiKV and PD take them in any case
  std::transform(wanted.begin(), wanted.end(), wanted.begin(), [](unsigned char c) { return std::tolower(c); });
  const auto& known = named_levels();
  const auto level = std::find_if(known.begin(), known.end(), [&](const auto& one) { return one.first == wanted; });
  if (level == known.end()) {
    return "unknown log level \"" + name + "\": use trace, debug, info, warn, error or fatal";
  }
  spdlog::default_logger_raw()->set_level(level->second);
  return "";
}

void set_limits(const Options& options) {
  if (const auto sink = current_sink.lock()) {
    sink->writer.limit(
        {.bytes_max = options.file_mib_max << 20, .days_max = options.days_max, .files_max = options.backups_max});
  }
}

std::string init(const Options& options) {
  auto sink = std::make_shared<Sink>(options.file);
  auto logger = std::make_shared<spdlog::logger>("cairn", sink);
  const auto before = spdlog::default_logger();
  spdlog::set_default_logger(std::move(logger));
  std::string refused = set_level(options.level);
  if (refused.empty()) refused = sink->writer.start();
  if (!refused.empty()) {
    spdlog::set_default_logger(before);
    return refused;
  }
  current_sink = sink;
  set_limits(options);
  return "";
}

void flush() { spdlog::default_logger_raw()->flush(); }

std::string reopen() {
  const auto sink = current_sink.lock();
  return sink ? sink->writer.reopen() : "";
}

uint64_t dropped_lines() {
  const auto sink = current_sink.lock();
  return sink ? sink->writer.dropped() : 0;
}

}  // namespace cairn::log
