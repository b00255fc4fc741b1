#include "pd/http/region_labels.h"

#include <map>
#include <set>

namespace cairn::pd {
namespace {

Bytes prefix_of(const Keys& keys) { return keys.root() + "/region_label/"; }

std::string text(const Json& json, const char* name) {
  return json.contains(name) && json[name].is_string() ? json[name].get<std::string>() : "";
}

// Why the rule is refused, in PD's words where it has some; empty if it is taken.
std::string refuse_label(const Json& label) {
  if (!label.is_object() || text(label, "key").empty()) return "empty region label key";
  if (text(label, "value").empty()) return "empty region label value";
  if (!text(label, "ttl").empty()) return "labels that end by themselves (ttl) are not supported";
  const auto key = text(label, "key");
  const auto value = text(label, "value");
  if (key == "schedule" && value != "allow") return "schedule=" + value + " is not supported: nothing would go by it";
  return {};
}

std::string refuse_range(const Json& range) {
  const auto start = range.is_object() ? unhex_key(text(range, "start_key")) : std::nullopt;
  const auto end = range.is_object() ? unhex_key(text(range, "end_key")) : std::nullopt;
  if (!start || !end) return "a key range needs start_key and end_key in hexadecimal";
  if (!end->empty() && *end <= *start) return "endKey should be greater than startKey";
  return {};
}

std::string refuse_rule(const Json& rule) {
  if (!rule.is_object() || text(rule, "id").empty()) return "empty rule id";
  if (!rule.contains("labels") || !rule["labels"].is_array() || rule["labels"].empty()) return "no region labels";
  for (const auto& label : rule["labels"]) {
    if (auto why = refuse_label(label); !why.empty()) return why;
  }
  if (text(rule, "rule_type") != "key-range") return "invalid rule type: " + text(rule, "rule_type");
  if (!rule.contains("data") || !rule["data"].is_array() || rule["data"].empty()) return "no key ranges";
  for (const auto& range : rule["data"]) {
    if (auto why = refuse_range(range); !why.empty()) return why;
  }
  return {};
}

// The rule as it is kept and shown.
Json shown(const Json& rule) {
  Json out;
  out["id"] = rule["id"];
  out["index"] = rule.contains("index") && rule["index"].is_number_integer() ? rule["index"] : Json(0);
  out["labels"] = Json::array();
  for (const auto& label : rule["labels"]) out["labels"].push_back({{"key", label["key"]}, {"value", label["value"]}});
  out["rule_type"] = rule["rule_type"];
  out["data"] = Json::array();
  for (const auto& range : rule["data"]) {
    out["data"].push_back({{"start_key", text(range, "start_key")}, {"end_key", text(range, "end_key")}});
  }
  return out;
}

}  // namespace

std::optional<Json> find_label_rule(const OwnRecords& records, const Keys& keys, const std::string& id) {
  const auto value = records.value(prefix_of(keys) + id);
  if (!value) return std::nullopt;
  auto rule = Json::parse(*value, nullptr, false);
  return rule.is_object() ? std::optional(std::move(rule)) : std::nullopt;
}

std::vector<Json> list_label_rules(const OwnRecords& records, const Keys& keys) {
  std::vector<Json> out;
  records.scan_prefix(prefix_of(keys), [&](ByteView, ByteView value) {
    auto rule = Json::parse(value, nullptr, false);
    if (rule.is_object()) out.push_back(std::move(rule));
  });
  return out;
}

std::vector<std::pair<std::string, std::string>> labels_of(const OwnRecords& records, const Keys& keys, ByteView start,
                                                           ByteView end) {
  struct Chosen {
    int64_t index = 0;
    std::string value;
  };
  std::map<std::string, Chosen> chosen;
  for (const auto& rule : list_label_rules(records, keys)) {
    bool covers = false;
    for (const auto& range : rule["data"]) {
      const auto from = unhex_key(text(range, "start_key")).value_or("");
      const auto to = unhex_key(text(range, "end_key")).value_or("");
      covers = covers || (from <= start && (to.empty() || (!end.empty() && end <= to)));
    }
    if (!covers) continue;
    const auto index = rule["index"].get<int64_t>();
    for (const auto& label : rule["labels"]) {
      auto [at, is_new] = chosen.try_emplace(text(label, "key"), Chosen{index, text(label, "value")});
      if (!is_new && at->second.index < index) at->second = {index, text(label, "value")};
    }
  }
  std::vector<std::pair<std::string, std::string>> out;
  for (auto& [key, label] : chosen) out.emplace_back(key, std::move(label.value));
  return out;
}

Result<MetaTxn, std::string> change_label_rules(const OwnRecords& records, const Keys& keys,
                                                const std::vector<std::string>& deletions,
                                                const std::vector<Json>& sets) {
  MetaTxn writes;
  std::set<std::string> ids;
  records.scan_prefix(prefix_of(keys),
                      [&](ByteView key, ByteView) { ids.emplace(key.substr(prefix_of(keys).size())); });
  for (const auto& id : deletions) {
    if (ids.erase(id) > 0) writes.del(prefix_of(keys) + id);
  }
  for (const auto& rule : sets) {
    if (const auto why = refuse_rule(rule); !why.empty()) return Err("invalid region rule content, " + why);
    const auto kept = shown(rule);
    const Bytes value = kept.dump(-1, ' ', false, Json::error_handler_t::replace);
    if (value.size() > kLabelRuleBytesMax) return Err(std::string("invalid region rule content, it is too large"));
    const auto id = text(kept, "id");
    ids.insert(id);
    writes.put(prefix_of(keys) + id, value);
  }
  if (ids.size() > kLabelRulesMax) return Err(fmt::format("more than {} region label rules", kLabelRulesMax));
  return writes;
}

}  // namespace cairn::pd
