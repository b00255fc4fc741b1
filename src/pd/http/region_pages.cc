// Regions: one, those of a range, of a store, in a certain state, the greatest by something. The actor hands out the
// regions of a range in slices, others' turns go in between; what is looked for in them, and the answer, is made on the
// scan executor.
#include <algorithm>
#include <set>

#include "pd/cluster/region_scan.h"
#include "pd/http/region_json.h"
#include "pd/http/region_stats.h"
#include "runtime/async.h"

namespace cairn::pd {
namespace {

constexpr auto kNeed = Pages::Need::kBootstrapped;
constexpr int64_t kLimitDefault = 16;
constexpr int64_t kLimitMax = 10240;
// A longer list would take seconds and a gigabyte; it is to be asked for by key.
constexpr size_t kListMax = 200'000;
constexpr size_t kSlice = 4096;  // regions that are taken in one turn
constexpr int kWalksMax = 4;     // longer than that, at once

using Regions = std::vector<RegionPtr>;
// Which regions a page looks at, and what it answers from them, on the scan executor.
struct Walk {
  RegionScan::Range range;  // all
  std::function<http::Response(Regions)> answer;
};
using Plan = std::function<Result<Walk, http::Response>(HttpParts&, const http::Request&)>;
using Choose = std::function<Result<Regions, http::Response>(HttpParts&, const http::Request&)>;
using IsWanted = std::function<bool(const RegionInfo&)>;

Result<int64_t, std::string> limit_of(const http::Request& request, int64_t otherwise = kLimitDefault) {
  const auto text = request.query_value("limit").value_or("");
  if (text.empty()) return otherwise;
  const bool is_negative = text.front() == '-';  // no limit
  const auto number = go_number(is_negative ? text.substr(1) : text);
  if (!number.ok()) return Err(number.error());
  if (is_negative) return kLimitMax;
  return static_cast<int64_t>(std::min<uint64_t>(*number, kLimitMax));
}

// A key of the query, as it is or in hexadecimal.
Result<Bytes, std::string> key_of(const http::Request& request, const Bytes& text) {
  if (request.query_value("format") != "hex") return text;
  if (auto key = unhex_key(text)) return *key;
  return Err(std::string("encoding/hex: invalid byte or odd length hex string"));
}

http::Response no_region(const std::string& what) {
  return error_answer(404, fmt::format("[PD:region:ErrRegionNotFound]region {} not found", what));
}

http::Response one(const RegionPtr& region) { return plain_json_answer(region_json(*region).dump()); }

http::Response region_by_id(HttpParts& parts, const http::Request& request) {
  const auto id = go_number(request.params[0]);
  if (!id.ok()) return error_answer(400, id.error());
  if (*id == 0) return error_answer(400, "[PD:region:ErrRegionInvalidID]invalid region id");
  const auto region = parts.regions.by_id(RegionId(*id));
  return region ? one(region) : no_region(std::to_string(*id));
}

// The rest of the path is a key, escaped as in a query.
constexpr std::string_view kByKey = "/pd/api/v1/region/key/";

http::Response region_by_key(HttpParts& parts, const http::Request& request) {
  std::string escaped = request.path.substr(kByKey.size());
  std::replace(escaped.begin(), escaped.end(), '+', ' ');
  const auto text = http::percent_decode(escaped);
  if (!text) return error_answer(400, "invalid URL escape");
  const auto key = key_of(request, *text);
  if (!key.ok()) return error_answer(400, key.error());
  const auto region = parts.regions.find(*key);
  return region ? one(region) : no_region("%v");
}

http::Response list(const Regions& regions) {
  if (regions.size() <= kListMax) return plain_json_answer(regions_json(regions));
  return error_answer(400, fmt::format("{} regions are too many for one answer, use /pd/api/v1/regions/key with key, "
                                       "end_key and limit",
                                       regions.size()));
}

// A few, chosen on the actor.
void add_list(Pages& pages, std::string_view pattern, Choose choose) {
  pages.add_late(
      "GET", pattern, kNeed,
      [choose = std::move(choose)](HttpParts& parts, const http::Request& request, http::Responder responder) {
        auto chosen = choose(parts, request);
        if (!chosen.ok()) return responder.answer(std::move(chosen).error());
        auto shared = std::make_shared<http::Responder>(std::move(responder));
        parts.scan_executor.post([shared, regions = std::move(*chosen)] { shared->answer(list(regions)); });
      });
}

runtime::Task<void> walk(HttpParts* parts, Walk walk, std::shared_ptr<http::Responder> responder) {
  const uint64_t leadership = parts->leadership.number();  // a later one knows other regions, at first none
  RegionScan scan({.ranges = {walk.range}, .bytes_max = UINT64_MAX});
  bool is_over = scan.step(parts->regions, kSlice);
  if (!is_over && parts->walks >= kWalksMax) {
    responder->answer(error_answer(503, "too many requests look at many regions at once"));
    co_return;
  }
  ++parts->walks;
  while (!is_over && leadership == parts->leadership.number()) {
    co_await others_turn(parts->leadership.executor());
    is_over = leadership == parts->leadership.number() && scan.step(parts->regions, kSlice);
  }
  --parts->walks;
  if (!is_over) {
    responder->answer(error_answer(503, "[PD:apiutil:ErrRedirectNoLeader]redirect finds no leader"));
    co_return;
  }
  parts->scan_executor.post([responder, answer = std::move(walk.answer), regions = scan.take()]() mutable {
    responder->answer(answer(std::move(regions)));
  });
}

void add_walk(Pages& pages, std::string_view pattern, Plan plan) {
  pages.add_late("GET", pattern, kNeed,
                 [plan = std::move(plan)](HttpParts& parts, const http::Request& request, http::Responder responder) {
                   auto planned = plan(parts, request);
                   if (!planned.ok()) return responder.answer(std::move(planned).error());
                   parts.leadership.spawn(
                       walk(&parts, std::move(*planned), std::make_shared<http::Responder>(std::move(responder))));
                 });
}

Walk all_that(IsWanted is_wanted) {
  return {.range = {}, .answer = [is_wanted = std::move(is_wanted)](Regions regions) {
            std::erase_if(regions, [&](const RegionPtr& region) { return !is_wanted(*region); });
            return list(regions);
          }};
}

// `wanted` is asked on the actor.
void add_state(Pages& pages, const char* pattern, std::function<IsWanted(const HttpParts&)> wanted) {
  add_walk(pages, pattern, [wanted = std::move(wanted)](HttpParts& parts, const auto&) -> Result<Walk, http::Response> {
    return all_that(wanted(parts));
  });
}

// The regions with the greatest figure.
void add_top(Pages& pages, const char* pattern, std::function<uint64_t(const RegionInfo&)> figure) {
  add_walk(pages, pattern,
           [figure = std::move(figure)](HttpParts&, const http::Request& request) -> Result<Walk, http::Response> {
             const auto limit = limit_of(request);
             if (!limit.ok()) return Err(error_answer(400, limit.error()));
             return Walk{.range = {}, .answer = [figure, limit = *limit](Regions regions) {
                           const auto count = std::min(regions.size(), static_cast<size_t>(limit));
                           const auto last = regions.begin() + static_cast<std::ptrdiff_t>(count);
                           std::partial_sort(
                               regions.begin(), last, regions.end(),
                               [&](const RegionPtr& a, const RegionPtr& b) { return figure(*a) > figure(*b); });
                           regions.resize(count);
                           return list(regions);
                         }};
           });
}

Result<Regions, http::Response> regions_of_range(HttpParts& parts, const http::Request& request) {
  const auto start = key_of(request, request.query_value("key").value_or(""));
  const auto end = key_of(request, request.query_value("end_key").value_or(""));
  const auto limit = limit_of(request);
  if (!start.ok()) return Err(error_answer(400, start.error()));
  if (!end.ok()) return Err(error_answer(400, end.error()));
  if (!limit.ok()) return Err(error_answer(400, limit.error()));
  return *limit == 0 ? Regions() : parts.regions.scan(*start, *end, *limit);
}

Result<Walk, http::Response> regions_of_store(HttpParts&, const http::Request& request) {
  const auto id = go_number(request.params[0]);
  if (!id.ok()) return Err(error_answer(400, id.error()));
  const auto type = request.query_value("type").value_or("all");
  const StoreId store(*id);
  if (type == "leader") {
    return all_that([store](const RegionInfo& region) { return region.leader.store_id() == store.value; });
  }
  if (type == "learner" || type == "all" || type == "follower" || type == "pending") {
    return all_that([store, type](const RegionInfo& region) {
      const auto* peer = region.peer_on(store);
      if (peer == nullptr) return false;
      if (type == "learner") return peer->role() == metapb::Learner;
      if (type == "pending") return region.is_pending(peer->id());
      return type == "all" || (peer->role() != metapb::Learner && region.leader.id() != peer->id());
    });
  }
  return Err(error_answer(400, "unknown region type: " + type));
}

Result<Regions, http::Response> siblings(HttpParts& parts, const http::Request& request) {
  const auto id = go_number(request.params[0]);
  if (!id.ok()) return Err(error_answer(400, id.error()));
  const auto region = parts.regions.by_id(RegionId(*id));
  if (!region) return Err(no_region(std::to_string(*id)));
  Regions out;
  if (!region->meta.start_key().empty()) {
    if (auto before = parts.regions.find_prev(region->meta.start_key())) out.push_back(std::move(before));
  }
  if (!region->meta.end_key().empty()) {
    if (auto after = parts.regions.find(region->meta.end_key())) out.push_back(std::move(after));
  }
  return out;
}

bool is_replicated(const RegionInfo& region, uint64_t max_replicas) {
  const auto voters = std::count_if(region.meta.peers().begin(), region.meta.peers().end(),
                                    [](const auto& peer) { return peer.role() == metapb::Voter; });
  return voters == static_cast<int64_t>(max_replicas) && region.down_peers.empty() && region.pending_peers.empty() &&
         !in_joint_state(region.meta);
}

// Whether all regions of a range have the replicas that they are to have.
Result<Walk, http::Response> replicated(HttpParts& parts, const http::Request& request) {
  const auto start = unhex_key(request.query_value("startKey").value_or(""));
  const auto end = unhex_key(request.query_value("endKey").value_or(""));
  if (!start || !end) return Err(error_answer(400, "encoding/hex: invalid byte or odd length hex string"));
  return Walk{
      .range = {*start, *end}, .answer = [max_replicas = parts.options.schedule.max_replicas](const Regions& regions) {
        const bool is_done = std::all_of(regions.begin(), regions.end(),
                                         [&](const RegionPtr& region) { return is_replicated(*region, max_replicas); });
        return json_answer(is_done ? "REPLICATED" : "INPROGRESS");
      }};
}

http::Response range_holes(const Regions& regions) {
  Json out = Json::array();
  Bytes last;
  for (const auto& region : regions) {
    if (region->meta.start_key() != last) out.push_back({hex_key(last), hex_key(region->meta.start_key())});
    last = region->meta.end_key();
  }
  if (!last.empty()) out.push_back({hex_key(last), ""});
  return json_answer(out);
}

void add_states(Pages& pages) {
  add_state(pages, "/pd/api/v1/regions/check/miss-peer", [](const HttpParts& parts) -> IsWanted {
    const auto wanted = static_cast<int>(parts.options.schedule.max_replicas);
    return [wanted](const RegionInfo& region) { return region.meta.peers_size() < wanted; };
  });
  add_state(pages, "/pd/api/v1/regions/check/extra-peer", [](const HttpParts& parts) -> IsWanted {
    const auto wanted = static_cast<int>(parts.options.schedule.max_replicas);
    return [wanted](const RegionInfo& region) { return region.meta.peers_size() > wanted; };
  });
  const auto add = [&](const char* pattern, IsWanted is_wanted) {
    add_state(pages, pattern, [is_wanted = std::move(is_wanted)](const HttpParts&) { return is_wanted; });
  };
  add("/pd/api/v1/regions/check/pending-peer", [](const RegionInfo& region) { return !region.pending_peers.empty(); });
  add("/pd/api/v1/regions/check/down-peer", [](const RegionInfo& region) { return !region.down_peers.empty(); });
  add("/pd/api/v1/regions/check/learner-peer", [](const RegionInfo& region) {
    return std::any_of(region.meta.peers().begin(), region.meta.peers().end(),
                       [](const auto& peer) { return peer.role() == metapb::Learner; });
  });
  add("/pd/api/v1/regions/check/empty-region", [](const RegionInfo& region) { return region.approximate_mib <= 1; });
  add_state(pages, "/pd/api/v1/regions/check/offline-peer", [](const HttpParts& parts) -> IsWanted {
    std::set<uint64_t> offline;
    for (const auto& [id, store] : parts.cluster.stores().all()) {
      if (store.meta.state() == metapb::Offline) offline.insert(id.value);
    }
    return [offline = std::move(offline)](const RegionInfo& region) {
      return std::any_of(region.meta.peers().begin(), region.meta.peers().end(),
                         [&](const auto& peer) { return offline.contains(peer.store_id()); });
    };
  });
}

void add_tops(Pages& pages) {
  add_top(pages, "/pd/api/v1/regions/writeflow", [](const RegionInfo& region) { return region.bytes_written; });
  add_top(pages, "/pd/api/v1/regions/readflow", [](const RegionInfo& region) { return region.bytes_read; });
  add_top(pages, "/pd/api/v1/regions/confver",
          [](const RegionInfo& region) { return region.meta.region_epoch().conf_ver(); });
  add_top(pages, "/pd/api/v1/regions/version",
          [](const RegionInfo& region) { return region.meta.region_epoch().version(); });
  add_top(pages, "/pd/api/v1/regions/size", [](const RegionInfo& region) { return region.approximate_mib; });
  add_top(pages, "/pd/api/v1/regions/keys", [](const RegionInfo& region) { return region.approximate_keys; });
}

}  // namespace

void add_region_pages(Pages& pages) {
  pages.add("GET", "/pd/api/v1/region/id/{id}", kNeed, region_by_id);
  pages.add("GET", std::string(kByKey) + "{key...}", kNeed, region_by_key);
  add_walk(pages, "/pd/api/v1/regions",
           [](HttpParts&, const auto&) -> Result<Walk, http::Response> { return Walk{.range = {}, .answer = list}; });
  add_list(pages, "/pd/api/v1/regions/key", regions_of_range);
  add_walk(pages, "/pd/api/v1/regions/store/{id}", regions_of_store);
  add_list(pages, "/pd/api/v1/regions/sibling/{id}", siblings);
  pages.add("GET", "/pd/api/v1/regions/count", kNeed, [](HttpParts& parts, const auto&) {
    return json_answer({{"count", parts.regions.size()}, {"regions", nullptr}});
  });
  add_walk(pages, "/pd/api/v1/regions/replicated", replicated);
  add_walk(pages, "/pd/api/v1/regions/range-holes", [](HttpParts&, const auto&) -> Result<Walk, http::Response> {
    return Walk{.range = {}, .answer = range_holes};
  });
  add_states(pages);
  add_tops(pages);
  // Keys come as they are, escaped.
  add_walk(pages, "/pd/api/v1/stats/region",
           [](HttpParts&, const http::Request& request) -> Result<Walk, http::Response> {
             return Walk{
                 .range = {request.query_value("start_key").value_or(""), request.query_value("end_key").value_or("")},
                 .answer = [](const Regions& regions) { return json_answer(region_stats_json(regions)); }};
           });
}

}  // namespace cairn::pd
