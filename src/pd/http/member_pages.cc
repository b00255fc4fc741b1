// The members of PD's group.
#include "pd/http/pages.h"

namespace cairn::pd {
namespace {

Json member_json(const HttpParts& parts, const MemberInfo& member) {
  Json out;
  out["name"] = member.name;
  out["member_id"] = member.id;
  out["peer_urls"] = member.peer_urls;
  out["client_urls"] = member.client_urls;
  if (member.id == parts.options.member_id && !parts.options.deploy_path.empty()) {
    out["deploy_path"] = parts.options.deploy_path;
  }
  out["binary_version"] = "v" + parts.options.version;
  return out;
}

uint64_t leader_of(const HttpParts& parts) {
  return parts.leadership.is_serving() ? parts.options.member_id : parts.leadership.group().leader();
}

}  // namespace

void add_member_pages(Pages& pages) {
  pages.add("GET", "/pd/api/v1/members", Pages::Need::kLeader, [](HttpParts& parts, const auto&) {
    Json out;
    out["header"] = {{"cluster_id", parts.leadership.cluster_id()}};
    out["members"] = Json::array();
    for (const auto& member : parts.options.members) {
      const auto shown = member_json(parts, member);
      out["members"].push_back(shown);
      if (member.id != leader_of(parts)) continue;
      out["leader"] = shown;
      out["etcd_leader"] = shown;
    }
    return json_answer(out);
  });
  pages.add("GET", "/pd/api/v1/leader", Pages::Need::kLeader, [](HttpParts& parts, const auto&) {
    for (const auto& member : parts.options.members) {
      if (member.id == leader_of(parts)) return json_answer(member_json(parts, member));
    }
    return json_answer(nullptr);
  });
  // A member is taken to be well if it is this one and serves, or is the leader that this one follows.
  for (const char* path : {"/pd/api/v1/health", "/pd/health"}) {
    pages.add("GET", path, Pages::Need::kNothing, [](HttpParts& parts, const auto&) {
      Json out = Json::array();
      for (const auto& member : parts.options.members) {
        const bool is_well =
            member.id == leader_of(parts) || (member.id == parts.options.member_id && !parts.leadership.is_stopping());
        out.push_back({{"name", member.name},
                       {"member_id", member.id},
                       {"client_urls", member.client_urls},
                       {"health", is_well}});
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
