// Regions: one, those of a range, of a store, in a certain state, the greatest by something. Which regions is decided
// on the actor; a list is written on the scan executor.
#include <algorithm>

#include "pd/http/region_json.h"
#include "pd/http/region_stats.h"

namespace cairn::pd {
namespace {

constexpr auto kNeed = Pages::Need::kBootstrapped;
constexpr int64_t kLimitDefault = 16;
constexpr int64_t kLimitMax = 10240;
// A longer list would take seconds and a gigabyte; it is to be asked for by key.
constexpr size_t kListMax = 200'000;

using Regions = std::vector<RegionPtr>;
using Choose = std::function<Result<Regions, http::Response>(HttpParts&, const http::Request&)>;

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

// Chooses on the actor, writes elsewhere.
void add_list(Pages& pages, std::string_view pattern, Choose choose) {
  pages.add_late(
      "GET", pattern, kNeed,
      [choose = std::move(choose)](HttpParts& parts, const http::Request& request, http::Responder responder) {
        auto chosen = choose(parts, request);
        if (!chosen.ok()) return responder.answer(std::move(chosen).error());
        if (chosen->size() > kListMax) {
          return responder.answer(
              error_answer(400, fmt::format("{} regions are too many for one answer, use /pd/api/v1/regions/key with "
                                            "key, end_key and limit",
                                            chosen->size())));
        }
        auto shared = std::make_shared<http::Responder>(std::move(responder));
        parts.scan_executor.post(
            [shared, regions = std::move(*chosen)] { shared->answer(plain_json_answer(regions_json(regions))); });
      });
}

Regions all(const HttpParts& parts) { return parts.regions.scan("", "", 0); }

Regions all_that(const HttpParts& parts, const std::function<bool(const RegionInfo&)>& is_wanted) {
  Regions out = all(parts);
  std::erase_if(out, [&](const RegionPtr& region) { return !is_wanted(*region); });
  return out;
}

void add_state(Pages& pages, const char* pattern, std::function<bool(const HttpParts&, const RegionInfo&)> is_wanted) {
  add_list(pages, pattern,
           [is_wanted = std::move(is_wanted)](HttpParts& parts, const auto&) -> Result<Regions, http::Response> {
             return all_that(parts, [&](const RegionInfo& region) { return is_wanted(parts, region); });
           });
}

// The regions with the greatest figure.
void add_top(Pages& pages, const char* pattern, std::function<uint64_t(const RegionInfo&)> figure) {
  add_list(
      pages, pattern,
      [figure = std::move(figure)](HttpParts& parts, const http::Request& request) -> Result<Regions, http::Response> {
        const auto limit = limit_of(request);
        if (!limit.ok()) return Err(error_answer(400, limit.error()));
        Regions out = all(parts);
        const auto count = std::min(out.size(), static_cast<size_t>(*limit));
        std::partial_sort(out.begin(), out.begin() + static_cast<std::ptrdiff_t>(count), out.end(),
                          [&](const RegionPtr& a, const RegionPtr& b) { return figure(*a) > figure(*b); });
        out.resize(count);
        return out;
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

Result<Regions, http::Response> regions_of_store(HttpParts& parts, const http::Request& request) {
  const auto id = go_number(request.params[0]);
  if (!id.ok()) return Err(error_answer(400, id.error()));
  const auto type = request.query_value("type").value_or("all");
  const StoreId store(*id);
  if (type == "leader") {
    return all_that(parts, [&](const RegionInfo& region) { return region.leader.store_id() == store.value; });
  }
  if (type == "learner" || type == "all" || type == "follower" || type == "pending") {
    return all_that(parts, [&](const RegionInfo& region) {
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

bool is_replicated(const HttpParts& parts, const RegionInfo& region) {
  const auto voters = std::count_if(region.meta.peers().begin(), region.meta.peers().end(),
                                    [](const auto& peer) { return peer.role() == metapb::Voter; });
  return voters == static_cast<int64_t>(parts.options.schedule.max_replicas) && region.down_peers.empty() &&
         region.pending_peers.empty() && !in_joint_state(region.meta);
}

// Whether all regions of a range have the replicas that they are to have.
http::Response replicated(HttpParts& parts, const http::Request& request) {
  const auto start = unhex_key(request.query_value("startKey").value_or(""));
  const auto end = unhex_key(request.query_value("endKey").value_or(""));
  if (!start || !end) return error_answer(400, "encoding/hex: invalid byte or odd length hex string");
  const auto regions = parts.regions.scan(*start, *end, 0);
  const bool is_done = std::all_of(regions.begin(), regions.end(),
                                   [&](const RegionPtr& region) { return is_replicated(parts, *region); });
  return json_answer(is_done ? "REPLICATED" : "INPROGRESS");
}

http::Response range_holes(HttpParts& parts, const http::Request&) {
  Json out = Json::array();
  Bytes last;
  for (const auto& region : all(parts)) {
    if (region->meta.start_key() != last) out.push_back({hex_key(last), hex_key(region->meta.start_key())});
    last = region->meta.end_key();
  }
  if (!last.empty()) out.push_back({hex_key(last), ""});
  return json_answer(out);
}

void add_states(Pages& pages) {
  add_state(pages, "/pd/api/v1/regions/check/miss-peer", [](const HttpParts& parts, const RegionInfo& region) {
    return region.meta.peers_size() < static_cast<int>(parts.options.schedule.max_replicas);
  });
  add_state(pages, "/pd/api/v1/regions/check/extra-peer", [](const HttpParts& parts, const RegionInfo& region) {
    return region.meta.peers_size() > static_cast<int>(parts.options.schedule.max_replicas);
  });
  add_state(pages, "/pd/api/v1/regions/check/pending-peer",
            [](const HttpParts&, const RegionInfo& region) { return !region.pending_peers.empty(); });
  add_state(pages, "/pd/api/v1/regions/check/down-peer",
            [](const HttpParts&, const RegionInfo& region) { return !region.down_peers.empty(); });
  add_state(pages, "/pd/api/v1/regions/check/learner-peer", [](const HttpParts&, const RegionInfo& region) {
    return std::any_of(region.meta.peers().begin(), region.meta.peers().end(),
                       [](const auto& peer) { return peer.role() == metapb::Learner; });
  });
  add_state(pages, "/pd/api/v1/regions/check/empty-region",
            [](const HttpParts&, const RegionInfo& region) { return region.approximate_mib <= 1; });
  add_state(pages, "/pd/api/v1/regions/check/offline-peer", [](const HttpParts& parts, const RegionInfo& region) {
    return std::any_of(region.meta.peers().begin(), region.meta.peers().end(), [&](const auto& peer) {
      const auto* store = parts.cluster.stores().get(StoreId(peer.store_id()));
      return store != nullptr && store->meta.state() == metapb::Offline;
    });
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
  add_list(pages, "/pd/api/v1/regions",
           [](HttpParts& parts, const auto&) -> Result<Regions, http::Response> { return all(parts); });
  add_list(pages, "/pd/api/v1/regions/key", regions_of_range);
  add_list(pages, "/pd/api/v1/regions/store/{id}", regions_of_store);
  add_list(pages, "/pd/api/v1/regions/sibling/{id}", siblings);
  pages.add("GET", "/pd/api/v1/regions/count", kNeed, [](HttpParts& parts, const auto&) {
    return json_answer({{"count", parts.regions.size()}, {"regions", nullptr}});
  });
  pages.add("GET", "/pd/api/v1/regions/replicated", kNeed, replicated);
  pages.add("GET", "/pd/api/v1/regions/range-holes", kNeed, range_holes);
  add_states(pages);
  add_tops(pages);
  // Keys come as they are, escaped.
  pages.add("GET", "/pd/api/v1/stats/region", kNeed, [](HttpParts& parts, const http::Request& request) {
    const auto start = request.query_value("start_key").value_or("");
    const auto end = request.query_value("end_key").value_or("");
    return json_answer(region_stats_json(parts.regions.scan(start, end, 0)));
  });
}

}  // namespace cairn::pd
