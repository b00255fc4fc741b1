// The members of PD's group.
#include "pd/http/pages.h"

namespace cairn::pd {
namespace {

Json urls_json(const google::protobuf::RepeatedPtrField<std::string>& urls) {
  return std::vector<std::string>(urls.begin(), urls.end());
}

Json member_json(const cairnpb::MemberRecord& member) {
  Json out;
  out["name"] = member.name();
  out["member_id"] = member.id();
  out["peer_urls"] = urls_json(member.peer_urls());
  out["client_urls"] = urls_json(member.client_urls());
  if (!member.deploy_path().empty()) out["deploy_path"] = member.deploy_path();
  out["binary_version"] = member.binary_version();
  return out;
}

}  // namespace

void add_member_pages(Pages& pages) {
  pages.add("GET", "/pd/api/v1/members", Pages::Need::kLeader, [](HttpParts& parts, const auto&) {
    Json out;
    out["header"] = {{"cluster_id", parts.leadership.cluster_id()}};
    out["members"] = Json::array();
    for (const auto& member : parts.members.members()) {
      const auto shown = member_json(member);
      out["members"].push_back(shown);
      if (member.id() != parts.members.leader()) continue;
      out["leader"] = shown;
      out["etcd_leader"] = shown;
    }
    return json_answer(out);
  });
  pages.add("GET", "/pd/api/v1/leader", Pages::Need::kLeader, [](HttpParts& parts, const auto&) {
    for (const auto& member : parts.members.members()) {
      if (member.id() == parts.members.leader()) return json_answer(member_json(member));
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
  // Services that run beside PD: there are none.
  pages.add("GET", "/pd/api/v2/ms/members/{service}", Pages::Need::kLeader,
            [](HttpParts&, const auto&) { return json_answer(Json::array()); });
  pages.add("GET", "/pd/api/v2/ms/primary/{service}", Pages::Need::kLeader,
            [](HttpParts&, const auto&) { return json_answer(""); });
}

}  // namespace cairn::pd
