#include "pd/meta/watch_service.h"

#include <vector>

#include "base/check.h"

namespace cairn::pd {
namespace {

namespace etcd = etcdserverpb;
namespace meta = meta_storagepb;

constexpr Duration kProgressInterval = std::chrono::minutes(10);  // as in etcd

// etcd's client goes on elsewhere after this.
api::Status leader_changed() { return {api::Code::kUnavailable, "etcdserver: leader changed"}; }

void fill_meta(const mvccpb::KeyValue& in, meta::KeyValue& out) {
  out.set_key(in.key());
  out.set_value(in.value());
  out.set_create_revision(in.create_revision());
  out.set_mod_revision(in.mod_revision());
  out.set_version(in.version());
  out.set_lease(in.lease());
}

}  // namespace

void WatchService::open(uint64_t id, Sink sink) {
  if (leadership_.is_stopping() || !leadership_.can_serve()) return sink.close(leader_changed());
  watchers_.open(id);
  const bool is_new = streams_.emplace(id, Stream{std::move(sink)}).second;
  CHECK(is_new, "two streams of watches are named {}", id);
}

void WatchService::request(uint64_t id, const etcd::WatchRequest& request) {
  if (auto status = watchers_.request(id, request); !status.ok()) return end(id, std::move(status));
  pump(id);
}

void WatchService::room(uint64_t id) {
  auto found = streams_.find(id);
  if (found == streams_.end()) return;
  found->second.has_room = true;
  pump(id);
}

void WatchService::close(uint64_t id) {
  watchers_.close(id);
  streams_.erase(id);
}

void WatchService::on_applied() {
  for (const uint64_t id : watchers_.on_applied()) pump(id);
}

void WatchService::on_timer(Instant now) {
  if (now < next_progress_) return;
  next_progress_ = now + kProgressInterval;
  for (const uint64_t id : watchers_.on_progress_turn()) pump(id);
}

void WatchService::end(uint64_t id, api::Status status) {
  auto found = streams_.find(id);
  if (found == streams_.end()) return;
  const auto sink = std::move(found->second.sink);
  close(id);
  sink.close(std::move(status));
}

void WatchService::end() {
  std::vector<uint64_t> ids;
  for (const auto& [id, stream] : streams_) ids.push_back(id);
  for (const uint64_t id : ids) end(id, leader_changed());
}

void WatchService::pump(uint64_t id) {
  auto found = streams_.find(id);
  if (found == streams_.end() || std::exchange(found->second.is_pumping, true)) return;
  // Whoever is told may close the stream, or have room again at once.
  while (found->second.has_room) {
    auto message = watchers_.next(id);
    if (!message) break;
    auto& header = *message->mutable_header();
    header.set_cluster_id(leadership_.cluster_id());
    header.set_member_id(member_id_);
    header.set_raft_term(leadership_.group().term());
    found->second.has_room = false;
    const auto respond = found->second.sink.respond;
    respond(std::move(*message));
    found = streams_.find(id);
    if (found == streams_.end()) return;
  }
  found->second.is_pumping = false;
}

void MetaWatchService::open(uint64_t id, Sink sink) {
  streams_.emplace(id, Stream{sink});
  watches_.open(id, {.respond = [this, id](const etcd::WatchResponse& told) { respond(id, told); },
                     .close =
                         [this, id, close = sink.close](api::Status status) {
                           streams_.erase(id);
                           close(std::move(status));
                         }});
}

void MetaWatchService::request(uint64_t id, const meta::WatchRequest& request) {
  auto found = streams_.find(id);
  if (found == streams_.end()) return;
  found->second.start_revision = request.start_revision();
  etcd::WatchRequest asked;
  auto& create = *asked.mutable_create_request();
  create.set_key(request.key());
  create.set_range_end(request.range_end());
  create.set_start_revision(request.start_revision());
  create.set_prev_kv(request.prev_kv());
  watches_.request(id, asked);
}

void MetaWatchService::close(uint64_t id) {
  streams_.erase(id);
  watches_.close(id);
}

void MetaWatchService::respond(uint64_t id, const etcd::WatchResponse& told) {
  auto found = streams_.find(id);
  if (found == streams_.end()) return;
  auto& [sink, start_revision] = found->second;
  if (told.events_size() == 0 && !told.canceled()) return watches_.room(id);  // nothing in this language
  meta::WatchResponse response;
  auto& header = *response.mutable_header();
  header.set_cluster_id(leadership_.cluster_id());
  header.set_revision(told.header().revision());
  for (const auto& event : told.events()) {
    auto& out = *response.add_events();
    out.set_type(event.type() == mvccpb::Event::DELETE ? meta::Event::DELETE : meta::Event::PUT);
    fill_meta(event.kv(), *out.mutable_kv());
    if (event.has_prev_kv()) fill_meta(event.prev_kv(), *out.mutable_prev_kv());
  }
  if (!told.canceled()) return sink.respond(std::move(response));
  const bool is_compacted = told.compact_revision() != 0;
  const std::string reason =
      is_compacted ? "etcdserver: mvcc: required revision has been compacted" : told.cancel_reason();
  auto& error = *header.mutable_error();
  error.set_type(is_compacted ? meta::DATA_COMPACTED : meta::UNKNOWN);
  error.set_message(is_compacted
                        ? fmt::format("required watch revision: {} is smaller than current compact/min revision {}.",
                                      start_revision, told.compact_revision())
                        : fmt::format("watch channel meet other error {}.", reason));
  response.set_compact_revision(told.compact_revision());
  const auto end = sink;
  close(id);
  end.respond(std::move(response));
  end.close({api::Code::kUnknown, reason});
}

}  // namespace cairn::pd
