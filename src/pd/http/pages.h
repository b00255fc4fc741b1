// Pages: the HTTP API that PD's tools and SQL servers use, "/pd/api/...", as handlers that run on the node's actor. A
// file a resource adds its pages; what they show is made by pure functions of what the services hold (store_json.h,
// region_json.h, region_stats.h).
//
// As in PD: an error is a status and a JSON string, keys are in upper-case hexadecimal, and a node that does not lead
// sends the client to the one that does, but for what is about the node itself. Tests: pages_test.cc, and
// tests/interop_pd with the official client.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/time.h"
#include "http/router.h"
#include "pd/cluster/cluster_service.h"
#include "pd/cluster/region_service.h"
#include "pd/config.h"
#include "pd/gc/gc_service.h"
#include "pd/http/http_settings.h"
#include "pd/keyspace/keyspace_service.h"
#include "pd/member/leadership.h"
#include "pd/member/member_service.h"

namespace cairn::pd {

class Coordinator;

using Json = nlohmann::ordered_json;

// What the pages look at.
struct HttpParts {
  Leadership& leadership;
  const Options& options;
  MemberService& members;
  ClusterService& cluster;
  const RegionTree& regions;
  GcService& gc;
  KeyspaceService& keyspaces;
  Coordinator& coordinator;
  runtime::Executor& scan_executor;  // for answers that take long to write
  int walks = 0;                     // over many regions, under way
};

// Answers.
http::Response json_answer(const Json& body, int status = 200);
// One line without spaces, as PD writes lists of regions.
http::Response plain_json_answer(std::string body);
http::Response error_answer(int status, const std::string& words);
http::Response not_bootstrapped();

// A request's body. It is_discarded() if it is no JSON, or so deep that to copy or to show it could end the process:
// both go into it by recursion.
Json parse_body(std::string_view body);

// Forms, as Go writes them.
std::string hex_key(ByteView key);
// Nothing if it is not hexadecimal.
std::optional<Bytes> unhex_key(std::string_view hex);
std::string go_duration(Duration duration);                        // "1h2m3.5s"
std::string rfc3339(int64_t unix_ns);                              // "2024-01-02T03:04:05.5Z"
std::string byte_size(uint64_t bytes);                             // "1.5GiB"
Result<uint64_t, std::string> go_number(const std::string& text);  // the error is strconv.ParseUint's

class Pages {
 public:
  // What must hold before a page answers.
  enum class Need {
    kNothing,       // it is about this node
    kLeader,        // this node leads
    kBootstrapped,  // and the cluster is made
  };
  // On the actor.
  using Page = std::function<http::Response(HttpParts&, const http::Request&)>;
  using LatePage = std::function<void(HttpParts&, http::Request, http::Responder)>;
  // Runs a job with the parts on the actor; they outlive it.
  using OnActor = std::function<void(std::function<void(HttpParts&)>)>;

  Pages(http::Router& router, OnActor on_actor) : router_(router), on_actor_(std::move(on_actor)) {}

  void add(const std::string& method, std::string_view pattern, Need need, Page page);
  void add_late(const std::string& method, std::string_view pattern, Need need, LatePage page);
  http::Router& router() { return router_; }

 private:
  http::Router& router_;
  const OnActor on_actor_;
};

// One resource each.
void add_about_pages(Pages& pages, int64_t start_timestamp);
void add_member_pages(Pages& pages);
void add_cluster_pages(Pages& pages);
void add_store_pages(Pages& pages);
void add_region_pages(Pages& pages);
void add_config_pages(Pages& pages, HttpSettings settings);
void add_rule_pages(Pages& pages, const HttpSettings& settings);
void add_region_label_pages(Pages& pages);
void add_scheduler_pages(Pages& pages, const HttpSettings& settings);
void add_operator_pages(Pages& pages);
void add_gc_pages(Pages& pages);
void add_keyspace_pages(Pages& pages);

}  // namespace cairn::pd
