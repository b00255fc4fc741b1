#include "pd/cluster/region_service.h"

#include "pd/node/node_metrics.h"

namespace cairn::pd {
namespace {

constexpr size_t kScanSlice = 1024;                     // regions between two turns of the others
constexpr uint64_t kScanBytesMax = uint64_t{64} << 20;  // of one answer
constexpr int kWideScansMax = 64;                       // of more than a slice, waiting ones included
constexpr int kQueryMax = 16'384;                       // keys and ids in one QueryRegion

template <class Region>
void fill_region(const RegionInfo& region, Region& out) {
  *out.mutable_region() = region.meta;
  if (region.leader.id() != 0) *out.mutable_leader() = region.leader;
  for (const auto& down : region.down_peers) *out.add_down_peers() = down;
  for (const auto& pending : region.pending_peers) *out.add_pending_peers() = pending;
}

}  // namespace

void RegionService::get_region(api::Call<pdpb::GetRegionRequest, pdpb::GetRegionResponse> call) {
  if (!leadership_.admit_bootstrapped(call)) return;
  const auto region = regions_.find(call.request().region_key());
  const auto& metrics = QueryMetrics::get();
  (region ? metrics.found : metrics.not_found).add();
  if (region) fill_region(*region, call.response());
  leadership_.finish(std::move(call));
}

void RegionService::get_prev_region(api::Call<pdpb::GetRegionRequest, pdpb::GetRegionResponse> call) {
  if (!leadership_.admit_bootstrapped(call)) return;
  if (auto region = regions_.find_prev(call.request().region_key())) fill_region(*region, call.response());
  leadership_.finish(std::move(call));
}

void RegionService::get_region_by_id(api::Call<pdpb::GetRegionByIDRequest, pdpb::GetRegionResponse> call) {
  if (!leadership_.admit_bootstrapped(call)) return;
  if (auto region = regions_.by_id(RegionId(call.request().region_id()))) fill_region(*region, call.response());
  leadership_.finish(std::move(call));
}

void RegionService::query_region(api::Call<pdpb::QueryRegionRequest, pdpb::QueryRegionResponse> call) {
  if (!leadership_.admit_bootstrapped(call)) return;
  const auto& request = call.request();
  if (request.keys_size() + request.prev_keys_size() + request.ids_size() > kQueryMax) {
    return call.finish({api::Code::kInvalidArgument, fmt::format("more than {} keys and ids in a query", kQueryMax)});
  }
  auto& response = call.response();
  const auto& metrics = QueryMetrics::get();
  const Instant begun = leadership_.clock().now();
  metrics.keys.add(static_cast<uint64_t>(request.keys_size()));
  metrics.prev_keys.add(static_cast<uint64_t>(request.prev_keys_size()));
  metrics.ids.add(static_cast<uint64_t>(request.ids_size()));
  uint64_t bytes = 0;
  auto note = [&](const RegionPtr& region) -> uint64_t {
    if (!region) return 0;
    auto [slot, is_new] = response.mutable_regions_by_id()->insert({region->meta.id(), pdpb::RegionResponse()});
    if (is_new) bytes += region->meta.ByteSizeLong();
    if (is_new && bytes <= kScanBytesMax) fill_region(*region, slot->second);
    return region->meta.id();
  };
  const auto timed = [&](bool is_asked, metrics::Histogram& time, const auto& look_up) {
    const Instant from = leadership_.clock().now();
    look_up();
    if (is_asked) time.observe(leadership_.clock().now() - from);
  };
  timed(request.keys_size() > 0, metrics.keys_time, [&] {
    for (const auto& key : request.keys()) response.add_key_id_map(note(regions_.find(key)));
  });
  timed(request.prev_keys_size() > 0, metrics.prev_keys_time, [&] {
    for (const auto& key : request.prev_keys()) response.add_prev_key_id_map(note(regions_.find_prev(key)));
  });
  timed(request.ids_size() > 0, metrics.ids_time, [&] {
    for (const uint64_t id : request.ids()) note(regions_.by_id(RegionId(id)));
  });
  if (bytes > kScanBytesMax) {
    return call.finish({api::Code::kResourceExhausted, "the regions do not fit into one answer: ask for fewer"});
  }
  metrics.time.observe(leadership_.clock().now() - begun);
  leadership_.finish(std::move(call));
}

void RegionService::scan_regions(api::Call<pdpb::ScanRegionsRequest, pdpb::ScanRegionsResponse> call) {
  if (!leadership_.admit_bootstrapped(call)) return;
  const auto& request = call.request();
  RegionScan scan({.ranges = {{request.start_key(), request.end_key()}},
                   .limit = request.limit(),
                   .bytes_max = kScanBytesMax / 2});  // each stands in the answer twice
  scan_for(std::move(call), std::move(scan), [](const RegionInfo& region, pdpb::ScanRegionsResponse& response) {
    fill_region(region, *response.add_regions());
    *response.add_region_metas() = region.meta;
    *response.add_leaders() = region.leader;
  });
}

void RegionService::batch_scan_regions(api::Call<pdpb::BatchScanRegionsRequest, pdpb::BatchScanRegionsResponse> call) {
  if (!leadership_.admit_bootstrapped(call)) return;
  const auto& request = call.request();
  RegionScan::Options options{
      .limit = request.limit(), .must_cover = request.contain_all_key_range(), .bytes_max = kScanBytesMax};
  for (const auto& range : request.ranges()) options.ranges.push_back({range.start_key(), range.end_key()});
  scan_for(std::move(call), RegionScan(std::move(options)),
           [](const RegionInfo& region, pdpb::BatchScanRegionsResponse& response) {
             fill_region(region, *response.add_regions());
           });
}

template <class Call, class Fill>
void RegionService::scan_for(Call call, RegionScan scan, Fill fill) {
  if (scan.step(regions_, kScanSlice)) {
    end_scan(call, scan);
    if (!call.is_pending()) return;
    for (const auto& region : scan.take()) fill(*region, call.response());
    return call.finish();
  }
  if (wide_scans_ >= kWideScansMax) {
    return call.finish({api::Code::kResourceExhausted, "too many scans of many regions at once, use a limit"});
  }
  leadership_.spawn(serve_wide_scan(std::move(call), std::move(scan), std::move(fill)));
}

template <class Call, class Fill>
runtime::Task<void> RegionService::serve_wide_scan(Call call, RegionScan scan, Fill fill) {
  ++wide_scans_;
  const uint64_t leadership = leadership_.number();  // a later one knows other regions, at first none
  co_await scan_lane_.acquire();                     // one at a time: each takes memory
  bool over = false;
  while (!over && leadership == leadership_.number()) {
    co_await others_turn(leadership_.executor());
    over = leadership == leadership_.number() && scan.step(regions_, kScanSlice);
  }
  if (over) {
    end_scan(call, scan);
  } else {
    call.finish(MetaGroup::not_leader());
  }
  if (call.is_pending()) {
    // To build and encode a large answer takes long: elsewhere.
    auto [promise, future] = runtime::one_shot<bool>();
    scan_executor_.post(
        [call = std::move(call), found = scan.take(), fill = std::move(fill), p = std::move(promise)]() mutable {
          for (const auto& region : found) fill(*region, call.response());
          call.finish();
          p.set(true);
        });
    co_await future.wait(leadership_.executor());
  }
  --wide_scans_;
  scan_lane_.release();
}

template <class Call>
void RegionService::end_scan(Call& call, const RegionScan& scan) {
  call.response().mutable_header()->set_cluster_id(leadership_.cluster_id());
  if (scan.end() == RegionScan::End::kHole) {
    leadership_.refuse(std::move(call), pdpb::REGIONS_NOT_CONTAIN_ALL_KEY_RANGE,
                       fmt::format("found regions not contain all key range, from {} to {}", to_hex(scan.hole().start),
                                   to_hex(scan.hole().end)));
  } else if (scan.end() == RegionScan::End::kTooLarge) {
    call.finish({api::Code::kResourceExhausted,
                 "the regions of the range do not fit into one answer: ask with a limit and go on from the last end"});
  }
}

std::string RegionService::refuse_split(const metapb::Region& region) const {
  const auto known = regions_.by_id(RegionId(region.id()));
  if (!known) return fmt::format("region {} not found", region.id());
  const auto& asked = region.region_epoch();
  const auto& epoch = known->meta.region_epoch();
  if (asked.version() < epoch.version() || asked.conf_ver() < epoch.conf_ver()) {
    return fmt::format("region is stale: region {} asks with version {} conf_ver {}, known are {} and {}", region.id(),
                       asked.version(), asked.conf_ver(), epoch.version(), epoch.conf_ver());
  }
  return {};
}

void RegionService::ask_split(api::Call<pdpb::AskSplitRequest, pdpb::AskSplitResponse> call) {
  if (leadership_.admit_bootstrapped(call)) leadership_.spawn(serve_ask_split(std::move(call)));
}

runtime::Task<void> RegionService::serve_ask_split(api::Call<pdpb::AskSplitRequest, pdpb::AskSplitResponse> call) {
  if (auto reason = refuse_split(call.request().region()); !reason.empty()) {
    leadership_.refuse(std::move(call), pdpb::UNKNOWN, std::move(reason));
    co_return;
  }
  const auto peers = static_cast<uint64_t>(call.request().region().peers_size());
  auto last = co_await ids_.take(peers + 1);
  if (!last.ok()) {
    call.finish(std::move(last).error());
    co_return;
  }
  uint64_t id = *last - peers;
  call.response().set_new_region_id(id);
  for (uint64_t i = 0; i < peers; ++i) call.response().add_new_peer_ids(++id);
  leadership_.finish(std::move(call));
}

void RegionService::ask_batch_split(api::Call<pdpb::AskBatchSplitRequest, pdpb::AskBatchSplitResponse> call) {
  if (leadership_.admit_bootstrapped(call)) leadership_.spawn(serve_ask_batch_split(std::move(call)));
}

runtime::Task<void> RegionService::serve_ask_batch_split(
    api::Call<pdpb::AskBatchSplitRequest, pdpb::AskBatchSplitResponse> call) {
  constexpr uint64_t kIdsMax = 1'000'000;  // beyond all reason; keeps a broken request from eating ids and memory
  const uint32_t count = call.request().split_count();
  const auto peers = static_cast<uint64_t>(call.request().region().peers_size());
  const uint64_t wanted = (peers + 1) * count;
  auto reason = refuse_split(call.request().region());
  if (reason.empty() && (wanted == 0 || wanted > kIdsMax)) {
    reason = fmt::format("invalid split count {} of a region of {} peers", count, peers);
  }
  if (!reason.empty()) {
    leadership_.refuse(std::move(call), pdpb::UNKNOWN, std::move(reason));
    co_return;
  }
  auto last = co_await ids_.take(wanted);
  if (!last.ok()) {
    call.finish(std::move(last).error());
    co_return;
  }
  uint64_t id = *last - wanted;
  for (uint32_t split = 0; split < count; ++split) {
    auto& ids = *call.response().add_ids();
    ids.set_new_region_id(++id);
    for (uint64_t i = 0; i < peers; ++i) ids.add_new_peer_ids(++id);
  }
  leadership_.finish(std::move(call));
}

// What a report of a split tells is taken in at once, if it can be; what counts is the heartbeats of the regions.
void RegionService::report_split(api::Call<pdpb::ReportSplitRequest, pdpb::ReportSplitResponse> call) {
  if (!leadership_.admit_bootstrapped(call)) return;
  const auto& left = call.request().left();
  const auto& right = call.request().right();
  if (left.end_key() != right.start_key()) {
    return leadership_.refuse(std::move(call), pdpb::UNKNOWN, "invalid split region: the two do not touch");
  }
  regions_.put_split({left, right});
  leadership_.finish(std::move(call));
}

void RegionService::report_batch_split(api::Call<pdpb::ReportBatchSplitRequest, pdpb::ReportBatchSplitResponse> call) {
  if (!leadership_.admit_bootstrapped(call)) return;
  const auto& regions = call.request().regions();
  for (int i = 0; i + 1 < regions.size(); ++i) {
    if (regions[i].end_key() != regions[i + 1].start_key()) {
      return leadership_.refuse(std::move(call), pdpb::UNKNOWN, "invalid batch split regions: two do not touch");
    }
  }
  regions_.put_split({regions.begin(), regions.end()});
  leadership_.finish(std::move(call));
}

}  // namespace cairn::pd
