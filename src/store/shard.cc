#include "store/shard.h"

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "store/deadlocks.h"

namespace cairn::store {

Shard::Shard(int index, Shared& shared, std::shared_ptr<const replica::KnownStores> stores)
    : index_(index),
      shared_(shared),
      executor_(index == 0 && shared.deps.shard_executor
                    ? shared.deps.shard_executor
                    : shared.deps.executors.make("shard-" + std::to_string(index))),
      stores_(std::move(stores)) {
  applier_ = std::make_unique<Applier>(
      shared_.deps.executors.make("apply-" + std::to_string(index)), shared_.deps.kv, shared_.births, shared_.store,
      shared_.options.api_version, shared_.deps.clock,
      [this](std::vector<replica::ApplyReport> reports) {
        executor_->post([this, r = std::move(reports)]() mutable { on_reports(std::move(r)); });
      },
      [this](const engine::Error& error) { shared_.fail(error); });
  scheduler_ = std::make_unique<txn::Scheduler>(*this, shared_.concurrency, shared_.deps.clock, *shared_.deadlocks,
                                                scheduler_limits());
}

txn::SchedulerLimits Shard::scheduler_limits() const {
  const auto& options = options_;
  txn::SchedulerLimits limits;
  limits.lock_waiting.timeout_default = options.wait_for_lock_timeout;
  limits.lock_waiting.wake_up_delay = options.wake_up_delay;
  limits.lock_waiting.waiters_max = options.lock_waiters_max;
  limits.pipelined = options.pessimistic_pipelined;
  limits.pessimistic_locks.in_memory = options.pessimistic_in_memory;
  limits.pessimistic_locks.region_bytes_max = options.pessimistic_region_bytes_max;
  limits.pessimistic_locks.bytes_max =
      options.pessimistic_bytes_max / static_cast<uint64_t>(std::max(1, options.shards));
  limits.txn_status_cache.entries_max = options.txn_statuses_max;
  return limits;
}

Shard::~Shard() {
  // A store that is dropped without stop() was killed: its commands' frames are lost with its process.
  if (scheduler_->pending_commands() > 0) static_cast<void>(scheduler_.release());
}

replica::Replica* Shard::find(RegionId region) const {
  auto found = replicas_.find(region);
  return found == replicas_.end() ? nullptr : found->second.get();
}

void Shard::touch(RegionId region) {
  ++touched_[region];
  if (std::exchange(round_is_due_, true)) return;
  round_due_since_ = shared_.deps.clock.now();
  // Behind what is queued already: the round takes all of it.
  executor_->post([this] { run_round(); });
}

void Shard::run_round() {
  round_is_due_ = false;
  if (stopped_) return;
  Instant now = shared_.deps.clock.now();
  metrics_.round_wait.observe(now - round_due_since_);
  replica::Outbox out;
  out.log = shared_.deps.raft_log.new_batch();
  auto touched = std::exchange(touched_, {});
  Instant begun = now;
  metrics_.round_regions.observe(touched.size());
  for (const auto& [region, times] : touched) {
    metrics_.peer_messages.observe(times);
    auto* replica = find(region);
    if (!replica || replica->is_destroying()) continue;
    replica->collect(now, out);
    const Instant collected = shared_.deps.clock.now();
    metrics_.ready_time.observe(collected - std::exchange(begun, collected));
    if (reserved_.erase(region) > 0) {
      if (replica->is_installing()) {
        ++shared_.counters.snapshots_applying;
      } else {
        shared_.directory.release_reservation(region);  // Raft had no use for the snapshot
      }
    }
    handle_events(*replica);
  }
  send_out(std::move(out));
  metrics_.round_time.observe(shared_.deps.clock.now() - now);
}

void Shard::send_out(replica::Outbox out) {
  const DiskUsage usage = shared_.own_disk_usage;
  for (auto& message : out.messages) {
    message.set_disk_usage(usage);
    metrics_.sent[message.message().msg_type()].add();
    shared_.deps.transport.send(std::move(message));
  }
  for (auto& snapshot : out.snapshots) send_snapshot(std::move(snapshot));
  for (RegionId region : out.snapshots_wanted) make_snapshot(region);
  for (const auto& folder : out.folders_to_remove) remove_folder(folder);
  if (!out.log->empty() || !out.tickets.empty()) {
    auto sync = out.sync ? engine::Sync::kYes : engine::Sync::kNo;
    shared_.log_writer->submit(std::move(out.log), sync,
                               [this, tickets = std::move(out.tickets)](const replica::LogTimes& times) mutable {
                                 if (tickets.empty()) return;
                                 executor_->post([this, t = std::move(tickets), times] { on_log_written(t, times); });
                               });
  }
  if (!out.apply.empty()) applier_->submit(std::move(out.apply));
}

void Shard::remove_folder(const std::string& folder) {
  if (folder.empty()) return;
  if (auto removed = shared_.deps.kv.files().remove_tree(folder); !removed.ok()) {
    LOG_WARN("removing {}: {}", folder, removed.error().message);
  }
}

void Shard::on_log_written(const std::vector<replica::PersistTicket>& tickets, const replica::LogTimes& times) {
  if (stopped_) return;
  const Instant now = shared_.deps.clock.now();
  replica::Outbox out;
  out.log = shared_.deps.raft_log.new_batch();
  for (const auto& ticket : tickets) {
    auto* replica = find(ticket.region);
    if (!replica || replica->incarnation() != ticket.incarnation || replica->is_destroying()) continue;
    replica->on_persisted(ticket.number, times, now, out);
    touch(ticket.region);
  }
  send_out(std::move(out));
}

void Shard::on_reports(std::vector<replica::ApplyReport> reports) {
  if (stopped_) return;
  for (auto& report : reports) {
    RegionId region = report.region;
    if (report.destroyed) {
      on_destroyed(report);
      continue;
    }
    // Before the ranges are seen to have changed: who finds room for a snapshot there must see this, too.
    for (const auto& entry : report.entries) {
      if (std::holds_alternative<replica::ConfChanged>(entry.effect)) metrics_.conf_changes.add();
      if (std::holds_alternative<replica::LogTruncated>(entry.effect)) metrics_.compactions.add();
      const auto* split = std::get_if<replica::SplitDone>(&entry.effect);
      if (!split) continue;
      metrics_.splits.add();
      const auto& parts = split->plan.regions;
      shared_.unflushed_splits.note(report.sequence, parts.front().start_key(), parts.back().end_key(),
                                    shared_.deps.kv.flushed_sequence());
    }
    auto* replica = find(region);
    if (!replica || replica->incarnation() != report.incarnation) continue;
    if (replica->is_destroying()) {
      // What it split off before lives on.
      for (const auto& entry : report.entries) {
        if (const auto* split = std::get_if<replica::SplitDone>(&entry.effect)) {
          on_split(*replica, *split, /*leader=*/false);
        }
      }
      continue;
    }
    shared_.counters.bytes_written += report.written.bytes;
    shared_.counters.keys_written += report.written.keys;
    if (replica->is_leader()) {
      auto& written = written_[region];
      written.bytes += report.written.bytes;
      written.keys += report.written.keys;
    }
    bool installed = report.installed;
    replica->on_applied(std::move(report));
    if (installed) {
      --shared_.counters.snapshots_applying;
      metrics_.snapshots_applied.add();
      // The marker that would have it done again after a crash.
      auto batch = shared_.deps.raft_log.new_batch();
      batch->put_meta(region, replica::kPendingSnapshotSlot, {});
      shared_.log_writer->submit(std::move(batch), engine::Sync::kNo, nullptr);
    }
    handle_events(*replica);
    if (auto early = early_commands_.extract(region)) on_pd_command(early.mapped());
    touch(region);
  }
}

void Shard::handle_events(replica::Replica& replica) {
  auto events = replica.take_events();
  auto& locks = scheduler_->pessimistic_locks();
  for (StoreId store : events.unknown_stores) shared_.look_for_store(store);
  note_first_region(replica);
  if (events.installed) {
    locks.drop(replica.id());
    shared_.births.forget_empty(replica.id());
    const auto& region = *events.installed;
    shared_.directory.set_ranges({{RegionId(region.id()), region.start_key(), region.end_key()}});
    LOG_INFO("region {}: installed a snapshot at {}", replica.id(), replica.applied());
  }
  if (!events.splits.empty()) {
    // Only the locks of this very leader follow their keys.
    if (replica.is_leader()) {
      locks.on_leader(replica.id(), replica.node().term());
    } else {
      locks.drop(replica.id());
    }
  }
  for (const auto& split : events.splits) on_split(replica, split, replica.is_leader());
  if (!events.splits.empty()) scheduler_->wake_waiters(replica.id());  // their keys may be the child's now
  if (events.removed) {
    destroy(replica);
    return;
  }
  if (events.became_leader) locks.on_leader(replica.id(), *events.became_leader);
  if (events.became_leader) sync_max_ts(replica.id(), *events.became_leader);
  if (events.heartbeat && replica.is_leader()) heartbeat(replica, shared_.deps.clock.now());
}

// The leader of the region with the first key keeps the graph of deadlocks.
void Shard::note_first_region(const replica::Replica& replica) {
  const bool leads = replica.is_leader() && replica.is_initialized() && !replica.is_destroying() &&
                     replica.region().start_key().empty();
  const std::pair role(replica.id(), replica.node().term());
  if (leads && first_led_ != role) {
    first_led_ = role;
    shared_.deadlocks->on_role(index_, /*leads=*/true);
  } else if (!leads && first_led_ && first_led_->first == replica.id()) {
    first_led_.reset();
    shared_.deadlocks->on_role(index_, /*leads=*/false);
  }
}

void Shard::publish_status() {
  std::vector<RegionStatus> out;
  for (const auto& [id, replica] : replicas_) {
    const auto& node = replica->node();
    RegionStatus status;
    status.region = replica::describe(replica->region());
    status.peer = PeerId(replica->self().id());
    status.leader = node.leader();
    status.term = node.term();
    status.applied = replica->applied();
    status.committed = node.commit();
    status.last = node.last_index();
    status.is_leader = node.is_leader();
    out.push_back(std::move(status));
  }
  MutexLock lock(status_mutex_);
  status_ = std::move(out);
}

}  // namespace cairn::store
