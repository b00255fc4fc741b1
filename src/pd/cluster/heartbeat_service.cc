#include "pd/cluster/heartbeat_service.h"

namespace cairn::pd {

void HeartbeatService::end() {
  // Stores open their streams to the leader anew.
  auto streams = std::exchange(streams_, {});
  for (auto& [id, stream] : streams) {
    if (stream.sink.on_closed) stream.sink.on_closed(MetaGroup::not_leader());
  }
}

void HeartbeatService::open_stream(uint64_t stream, api::RegionHeartbeatSink sink) {
  if (!leadership_.is_serving() || leadership_.is_stopping()) {
    if (sink.on_closed) sink.on_closed(MetaGroup::not_leader());
    return;
  }
  streams_[stream] = {std::move(sink), {}};
}

void HeartbeatService::close_stream(uint64_t stream) {
  auto found = streams_.find(stream);
  if (found == streams_.end()) return;
  auto closed = std::move(found->second);
  streams_.erase(found);
  if (closed.sink.on_closed) closed.sink.on_closed({});
}

void HeartbeatService::region_heartbeat(uint64_t stream, pdpb::RegionHeartbeatRequest request) {
  auto found = streams_.find(stream);
  if (found == streams_.end() || !leadership_.can_serve()) return;
  const auto sink = found->second.sink;  // answering may close the stream
  const Instant begun = leadership_.clock().now();
  const uint64_t from = request.leader().store_id();
  auto refuse_report = [&](pdpb::ErrorType type, std::string message) {
    if (const auto* store = stores_.get(StoreId(from))) {
      metrics_.of_store(from, store->meta.address()).heartbeats_refused.add();
    }
    pdpb::RegionHeartbeatResponse response;
    response.mutable_header()->set_cluster_id(leadership_.cluster_id());
    response.mutable_header()->mutable_error()->set_type(type);
    response.mutable_header()->mutable_error()->set_message(std::move(message));
    response.set_region_id(request.region().id());
    response.mutable_target_peer()->CopyFrom(request.leader());
    if (sink.on_response) sink.on_response(std::move(response));
  };
  if (request.header().cluster_id() != leadership_.cluster_id()) {
    streams_.erase(found);
    if (sink.on_closed) {
      sink.on_closed(
          {api::Code::kFailedPrecondition, fmt::format("mismatch cluster id, need {} but got {}",
                                                       leadership_.cluster_id(), request.header().cluster_id())});
    }
    return;
  }
  if (!leadership_.is_bootstrapped()) return refuse_report(pdpb::NOT_BOOTSTRAPPED, "cluster is not bootstrapped");
  if (auto reason = refuse_region(request.region()); !reason.empty()) return refuse_report(pdpb::UNKNOWN, reason);
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
  auto& metrics = metrics_.of_store(store.value, known_store->meta.address());
  metrics.heartbeats.add();
  metrics_.region_updates.add();
  on_report_(regions_.by_id(region->id()), accepted->removed);
  metrics.heartbeat_time.observe(leadership_.clock().now() - begun);
}

void HeartbeatService::send_to_store(StoreId store, pdpb::RegionHeartbeatResponse response) {
  response.mutable_header()->set_cluster_id(leadership_.cluster_id());
  const auto* known = stores_.get(store);
  // The newest stream of the store: an older one is one that broke unnoticed.
  for (auto it = streams_.rbegin(); it != streams_.rend(); ++it) {
    if (it->second.store != store || !it->second.sink.on_response) continue;
    const auto sink = it->second.sink;
    if (known != nullptr) metrics_.of_store(store.value, known->meta.address()).commands.add();
    sink.on_response(std::move(response));
    return;
  }
  if (known != nullptr) metrics_.of_store(store.value, known->meta.address()).commands_lost.add();
}

}  // namespace cairn::pd
