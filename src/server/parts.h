// What the families of handlers share: the doors, the admission of a request, the way to a snapshot and the way to a
// shard. Internal to server/.
//
// Every handler admits its call, then ends it exactly once: `finish()` here or a refusal in admit(). A call inside a
// job or task that is dropped finishes itself.
#pragma once

#include <fmt/format.h>

#include <atomic>
#include <initializer_list>
#include <map>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/metrics.h"
#include "base/mutex.h"
#include "engine/cached_view.h"
#include "rawkv/rawkv.h"
#include "runtime/fair_pool.h"
#include "runtime/slices.h"
#include "runtime/task.h"
#include "server/context.h"
#include "server/errors.h"
#include "server/figures.h"
#include "server/key_mode.h"
#include "server/metrics.h"
#include "server/node.h"
#include "server/request_sources.h"
#include "server/slow_log.h"
#include "store/store.h"
#include "txn/scheduler.h"

namespace cairn::server {

struct Node::Parts {
  Parts(store::Store& s, const runtime::Clock& c, NodeOptions o);

  store::Store& store;
  const runtime::Clock& clock;
  const NodeOptions options;
  const rawkv::Config raw_config;
  // Of the next feedback: grows from one to the next, and from one life of the process to the next.
  std::atomic<uint64_t> feedback_number;

  // The read pool, shared by clients.
  runtime::FairPool reads;

  mutable SlowLog slow;  // thread-safe by itself

  metrics::Counter& reads_left_to_pool;  // that found not all in the cache

  // What the plans that run now hold in memory.
  mutable std::atomic<size_t> plan_bytes{0};

  // Calls that wait for PD to say what time it is; further ones are refused.
  static constexpr size_t kCallsInDoubtMax = 1024;
  std::atomic<size_t> calls_in_doubt{0};

  // The shard's writer of raw keys, made at its first use. Called on the shard's executor.
  rawkv::RawWriter& raw_writer(store::ShardHandle& shard);

 private:
  Mutex mutex_;
  // By shard. The writers themselves are used on their shard only.
  std::map<const engine::RegionStore*, std::unique_ptr<rawkv::RawWriter>> raw_writers_ CAIRN_GUARDED_BY(mutex_);
};

using Parts = Node::Parts;

// A request that may go on.
struct Admitted {
  engine::RegionRequest region;
  Instant arrived;
  Instant ready;  // to read or to write: what goes before, locks of memory above all, was looked at
};

// Looks at what concerns every request. Nothing: the call was refused and is finished.
template <class Req, class Resp>
std::optional<Admitted> admit(const Parts& parts, api::Call<Req, Resp>& call, Family family, Timestamp read_ts = {}) {
  const auto& context = call.request().context();
  if (auto status = check_cluster(context, parts.options); !status.ok()) {
    call.finish(std::move(status));
    return std::nullopt;
  }
  if (auto refusal = check_api_version(context, family, parts.options)) {
    put_refusal(call.response(), *refusal);
    call.finish();
    return std::nullopt;
  }
  if (auto refusal = check_keys(call.request(), family, parts.options.api_version)) {
    put_refusal(call.response(), *refusal);
    call.finish();
    return std::nullopt;
  }
  const Instant now = parts.clock.now();
  metrics_of<Req>().commands.add();
  return Admitted{region_request(context, now, read_ts), now, now};
}

// The first of the timestamps that no client can have from PD, as far as PD was heard.
inline std::optional<uint64_t> find_from_future(const Parts& parts, const std::vector<uint64_t>& timestamps) {
  const Instant now = parts.clock.now();
  for (const uint64_t ts : timestamps) {
    if (parts.store.concurrency().is_from_future(Timestamp(ts), now)) return ts;
  }
  return std::nullopt;
}

template <class Req, class Resp>
void refuse_future(api::Call<Req, Resp> call, uint64_t ts) {
  *call.response().mutable_region_error() = to_proto(engine::RegionError(engine::OtherRegionError{
      fmt::format("invalid max_ts update: the timestamp {} is far ahead of those that PD gives out", ts)}));
  call.finish();
}

template <class Req, class Resp>
using Handler = void (Node::*)(api::Call<Req, Resp>);

// Asks PD for the time. A timestamp that is then still from the future is refused; otherwise the call begins anew, and
// is believed this time: what PD was heard to say is not forgotten.
template <class Req, class Resp>
runtime::Task<void> ask_pd_first(Node* node, Parts* parts, api::Call<Req, Resp> call, std::vector<uint64_t> timestamps,
                                 Handler<Req, Resp> again) {
  // Whether it answers or not: what counts is what was heard of it by then.
  (void)co_await parts->store.timestamps(1);
  co_await runtime::switch_to(parts->store.read_pool());
  parts->calls_in_doubt.fetch_sub(1);
  if (const auto ts = find_from_future(*parts, timestamps)) {
    refuse_future(std::move(call), *ts);
  } else {
    (node->*again)(std::move(call));
  }
}

// Looks at timestamps that are about to be raised into max_ts: none may be above all that PD has given out. One that
// is far ahead of PD's time as it was last heard is no reason to refuse yet, as PD's clock may have jumped: PD is
// asked, and the call comes back by way of `again`, its handler. False: the call is gone.
template <class Req, class Resp>
bool believes(Node& node, Parts& parts, api::Call<Req, Resp>& call, std::vector<uint64_t> timestamps,
              std::type_identity_t<Handler<Req, Resp>> again) {
  const auto from_future = find_from_future(parts, timestamps);
  if (!from_future) return true;
  if (parts.calls_in_doubt.fetch_add(1) >= Parts::kCallsInDoubtMax) {
    parts.calls_in_doubt.fetch_sub(1);
    refuse_future(std::move(call), *from_future);
  } else {
    runtime::spawn(parts.store.read_pool(), ask_pd_first(&node, &parts, std::move(call), std::move(timestamps), again));
  }
  return false;
}

// Finishes the call with a refusal in words.
template <class Req, class Resp>
void refuse(api::Call<Req, Resp> call, const std::string& text) {
  put_refusal(call.response(), text);
  call.finish();
}

// Counts a call that is over for whom it was made, and logs one that took long, once its response says where the time
// went.
template <class Req, class Resp>
void account(const Parts& parts, api::Call<Req, Resp>& call, Duration took) {
  note_source(call.request().context().request_source(), took);
  if (!parts.slow.is_slow(took)) return;
  const kvrpcpb::ExecDetailsV2* details = nullptr;
  if constexpr (requires { call.response().exec_details_v2(); }) details = &call.response().exec_details_v2();
  parts.slow.note(Req::descriptor()->name(), call.request().context().region_id(), first_key_of(call.request()), took,
                  details, parts.clock.now());
}

// Says how long it took, if the response has a field for it, and finishes.
template <class Req, class Resp>
void finish(const Parts& parts, api::Call<Req, Resp> call, Instant arrived) {
  const Duration took = parts.clock.now() - arrived;
  if constexpr (requires { call.response().mutable_exec_details_v2(); }) {
    put_total_time(*call.response().mutable_exec_details_v2(), took);
  }
  account(parts, call, took);
  call.finish();
}
template <class Req, class Resp>
void finish(const Parts& parts, api::Call<Req, Resp> call, const ReadStages& stages) {
  if constexpr (requires { call.response().mutable_exec_details_v2(); }) {
    put_read_times(*call.response().mutable_exec_details_v2(), stages, parts.clock.now());
  }
  account(parts, call, parts.clock.now() - stages.arrived);
  call.finish();
}

// Answers a read from a snapshot, in slices; on any thread. Who awaits it owns what is passed. If the slices were given
// up, the response is of no use.
template <class Req, class Resp>
using Answer = runtime::Task<void> (*)(const Parts& parts, const Req& request, Resp& response,
                                       const engine::RegionSnapshot& snapshot, runtime::Slices& slices);
// Likewise a point read, at once: it may be asked for what the cache holds (engine::CachedView). kNotCached: that was
// not enough, and the response is as it was.
enum class Answered : bool { kNotCached, kYes };
template <class Req, class Resp>
using PointAnswer = Answered (*)(const Parts& parts, const Req& request, Resp& response,
                                 const engine::RegionSnapshot& snapshot);

// What a point read failed for.
template <class Resp, class Failure>
Answered put_point_failure(Resp& response, const Failure& failure) {
  if (engine::is_not_cached(failure)) return Answered::kNotCached;
  put_failure(response, failure);
  return Answered::kYes;
}

// Whether a view is there in time to be read from; if not, the response says so.
template <class Req, class Resp>
bool is_readable(const Result<engine::RegionSnapshotPtr, engine::RegionError>& view, api::Call<Req, Resp>& call,
                 const Admitted& admitted, Instant now) {
  if (!view.ok()) {
    *call.response().mutable_region_error() = to_proto(view.error());
  } else if (now > admitted.region.deadline) {
    *call.response().mutable_region_error() = deadline_exceeded();
  }
  return view.ok() && now <= admitted.region.deadline;
}

// Whether the call's answer would be of no use.
template <class Req, class Resp>
bool is_in_vain(const Parts& parts, const api::Call<Req, Resp>& call, const Admitted& admitted) {
  return call.is_abandoned() || parts.clock.now() > admitted.region.deadline;
}

// Finishes such a call without work. Whether it did.
template <class Req, class Resp>
bool ends_in_vain(const Parts& parts, api::Call<Req, Resp>& call, const Admitted& admitted) {
  if (call.is_abandoned()) {
    call.finish({api::Code::kCancelled, "nobody waits for the answer any more"});
    return true;
  }
  if (parts.clock.now() <= admitted.region.deadline) return false;
  call.response().Clear();
  *call.response().mutable_region_error() = deadline_exceeded();
  finish(parts, std::move(call), admitted.arrived);
  return true;
}

// What the view must show.
enum class Locks : uint8_t {
  kReplicated,
  kAll,  // those of memory too: for reads that look at locks for their own sake
};

// A read on the pool, as the metrics count it.
class PoolRead {
 public:
  PoolRead() {
    ServerMetrics::get().pool_reads.add(1);
    ServerMetrics::get().pool_pending.add(1);
  }
  ~PoolRead() {
    ServerMetrics::get().pool_reads.add(-1);
    ServerMetrics::get().pool_pending.add(-1);
    ServerMetrics::get().pool_handled.add();
  }
  PoolRead(const PoolRead&) = delete;
  PoolRead& operator=(const PoolRead&) = delete;
};

// What a read on the pool costs from its construction to end(), slice by slice, whichever threads they run on.
class SlicedWork final : public runtime::SliceWatch {
 public:
  // Both must outlive this.
  SlicedWork(const engine::RegionSnapshot& snapshot, const runtime::Clock& clock) : snapshot_(snapshot), clock_(clock) {
    SlicedWork::on_slice_begun();
  }
  void on_slice_begun() override {
    begun_ = clock_.now();
    if (ended_ != Instant()) suspended_ += begun_ - ended_;
    meter_.emplace(snapshot_);
  }
  void on_slice_ended() override {
    if (!meter_) return;  // no slice followed: the work was given up
    work_ += meter_->take();
    meter_.reset();
    ended_ = clock_.now();
    const Duration took = ended_ - begun_;
    ServerMetrics::get().pool_slice_time.observe(took);
    ServerMetrics::get().pool_schedule_time.observe(took);
    ++slices_;
  }
  // The last slice ends with this call.
  const engine::ReadWork& end() {
    on_slice_ended();
    ServerMetrics::get().pool_slices.observe(slices_);
    return work_;
  }
  // While others had their turn.
  Duration suspended() const { return suspended_; }

 private:
  const engine::RegionSnapshot& snapshot_;
  const runtime::Clock& clock_;
  Instant begun_;
  Instant ended_;  // unset: the first slice runs
  Duration suspended_{};
  std::optional<engine::WorkMeter<engine::RegionSnapshot>> meter_;
  engine::ReadWork work_;
  uint64_t slices_ = 0;
};

// What answering the call has cost the engine.
template <class Req, class Resp>
void note_work(api::Call<Req, Resp>& call, const engine::ReadWork& work) {
  metrics_of<Req>().work.note(work);
  if constexpr (requires { call.response().mutable_exec_details_v2(); }) {
    put_read_work(*call.response().mutable_exec_details_v2(), work);
  }
}

// `lane` is where it runs.
template <class Req, class Resp>
runtime::Task<void> read_on_pool(const Parts* parts, api::Call<Req, Resp> call, Admitted admitted, Locks locks,
                                 Answer<Req, Resp> answer, std::shared_ptr<runtime::Executor> lane) {
  const PoolRead counted;
  if (ends_in_vain(*parts, call, admitted)) co_return;
  const Instant begun = parts->clock.now();
  const auto& metrics = ServerMetrics::get();
  metrics.pool_wait.observe(begun - admitted.arrived);
  auto snapshot = locks == Locks::kAll ? co_await parts->store.snapshot_with_locks(admitted.region, *lane)
                                       : co_await parts->store.snapshot(admitted.region, *lane);
  if (ends_in_vain(*parts, call, admitted)) co_return;
  const Instant ready = parts->clock.now();
  metrics.view.note(snapshot.ok() ? nullptr : &snapshot.error(), ready - begun);
  Duration suspended{};
  if (is_readable(snapshot, call, admitted, ready)) {
    SlicedWork work(**snapshot, parts->clock);
    runtime::Slices slices(*lane, parts->clock, parts->options.read_slices,
                           [&] { return is_in_vain(*parts, call, admitted); });
    slices.set_watch(&work);
    co_await answer(*parts, call.request(), call.response(), **snapshot, slices);
    // A lane that has stopped leaves the call to its own end.
    if (slices.is_given_up()) {
      static_cast<void>(ends_in_vain(*parts, call, admitted));
      co_return;
    }
    note_work(call, work.end());
    suspended = work.suspended();
  }
  finish(*parts, std::move(call), ReadStages{admitted.arrived, begun, ready, suspended});
  metrics.pool_time.observe(parts->clock.now() - begun);
}

// A lane of the read pool. Null: it is full, and the call was told so.
template <class Req, class Resp>
std::shared_ptr<runtime::Executor> lane_for(const Parts& parts, api::Call<Req, Resp>& call, const Admitted& admitted) {
  auto lane = parts.reads.admit(call.client());
  if (!lane) {
    ServerMetrics::get().pool_refused.add();
    // The words of TiKV.
    *call.response().mutable_region_error() = to_proto(engine::RegionError(engine::ServerIsBusy{"scheduler is busy"}));
    finish(parts, std::move(call), admitted.arrived);
  }
  return lane;
}

// Reads on the read pool: what may take long.
template <class Req, class Resp>
void read(const Parts& parts, api::Call<Req, Resp> call, Admitted admitted, Locks locks,
          std::type_identity_t<Answer<Req, Resp>> answer) {
  if (const auto lane = lane_for(parts, call, admitted)) {
    runtime::spawn(*lane, read_on_pool(&parts, std::move(call), std::move(admitted), locks, answer, lane));
  }
}

// A point read on the pool. `snapshot` is there if it was tried already.
template <class Req, class Resp>
runtime::Task<void> read_point_on_pool(const Parts* parts, api::Call<Req, Resp> call, Admitted admitted,
                                       engine::RegionSnapshotPtr snapshot, PointAnswer<Req, Resp> answer,
                                       std::shared_ptr<runtime::Executor> lane) {
  const PoolRead counted;
  if (ends_in_vain(*parts, call, admitted)) co_return;
  const Instant begun = parts->clock.now();
  const auto& metrics = ServerMetrics::get();
  metrics.pool_wait.observe(begun - admitted.arrived);
  Result<engine::RegionSnapshotPtr, engine::RegionError> view(std::move(snapshot));
  if (!*view) view = co_await parts->store.snapshot(admitted.region, *lane);
  if (ends_in_vain(*parts, call, admitted)) co_return;
  const Instant ready = parts->clock.now();
  metrics.view.note(view.ok() ? nullptr : &view.error(), ready - begun);
  if (is_readable(view, call, admitted, ready)) {
    SlicedWork work(**view, parts->clock);
    const Answered answered = answer(*parts, call.request(), call.response(), **view);
    note_work(call, work.end());
    CHECK(answered == Answered::kYes, "a read of the disk ended at the cache");
  }
  finish(*parts, std::move(call), ReadStages{admitted.arrived, begun, ready});
  metrics.pool_time.observe(parts->clock.now() - begun);
}

// Reads a key: on this thread while the lease holds and the cache has all that is asked for, else on the read pool. So
// the thread, which may drive Raft and the network, never waits for the disk.
template <class Req, class Resp>
void read_point(const Parts& parts, api::Call<Req, Resp> call, Admitted admitted,
                std::type_identity_t<PointAnswer<Req, Resp>> answer) {
  engine::RegionSnapshotPtr snapshot;
  if (auto leased = parts.store.try_lease_snapshot(admitted.region)) {
    const Instant ready = parts.clock.now();
    ServerMetrics::get().local_view.note(leased->ok() ? nullptr : &leased->error(), ready - admitted.ready);
    auto answered = Answered::kYes;
    if (is_readable(*leased, call, admitted, ready)) {
      const engine::WorkMeter work(***leased);
      answered = answer(parts, call.request(), call.response(), engine::CachedView(***leased));
      if (answered == Answered::kYes) note_work(call, work.take());
    }
    if (answered == Answered::kYes) {
      return finish(parts, std::move(call), ReadStages{admitted.arrived, admitted.arrived, ready});
    }
    snapshot = std::move(**leased);
    parts.reads_left_to_pool.add();
  }
  if (const auto lane = lane_for(parts, call, admitted)) {
    runtime::spawn(*lane,
                   read_point_on_pool(&parts, std::move(call), std::move(admitted), std::move(snapshot), answer, lane));
  }
}

// Locks of memory were looked for and none was in the way.
template <class Req, class Resp>
void note_lock_check(const Parts& parts, const api::Call<Req, Resp>&, Admitted& admitted) {
  admitted.ready = parts.clock.now();
  metrics_of<Req>().lock_check.observe(admitted.ready - admitted.arrived);
}

// A write is on its shard now. Whether it is too late for it; then its response says so.
template <class Req, class Resp>
bool is_late(const Parts& parts, api::Call<Req, Resp>& call, const Admitted& admitted) {
  const Instant now = parts.clock.now();
  const auto& metrics = ServerMetrics::get();
  metrics.shard_wait.observe(now - admitted.arrived);
  const int priority = call.request().context().priority();
  metrics.by_priority[kvrpcpb::CommandPri_IsValid(priority) ? priority : kvrpcpb::Normal].add();
  if (now <= admitted.region.deadline) return false;
  *call.response().mutable_region_error() = deadline_exceeded();
  return true;
}

// Fills the response of a write from what the command answered.
template <class Req, class Resp, class Command>
using Fill = void (*)(const Req& request, Resp& response, typename Command::Result result);

template <class Req, class Resp, class Command>
runtime::Task<void> run_command(const Parts* parts, txn::Scheduler* scheduler, api::Call<Req, Resp> call,
                                Admitted admitted, Command command, Fill<Req, Resp, Command> fill) {
  txn::CommandFigures figures;
  auto result = co_await scheduler->run(std::move(command), admitted.region, &figures);
  if (result.ok()) {
    fill(call.request(), call.response(), std::move(*result));
  } else {
    put_failure(call.response(), result.error());
  }
  if constexpr (requires { call.response().mutable_exec_details_v2(); }) {
    put_write_figures(*call.response().mutable_exec_details_v2(), figures);
  }
  finish(*parts, std::move(call), admitted.arrived);
}

// Runs a transaction command on the region's shard.
template <class Command, class Req, class Resp>
void write(const Parts& parts, api::Call<Req, Resp> call, Admitted admitted, Command command,
           std::type_identity_t<Fill<Req, Resp, Command>> fill) {
  const RegionId region = admitted.region.region;
  parts.store.on_shard(region, [parts = &parts, call = std::move(call), admitted = std::move(admitted),
                                command = std::move(command), fill](store::ShardHandle& shard) mutable {
    if (is_late(*parts, call, admitted)) return finish(*parts, std::move(call), admitted.arrived);
    runtime::spawn_inline(run_command<Req, Resp, Command>(parts, &shard.scheduler(), std::move(call),
                                                          std::move(admitted), std::move(command), fill));
  });
}

}  // namespace cairn::server
