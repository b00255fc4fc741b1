// What a member says of itself: version, health, readiness. SQL servers ask for the status when they start.
#include "pd/http/pages.h"

namespace cairn::pd {

void add_about_pages(Pages& pages, int64_t start_timestamp) {
  pages.add("GET", "/pd/api/v1/status", Pages::Need::kNothing, [start_timestamp](HttpParts& parts, const auto&) {
    return json_answer({{"build_ts", "None"},
                        {"version", "v" + parts.options.version},
                        {"git_hash", "None"},
                        {"start_timestamp", start_timestamp},
                        {"kernel_type", "Classic"}});
  });
  pages.add("GET", "/pd/api/v1/version", Pages::Need::kNothing, [](HttpParts& parts, const auto&) {
    return json_answer({{"version", "v" + parts.options.version}, {"build_time", ""}, {"hash", ""}, {"branch", ""}});
  });
  for (const char* path : {"/pd/api/v1/ping", "/pd/ping"}) {
    pages.add("GET", path, Pages::Need::kNothing,
              [](HttpParts&, const auto&) { return http::Response{.headers = {}}; });
  }
  // Ready: it leads and serves, or follows a leader that it knows.
  for (const char* path : {"/ready", "/pd/api/v2/ready"}) {
    pages.add("GET", path, Pages::Need::kNothing, [](HttpParts& parts, const http::Request& request) {
      const auto& leadership = parts.leadership;
      const auto leader = leadership.group().leader();
      const bool is_ready =
          !leadership.is_stopping() && (leadership.can_serve() || (leader != 0 && leader != parts.options.member_id));
      http::Response answer{.status = is_ready ? 200 : 500, .headers = {}};
      if (request.query_value("verbose")) {
        answer.body = is_ready ? "[+]leader-promotion ok\n" : "[-]leader-promotion failed: no leader\n";
      }
      return answer;
    });
  }
}

}  // namespace cairn::pd
