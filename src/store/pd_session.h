// PdSession: the store's conversation with PD: identity, heartbeats of the store and its regions, timestamps, split
// ids, and PD's commands on their way to the shards. An actor with its own executor; PD may be away at any time, and
// then it tries again. Tests: store_test.cc.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <vector>

#include "api/pd.h"
#include "replica/known_stores.h"
#include "runtime/async.h"
#include "store/shared.h"

namespace cairn::store {

class PdSession : public std::enable_shared_from_this<PdSession> {
 public:
  using OnCommand = std::function<void(pdpb::RegionHeartbeatResponse)>;
  using OnRegionFound = std::function<void(metapb::Region)>;
  struct Hooks {
    OnCommand on_command;                  // any thread
    OnRegionFound on_region_found;         // the session's executor
    std::function<void()> on_reconnected;  // PD was away and answers again; the executor
    std::function<uint64_t()> region_count;
    std::function<void(Timestamp)> on_safe_point;  // of garbage collection, as often as PD is asked; the executor
    std::function<void(std::shared_ptr<const replica::KnownStores>)> on_stores;  // there is news; the executor
  };
  PdSession(Shared& shared, std::shared_ptr<runtime::Executor> executor, Hooks hooks);
  ~PdSession();

  runtime::Executor& executor() { return *executor_; }

  // Calls, on the executor. `send` is a method of api::Pd.
  template <class Req, class Resp>
  runtime::Task<api::Reply<Resp>> call(Req request, void (api::Pd::*method)(api::Call<Req, Resp>)) {
    *request.mutable_header() = header();
    auto* pd = &shared_.deps.pd;
    auto send = [pd, method](api::Call<Req, Resp> one) { (pd->*method)(std::move(one)); };
    return api::ask<Req, Resp>(*executor_, options_.pd_timeout, std::move(request), send);
  }
  // The same, again and again until PD answers without a header error, or the store stops (then the last failure).
  template <class Req, class Resp>
  runtime::Task<api::Reply<Resp>> insist(Req request, void (api::Pd::*method)(api::Call<Req, Resp>)) {
    while (true) {
      auto reply = co_await call<Req, Resp>(request, method);
      if (reply.ok() && reply->header().error().type() == pdpb::OK) co_return std::move(reply);
      log_failure(Req::descriptor()->name(), reply.ok() ? reply->header().error().message() : reply.error().message);
      if (shared_.stopping) co_return std::move(reply);
      co_await runtime::sleep(*executor_, options_.pd_retry_delay);
    }
  }
  pdpb::RequestHeader header() const;
  // kWithdrawn: without a value, by which PD forgets a label that it has.
  enum class EngineLabel : uint8_t { kTold, kNot, kWithdrawn };
  metapb::Store store_record(EngineLabel engine) const;

  // Settings that have changed. On the executor.
  void reconfigure(const StoreOptions& options) { options_ = options; }
  // Heartbeats begin. On the executor.
  void begin();
  // The next heartbeat leaves now, and says that the store is about to stop. On the executor.
  void report_departure() { send_store_heartbeat(); }
  void stop();

  // Any thread.
  void heartbeat(pdpb::RegionHeartbeatRequest request);
  void sync_max_ts(Shared::OnTimestamp done);
  void look_up(RegionId region);
  // A store was met that PD has not named yet.
  void look_for(StoreId store);
  // On the executor.
  void learn_stores(const pdpb::GetAllStoresResponse& all);
  const std::shared_ptr<const replica::KnownStores>& stores() const { return stores_; }
  runtime::Task<Result<Timestamp, std::string>> timestamps(uint32_t count);
  runtime::Task<Result<pdpb::AskBatchSplitResponse, std::string>> ask_split(metapb::Region region, uint32_t count);

 private:
  static void log_failure(const std::string& what, const std::string& why);
  void open_stream();
  void on_stream_closed(uint64_t number, const api::Status& status);
  void send_store_heartbeat();
  void on_store_heartbeat_answered();
  void fetch_timestamp();
  void poll_safe_point();
  void compare_clocks();
  void ask_for_stores();
  void set_stores(replica::KnownStores stores);

  Shared& shared_;
  StoreOptions options_ = shared_.options;  // the session's own, see reconfigure()
  std::shared_ptr<runtime::Executor> executor_;
  Hooks hooks_;
  // On the executor only.
  bool stopped_ = false;
  std::unique_ptr<api::RegionHeartbeatStream> stream_;
  uint64_t stream_number_ = 0;
  bool was_away_ = false;  // PD, since the regions were last reported to it; it keeps leaders in memory only
  runtime::TimerId stream_timer_, store_timer_, tso_timer_, safe_point_timer_, clock_timer_, stores_timer_;
  std::vector<Shared::OnTimestamp> waiting_for_ts_;
  bool fetching_ts_ = false;
  std::shared_ptr<const replica::KnownStores> stores_ = std::make_shared<const replica::KnownStores>();
  bool asking_for_stores_ = false;
  bool must_ask_again_ = false;  // for stores: the answer under way may be from before the question
  uint64_t started_at_s_ = 0;
  uint64_t last_heartbeat_s_ = 0;
  uint64_t last_bytes_written_ = 0, last_keys_written_ = 0;
};

}  // namespace cairn::store
