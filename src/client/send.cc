#include "client/send.h"

#include "base/log.h"
#include "base/redact.h"

namespace cairn::client {
namespace {

// Repairs the cache as the reaction says; returns how to wait, or nothing if there is no use in trying again.
struct Apply {
  Core& core;
  Effort& effort;
  const RegionRoute& route;

  struct Next {
    Wait wait = Wait::kShort;
    Duration at_least{};
  };
  using Result = Outcome<Next>;

  Result operator()(const SwitchLeader& r) const {
    if (r.leader.id() == route.peer.id()) return Next{Wait::kShort};  // it says of itself that it is not
    core.regions.switch_leader(route.id, r.leader);
    return Next{Wait::kNo};
  }
  Result operator()(const NextPeer& r) const {
    core.regions.next_peer(route.id, PeerId(route.peer.id()));
    return Next{r.wait};
  }
  Result operator()(const Reload& r) const {
    core.regions.drop(route.id);
    return Next{r.wait};
  }
  Result operator()(const Install& r) const {
    bool is_listed = false;
    bool is_news = false;
    for (const auto& region : r.regions) {
      if (region.id() != route.id.value) {
        is_news |= core.regions.install(region, metapb::Peer());
        continue;
      }
      is_listed = true;
      if (region.region_epoch().version() < route.epoch.version() ||
          region.region_epoch().conf_ver() < route.epoch.conf_ver()) {
        return Next{Wait::kShort};  // the store lags behind
      }
      is_news |= core.regions.install(region, route.peer);
    }
    if (!is_listed) core.regions.drop(route.id);
    return Next{is_news ? Wait::kNo : Wait::kShort};
  }
  Result operator()(const SameAgain& r) const { return Next{r.wait, r.at_least}; }
  Result operator()(const Hopeless&) const { return Err(Error(Refused{effort.last_trouble()})); }
  Result operator()(const Unknown&) const {
    if (effort.effect() == Effect::kOnce) return Err(Error(Undetermined{effort.last_trouble()}));
    effort.note_lost();
    return Next{Wait::kShort};
  }
};

using PdQuestion = void (api::Pd::*)(api::Call<pdpb::GetRegionRequest, pdpb::GetRegionResponse>);

// Asks PD once and puts the answer into the cache. Nothing: PD does not know now.
runtime::Task<Outcome<std::optional<metapb::Region>>> load(CorePtr core, EffortPtr effort, Bytes key,
                                                           PdQuestion question) {
  pdpb::GetRegionRequest request;
  request.mutable_header()->set_cluster_id(core->options.cluster.value);
  request.set_region_key(key);
  const Duration timeout = std::min(core->options.try_timeout, effort->time_left(*core));
  auto reply = co_await api::ask<pdpb::GetRegionRequest, pdpb::GetRegionResponse>(
      core->deps.executor, timeout, std::move(request),
      [core, question](api::Call<pdpb::GetRegionRequest, pdpb::GetRegionResponse> call) {
        (core->deps.pd.*question)(std::move(call));
      });
  if (!reply.ok()) {
    effort->note("PD does not tell the region: " + reply.error().message);
    if (is_final(reply.error().code)) co_return Err(Error(Refused{effort->last_trouble()}));
  } else if (reply->header().has_error()) {
    effort->note("PD does not tell the region: " + reply->header().error().message());
  } else if (!reply->has_region() || reply->region().peers().empty()) {
    effort->note(fmt::format("PD knows no region for key {} yet", log::user_text(key)));
  } else {
    core->regions.install(reply->region(), reply->leader());
    co_return std::optional<metapb::Region>(reply->region());
  }
  co_return std::optional<metapb::Region>();
}

}  // namespace

runtime::Task<Outcome<RegionRoute>> locate(CorePtr core, EffortPtr effort, Bytes engine_key) {
  for (;;) {
    if (auto route = core->regions.find(engine_key)) co_return std::move(*route);
    CO_TRY_ASSIGN(const auto loaded, co_await load(core, effort, engine_key, &api::Pd::get_region));
    if (loaded && core->regions.find(engine_key)) continue;
    if (loaded) effort->note(fmt::format("PD names a region that does not hold key {}", log::user_text(engine_key)));
    if (!co_await effort->wait(core, Wait::kShort)) co_return Err(effort->exhausted());
  }
}

runtime::Task<Outcome<RegionRoute>> locate_before(CorePtr core, EffortPtr effort, Bytes engine_key_end) {
  // Without an end: from a key that is behind nearly all, walk to the last region.
  Bytes probe = engine_key_end.empty() ? Bytes(64, '\xff') : engine_key_end;
  for (;;) {
    if (auto route = core->regions.find_before(engine_key_end)) co_return std::move(*route);
    CO_TRY_ASSIGN(auto loaded, co_await load(core, effort, probe, &api::Pd::get_region));
    if (loaded && core->regions.find_before(engine_key_end)) continue;
    if (loaded && engine_key_end.empty() && !loaded->end_key().empty()) {
      probe = loaded->end_key();
      continue;
    }
    if (loaded && loaded->start_key() == engine_key_end) {
      CO_TRY_ASSIGN(loaded, co_await load(core, effort, probe, &api::Pd::get_prev_region));
      if (loaded && core->regions.find_before(engine_key_end)) continue;
    }
    if (!co_await effort->wait(core, Wait::kShort)) co_return Err(effort->exhausted());
  }
}

runtime::Task<Outcome<void>> recover(CorePtr core, EffortPtr effort, RegionRoute route, errorpb::Error error) {
  effort->note(fmt::format("region {}: {}", route.id, error.message()));
  CO_TRY_ASSIGN(const auto next, std::visit(Apply{*core, *effort, route}, react(error)));
  if (!co_await effort->wait(core, next.wait, next.at_least)) co_return Err(effort->exhausted());
  co_return Outcome<void>();
}

runtime::Task<Outcome<void>> recover(CorePtr core, EffortPtr effort, RegionRoute route, api::Status status) {
  effort->note(fmt::format("store {}: {}", route.peer.store_id(), status.message));
  if (is_final(status.code)) co_return Err(Error(Refused{effort->last_trouble()}));
  core->regions.next_peer(route.id, PeerId(route.peer.id()));
  if (effort->effect() == Effect::kOnce) co_return Err(Error(Undetermined{effort->last_trouble()}));
  effort->note_lost();
  if (!co_await effort->wait(core, Wait::kShort)) co_return Err(effort->exhausted());
  co_return Outcome<void>();
}

void fill_context(const Core& core, const RegionRoute& route, kvrpcpb::Context& context) {
  context.set_region_id(route.id.value);
  *context.mutable_region_epoch() = route.epoch;
  *context.mutable_peer() = route.peer;
  context.set_cluster_id(core.options.cluster.value);
  if (core.options.is_api_v2) context.set_api_version(kvrpcpb::APIVersion::V2);
  context.set_max_execution_duration_ms(static_cast<uint64_t>(core.options.try_timeout / std::chrono::milliseconds(1)));
}

}  // namespace cairn::client
