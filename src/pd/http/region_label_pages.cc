// Region label rules: listed, found, changed one by one or together, and the labels that they give a region.
#include "pd/http/region_labels.h"

namespace cairn::pd {
namespace {

constexpr auto kNeed = Pages::Need::kBootstrapped;

std::vector<std::string> strings_of(const Json& json) {
  std::vector<std::string> out;
  for (const auto& item : json) {
    if (item.is_string()) out.push_back(item.get<std::string>());
  }
  return out;
}

runtime::Task<void> commit(Leadership& leadership, MetaTxn writes, http::Response done,
                           std::shared_ptr<http::Responder> responder) {
  CommandResult result;
  if (writes.has_writes()) result = co_await leadership.commit(std::move(writes));
  responder->answer(result.status.ok() ? std::move(done) : error_answer(500, result.status.message));
}

void change(HttpParts& parts, const std::vector<std::string>& deletions, const std::vector<Json>& sets,
            http::Response done, http::Responder responder) {
  auto& leadership = parts.leadership;
  auto writes = change_label_rules(leadership.own(), leadership.keys(), deletions, sets);
  if (!writes.ok()) return responder.answer(error_answer(400, writes.error()));
  leadership.spawn(
      commit(leadership, std::move(*writes), std::move(done), std::make_shared<http::Responder>(std::move(responder))));
}

RegionPtr region_of(const HttpParts& parts, const http::Request& request) {
  const auto id = go_number(request.params[0]);
  return id.ok() ? parts.regions.by_id(RegionId(*id)) : nullptr;
}

void add_rules(Pages& pages) {
  pages.add("GET", "/pd/api/v1/config/region-label/rules", kNeed, [](HttpParts& parts, const auto&) {
    return json_answer(Json(list_label_rules(parts.leadership.own(), parts.leadership.keys())));
  });
  pages.add("GET", "/pd/api/v1/config/region-label/rules/ids", kNeed,
            [](HttpParts& parts, const http::Request& request) {
              const auto ids = parse_body(request.body);
              if (!ids.is_array()) return error_answer(400, "the body is no list of ids");
              Json out = Json::array();
              for (const auto& id : strings_of(ids)) {
                if (auto rule = find_label_rule(parts.leadership.own(), parts.leadership.keys(), id))
                  out.push_back(*rule);
              }
              return json_answer(out);
            });
  pages.add("GET", "/pd/api/v1/config/region-label/rule/{id...}", kNeed,
            [](HttpParts& parts, const http::Request& request) {
              const auto rule = find_label_rule(parts.leadership.own(), parts.leadership.keys(), request.params[0]);
              return rule ? json_answer(*rule) : json_answer(nullptr, 404);
            });
  pages.add_late("DELETE", "/pd/api/v1/config/region-label/rule/{id...}", kNeed,
                 [](HttpParts& parts, const http::Request& request, http::Responder responder) {
                   const auto& id = request.params[0];
                   if (!find_label_rule(parts.leadership.own(), parts.leadership.keys(), id)) {
                     return responder.answer(error_answer(
                         404, "[PD:region:ErrRegionRuleNotFound]region label rule not found for id " + id));
                   }
                   change(parts, {id}, {}, {.body = "Delete rule successfully.", .headers = {}}, std::move(responder));
                 });
}

}  // namespace

void add_region_label_pages(Pages& pages) {
  add_rules(pages);
  pages.add_late("POST", "/pd/api/v1/config/region-label/rule", kNeed,
                 [](HttpParts& parts, const http::Request& request, http::Responder responder) {
                   change(parts, {}, {parse_body(request.body)}, json_answer("Update region label rule successfully."),
                          std::move(responder));
                 });
  pages.add_late("PATCH", "/pd/api/v1/config/region-label/rules", kNeed,
                 [](HttpParts& parts, const http::Request& request, http::Responder responder) {
                   const auto patch = parse_body(request.body);
                   if (!patch.is_object()) return responder.answer(error_answer(400, "the body is no JSON object"));
                   const auto list = [&](const char* name) {
                     return patch.contains(name) && patch[name].is_array() ? patch[name] : Json::array();
                   };
                   const auto sets = list("sets");
                   change(parts, strings_of(list("deletes")), std::vector<Json>(sets.begin(), sets.end()),
                          json_answer("Update region label rules successfully."), std::move(responder));
                 });
  pages.add("GET", "/pd/api/v1/region/id/{id}/labels", kNeed, [](HttpParts& parts, const http::Request& request) {
    const auto region = region_of(parts, request);
    if (!region) return json_answer(nullptr, 404);
    Json out = Json::array();
    for (const auto& [key, value] :
         labels_of(parts.leadership.own(), parts.leadership.keys(), region->meta.start_key(), region->meta.end_key())) {
      out.push_back({{"key", key}, {"value", value}});
    }
    return json_answer(out);
  });
  pages.add("GET", "/pd/api/v1/region/id/{id}/label/{key}", kNeed, [](HttpParts& parts, const http::Request& request) {
    const auto region = region_of(parts, request);
    if (!region) return json_answer(nullptr, 404);
    for (const auto& [key, value] :
         labels_of(parts.leadership.own(), parts.leadership.keys(), region->meta.start_key(), region->meta.end_key())) {
      if (key == request.params[1]) return json_answer(value);
    }
    return json_answer("");
  });
}

}  // namespace cairn::pd
