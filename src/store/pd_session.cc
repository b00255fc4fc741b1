#include "store/pd_session.h"

#include <algorithm>
#include <utility>

#include "base/log.h"

namespace cairn::store {
namespace {

Timestamp timestamp_of(const pdpb::TsoResponse& response) {
  const auto& ts = response.timestamp();
  return Timestamp::compose(static_cast<uint64_t>(ts.physical()), static_cast<uint64_t>(ts.logical()));
}

}  // namespace

PdSession::PdSession(Shared& shared, std::shared_ptr<runtime::Executor> executor, Hooks hooks)
    : shared_(shared),
      executor_(std::move(executor)),
      hooks_(std::move(hooks)),
      started_at_s_(shared.deps.clock.wall_now().seconds()) {}

PdSession::~PdSession() = default;

void PdSession::log_failure(const std::string& what, const std::string& why) { LOG_WARN("PD: {}: {}", what, why); }

pdpb::RequestHeader PdSession::header() const {
  pdpb::RequestHeader header;
  header.set_cluster_id(shared_.cluster.value);
  header.set_sender_id(shared_.store.value);
  return header;
}

metapb::Store PdSession::store_record(EngineLabel engine) const {
  const auto& o = options_;
  metapb::Store store;
  store.set_id(shared_.store.value);
  store.set_address(o.address);
  store.set_peer_address(o.peer_address);
  store.set_status_address(o.status_address);
  store.set_version(o.version);
  store.set_git_hash(o.git_hash);
  store.set_deploy_path(o.deploy_path);
  store.set_start_timestamp(static_cast<int64_t>(started_at_s_));
  for (const auto& [key, value] : o.labels) {
    if (key == replica::kEngineLabel) continue;  // nobody's to choose
    auto& label = *store.add_labels();
    label.set_key(key);
    label.set_value(value);
  }
  if (engine != EngineLabel::kNot && o.tells_engine) {
    auto& label = *store.add_labels();
    label.set_key(std::string(replica::kEngineLabel));
    if (engine == EngineLabel::kTold) label.set_value(std::string(replica::kEngineOfOurs));
  }
  return store;
}

void PdSession::begin() {
  last_heartbeat_s_ = started_at_s_;
  open_stream();
  send_store_heartbeat();
  poll_safe_point();
  compare_clocks();
}

// Where PD's clock stands is known from its timestamps.
void PdSession::compare_clocks() {
  if (stopped_) return;
  if (!fetching_ts_) fetch_timestamp();
  clock_timer_ = executor_->after(options_.max_ts_sync_interval, [this] { compare_clocks(); });
}

void PdSession::stop() {
  stopped_ = true;
  executor_->cancel(stream_timer_);
  executor_->cancel(store_timer_);
  executor_->cancel(tso_timer_);
  executor_->cancel(safe_point_timer_);
  executor_->cancel(clock_timer_);
  executor_->cancel(stores_timer_);
  waiting_for_ts_.clear();
  stream_.reset();
}

void PdSession::open_stream() {
  if (stopped_) return;
  uint64_t number = ++stream_number_;
  auto weak = weak_from_this();
  api::RegionHeartbeatSink sink;
  sink.on_response = [weak](pdpb::RegionHeartbeatResponse response) {
    if (auto self = weak.lock()) self->hooks_.on_command(std::move(response));
  };
  sink.on_closed = [weak, number](api::Status status) {
    auto self = weak.lock();
    if (!self) return;
    self->executor_->post([weak, number, status] {
      if (auto alive = weak.lock()) alive->on_stream_closed(number, status);
    });
  };
  stream_ = shared_.deps.pd.open_region_heartbeat(std::move(sink));
  if (was_away_) send_store_heartbeat();  // its answer shows that PD is back
}

void PdSession::on_stream_closed(uint64_t number, const api::Status& status) {
  if (stopped_ || number != stream_number_) return;
  LOG_INFO("PD: the stream of region heartbeats ended: {}", status.message);
  stream_.reset();
  was_away_ = true;
  stream_timer_ = executor_->after(options_.pd_retry_delay, [this] { open_stream(); });
}

void PdSession::heartbeat(pdpb::RegionHeartbeatRequest request) {
  executor_->post([self = shared_from_this(), request = std::move(request)]() mutable {
    if (self->stopped_ || !self->stream_) return;  // a later heartbeat will tell
    *request.mutable_header() = self->header();
    self->stream_->send(std::move(request));
  });
}

void PdSession::on_store_heartbeat_answered() {
  if (stopped_ || !stream_ || !was_away_) return;
  was_away_ = false;
  hooks_.on_reconnected();
}

void PdSession::send_store_heartbeat() {
  if (stopped_) return;
  executor_->cancel(store_timer_);
  store_timer_ = executor_->after(options_.store_heartbeat_interval, [this] { send_store_heartbeat(); });
  pdpb::StoreHeartbeatRequest request;
  *request.mutable_header() = header();
  auto& stats = *request.mutable_stats();
  auto space = shared_.deps.kv.space();
  stats.set_store_id(shared_.store.value);
  stats.set_capacity(space.capacity);
  stats.set_available(space.available);
  stats.set_used_size(space.used + shared_.deps.raft_log.used_bytes());
  stats.set_region_count(static_cast<uint32_t>(hooks_.region_count()));
  stats.set_start_time(static_cast<uint32_t>(started_at_s_));
  stats.set_is_busy(shared_.deps.kv.is_write_stalled());
  const auto& counters = shared_.counters;
  stats.set_sending_snap_count(static_cast<uint32_t>(counters.snapshots_sending));
  stats.set_receiving_snap_count(static_cast<uint32_t>(counters.snapshots_receiving));
  stats.set_applying_snap_count(static_cast<uint32_t>(counters.snapshots_applying));
  uint64_t bytes = counters.bytes_written, keys = counters.keys_written;
  stats.set_bytes_written(bytes - std::exchange(last_bytes_written_, bytes));
  stats.set_keys_written(keys - std::exchange(last_keys_written_, keys));
  uint64_t now_s = shared_.deps.clock.wall_now().seconds();
  stats.mutable_interval()->set_start_timestamp(last_heartbeat_s_);
  stats.mutable_interval()->set_end_timestamp(std::max(now_s, last_heartbeat_s_));
  last_heartbeat_s_ = now_s;
  stats.set_slow_score(static_cast<uint64_t>(shared_.slow_score()));
  stats.set_is_stopping(shared_.departing);
  ask_for_stores();
  auto weak = weak_from_this();
  shared_.deps.pd.store_heartbeat(api::make_call<pdpb::StoreHeartbeatRequest, pdpb::StoreHeartbeatResponse>(
      std::move(request), [weak](api::Reply<pdpb::StoreHeartbeatResponse> reply) {
        auto self = weak.lock();
        if (!self) return;
        if (!reply.ok()) {
          log_failure("StoreHeartbeat", reply.error().message);
        } else if (reply->header().error().type() == pdpb::STORE_TOMBSTONE) {
          self->shared_.deps.on_fatal({StoreError::Kind::kRefusedByPd, reply->header().error().message()});
        } else if (reply->header().error().type() != pdpb::OK) {
          log_failure("StoreHeartbeat", reply->header().error().message());
        } else {
          self->executor_->post([self] { self->on_store_heartbeat_answered(); });
        }
      }));
}

void PdSession::sync_max_ts(Shared::OnTimestamp done) {
  executor_->post([self = shared_from_this(), job = std::move(done)]() mutable {
    if (self->stopped_) return;
    self->waiting_for_ts_.push_back(std::move(job));
    if (!self->fetching_ts_) self->fetch_timestamp();
  });
}

void PdSession::fetch_timestamp() {
  if (stopped_) return;
  fetching_ts_ = true;
  pdpb::TsoRequest request;
  *request.mutable_header() = header();
  request.set_count(1);
  // Only those who ask before the timestamp is fetched may rest on it.
  auto waiting = std::make_shared<std::vector<Shared::OnTimestamp>>(std::exchange(waiting_for_ts_, {}));
  auto weak = weak_from_this();
  shared_.deps.pd.tso(api::make_call<pdpb::TsoRequest, pdpb::TsoResponse>(
      std::move(request), [weak, waiting](api::Reply<pdpb::TsoResponse> reply) {
        auto self = weak.lock();
        if (!self) return;
        auto* session = self.get();
        session->executor_->post([self = std::move(self), waiting, reply = std::move(reply)]() mutable {
          self->fetching_ts_ = false;
          if (self->stopped_) return;
          if (reply.ok() && reply->header().error().type() == pdpb::OK) {
            const Timestamp ts = timestamp_of(*reply);
            self->shared_.concurrency.learn_tso(ts, self->shared_.deps.clock.now(), self->options_.max_ts_drift);
            self->shared_.concurrency.update_max_ts(ts);
            for (auto& job : *waiting) job(ts);
            if (!self->waiting_for_ts_.empty()) self->fetch_timestamp();
            return;
          }
          log_failure("Tso", reply.ok() ? reply->header().error().message() : reply.error().message);
          for (auto& job : *waiting) self->waiting_for_ts_.push_back(std::move(job));
          self->fetching_ts_ = true;
          auto again = [session = self.get()] { session->fetch_timestamp(); };
          self->tso_timer_ = self->executor_->after(self->options_.pd_retry_delay / 4, again);
        });
      }));
}

void PdSession::poll_safe_point() {
  if (stopped_) return;
  safe_point_timer_ = executor_->after(options_.gc.poll_interval, [this] { poll_safe_point(); });
  pdpb::GetGCSafePointRequest request;
  *request.mutable_header() = header();
  auto weak = weak_from_this();
  shared_.deps.pd.get_gc_safe_point(api::make_call<pdpb::GetGCSafePointRequest, pdpb::GetGCSafePointResponse>(
      std::move(request), [weak](api::Reply<pdpb::GetGCSafePointResponse> reply) {
        auto self = weak.lock();
        if (!self) return;
        if (!reply.ok() || reply->header().error().type() != pdpb::OK) {
          return log_failure("GetGCSafePoint", reply.ok() ? reply->header().error().message() : reply.error().message);
        }
        auto* session = self.get();
        session->executor_->post([self = std::move(self), safe_point = Timestamp(reply->safe_point())] {
          if (!self->stopped_) self->hooks_.on_safe_point(safe_point);
        });
      }));
}

runtime::Task<Result<Timestamp, std::string>> PdSession::timestamps(uint32_t count) {
  if (stopped_) co_return Err(std::string("the store is stopping"));
  pdpb::TsoRequest request;
  request.set_count(count);
  auto reply = co_await call<pdpb::TsoRequest, pdpb::TsoResponse>(std::move(request), &api::Pd::tso);
  if (!reply.ok()) co_return Err(reply.error().message);
  if (reply->header().error().type() != pdpb::OK) co_return Err(reply->header().error().message());
  if (reply->count() != count) co_return Err(fmt::format("PD gave {} timestamps of {}", reply->count(), count));
  const Timestamp last = timestamp_of(*reply);
  shared_.concurrency.learn_tso(last, shared_.deps.clock.now(), options_.max_ts_drift);
  co_return last;
}

void PdSession::look_up(RegionId region) {
  pdpb::GetRegionByIDRequest request;
  *request.mutable_header() = header();
  request.set_region_id(region.value);
  auto weak = weak_from_this();
  shared_.deps.pd.get_region_by_id(api::make_call<pdpb::GetRegionByIDRequest, pdpb::GetRegionResponse>(
      std::move(request), [weak](api::Reply<pdpb::GetRegionResponse> reply) {
        auto self = weak.lock();
        if (self && reply.ok() && reply->has_region())
          self->hooks_.on_region_found(std::move(*reply->mutable_region()));
      }));
}

void PdSession::learn_stores(const pdpb::GetAllStoresResponse& all) {
  replica::KnownStores known = *stores_;
  bool is_news = false;
  for (const auto& store : all.stores()) {
    if (!known.learn(store)) continue;
    is_news = true;
    if (!known.is_ours(StoreId(store.id())) && store.id() != shared_.store.value) {
      LOG_INFO("store {} at {} counts as TiKV: it does not say that it is of Cairn", store.id(), store.address());
    }
  }
  is_news = known.learn_own(shared_.store) || is_news;  // whatever PD keeps of it
  if (is_news) set_stores(std::move(known));
}

void PdSession::set_stores(replica::KnownStores stores) {
  stores_ = std::make_shared<const replica::KnownStores>(std::move(stores));
  hooks_.on_stores(stores_);
}

void PdSession::look_for(StoreId store) {
  executor_->post([self = shared_from_this(), store] {
    if (self->stopped_ || self->stores_->is_known(store)) return;
    replica::KnownStores known = *self->stores_;
    known.learn_unknown(store);
    self->set_stores(std::move(known));
    self->must_ask_again_ = self->asking_for_stores_;
    self->ask_for_stores();
  });
}

void PdSession::ask_for_stores() {
  if (stopped_ || asking_for_stores_) return;
  asking_for_stores_ = true;
  executor_->cancel(stores_timer_);
  pdpb::GetAllStoresRequest request;
  *request.mutable_header() = header();
  auto weak = weak_from_this();
  shared_.deps.pd.get_all_stores(api::make_call<pdpb::GetAllStoresRequest, pdpb::GetAllStoresResponse>(
      std::move(request), [weak](api::Reply<pdpb::GetAllStoresResponse> reply) {
        auto self = weak.lock();
        if (!self) return;
        auto* session = self.get();
        session->executor_->post([self = std::move(self), reply = std::move(reply)] {
          self->asking_for_stores_ = false;
          if (self->stopped_) return;
          const bool is_answered = reply.ok() && reply->header().error().type() == pdpb::OK;
          if (is_answered) self->learn_stores(*reply);
          if (std::exchange(self->must_ask_again_, false)) return self->ask_for_stores();
          if (is_answered) return;
          log_failure("GetAllStores", reply.ok() ? reply->header().error().message() : reply.error().message);
          auto again = [session = self.get()] { session->ask_for_stores(); };
          self->stores_timer_ = self->executor_->after(self->options_.pd_retry_delay, again);
        });
      }));
}

runtime::Task<Result<pdpb::AskBatchSplitResponse, std::string>> PdSession::ask_split(metapb::Region region,
                                                                                     uint32_t count) {
  pdpb::AskBatchSplitRequest request;
  *request.mutable_region() = std::move(region);
  request.set_split_count(count);
  auto reply = co_await call<pdpb::AskBatchSplitRequest, pdpb::AskBatchSplitResponse>(std::move(request),
                                                                                      &api::Pd::ask_batch_split);
  if (!reply.ok()) co_return Err(reply.error().message);
  if (reply->header().error().type() != pdpb::OK) co_return Err(reply->header().error().message());
  if (static_cast<uint32_t>(reply->ids_size()) != count) co_return Err(std::string("PD gave too few ids"));
  co_return std::move(*reply);
}

}  // namespace cairn::store
