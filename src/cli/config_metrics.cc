#include "cli/config_metrics.h"

#include <algorithm>
#include <optional>
#include <string>

#include "base/metrics.h"
#include "config/values.h"

namespace cairn::cli {
namespace {

std::optional<double> number_of(const config::Value& value) {
  if (const auto* number = std::get_if<uint64_t>(&value)) return static_cast<double>(*number);
  if (const auto* number = std::get_if<double>(&value)) return *number;
  if (const auto* is_on = std::get_if<bool>(&value)) return *is_on ? 1 : 0;
  const auto* text = std::get_if<std::string>(&value);
  if (text == nullptr) return std::nullopt;
  if (const auto duration = config::parse_duration(*text); duration.ok()) return to_seconds(*duration);
  if (const auto size = config::parse_size(*text); size.ok()) return static_cast<double>(*size);
  return std::nullopt;
}

// "raft-log-gc-threshold" as TiKV's labels have it.
std::string label_of(std::string name) {
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

void show(const std::string& name, double value) {
  const size_t dot = name.find('.');
  if (dot == std::string::npos) return;
  const std::string section = name.substr(0, dot);
  const std::string rest = name.substr(dot + 1);
  const char* help = "Settings";
  if (section == "raftstore") {
    metrics::gauge("tikv_config_raftstore", help, {{"name", label_of(rest)}}).set(value);
  } else if (section == "rocksdb") {
    const size_t cf = rest.find("cf.");
    if (cf == std::string::npos) {
      metrics::gauge("tikv_config_rocksdb_db", help, {{"db", "kv"}, {"name", label_of(rest)}}).set(value);
    } else {
      metrics::gauge("tikv_config_rocksdb_cf", help,
                     {{"db", "kv"}, {"cf", rest.substr(0, cf)}, {"name", label_of(rest.substr(cf + 3))}})
          .set(value);
    }
  }
}

}  // namespace

void show_settings(const config::Settings& table) {
  for (const auto& setting : table.all()) {
    if (const auto value = number_of(setting.show())) show(setting.name, *value);
  }
}

}  // namespace cairn::cli
