// Keyspaces, as PD's API v2 shows, makes and changes them.
#include "pd/http/pages.h"
#include "pd/keyspace/keyspaces.h"

namespace cairn::pd {
namespace {

constexpr auto kNeed = Pages::Need::kBootstrapped;
constexpr uint32_t kPageDefault = 100;
const std::string kRoot = "/pd/api/v2/keyspaces";

Json keyspace_json(const keyspacepb::KeyspaceMeta& keyspace) {
  Json out;
  out["id"] = keyspace.id();
  if (!keyspace.name().empty()) out["name"] = keyspace.name();
  out["state"] = keyspacepb::KeyspaceState_Name(keyspace.state());
  if (keyspace.created_at() != 0) out["created_at"] = keyspace.created_at();
  if (keyspace.state_changed_at() != 0) out["state_changed_at"] = keyspace.state_changed_at();
  for (const auto& [key, value] : std::map(keyspace.config().begin(), keyspace.config().end())) {
    out["config"][key] = value;
  }
  return out;
}

http::Response shown(const std::optional<keyspacepb::KeyspaceMeta>& keyspace) {
  return keyspace ? json_answer(keyspace_json(*keyspace)) : error_answer(500, "keyspace does not exist");
}

http::Response page_of(HttpParts& parts, const http::Request& request) {
  const auto token = go_number(request.query_value("page_token").value_or("0"));
  const auto limit = go_number(request.query_value("limit").value_or(std::to_string(kPageDefault)));
  for (const auto& number : {token, limit}) {
    if (!number.ok()) return error_answer(400, number.error());
    if (*number > kKeyspaceIdMax) return error_answer(400, "value out of range");
  }
  const auto wanted = static_cast<uint32_t>(*limit);
  auto found = list_keyspaces(parts.leadership.own(), parts.leadership.keys(), static_cast<uint32_t>(*token),
                              wanted == 0 ? 0 : wanted + 1);
  std::string next;
  if (wanted != 0 && found.size() > wanted) {
    next = std::to_string(found.back().id());
    found.pop_back();
  }
  Json keyspaces = Json::array();
  for (const auto& keyspace : found) keyspaces.push_back(keyspace_json(keyspace));
  return json_answer({{"keyspaces", std::move(keyspaces)}, {"next_page_token", next}});
}

KeyspaceService::Done answer_with(http::Responder responder) {
  auto shared = std::make_shared<http::Responder>(std::move(responder));
  return [shared](const Result<keyspacepb::KeyspaceMeta, std::string>& done) {
    shared->answer(done.ok() ? json_answer(keyspace_json(*done)) : error_answer(500, done.error()));
  };
}

void create(HttpParts& parts, const http::Request& request, http::Responder responder) {
  const auto body = parse_body(request.body);
  if (!body.is_object() || !body.contains("name") || !body["name"].is_string()) {
    return responder.answer(error_answer(400, "[PD:common:ErrBindJSON]bind JSON error: a name is needed"));
  }
  std::map<std::string, std::string> config;
  if (body.contains("config") && body["config"].is_object()) {
    for (const auto& [key, value] : body["config"].items()) {
      if (value.is_string()) config[key] = value.get<std::string>();
    }
  }
  parts.keyspaces.create(body["name"].get<std::string>(), std::move(config), answer_with(std::move(responder)));
}

void change_state(HttpParts& parts, const http::Request& request, http::Responder responder) {
  const auto body = parse_body(request.body);
  std::string name =
      body.is_object() && body.contains("state") && body["state"].is_string() ? body["state"].get<std::string>() : "";
  std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return std::toupper(c); });
  keyspacepb::KeyspaceState state{};
  if (!keyspacepb::KeyspaceState_Parse(name, &state)) {
    return responder.answer(error_answer(400, "unknown target state: " + name));
  }
  parts.keyspaces.change_state(request.params[0], state, answer_with(std::move(responder)));
}

// {"config": {"key": "value", "other": null}}: null takes a key out.
void change_config(HttpParts& parts, const http::Request& request, http::Responder responder) {
  const auto body = parse_body(request.body);
  if (!body.is_object() || !body.contains("config") || !body["config"].is_object()) {
    return responder.answer(error_answer(400, "[PD:common:ErrBindJSON]bind JSON error: a config is needed"));
  }
  if (body.contains("preconditions") && !body["preconditions"].empty()) {
    return responder.answer(error_answer(400, "preconditions are not supported"));
  }
  KeyspaceConfigChange changes;
  for (const auto& [key, value] : body["config"].items()) {
    if (!value.is_string() && !value.is_null()) {
      return responder.answer(error_answer(400, "[PD:common:ErrBindJSON]bind JSON error: values are texts"));
    }
    changes[key] = value.is_null() ? std::nullopt : std::optional(value.get<std::string>());
  }
  parts.keyspaces.change_config(request.params[0], std::move(changes), answer_with(std::move(responder)));
}

}  // namespace

void add_keyspace_pages(Pages& pages) {
  pages.add("GET", kRoot, kNeed, page_of);
  pages.add("GET", kRoot + "/{name}", kNeed, [](HttpParts& parts, const http::Request& request) {
    return shown(find_keyspace(parts.leadership.own(), parts.leadership.keys(), request.params[0]));
  });
  pages.add("GET", kRoot + "/id/{id}", kNeed, [](HttpParts& parts, const http::Request& request) {
    const auto id = go_number(request.params[0]);
    if (!id.ok() || *id > kKeyspaceIdMax) return error_answer(500, "invalid keyspace id");
    return shown(find_keyspace(parts.leadership.own(), parts.leadership.keys(), static_cast<uint32_t>(*id)));
  });
  pages.add_late("POST", kRoot, kNeed, create);
  pages.add_late("PUT", kRoot + "/{name}/state", kNeed, change_state);
  pages.add_late("PATCH", kRoot + "/{name}/config", kNeed, change_config);
}

}  // namespace cairn::pd
