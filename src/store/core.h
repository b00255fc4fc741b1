// What a Store consists of. See store.h; not for others.
#pragma once

#include <memory>
#include <vector>

#include "store/disk_health.h"
#include "store/gc_worker.h"
#include "store/metrics.h"
#include "store/pacing.h"
#include "store/pd_session.h"
#include "store/shard.h"
#include "store/shared.h"
#include "store/store.h"

namespace cairn::store {

class Store::Core {
 public:
  Core(StoreOptions options, StoreDeps deps);
  ~Core();

  int shard_index(RegionId region) const;
  Shard& shard_of(RegionId region) const { return *shards[static_cast<size_t>(shard_index(region))]; }
  bool is_started() const { return started.load(std::memory_order_acquire); }

  runtime::Task<void> start(absl::AnyInvocable<void(Result<void, StoreError>)> on_started);
  void depart(absl::AnyInvocable<void(uint64_t leaders_left)> on_departed);
  void stop(absl::AnyInvocable<void()> on_stopped);
  void stop_shards(absl::AnyInvocable<void()> on_stopped);
  void make_shards();
  void load(std::vector<Shard::LoadedRegion> regions);
  runtime::Task<Result<std::vector<engine::RegionDescription>, RegionError>> split(engine::RegionRequest request,
                                                                                   std::vector<Bytes> keys);
  // A split that nobody waits for. Any thread.
  void start_split(engine::RegionRequest request, std::vector<Bytes> keys, std::function<void(bool)> done = nullptr);
  void on_pd_command(pdpb::RegionHeartbeatResponse command);
  void on_raft_message(raft_serverpb::RaftMessage message);
  // Hands leftovers of garbage collection to the appliers of their regions.
  void collect_leftovers(std::vector<Bytes> keys, Timestamp safe_point, std::function<void(GcBatchReport)> done);

  Shared shared;
  std::shared_ptr<runtime::Executor> control;
  std::shared_ptr<runtime::Executor> read_pool;
  std::vector<std::unique_ptr<Shard>> shards;  // set before `started`, then never changed
  std::shared_ptr<PdSession> pd;
  std::unique_ptr<GcWorker> gc;
  std::unique_ptr<DiskHealth> health;
  std::unique_ptr<StoreFigures> figures;                                               // once started, until stop()
  Pacing unreachable{shared.options.tick * shared.options.heartbeat_ticks};            // of reports that a store is
  std::unique_ptr<runtime::TaskScope> tasks = std::make_unique<runtime::TaskScope>();  // of the control executor
  std::atomic<bool> started{false};
};

}  // namespace cairn::store
