// The end of a replica's round: what Raft wants done goes out, what was done comes back.
#include <algorithm>
#include <utility>

#include "base/log.h"
#include "replica/command.h"
#include "replica/keys.h"
#include "replica/metrics.h"
#include "replica/replica.h"

namespace cairn::replica {
namespace {

// Messages that may create a peer at the receiver: they say the region's bounds, so that it can see an overlap.
bool may_create_peer(const raft::Message& message) {
  return message.type == raft::MessageType::kRequestVote || message.type == raft::MessageType::kRequestPreVote ||
         (message.type == raft::MessageType::kHeartbeat && message.commit == LogIndex(0));
}

}  // namespace

void Replica::send(raft::Message message, Outbox& out) {
  const metapb::Peer* to = find_peer(region_, message.to);
  if (!to) {
    auto stranger = strangers_.find(message.to);
    if (stranger == strangers_.end()) return;  // a peer that was just removed, or not known yet
    to = &stranger->second;
  }
  if (message.type == raft::MessageType::kTimeoutNow) {
    lease_.switch_off();
    cell_->set_lease(lease_.until());
  }
  raft_serverpb::RaftMessage wire;
  wire.set_region_id(region_.id());
  *wire.mutable_from_peer() = self_;
  *wire.mutable_to_peer() = *to;
  *wire.mutable_region_epoch() = region_.region_epoch();
  if (is_initialized() && may_create_peer(message)) {
    wire.set_start_key(region_.start_key());
    wire.set_end_key(region_.end_key());
  }
  bool is_snapshot = message.type == raft::MessageType::kSnapshot;
  LogIndex snapshot_index = message.snapshot.meta.index;
  *wire.mutable_message() = to_wire(message);
  if (!is_snapshot) {
    out.messages.push_back(std::move(wire));
    return;
  }
  auto made = std::find_if(made_files_.begin(), made_files_.end(),
                           [&](const MadeFiles& files) { return files.index == snapshot_index; });
  if (made == made_files_.end()) {
    node_.report_snapshot(message.to, raft::RawNode::SnapshotOutcome::kFailed);
    return;
  }
  out.snapshots.push_back({std::move(wire), std::move(made->files), std::move(made->keep_alive)});
  made_files_.erase(made);
}

void Replica::collect(Instant now, Outbox& out) {
  on_role_changed(now);
  ask_read_index(now);
  while (node_.has_ready()) take_ready(now, out);
  on_role_changed(now);
  renew_lease();
  publish();
  if (storage_.take_snapshot_request()) out.snapshots_wanted.push_back(id());
  for (auto& folder : received_folders_) {
    if (!folder.empty()) out.folders_to_remove.push_back(std::move(folder));
  }
  received_folders_.clear();
}

void Replica::take_ready(Instant now, Outbox& out) {
  raft::Ready ready = node_.ready();
  const auto& metrics = RaftMetrics::get();
  metrics.readies.add();
  if (!ready.messages.empty() || !ready.persisted_messages.empty()) metrics.readies_with_messages.add();
  if (!ready.entries.empty()) metrics.readies_with_entries.add();
  if (!ready.committed.empty()) metrics.readies_with_committed.add();
  if (!ready.snapshot.empty()) metrics.readies_with_snapshot.add();
  for (auto& message : ready.messages) send(std::move(message), out);

  PendingPersist pending;
  pending.number = ready.number;
  if (!ready.entries.empty()) {
    pending.last_entry = ready.entries.back().index;
    proposals_.note(&engine::WriteTimes::sent, pending.last_entry, now);
  }
  bool only_commit = ready.hard_state && !ready.must_sync;
  pending.needs_log = !ready.entries.empty() || !ready.snapshot.empty() || (ready.hard_state && !only_commit);
  pending.messages = std::move(ready.persisted_messages);
  if (pending.needs_log) {
    if (!ready.snapshot.empty()) {
      PendingSnapshot snapshot;
      ByteView bytes = ready.snapshot.data.view();
      CHECK(snapshot.data.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())),
            "region {}: a snapshot of {} bytes", id(), bytes.size());
      const auto& meta = ready.snapshot.meta;
      snapshot.state = {meta.index, meta.term, meta.index, meta.term};
      snapshot.folder = snapshot.data.meta().tablet_snap_path();
      out.log->put_meta(id(), kPendingSnapshotSlot, encode(snapshot));
      std::erase(received_folders_, snapshot.folder);
      installing_folder_ = snapshot.folder;
      pending.snapshot = std::move(snapshot);
      installing_ = true;
      cell_->publish(nullptr);
      view_ = nullptr;
    }
    storage_.store(ready, *out.log);
    out.sync = true;
    out.tickets.push_back({id(), incarnation_, ready.number});
  } else if (ready.hard_state) {
    storage_.note_hard_state(*ready.hard_state);
  }
  for (auto& state : ready.read_states) {
    // While a snapshot is being installed nothing can be read.
    if (auto sent = reads_.on_read_state(state.context, state.index, installing_ ? LogIndex(0) : applied_)) {
      if (node_.is_leader() && role_ == raft::Role::kLeader && !split_is_under_way()) lease_.renew(*sent);
    }
  }
  if (!ready.committed.empty()) {
    proposals_.note(&engine::WriteTimes::committed, ready.committed.back().index, now);
    for (const auto& entry : ready.committed) {
      proposals_.on_committed(entry.index, entry.term);
      // Another leader's split may come, too: while it is applied the lease must not grow.
      if (!entry.context.empty() && entry.type == raft::EntryType::kNormal && (entry.context.front() & kSplitMark)) {
        splits_.insert(entry.index);
      }
    }
    out.apply.push_back({id(), incarnation_, ApplyEntries{std::move(ready.committed)}});
  }
  persisting_.push_back(std::move(pending));
  finish_persisted(out);
}

// Readies that need nothing of the disk count as persisted once those before them are.
void Replica::finish_persisted(Outbox& out) {
  uint64_t number = 0;
  while (!persisting_.empty() && !persisting_.front().needs_log) {
    number = persisting_.front().number;
    for (auto& message : persisting_.front().messages) send(std::move(message), out);
    if (persisting_.front().snapshot) {
      out.apply.push_back({id(), incarnation_, InstallSnapshot{std::move(*persisting_.front().snapshot)}});
    }
    persisting_.pop_front();
  }
  if (number == 0) return;
  node_.on_persisted(number);
  if (storage_.is_cache_full()) storage_.on_persisted(node_.status().persisted);
}

void Replica::on_persisted(uint64_t number, const LogTimes& times, Instant now, Outbox& out) {
  for (auto& pending : persisting_) {
    if (pending.number > number) break;
    pending.needs_log = false;
    if (!pending.last_entry.is_set()) continue;
    proposals_.note(&engine::WriteTimes::queued, pending.last_entry, times.queued);
    proposals_.note(&engine::WriteTimes::write_begun, pending.last_entry, times.begun);
    proposals_.note(&engine::WriteTimes::written, pending.last_entry, times.ended);
    proposals_.note(&engine::WriteTimes::persisted, pending.last_entry, now);
  }
  finish_persisted(out);
}

void Replica::on_role_changed(Instant now) {
  raft::Role role = node_.role();
  Term term = node_.term();
  if (leader_ != node_.leader()) leader_ = node_.leader();
  if (role == role_ && term == role_term_) return;
  bool was_leader = role_ == raft::Role::kLeader;
  bool leads = role == raft::Role::kLeader;
  if (was_leader) {
    lease_.end();
    reads_.fail_unconfirmed(engine::NotLeader{id(), leader()});
    // Their files would lie there for nobody.
    made_files_.clear();
    storage_.on_snapshot_failed();
  }
  role_ = role;
  role_term_ = term;
  if (leads) {
    lease_.begin();
    last_heard_.clear();
    for (const auto& peer : region_.peers()) last_heard_[PeerId(peer.id())] = now;
    events_.heartbeat = true;
    events_.became_leader = term;
    LOG_INFO("region {}: peer {} leads in term {}", id(), self_.id(), term);
  }
}

void Replica::renew_lease() {
  if (!node_.is_leader() || split_is_under_way() || node_.is_transferring()) return;
  if (auto sent = proposals_.proposed_at(node_.commit(), node_.term())) lease_.renew(*sent);
}

void Replica::publish() {
  bool readable = node_.is_leader() && role_ == raft::Role::kLeader && applied_term_ == node_.term() &&
                  is_initialized() && !installing_ && !destroying_;
  if (!readable) {
    if (view_) {
      view_ = nullptr;
      cell_->publish(nullptr);
    }
    return;
  }
  bool synced = max_ts_synced_term_ == node_.term();
  if (!view_ || view_->term != node_.term() || view_->region.epoch != description_.epoch ||
      view_->max_ts_synced != synced) {
    auto view = std::make_shared<ReadView>(*reading_view());
    view->is_of_leader = true;
    view->max_ts_synced = synced;
    if (synced) view->max_ts_synced_at = max_ts_synced_at_;
    view_ = std::move(view);
    cell_->publish(view_);
  }
  cell_->set_lease(lease_.until());
}

void Replica::set_applied(LogIndex applied, Term term) {
  if (term != applied_term_) applied_term_since_ = applied;
  applied_ = applied;
  applied_term_ = term;
  splits_.erase(splits_.begin(), splits_.upper_bound(applied_));
}

void Replica::on_entry_applied(AppliedEntry& entry, uint64_t sequence) {
  if (auto* changed = std::get_if<ConfChanged>(&entry.effect)) {
    node_.apply_conf_change(changed->change);
    set_region(std::move(changed->region));
    for (const auto& peer : region_.peers()) {
      strangers_.erase(PeerId(peer.id()));
      last_heard_.try_emplace(PeerId(peer.id()), leader_seen_);
    }
    events_.heartbeat = true;
    events_.removed = events_.removed || changed->removed_self;
  } else if (auto* split = std::get_if<SplitDone>(&entry.effect)) {
    set_region(split->plan.regions[split->plan.derived]);
    events_.heartbeat = true;
    events_.splits.push_back(std::move(*split));
  } else if (auto* truncated = std::get_if<LogTruncated>(&entry.effect)) {
    const uint64_t before = storage_.log_bytes();
    storage_.compact(truncated->index, truncated->term);
    log_gc_.on_truncated(sequence, truncated->index, before - storage_.log_bytes());
  }
}

void Replica::on_applied(ApplyReport report) {
  if (report.installed) {
    CHECK(installing_, "region {}: a snapshot was installed that nobody asked for", id());
    installing_ = false;
    installing_folder_.clear();
    set_region(std::move(report.installed_region));
    set_applied(report.applied, report.applied_term);
    log_gc_ = LogGc();
    node_.on_snapshot_applied(applied_);
    proposals_.abandon("a snapshot went over it");
    events_.installed = region_;
  } else if (installing_) {
    // Entries before the snapshot that is on its way: Raft has left them behind.
    for (auto& entry : report.entries) {
      CHECK(!std::holds_alternative<SplitDone>(entry.effect), "region {}: split {} is applied under a snapshot", id(),
            entry.index);
      proposals_.on_applied(entry.index, entry.term, entry.error);
    }
    return;
  } else {
    CHECK(report.applied >= applied_, "region {}: applied goes back from {} to {}", id(), applied_, report.applied);
    storage_.on_applied(report.applied);
    for (auto& entry : report.entries) on_entry_applied(entry, report.sequence);
    set_applied(report.applied, report.applied_term);
    node_.on_applied(applied_);
    written_bytes_ += report.written.bytes;
  }
  cell_->set_applied(applied_);
  renew_lease();
  publish();
  proposals_.note(&engine::WriteTimes::apply_begun, report.applied, report.begun);
  proposals_.note(&engine::WriteTimes::applied, report.applied, report.finished);
  // Answers last: who gets one may ask again at once and must see the region as it is now.
  for (auto& entry : report.entries) proposals_.on_applied(entry.index, entry.term, entry.error);
  reads_.on_applied(applied_);
}

}  // namespace cairn::replica
