// Placement rules. The scheduler obeys one, the default: so many voters of each region. So that one is shown, and
// changed by its count; any other is refused in words, since nobody would place by it.
#include "pd/http/pages.h"

namespace cairn::pd {
namespace {

constexpr auto kNeed = Pages::Need::kBootstrapped;
constexpr const char* kGroup = "pd";
constexpr const char* kId = "default";

Json default_rule(const HttpParts& parts) {
  return {{"group_id", kGroup},
          {"id", kId},
          {"start_key", ""},
          {"end_key", ""},
          {"role", "voter"},
          {"is_witness", false},
          {"count", parts.options.schedule.max_replicas}};
}

Json bundle(const HttpParts& parts, const std::string& group) {
  return {{"group_id", group},
          {"group_index", 0},
          {"group_override", false},
          {"rules", group == kGroup ? Json::array({default_rule(parts)}) : Json()}};
}

http::Response refuse_content(const std::string& what) {
  return error_answer(400, "[PD:placement:ErrRuleContent]invalid rule content, " + what);
}

http::Response refuse_other() {
  return refuse_content(
      "placement by other rules than pd/default, of which only the count may change, is not supported");
}

bool has_text(const Json& json, const char* name, const std::string& wanted) {
  return json.contains(name) && json[name].is_string() && json[name].get<std::string>() == wanted;
}

// The count that a rule asks for, if it is the default rule but for that.
std::optional<uint64_t> count_of(const Json& rule, const std::string& group_of_bundle = {}) {
  if (!rule.is_object() || !has_text(rule, "id", kId)) return std::nullopt;
  if (!has_text(rule, "group_id", kGroup) && group_of_bundle != kGroup) return std::nullopt;
  for (const char* name : {"start_key", "end_key", "isolation_level"}) {
    if (rule.contains(name) && !has_text(rule, name, "")) return std::nullopt;
  }
  for (const char* name : {"label_constraints", "location_labels"}) {
    if (rule.contains(name) && !rule[name].is_null() && !rule[name].empty()) return std::nullopt;
  }
  for (const char* name : {"override", "is_witness"}) {
    if (rule.contains(name) && rule[name] != false) return std::nullopt;
  }
  if (!has_text(rule, "role", "voter") || !rule.contains("count") || !rule["count"].is_number_unsigned()) {
    return std::nullopt;
  }
  return rule["count"].get<uint64_t>();
}

// What a request wants of the default rule's count; nothing: it stays.
using Wanted = Result<std::optional<uint64_t>, http::Response>;

void add_change(Pages& pages, const std::string& path, const HttpSettings& settings, const char* done,
                std::function<Wanted(const http::Request&, Json body)> judge) {
  pages.add_late("POST", path, kNeed,
                 [settings, done, judge = std::move(judge)](HttpParts& parts, const http::Request& request,
                                                            http::Responder responder) {
                   auto wanted = judge(request, parse_body(request.body));
                   if (!wanted.ok()) return responder.answer(std::move(wanted).error());
                   if (!*wanted || **wanted == parts.options.schedule.max_replicas) {
                     return responder.answer(json_answer(done));
                   }
                   auto shared = std::make_shared<http::Responder>(std::move(responder));
                   settings.change({{"replication.max-replicas", std::to_string(**wanted)}},
                                   [shared, done](const Result<void, std::string>& changed) {
                                     shared->answer(changed.ok() ? json_answer(done) : refuse_content(changed.error()));
                                   });
                 });
}

// Of a list of rules that is to be all there are: the default rule's count.
Wanted only_default(const Json& rules, const std::string& group = {}) {
  if (!rules.is_array() || rules.size() != 1) return Err(refuse_other());
  const auto count = count_of(rules[0], group);
  if (!count) return Err(refuse_other());
  return count;
}

// What a list of bundles asks for: groups without rules are as they are here.
Wanted count_of_bundles(const Json& bundles, bool is_all) {
  if (!bundles.is_array()) return Err(error_answer(400, "the body is no list of bundles"));
  std::optional<uint64_t> count;
  for (const auto& bundle : bundles) {
    if (!bundle.is_object()) return Err(error_answer(400, "the body is no list of bundles"));
    const bool is_default = has_text(bundle, "group_id", kGroup);
    const bool has_rules = bundle.contains("rules") && bundle["rules"].is_array() && !bundle["rules"].empty();
    if (!is_default && !has_rules) continue;
    if (!is_default || !has_rules) return Err(refuse_other());
    const auto wanted = only_default(bundle["rules"], kGroup);
    if (!wanted.ok()) return wanted;
    count = *wanted;
  }
  if (is_all && !count) return Err(refuse_other());
  return count;
}

void add_reads(Pages& pages) {
  pages.add("GET", "/pd/api/v1/config/rules", kNeed,
            [](HttpParts& parts, const auto&) { return json_answer(Json::array({default_rule(parts)})); });
  pages.add("GET", "/pd/api/v1/config/rules/group/{group}", kNeed, [](HttpParts& parts, const http::Request& request) {
    return json_answer(bundle(parts, request.params[0])["rules"]);
  });
  for (const char* path : {"/pd/api/v1/config/rules/region/{region}", "/pd/api/v1/config/rules/key/{key}"}) {
    pages.add("GET", path, kNeed,
              [](HttpParts& parts, const auto&) { return json_answer(Json::array({default_rule(parts)})); });
  }
  pages.add("GET", "/pd/api/v1/config/rule/{group}/{id}", kNeed, [](HttpParts& parts, const http::Request& request) {
    if (request.params[0] == kGroup && request.params[1] == kId) return json_answer(default_rule(parts));
    return error_answer(404, "[PD:placement:ErrRuleNotFound]rule not found");
  });
  pages.add("GET", "/pd/api/v1/config/rule_groups", kNeed,
            [](HttpParts&, const auto&) { return json_answer(Json::array({{{"id", kGroup}}})); });
  pages.add("GET", "/pd/api/v1/config/rule_group/{id}", kNeed, [](HttpParts&, const http::Request& request) {
    return request.params[0] == kGroup ? json_answer({{"id", kGroup}}) : json_answer(nullptr, 404);
  });
  pages.add("GET", "/pd/api/v1/config/placement-rule", kNeed,
            [](HttpParts& parts, const auto&) { return json_answer(Json::array({bundle(parts, kGroup)})); });
  pages.add(
      "GET", "/pd/api/v1/config/placement-rule/{group}", kNeed,
      [](HttpParts& parts, const http::Request& request) { return json_answer(bundle(parts, request.params[0])); });
}

void add_deletions(Pages& pages) {
  pages.add("DELETE", "/pd/api/v1/config/rule/{group}/{id}", kNeed, [](HttpParts&, const http::Request& request) {
    const bool is_default = request.params[0] == kGroup && request.params[1] == kId;
    return is_default ? refuse_content("the default rule stays") : json_answer("Delete rule successfully.");
  });
  pages.add("DELETE", "/pd/api/v1/config/rule_group/{id}", kNeed,
            [](HttpParts&, const auto&) { return json_answer("Delete rule group successfully."); });
  pages.add("DELETE", "/pd/api/v1/config/placement-rule/{group}", kNeed, [](HttpParts&, const http::Request& request) {
    if (request.query_value("regexp")) return error_answer(400, "groups are not found by regular expressions here");
    if (request.params[0] == kGroup) return refuse_content("the default rule stays");
    return json_answer("Delete group and rules successfully.");
  });
}

}  // namespace

void add_rule_pages(Pages& pages, const HttpSettings& settings) {
  add_reads(pages);
  add_deletions(pages);
  add_change(pages, "/pd/api/v1/config/rule", settings, "Update rule successfully.",
             [](const http::Request&, const Json& rule) -> Wanted {
               const auto count = count_of(rule);
               if (!count) return Err(refuse_other());
               return count;
             });
  add_change(pages, "/pd/api/v1/config/rules", settings, "Update rules successfully.",
             [](const http::Request&, const Json& rules) { return only_default(rules); });
  // Deletions of what is not there are done; the rest must be the default rule.
  add_change(pages, "/pd/api/v1/config/rules/batch", settings, "Batch operations successfully.",
             [](const http::Request&, const Json& ops) -> Wanted {
               if (!ops.is_array()) return Err(error_answer(400, "the body is no list of operations"));
               std::optional<uint64_t> count;
               for (const auto& op : ops) {
                 if (!op.is_object()) return Err(error_answer(400, "the body is no list of operations"));
                 if (has_text(op, "action", "del") && !has_text(op, "group_id", kGroup)) continue;
                 count = has_text(op, "action", "del") ? std::nullopt : count_of(op);
                 if (!count) return Err(refuse_other());
               }
               return count;
             });
  add_change(pages, "/pd/api/v1/config/rule_group", settings, "Update rule group successfully.",
             [](const http::Request&, const Json& group) -> Wanted {
               const bool is_plain = group.is_object() && has_text(group, "id", kGroup) &&
                                     (!group.contains("index") || group["index"] == 0) &&
                                     (!group.contains("override") || group["override"] == false);
               if (!is_plain) return Err(refuse_other());
               return std::optional<uint64_t>();
             });
  add_change(pages, "/pd/api/v1/config/placement-rule", settings, "Update rules and groups successfully.",
             [](const http::Request& request, const Json& bundles) {
               return count_of_bundles(bundles, !request.query_value("partial").has_value());
             });
  add_change(pages, "/pd/api/v1/config/placement-rule/{group}", settings, "Update group and rules successfully.",
             [](const http::Request& request, Json group) -> Wanted {
               if (!group.is_object()) return Err(error_answer(400, "the body is no bundle"));
               if (!group.contains("group_id") || has_text(group, "group_id", ""))
                 group["group_id"] = request.params[0];
               if (!has_text(group, "group_id", request.params[0])) {
                 return Err(error_answer(400, fmt::format("group id {} does not match request URI {}",
                                                          group["group_id"].dump(), request.params[0])));
               }
               return count_of_bundles(Json::array({group}), false);
             });
}

}  // namespace cairn::pd
