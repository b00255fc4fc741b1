// What a shard does from time to time: one timer for all its replicas; log compaction; heartbeats of led regions to PD;
// and what PD answers.
#include <algorithm>
#include <utility>

#include "base/log.h"
#include "replica/keys.h"
#include "store/shard.h"

namespace cairn::store {
namespace {

// A log so many times larger than what asks for a flush is bounded at the expense of followers that are far behind.
constexpr uint64_t kLogFactorMax = 8;
// A peer without leader asks other stores so many times sooner than PD: what TiKV's defaults come to.
constexpr int kPeersAskedSooner = 12;
// A region's size is measured so long before PD is told.
constexpr Duration kMeasuredBefore = 2s;

}  // namespace

void Shard::begin() {
  running_ = true;
  if (index_ == 0) note_space(shared_.deps.kv.space(), options_.reserve_space_bytes);  // nobody waits for us yet
  // What was committed when the last process ended is on its way to the applier before anybody may speak to a peer.
  run_round();
  arm_tick();
}

void Shard::refuse() {
  stopped_ = true;
  executor_->cancel(tick_timer_);
  for (auto& [id, replica] : replicas_) {
    replica->abandon("TiKV is Closing");
    scheduler_->wake_waiters(id);
  }
}

void Shard::stop(runtime::Job on_stopped) {
  refuse();
  wait_for_commands(std::move(on_stopped));
}

// And for the jobs on the pool, which use the engine.
void Shard::wait_for_commands(runtime::Job on_quiet) {
  if (scheduler_->pending_commands() == 0 && pool_jobs_ == 0) {
    applier_->stop([this, job = std::move(on_quiet)]() mutable { executor_->post(std::move(job)); });
    return;
  }
  executor_->after(1ms, [this, job = std::move(on_quiet)]() mutable { wait_for_commands(std::move(job)); });
}

void Shard::arm_tick() {
  tick_timer_ = executor_->after(options_.tick, [this] { tick(); });
}

void Shard::tick() {
  if (stopped_) return;
  arm_tick();
  ++ticks_;
  Instant now = shared_.deps.clock.now();
  for (auto& [id, replica] : replicas_) {
    if (replica->is_destroying()) continue;
    replica->tick(now);
    touch(id);
    auto& locks = scheduler_->pessimistic_locks();
    if (!replica->is_leader()) {
      scheduler_->wake_waiters(id);  // whoever came while it led is told so
      const bool is_candidate = replica->node().role() == raft::Role::kCandidate;
      using Campaign = txn::PessimisticLocks::Campaign;
      locks.on_no_leader(id, replica->node().term(), is_candidate ? Campaign::kInThisTerm : Campaign::kNo);
    } else if (locks.is_transferring(id) && !replica->node().is_transferring()) {
      locks.end_hand_over(id, replica->node().term());
    }
  }
  metrics_.tick_time.observe(shared_.deps.clock.now() - now);
  hand_over_led(now);
  for (auto& message : std::exchange(held_back_, {})) on_raft_message(std::move(message));
  auto every = [&](Duration interval) {
    return ticks_ % std::max<uint64_t>(1, static_cast<uint64_t>(interval / options_.tick)) == 0;
  };
  if (every(200ms)) look_at_disk();
  see_off_leaving();
  if (!leaving_.empty() && every(1s)) shared_.deps.kv.flush_soon();  // the flush before may have begun too early
  if (every(options_.log_gc_interval)) gc_logs();
  if (options_.region_split_bytes > 0 && every(options_.split_check_interval)) check_sizes();
  // A peer that has caught up is news that PD waits for: it is told at the next tick.
  heartbeat_regions(now, every(1s) ? Look::kAtAll : Look::kAtTheUnwell);
  if (every(1s)) {
    check_missing_leaders(now);
    count_leaders();
    publish_status();
  }
}

void Shard::gc_logs() {
  const auto& options = options_;
  const uint64_t flushed = shared_.deps.kv.flushed_sequence();
  const uint64_t used = shared_.deps.raft_log.used_bytes();
  const auto shards = static_cast<uint64_t>(std::max(1, options.shards));
  const replica::LogGcLimits limits =
      replica::LogGcLimits{options.log_gc_threshold, options.log_gc_count_max, options.log_gc_bytes_max}.within(
          used, kLogFactorMax * options.raft_log_flush_bytes, replicas_.size() * shards);
  replica::Outbox out;
  out.log = shared_.deps.raft_log.new_batch();
  Instant now = shared_.deps.clock.now();
  uint64_t waiting = 0;
  for (auto& [id, replica] : replicas_) {
    if (replica->is_destroying() || replica->is_installing()) continue;
    replica->gc_log(limits, flushed, now, out);
    waiting += replica->log_bytes_awaiting_flush();
    if (!replica->is_leader()) continue;
    const auto status = replica->node().status();
    for (const auto& peer : status.progress) {
      if (peer.id.value == replica->self().id()) continue;
      metrics_.log_lag.observe(replica->node().last_index().value -
                               std::min(peer.matched, replica->node().last_index()).value);
    }
  }
  if (!out.log->empty()) {
    shared_.log_writer->submit(std::move(out.log), engine::Sync::kNo, [this](const replica::LogTimes& times) {
      metrics_.log_gc_write_time.observe(times.ended - times.begun);
    });
  }
  metrics_.log_gc_time.observe(shared_.deps.clock.now() - now);
  // The other shards' regions are much like ours.
  if (replica::LogGc::is_worth_a_flush(used, waiting * shards, options.raft_log_flush_bytes)) {
    shared_.deps.kv.flush_soon();
  }
}

void Shard::count_leaders() {
  auto leaders = static_cast<uint64_t>(
      std::count_if(replicas_.begin(), replicas_.end(), [](const auto& r) { return r.second->is_leader(); }));
  shared_.counters.leaders += leaders - leaders_counted_;
  leaders_counted_ = leaders;
}

void Shard::heartbeat_regions(Instant now, Look look) {
  for (auto& [id, replica] : replicas_) {
    if (!replica->is_leader() || replica->is_destroying()) {
      reported_.erase(id);
      written_.erase(id);
      sizes_.erase(id);
      continue;
    }
    auto last = reported_.find(id);
    if (look == Look::kAtTheUnwell && last != reported_.end() && last->second.unwell.empty()) continue;
    auto unwell = unwell_peers(*replica, now);
    Duration interval =
        unwell.empty() ? options_.region_heartbeat_interval : options_.region_heartbeat_interval_unhealthy;
    if (last == reported_.end() || now - last->second.at >= interval || last->second.unwell != unwell) {
      heartbeat(*replica, now);
    } else if (look == Look::kAtAll && now - last->second.at + kMeasuredBefore >= interval) {
      measure_for_heartbeat(*replica);
    }
  }
}

std::map<PeerId, Shard::Unwell> Shard::unwell_peers(replica::Replica& replica, Instant now) const {
  std::map<PeerId, Unwell> out;
  for (const auto& progress : replica.node().status().progress) {
    if (progress.id.value == replica.self().id()) continue;
    Unwell state{.is_pending = progress.matched < replica.storage().truncated()};
    auto heard = replica.last_heard().find(progress.id);
    state.is_down = heard != replica.last_heard().end() && now - heard->second >= options_.peer_down_after;
    if (state.is_pending || state.is_down) out.emplace(progress.id, state);
  }
  return out;
}

void Shard::heartbeat(replica::Replica& replica, Instant now) {
  auto& reported = reported_[replica.id()];
  reported = {.at = now, .unwell = unwell_peers(replica, now)};
  pdpb::RegionHeartbeatRequest request;
  *request.mutable_region() = replica.region();
  *request.mutable_leader() = replica.self();
  request.set_term(replica.node().term().value);
  for (const auto& [id, state] : reported.unwell) {
    const metapb::Peer* peer = replica::find_peer(replica.region(), id);
    if (!peer) continue;
    if (state.is_pending) *request.add_pending_peers() = *peer;
    if (state.is_down) {
      auto& down = *request.add_down_peers();
      *down.mutable_peer() = *peer;
      down.set_down_seconds(static_cast<uint64_t>((now - replica.last_heard().at(id)) / 1s));
    }
  }
  put_size(replica, request);
  const auto written = std::exchange(written_[replica.id()], {});
  metrics_.written_bytes.observe(written.bytes);
  metrics_.written_keys.observe(written.keys);
  uint64_t wall = shared_.deps.clock.wall_now().seconds();
  request.mutable_interval()->set_end_timestamp(wall);
  request.mutable_interval()->set_start_timestamp(wall -
                                                  static_cast<uint64_t>(options_.region_heartbeat_interval / 1s));
  shared_.heartbeat(std::move(request));
}

void Shard::check_missing_leaders(Instant now) {
  const auto leaderless = std::count_if(replicas_.begin(), replicas_.end(), [](const auto& entry) {
    return entry.second->is_initialized() && !entry.second->is_destroying() && !entry.second->node().leader().is_set();
  });
  metrics_.leader_missing.add(leaderless - std::exchange(leaderless_, leaderless));
  for (const auto& [id, replica] : replicas_) {
    if (replica->is_leader() || replica->is_destroying()) continue;
    auto& asked = leaders_asked_.try_emplace(id, LeaderAsked{now, now}).first->second;
    const auto is_silent_for = [&](Instant last_asked, Duration limit) {
      return now - std::max(replica->leader_seen(), last_asked) >= limit;
    };
    if (is_silent_for(asked.of_peers, options_.leader_missing_after / kPeersAskedSooner)) {
      asked.of_peers = now;
      metrics_.stale_peer_checks.add();
      ask_whether_gone(*replica);
    }
    if (is_silent_for(asked.of_pd, options_.leader_missing_after)) {
      asked.of_pd = now;
      shared_.report_missing_leader(id);
    }
  }
}

void Shard::sync_max_ts(RegionId region, Term term) {
  shared_.sync_max_ts([this, region, term](Timestamp at) {
    executor_->post([this, region, term, at] {
      auto* replica = find(region);
      if (!replica || stopped_) return;
      replica->on_max_ts_synced(term, at);
      touch(region);
    });
  });
}

void Shard::on_pd_command(const pdpb::RegionHeartbeatResponse& command) {
  auto* replica = find(RegionId(command.region_id()));
  if (!replica || stopped_ || replica->is_destroying() || !replica->is_leader()) return;
  const auto& epoch = replica->region().region_epoch();
  if (command.target_peer().id() != replica->self().id() || command.region_epoch().conf_ver() != epoch.conf_ver() ||
      command.region_epoch().version() != epoch.version()) {
    return;
  }
  bool changes_peers = command.has_change_peer() || command.has_change_peer_v2();
  if (changes_peers && !replica->has_applied_in_its_term()) {
    early_commands_[replica->id()] = command;
    return;
  }
  std::string refused;
  raft_cmdpb::AdminRequest admin;
  auto add = [](raft_cmdpb::ChangePeerRequest& out, const pdpb::ChangePeer& in) {
    out.set_change_type(in.change_type());
    *out.mutable_peer() = in.peer();
  };
  if (command.has_change_peer()) {
    admin.set_cmd_type(raft_cmdpb::ChangePeer);
    add(*admin.mutable_change_peer(), command.change_peer());
    refused = replica->propose_conf_change(std::move(admin), shared_.deps.clock.now());
  } else if (command.has_change_peer_v2()) {
    admin.set_cmd_type(raft_cmdpb::ChangePeerV2);
    admin.mutable_change_peer_v2();
    for (const auto& change : command.change_peer_v2().changes()) {
      add(*admin.mutable_change_peer_v2()->add_changes(), change);
    }
    refused = replica->propose_conf_change(std::move(admin), shared_.deps.clock.now());
  } else if (command.has_transfer_leader()) {
    refused = hand_over(*replica, PeerId(command.transfer_leader().peer().id()));
  }
  if (!refused.empty()) LOG_INFO("region {}: PD's command is not carried out: {}", replica->id(), refused);
  touch(replica->id());
}

}  // namespace cairn::store
