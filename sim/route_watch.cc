#include "sim/route_watch.h"

#include <fmt/format.h>

#include <algorithm>

#include "api/pd.h"
#include "base/bytes.h"

namespace cairn::sim {

uint64_t RouteWatch::life_of_pd() const {
  const PdHost& pd = pds_.leading();
  return (pd.node().value << 48) + (static_cast<uint64_t>(pd.lives()) << 24) + pd.reigns();
}

void RouteWatch::look() {
  api::Pd* pd = pds_.leading().service();
  if (pd == nullptr) {
    hole_since_.reset();
    return;
  }
  pdpb::ScanRegionsRequest request;
  request.mutable_header()->set_cluster_id(cluster_.value);
  auto done = [weak = weak_from_this(), life = life_of_pd()](api::Reply<pdpb::ScanRegionsResponse> reply) {
    const auto self = weak.lock();
    if (self && reply.ok() && reply->header().error().type() == pdpb::OK) self->on_answer(*reply, life);
  };
  pd->scan_regions(
      api::make_call<pdpb::ScanRegionsRequest, pdpb::ScanRegionsResponse>(std::move(request), std::move(done)));
}

void RouteWatch::on_answer(const pdpb::ScanRegionsResponse& answer, uint64_t life) {
  if (life != life_of_pd()) return;
  if (life != life_) {
    life_ = life;
    epochs_.clear();
    hole_since_.reset();
  }
  std::optional<Bytes> end = "";  // of the regions so far; nothing: all is covered
  bool has_hole = false;
  // After a split PD may name a region twice: as it is, and with its former epoch for what no report covers yet.
  std::map<RegionId, std::pair<uint64_t, uint64_t>> newest;
  for (const auto& found : answer.regions()) {
    const auto& region = found.region();
    if (!end || region.start_key() < *end) {
      fail_(fmt::format("INV-REGIONS-TILE: PD's region {} begins at {}, before the one on its left ends", region.id(),
                        to_hex(region.start_key())));
    }
    has_hole |= end && region.start_key() > *end;
    end = region.end_key().empty() ? std::nullopt : std::optional<Bytes>(region.end_key());
    auto& epoch = newest[RegionId(region.id())];
    epoch = std::max(epoch, {region.region_epoch().version(), region.region_epoch().conf_ver()});
  }
  for (const auto& [id, now] : newest) {
    auto& before = epochs_[id];
    if (now.first < before.first || now.second < before.second) {
      fail_(fmt::format("INV-EPOCH-MONOTONIC: PD's region {} went from {}/{} to {}/{}", id, before.second, before.first,
                        now.second, now.first));
    }
    before = now;
  }
  is_whole_ = !has_hole && !end;
  if (is_whole_) {
    hole_since_.reset();
  } else if (!hole_since_) {
    hole_since_ = loop_.now();
  } else if (loop_.now() - *hole_since_ > hole_max_) {
    fail_(fmt::format("INV-REGIONS-TILE: PD has been without a region for some keys since {:.3f} s",
                      to_seconds(*hole_since_)));
    hole_since_.reset();
  }
}

}  // namespace cairn::sim
