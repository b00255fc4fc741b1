// Shard: an actor that owns a share of the regions. Everything that its regions decide happens on its executor, one job
// at a time. Jobs mark the regions they touch; a round then takes from each touched replica what it wants done, so that
// all regions of a round share one log write, one engine batch, and go out together.
//
//   jobs (messages, proposals, ticks, answers) ─▶ touched ─ round ─▶ LogWriter, Applier, Transport
//
// Implements the replicated store (engine::RegionStore) for txn and rawkv. Files: shard.cc the round, shard_requests.cc
// reads and writes, shard_receive.cc messages of other stores, shard_life.cc how peers come and go, shard_ticks.cc
// what happens from time to time, shard_departure.cc how leaders leave a store that stops. Tests: store_test.cc,
// leadership_test.cc, messages_test.cc, snapshots_test.cc, split_shards_test.cc.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "engine/region_store.h"
#include "replica/replica.h"
#include "store/applier.h"
#include "store/departure.h"
#include "store/metrics.h"
#include "store/shared.h"
#include "store/store.h"
#include "txn/scheduler.h"

namespace cairn::store {

using engine::RegionError;

class Shard final : public ShardHandle, public engine::RegionStore {
 public:
  Shard(int index, Shared& shared, std::shared_ptr<const replica::KnownStores> stores);
  ~Shard() override;

  // ShardHandle.
  engine::RegionStore& regions() override { return *this; }
  txn::Scheduler& scheduler() override { return *scheduler_; }
  runtime::Executor& executor() override { return *executor_; }
  runtime::Executor& read_executor() override { return *shared_.command_reads; }

  // engine::RegionStore: on the executor only.
  runtime::Task<Result<engine::RegionSnapshotPtr, RegionError>> snapshot(engine::RegionRequest request) override;
  runtime::Task<Result<LogIndex, RegionError>> write(engine::RegionRequest request, engine::WriteBasis basis,
                                                     engine::WriteData data) override;
  bool is_busy(RegionId region) const override;

  // All below: on the executor only, unless it says otherwise.

  runtime::Task<Result<LogIndex, RegionError>> read_index(engine::RegionRequest request);
  // snapshot(), with the pessimistic locks of memory in it. May be read on any thread.
  runtime::Task<Result<engine::RegionSnapshotPtr, RegionError>> snapshot_with_locks(engine::RegionRequest request);
  // Proposes the split; `ids` as PD gave them, one for each key.
  runtime::Task<Result<std::vector<engine::RegionDescription>, RegionError>> split(
      engine::RegionRequest request, raft_cmdpb::BatchSplitRequest splits);
  Result<metapb::Region, RegionError> region_for(const engine::RegionRequest& request) const;
  void transfer_leader(RegionId region, PeerId to);

  // A region of the disk, at start.
  struct LoadedRegion {
    metapb::Region region;
    replica::RaftState raft_state;
    replica::ApplyState apply_state;
  };
  void load(LoadedRegion loaded);
  // Ticks begin.
  void begin();
  // Gives the leaders away, and serves on; `on_departed` runs once when none is left that another store could take.
  void depart(runtime::Job on_departed);
  // Answers all that waits, and refuses what comes.
  void refuse();
  // Likewise; `on_stopped` runs when nothing waits any more.
  void stop(runtime::Job on_stopped);

  void on_raft_message(raft_serverpb::RaftMessage message);
  void on_unreachable(StoreId store);
  void on_unreachable(RegionId region, PeerId peer);
  void on_pd_command(const pdpb::RegionHeartbeatResponse& command);
  // Settings that have changed; those that hold for the store's whole life do not.
  void reconfigure(const StoreOptions& options) { options_ = options; }
  // PD was away and may have forgotten who leads: the next look tells it of every region led here.
  void report_again() { reported_.clear(); }
  // What PD has told of the cluster's stores.
  void set_stores(std::shared_ptr<const replica::KnownStores> stores);
  // PD does not list this peer any more.
  void on_region_gone(const metapb::Region& newer);

  // Any thread: see applier.h.
  void collect_garbage(std::vector<GcKey> keys, Timestamp safe_point, std::function<void(GcBatchReport)> done) {
    applier_->collect_garbage(std::move(keys), safe_point, std::move(done));
  }

  WriteWatch& apply_watch() { return applier_->watch(); }

  // Copies for the status page, a second old at most. Any thread.
  std::vector<RegionStatus> status() const {
    MutexLock lock(status_mutex_);
    return status_;
  }

 private:
  replica::Replica* find(RegionId region) const;
  void touch(RegionId region);
  void run_round();
  void send_out(replica::Outbox out);
  void remove_folder(const std::string& folder);
  void on_log_written(const std::vector<replica::PersistTicket>& tickets, const replica::LogTimes& times);
  void on_reports(std::vector<replica::ApplyReport> reports);
  void handle_events(replica::Replica& replica);
  void note_first_region(const replica::Replica& replica);
  void send_snapshot(replica::OutgoingSnapshot snapshot);
  void make_snapshot(RegionId region);

  // Life.
  replica::Replica& add(replica::Replica::Loaded loaded);
  // A peer without data, for a message of which it is the first.
  bool try_create(const raft_serverpb::RaftMessage& message);
  bool create_empty(const raft_serverpb::RaftMessage& message);
  void on_split(replica::Replica& parent, const replica::SplitDone& split, bool leader);
  void give_child_to(int shard, const metapb::Region& child, bool campaign);
  void create_child(const metapb::Region& child, bool campaign);
  void destroy(replica::Replica& replica);
  void on_destroyed(const replica::ApplyReport& report);
  // A destroyed peer's log goes when the engine has flushed its tombstone, and its data after that; then its range is
  // free for others. Nothing waits for that flush but this.
  struct Leaving {
    RegionId region;
    replica::Incarnation incarnation = 0;
    uint64_t sequence = 0;  // the engine's, of the tombstone
    metapb::Region last;
  };
  void see_off_leaving();
  void see_off(Leaving leaving);
  void clear_remains(const Leaving& leaving);
  void forget(RegionId region, replica::Incarnation incarnation);
  bool refuses_by_tombstone(const raft_serverpb::RaftMessage& message);
  // What a peer that may be gone asks of others, and what they say.
  void on_extra_message(const raft_serverpb::RaftMessage& message, replica::Replica* replica);
  void ask_whether_gone(replica::Replica& replica);
  void send_later_members(const raft_serverpb::RaftMessage& to, const metapb::Region& last);
  bool may_be_split_anew(const metapb::Region& region);
  void send_tombstone(const raft_serverpb::RaftMessage& to, const metapb::RegionEpoch& epoch, PeerId from);
  // What became of a message: given on or held back, or not wanted.
  enum class Received : uint8_t { kKept, kDropped };
  Received receive(raft_serverpb::RaftMessage message);
  void note_disk_usage(const raft_serverpb::RaftMessage& message, const replica::Replica& replica);
  Received hold_back(raft_serverpb::RaftMessage message);
  enum class Admission : uint8_t { kYes, kLater, kNo };
  Admission admit_snapshot(const raft_serverpb::RaftMessage& message, replica::Replica& replica);
  replica::ReplicaOptions replica_options() const;
  bool holds_back(const raft_serverpb::RaftMessage& message, const replica::Replica& replica);
  txn::SchedulerLimits scheduler_limits() const;
  // Replicates the locks of memory, then gives leadership to the peer; the reason if that may not be.
  std::string hand_over(replica::Replica& replica, PeerId to);

  // Departure.
  void hand_over_led(Instant now);
  Departure::Led describe_led(const replica::Replica& replica, Instant now) const;

  // From time to time.
  void arm_tick();
  void tick();
  void gc_logs();
  enum class Look { kAtAll, kAtTheUnwell };
  void heartbeat_regions(Instant now, Look look);
  // A follower that needs a snapshot (pending), or was not heard of for long (down).
  struct Unwell {
    bool is_pending = false;
    bool is_down = false;
    friend bool operator==(const Unwell&, const Unwell&) = default;
  };
  std::map<PeerId, Unwell> unwell_peers(replica::Replica& replica, Instant now) const;
  void heartbeat(replica::Replica& replica, Instant now);
  void check_missing_leaders(Instant now);
  void sync_max_ts(RegionId region, Term term);
  void count_leaders();
  void publish_status();
  void wait_for_commands(runtime::Job on_quiet);

  // What the disk is asked.
  void look_at_disk();
  void note_space(const engine::KvEngine::Space& space, uint64_t reserve);  // any thread
  uint64_t bytes_of(const metapb::Region& region) const;                    // any thread that may wait for the disk
  void put_size(const replica::Replica& replica, pdpb::RegionHeartbeatRequest& request);
  void measure_for_heartbeat(const replica::Replica& replica);
  void measure(const replica::Replica& replica);
  void on_measured(RegionId region, uint64_t version, uint64_t bytes);
  void check_sizes();
  void check_size(const metapb::Region& region, uint64_t target, uint64_t written);  // on the pool

  // Requests.
  std::optional<RegionError> refuse_write(const replica::Replica& replica, engine::DiskFullOpt opt) const;
  // What a refused client is told: with the region's siblings, if its picture of the region is an old one.
  RegionError told(RegionError error, const engine::RegionRequest& request) const;
  engine::RegionSnapshotPtr take_snapshot(const replica::Replica& replica, replica::ReadViewPtr view) const;

  const int index_;
  Shared& shared_;
  StoreOptions options_ = shared_.options;  // the shard's own, see reconfigure()
  std::shared_ptr<runtime::Executor> executor_;
  std::unique_ptr<Applier> applier_;
  std::unique_ptr<txn::Scheduler> scheduler_;
  std::shared_ptr<const replica::KnownStores> stores_;
  std::map<RegionId, std::unique_ptr<replica::Replica>> replicas_;
  std::map<RegionId, uint32_t> touched_;  // and how often
  bool round_is_due_ = false;
  Instant round_due_since_;
  const StoreMetrics& metrics_ = StoreMetrics::get();
  std::map<RegionId, replica::ApplyMachine::Written> written_;  // since PD last heard of the region
  int64_t leaderless_ = 0;                                      // as the gauge counts them
  bool stopped_ = false;
  bool running_ = false;
  uint64_t ticks_ = 0;
  runtime::TimerId tick_timer_;
  struct Reported {
    Instant at;
    std::map<PeerId, Unwell> unwell;
  };
  std::map<RegionId, Reported> reported_;  // what PD was told last of each led region
  // How large a led region was when it was last looked at.
  struct Size {
    std::optional<uint64_t> bytes;
    uint64_t version = 0;  // of the region's epoch
    bool is_under_way = false;
    bool is_fresh = false;  // PD has not been told yet
  };
  std::map<RegionId, Size> sizes_;
  bool is_disk_looked_at_ = false;
  struct LeaderAsked {
    Instant of_peers, of_pd;
  };
  std::map<RegionId, LeaderAsked> leaders_asked_;  // when others were asked about a region without leader
  uint64_t leaders_counted_ = 0;
  std::optional<std::pair<RegionId, Term>> first_led_;  // the region with the first key, if it is led here
  mutable Mutex status_mutex_;
  std::vector<RegionStatus> status_ CAIRN_GUARDED_BY(status_mutex_);
  std::set<RegionId> split_checks_;  // whose split keys are being sought
  // Followers' reads that wait for a lock in memory to go, snapshots that wait for a flush.
  std::vector<raft_serverpb::RaftMessage> held_back_;
  size_t pool_jobs_ = 0;  // on executors that block, for this shard; stop() waits for them
  std::vector<Leaving> leaving_;
  // PD's changes of membership that came before the new leader could take them: it is told of a leader at once.
  std::map<RegionId, pdpb::RegionHeartbeatResponse> early_commands_;
  DiskUsages disk_usages_;       // of other stores, as their messages say
  std::set<RegionId> reserved_;  // ranges kept for snapshots that Raft has not taken yet
  struct Departing {
    Departure plan;
    runtime::Job on_departed;
  };
  std::unique_ptr<Departing> departing_;  // once depart() was called
};

}  // namespace cairn::store
