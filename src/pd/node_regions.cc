// Region heartbeats, routing, splits.
#include "base/log.h"
#include "pd/node_core.h"

namespace cairn::pd {

void NodeCore::open_stream(uint64_t stream, api::RegionHeartbeatSink sink) {
  if (!serving_ || stopping_) {
    if (sink.on_closed) sink.on_closed(MetaGroup::not_leader());
    return;
  }
  streams_[stream] = {std::move(sink), {}};
}

void NodeCore::close_stream(uint64_t stream) {
  auto found = streams_.find(stream);
  if (found == streams_.end()) return;
  auto closed = std::move(found->second);
  streams_.erase(found);
  if (closed.sink.on_closed) closed.sink.on_closed({});
}

void NodeCore::region_heartbeat(uint64_t stream, pdpb::RegionHeartbeatRequest request) {
  auto found = streams_.find(stream);
  if (found == streams_.end() || !serving_ || !group_.is_leader()) return;
  const auto sink = found->second.sink;  // answering may close the stream
  auto refuse_report = [&](pdpb::ErrorType type, std::string message) {
    metrics_.heartbeats_stale.Increment();
    pdpb::RegionHeartbeatResponse response;
    response.mutable_header()->set_cluster_id(cluster_id_);
    response.mutable_header()->mutable_error()->set_type(type);
    response.mutable_header()->mutable_error()->set_message(std::move(message));
    response.set_region_id(request.region().id());
    response.mutable_target_peer()->CopyFrom(request.leader());
    if (sink.on_response) sink.on_response(std::move(response));
  };
  if (request.header().cluster_id() != cluster_id_) {
    streams_.erase(found);
    if (sink.on_closed) {
      sink.on_closed({api::Code::kFailedPrecondition, fmt::format("mismatch cluster id, need {} but got {}",
                                                                  cluster_id_, request.header().cluster_id())});
    }
    return;
  }
  if (!cluster_) return refuse_report(pdpb::NOT_BOOTSTRAPPED, "cluster is not bootstrapped");
  if (request.region().id() == 0) return refuse_report(pdpb::UNKNOWN, "invalid request region, zero id");
  if (request.leader().id() == 0 || request.leader().store_id() == 0) {
    return refuse_report(pdpb::UNKNOWN, fmt::format("invalid request leader of region {}", request.region().id()));
  }
  const StoreId store(request.leader().store_id());
  const auto* known_store = stores_.get(store);
  if (known_store == nullptr) return refuse_report(pdpb::UNKNOWN, Stores::no_such_store(store.value).message());
  found->second.store = store;
  auto region = make_region(request);
  auto accepted = regions_.put(region);
  if (!accepted.ok()) return refuse_report(pdpb::UNKNOWN, accepted.error());
  metrics_.heartbeats_ok.Increment();
  for (auto removed : accepted->removed) operators_.cancel(removed);
  region = regions_.by_id(region->id());
  auto cluster = view();
  check_region(region, cluster);
}

void NodeCore::send_to_store(StoreId store, pdpb::RegionHeartbeatResponse response) {
  response.mutable_header()->set_cluster_id(cluster_id_);
  // The newest stream of the store: an older one is one that broke unnoticed.
  for (auto it = streams_.rbegin(); it != streams_.rend(); ++it) {
    if (it->second.store != store || !it->second.sink.on_response) continue;
    const auto sink = it->second.sink;
    sink.on_response(std::move(response));
    return;
  }
}

template <class Region>
void NodeCore::fill_region(const RegionInfo& region, Region& out) const {
  *out.mutable_region() = region.meta;
  if (region.leader.id() != 0) *out.mutable_leader() = region.leader;
  for (const auto& down : region.down_peers) *out.add_down_peers() = down;
  for (const auto& pending : region.pending_peers) *out.add_pending_peers() = pending;
}

void NodeCore::get_region(api::Call<pdpb::GetRegionRequest, pdpb::GetRegionResponse> call) {
  if (!admit_bootstrapped(call)) return;
  if (auto region = regions_.find(call.request().region_key())) fill_region(*region, call.response());
  finish(std::move(call));
}

void NodeCore::get_prev_region(api::Call<pdpb::GetRegionRequest, pdpb::GetRegionResponse> call) {
  if (!admit_bootstrapped(call)) return;
  if (auto region = regions_.find_prev(call.request().region_key())) fill_region(*region, call.response());
  finish(std::move(call));
}

void NodeCore::get_region_by_id(api::Call<pdpb::GetRegionByIDRequest, pdpb::GetRegionResponse> call) {
  if (!admit_bootstrapped(call)) return;
  if (auto region = regions_.by_id(RegionId(call.request().region_id()))) fill_region(*region, call.response());
  finish(std::move(call));
}

void NodeCore::query_region(api::Call<pdpb::QueryRegionRequest, pdpb::QueryRegionResponse> call) {
  if (!admit_bootstrapped(call)) return;
  auto& response = call.response();
  auto note = [&](const RegionPtr& region) -> uint64_t {
    if (!region) return 0;
    auto [slot, is_new] = response.mutable_regions_by_id()->insert({region->meta.id(), pdpb::RegionResponse()});
    if (is_new) fill_region(*region, slot->second);
    return region->meta.id();
  };
  for (const auto& key : call.request().keys()) response.add_key_id_map(note(regions_.find(key)));
  for (const auto& key : call.request().prev_keys()) response.add_prev_key_id_map(note(regions_.find_prev(key)));
  for (const uint64_t id : call.request().ids()) note(regions_.by_id(RegionId(id)));
  finish(std::move(call));
}

void NodeCore::scan_regions(api::Call<pdpb::ScanRegionsRequest, pdpb::ScanRegionsResponse> call) {
  if (!admit_bootstrapped(call)) return;
  const auto& request = call.request();
  for (const auto& region : regions_.scan(request.start_key(), request.end_key(), request.limit())) {
    fill_region(*region, *call.response().add_regions());
    *call.response().add_region_metas() = region->meta;
    *call.response().add_leaders() = region->leader;
  }
  finish(std::move(call));
}

void NodeCore::batch_scan_regions(api::Call<pdpb::BatchScanRegionsRequest, pdpb::BatchScanRegionsResponse> call) {
  if (!admit_bootstrapped(call)) return;
  const auto& request = call.request();
  auto& response = call.response();
  int64_t left = request.limit() > 0 ? request.limit() : INT64_MAX;
  uint64_t last_id = 0;
  for (const auto& range : request.ranges()) {
    if (left == 0) break;
    Bytes at = range.start_key();
    bool to_the_end = false;
    // One more than may be added: the first may be the last of the range before.
    for (const auto& region : regions_.scan(range.start_key(), range.end_key(), left == INT64_MAX ? 0 : left + 1)) {
      if (request.contain_all_key_range() && region->meta.start_key() > at) break;
      at = region->meta.end_key();
      to_the_end = at.empty();
      if (region->meta.id() == last_id) continue;
      if (left == 0) break;
      last_id = region->meta.id();
      fill_region(*region, *response.add_regions());
      --left;
    }
    const bool covered = to_the_end || (!range.end_key().empty() && at >= range.end_key());
    if (request.contain_all_key_range() && !covered && left > 0) {
      response.clear_regions();
      return refuse(std::move(call), pdpb::REGIONS_NOT_CONTAIN_ALL_KEY_RANGE,
                    fmt::format("found regions not contain all key range, from {} to {}", to_hex(range.start_key()),
                                to_hex(range.end_key())));
    }
  }
  finish(std::move(call));
}

std::string NodeCore::refuse_split(const metapb::Region& region) const {
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

void NodeCore::ask_split(api::Call<pdpb::AskSplitRequest, pdpb::AskSplitResponse> call) {
  if (admit_bootstrapped(call)) spawn(serve_ask_split(std::move(call)));
}

runtime::Task<void> NodeCore::serve_ask_split(api::Call<pdpb::AskSplitRequest, pdpb::AskSplitResponse> call) {
  if (auto reason = refuse_split(call.request().region()); !reason.empty()) {
    refuse(std::move(call), pdpb::UNKNOWN, std::move(reason));
    co_return;
  }
  const auto peers = static_cast<uint64_t>(call.request().region().peers_size());
  auto last = co_await take_ids(peers + 1);
  if (!last.ok()) {
    call.finish(std::move(last).error());
    co_return;
  }
  uint64_t id = *last - peers;
  call.response().set_new_region_id(id);
  for (uint64_t i = 0; i < peers; ++i) call.response().add_new_peer_ids(++id);
  finish(std::move(call));
}

void NodeCore::ask_batch_split(api::Call<pdpb::AskBatchSplitRequest, pdpb::AskBatchSplitResponse> call) {
  if (admit_bootstrapped(call)) spawn(serve_ask_batch_split(std::move(call)));
}

runtime::Task<void> NodeCore::serve_ask_batch_split(
    api::Call<pdpb::AskBatchSplitRequest, pdpb::AskBatchSplitResponse> call) {
  constexpr uint32_t kSplitsMax = 100'000;  // beyond all reason; keeps a broken request from eating ids
  const uint32_t count = call.request().split_count();
  auto reason = refuse_split(call.request().region());
  if (reason.empty() && (count == 0 || count > kSplitsMax)) reason = fmt::format("invalid split count {}", count);
  if (!reason.empty()) {
    refuse(std::move(call), pdpb::UNKNOWN, std::move(reason));
    co_return;
  }
  const auto peers = static_cast<uint64_t>(call.request().region().peers_size());
  const uint64_t wanted = (peers + 1) * count;
  auto last = co_await take_ids(wanted);
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
  finish(std::move(call));
}

// Reports of splits are news only; what counts is the heartbeats of the regions.
void NodeCore::report_split(api::Call<pdpb::ReportSplitRequest, pdpb::ReportSplitResponse> call) {
  if (!admit_bootstrapped(call)) return;
  if (call.request().left().end_key() != call.request().right().start_key()) {
    return refuse(std::move(call), pdpb::UNKNOWN, "invalid split region: the two do not touch");
  }
  finish(std::move(call));
}

void NodeCore::report_batch_split(api::Call<pdpb::ReportBatchSplitRequest, pdpb::ReportBatchSplitResponse> call) {
  if (!admit_bootstrapped(call)) return;
  const auto& regions = call.request().regions();
  for (int i = 0; i + 1 < regions.size(); ++i) {
    if (regions[i].end_key() != regions[i + 1].start_key()) {
      return refuse(std::move(call), pdpb::UNKNOWN, "invalid batch split regions: two do not touch");
    }
  }
  finish(std::move(call));
}

}  // namespace cairn::pd
