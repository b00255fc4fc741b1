// The members of PD's group.
#include "pd/http/pages.h"

namespace cairn::pd {
namespace {

Json urls_json(const google::protobuf::RepeatedPtrField<std::string>& urls) {
  return std::vector<std::string>(urls.begin(), urls.end());
}

Json member_json(const HttpParts& parts, const cairnpb::MemberRecord& member) {
  Json out;
  out["name"] = member.name();
  out["member_id"] = member.id();
  out["peer_urls"] = urls_json(member.peer_urls());
  out["client_urls"] = urls_json(member.client_urls());
  if (const auto priority = parts.members.leader_priority(member.id()); priority != 0)
    out["leader_priority"] = priority;
  if (!member.deploy_path().empty()) out["deploy_path"] = member.deploy_path();
  out["binary_version"] = member.binary_version();
  return out;
}

// Answers with these words, or with why it was not done.
template <class Req, class Resp>
void ask(HttpParts& parts, Req request, void (MemberService::*method)(api::Call<Req, Resp>), std::string words,
         http::Responder responder) {
  request.mutable_header()->set_cluster_id(parts.leadership.cluster_id());
  auto shared = std::make_shared<http::Responder>(std::move(responder));
  (parts.members.*method)(
      api::make_call<Req, Resp>(std::move(request), [shared, words = std::move(words)](const api::Reply<Resp>& reply) {
        if (!reply.ok()) return shared->answer(error_answer(503, reply.error().message));
        if (!reply->header().has_error()) return shared->answer(json_answer(words));
        const auto& why = reply->header().error().message();
        shared->answer(error_answer(why.starts_with("not found") ? 404 : 500, why));
      }));
}

void set_priority(HttpParts& parts, const http::Request& request, http::Responder responder) {
  const auto body = parse_body(request.body);
  if (!body.is_object()) return responder.answer(error_answer(400, "the body is no JSON object"));
  if (!body.contains("leader-priority")) return responder.answer(json_answer("success"));
  const auto& wanted = body["leader-priority"];
  const bool is_good = wanted.is_number_integer() && wanted >= INT32_MIN && wanted <= INT32_MAX;
  if (!is_good) return responder.answer(error_answer(400, "bad format leader priority"));
  auto shared = std::make_shared<http::Responder>(std::move(responder));
  parts.members.set_leader_priority(request.params[0], wanted.get<int32_t>(), [shared](const api::Status& status) {
    if (status.ok()) return shared->answer(json_answer("success"));
    shared->answer(error_answer(status.code == api::Code::kNotFound ? 404 : 503, status.message));
  });
}

void hand_over(HttpParts& parts, std::string to, std::string words, http::Responder responder) {
  cairnpb::TransferLeaderRequest request;
  request.set_name(std::move(to));
  ask(parts, std::move(request), &MemberService::transfer_leader, std::move(words), std::move(responder));
}

void add_changes(Pages& pages) {
  constexpr auto kNeed = Pages::Need::kLeader;
  pages.add_late("POST", "/pd/api/v1/members/name/{name}", kNeed, set_priority);
  pages.add_late("DELETE", "/pd/api/v1/members/name/{name}", kNeed,
                 [](HttpParts& parts, const http::Request& request, http::Responder responder) {
                   cairnpb::RemoveMemberRequest change;
                   change.set_name(request.params[0]);
                   ask(parts, std::move(change), &MemberService::remove_member, "removed, pd: " + request.params[0],
                       std::move(responder));
                 });
  pages.add_late("DELETE", "/pd/api/v1/members/id/{id}", kNeed,
                 [](HttpParts& parts, const http::Request& request, http::Responder responder) {
                   const auto id = go_number(request.params[0]);
                   if (!id.ok()) return responder.answer(error_answer(400, id.error()));
                   cairnpb::RemoveMemberRequest change;
                   change.set_id(*id);
                   ask(parts, std::move(change), &MemberService::remove_member, fmt::format("removed, pd: {}", *id),
                       std::move(responder));
                 });
  pages.add_late("POST", "/pd/api/v1/leader/resign", kNeed,
                 [](HttpParts& parts, const http::Request&, http::Responder responder) {
                   hand_over(parts, "", "The resign command is submitted.", std::move(responder));
                 });
  pages.add_late("POST", "/pd/api/v1/leader/transfer/{next_leader}", kNeed,
                 [](HttpParts& parts, const http::Request& request, http::Responder responder) {
                   hand_over(parts, request.params[0], "The transfer command is submitted.", std::move(responder));
                 });
}

}  // namespace

void add_member_pages(Pages& pages) {
  pages.add("GET", "/pd/api/v1/members", Pages::Need::kLeader, [](HttpParts& parts, const auto&) {
    Json out;
    out["header"] = {{"cluster_id", parts.leadership.cluster_id()}};
    out["members"] = Json::array();
    for (const auto& member : parts.members.members()) {
      const auto shown = member_json(parts, member);
      out["members"].push_back(shown);
      if (member.id() != parts.members.leader()) continue;
      out["leader"] = shown;
      out["etcd_leader"] = shown;
    }
    return json_answer(out);
  });
  pages.add("GET", "/pd/api/v1/leader", Pages::Need::kLeader, [](HttpParts& parts, const auto&) {
    for (const auto& member : parts.members.members()) {
      if (member.id() == parts.members.leader()) return json_answer(member_json(parts, member));
    }
    return json_answer(nullptr);
  });
  for (const char* path : {"/pd/api/v1/health", "/pd/health"}) {
    pages.add("GET", path, Pages::Need::kNothing, [](HttpParts& parts, const auto&) {
      Json out = Json::array();
      for (const auto& member : parts.members.members()) {
        out.push_back({{"name", member.name()},
                       {"member_id", member.id()},
                       {"client_urls", urls_json(member.client_urls())},
                       {"health", parts.members.is_well(member.id())}});
      }
      return json_answer(out);
    });
  }
  add_changes(pages);
  // Services that run beside PD: there are none.
  pages.add("GET", "/pd/api/v2/ms/members/{service}", Pages::Need::kLeader,
            [](HttpParts&, const auto&) { return json_answer(Json::array()); });
  pages.add("GET", "/pd/api/v2/ms/primary/{service}", Pages::Need::kLeader,
            [](HttpParts&, const auto&) { return json_answer(""); });
}

}  // namespace cairn::pd
