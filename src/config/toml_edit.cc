#include "config/toml_edit.h"

#include <algorithm>
#include <string_view>
#include <utility>
#include <vector>

namespace cairn::config {
namespace {

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t' || text.back() == '\r')) text.remove_suffix(1);
  return text;
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    lines.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return lines;
}

// Where the comment at the end of a line begins, or its length: a '#' that is not within quotes.
size_t comment_begin(std::string_view line) {
  char quote = 0;
  for (size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    if (quote == '"' && c == '\\') {
      ++i;
    } else if (quote != 0) {
      if (c == quote) quote = 0;
    } else if (c == '"' || c == '\'') {
      quote = c;
    } else if (c == '#') {
      return i;
    }
  }
  return line.size();
}

std::string with_dashes(std::string_view text) {
  std::string out(text);
  std::replace(out.begin(), out.end(), '_', '-');
  return out;
}

// The section that the line begins; nothing if it begins none.
bool begins_section(std::string_view line, std::string& section) {
  line = trimmed(line.substr(0, comment_begin(line)));
  if (line.size() < 2 || line.front() != '[' || line.back() != ']') return false;
  section = with_dashes(trimmed(line.substr(1, line.size() - 2)));
  return true;
}

// Whether the line sets the key of the present section.
bool sets(std::string_view line, std::string_view key) {
  const size_t equals = line.find('=');
  if (equals == std::string_view::npos) return false;
  std::string_view name = trimmed(line.substr(0, equals));
  const bool is_quoted = name.size() >= 2 && name.front() == name.back() && (name[0] == '"' || name[0] == '\'');
  if (is_quoted) name = name.substr(1, name.size() - 2);
  return with_dashes(name) == key;
}

// "a.b.c" in "a.b" and "c"; the first is empty outside of sections.
std::pair<std::string, std::string> split_name(const std::string& name) {
  const size_t dot = name.rfind('.');
  if (dot == std::string::npos) return {"", name};
  return {name.substr(0, dot), name.substr(dot + 1)};
}

}  // namespace

bool has_value(const std::string& toml, const std::string& name) {
  const auto [wanted, key] = split_name(name);
  std::string section;
  for (const auto& line : lines_of(toml)) {
    if (!begins_section(line, section) && section == wanted && sets(line, key)) return true;
  }
  return false;
}

std::string with_value(const std::string& toml, const std::string& name, const std::string& value) {
  const auto [wanted, key] = split_name(name);
  auto lines = lines_of(toml);
  std::string section;
  // Behind the last line of the section that is not empty; what stands outside of sections is always there.
  bool has_section = wanted.empty();
  size_t end = 0;
  for (size_t i = 0; i < lines.size(); ++i) {
    const bool is_head = begins_section(lines[i], section);
    if (section != wanted) continue;
    has_section = true;
    if (!is_head && sets(lines[i], key)) {
      const std::string comment = lines[i].substr(comment_begin(lines[i]));
      lines[i] = key + " = " + value + (comment.empty() ? "" : "  " + comment);
      std::string out;
      for (const auto& line : lines) out += line + "\n";
      return out;
    }
    if (!trimmed(lines[i]).empty()) end = i + 1;
  }
  const std::string line = key + " = " + value;
  if (has_section) {
    lines.insert(lines.begin() + static_cast<std::ptrdiff_t>(end), line);
  } else {
    if (!lines.empty()) lines.emplace_back();
    lines.push_back("[" + wanted + "]");
    lines.push_back(line);
  }
  std::string out;
  for (const auto& one : lines) out += one + "\n";
  return out;
}

}  // namespace cairn::config
