#include "config/show.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

namespace cairn::config {
namespace {

std::string default_of(const Setting& setting) {
  if (!setting.about.default_words.empty()) return setting.about.default_words;
  return plain_text(setting.show());
}

nlohmann::json json_value(const Value& value) {
  return std::visit([](const auto& one) { return nlohmann::json(one); }, value);
}

// "a.b.c" in "a.b" and "c"; the first is empty outside of sections.
std::pair<std::string, std::string> split_name(const std::string& name) {
  const size_t dot = name.rfind('.');
  if (dot == std::string::npos) return {"", name};
  return {name.substr(0, dot), name.substr(dot + 1)};
}

// Words of the text on lines that begin with `indent` and are not much longer than a terminal's.
std::string wrapped(const std::string& text, const std::string& indent) {
  constexpr size_t kWidth = 100;
  std::string out;
  std::string line = indent;
  size_t at = 0;
  while (at < text.size()) {
    const size_t end = std::min(text.find(' ', at), text.size());
    const std::string word = text.substr(at, end - at);
    if (line.size() > indent.size() && line.size() + word.size() >= kWidth) {
      out += line + "\n";
      line = indent;
    }
    line += (line.size() > indent.size() ? " " : "") + word;
    at = end + 1;
  }
  return out + line + "\n";
}

std::string code(const std::string& text) { return text.empty() ? "" : "`" + text + "`"; }

std::string code_list(std::string_view words) {
  std::string out;
  while (!words.empty()) {
    const size_t end = std::min(words.find(' '), words.size());
    if (end > 0) out += (out.empty() ? "`" : ", `") + std::string(words.substr(0, end)) + "`";
    words.remove_prefix(std::min(end + 1, words.size()));
  }
  return out;
}

}  // namespace

std::string plain_sentence(const std::string& sentence) {
  std::string out;
  for (size_t i = 0; i < sentence.size(); ++i) {
    const char c = sentence[i];
    if (c == '`' || c == '[') continue;
    if (c != ']') {
      out += c;
    } else if (i + 1 < sentence.size() && sentence[i + 1] == '(') {
      i = std::min(sentence.find(')', i), sentence.size() - 1);  // where a link leads
    }
  }
  return out;
}

std::string help_of(const Settings& settings) {
  std::string out;
  for (const auto& setting : settings.all()) {
    out += setting.name + " (" + default_of(setting) + ")";
    if (!setting.about.flag.empty()) out += ", " + setting.about.flag.substr(0, setting.about.flag.find(','));
    out += "\n" + wrapped(plain_sentence(setting.about.sentence), "    ");
    if (!setting.range.empty()) out += "    " + setting.range + "\n";
    if (setting.about.change == Change::kWhileRunning) out += "    can be changed at run time\n";
  }
  return out;
}

std::string sample_of(const Settings& settings) {
  // What stands outside of sections comes first, as TOML has it.
  std::vector<std::pair<std::string, std::string>> sections = {{"", ""}};
  for (const auto& setting : settings.all()) {
    const auto [section, key] = split_name(setting.name);
    auto at = std::find_if(sections.begin(), sections.end(), [&](const auto& one) { return one.first == section; });
    if (at == sections.end()) at = sections.insert(sections.end(), {section, ""});
    std::string about = plain_sentence(setting.about.sentence);
    if (!setting.range.empty()) about += " (" + setting.range + ")";
    at->second += wrapped(about, "# ") + key + " = " + toml_text(setting.show()) + "\n\n";
  }
  std::string out;
  for (const auto& [section, body] : sections) out += (section.empty() ? "" : "[" + section + "]\n") + body;
  return out;
}

std::string json_of(const Settings& settings) {
  nlohmann::json out = nlohmann::json::object();
  for (const auto& setting : settings.all()) {
    nlohmann::json* at = &out;
    std::string rest = setting.name;
    for (size_t dot = rest.find('.'); dot != std::string::npos; dot = rest.find('.')) {
      at = &(*at)[rest.substr(0, dot)];
      rest.erase(0, dot + 1);
    }
    (*at)[rest] = json_value(setting.show());
  }
  // A path or a label of a flag may be no UTF-8.
  return out.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::string manual_of(const Settings& settings) {
  std::string out =
      "| key | flag | default | range | at run time | meaning |\n"
      "|---|---|---|---|---|---|\n";
  for (const auto& setting : settings.all()) {
    const bool has_words = !setting.about.default_words.empty();
    out += fmt::format("| `{}` | {} | {} | {} | {} | {} |\n", setting.name,
                       code(setting.about.flag.substr(0, setting.about.flag.find(','))),
                       has_words ? setting.about.default_words : code(default_of(setting)), setting.range,
                       setting.about.change == Change::kWhileRunning ? "yes" : "", setting.about.sentence);
  }
  for (const auto& [other, name] : settings.aliases()) {
    out += fmt::format("| `{}` | | | | | another name of `{}` |\n", other, name);
  }
  return out;
}

std::string manual_of(std::span<const UnusedNames> unused) {
  std::string out = "| section | keys | instead |\n|---|---|---|\n";
  for (const auto& group : unused) {
    out += fmt::format("| {} | {} | {} |\n", code_list(group.sections), code_list(group.names), group.instead);
  }
  return out;
}

}  // namespace cairn::config
