// How peers come to a shard and leave it: loading, creation, splits, destruction; and snapshots, by which they move.
#include <algorithm>
#include <utility>

#include "base/log.h"
#include "replica/keys.h"
#include "replica/metrics.h"
#include "store/placement.h"
#include "store/shard.h"

namespace cairn::store {

replica::ReplicaOptions Shard::replica_options() const {
  const auto& o = options_;
  replica::ReplicaOptions out;
  out.store = shared_.store;
  out.tick = o.tick;
  out.election_ticks = o.election_ticks;
  out.heartbeat_ticks = o.heartbeat_ticks;
  out.seed = shared_.deps.seed;
  out.entry_bytes_max = o.raft_entry_bytes_max;
  out.append_bytes_max = o.append_bytes_max;
  out.inflight_appends_max = o.inflight_appends_max;
  out.cache_bytes_max = o.entry_cache_bytes_max;
  out.proposals_max = o.proposals_max;
  out.proposals_bytes_max = o.proposals_bytes_max;
  out.reads_max = o.pending_reads_max;
  return out;
}

replica::Replica& Shard::add(replica::Replica::Loaded loaded) {
  RegionId region(loaded.region.id());
  loaded.incarnation = shared_.next_incarnation++;
  loaded.stores = stores_;
  applier_->begin({region, loaded.incarnation, PeerId(loaded.self.id()), loaded.region, loaded.apply_state});
  auto entry = shared_.directory.claim(region, index_);
  CHECK(entry.shard == index_, "region {} belongs to shard {}, not {}", region, entry.shard, index_);
  auto made =
      std::make_unique<replica::Replica>(replica_options(), std::move(loaded), shared_.deps.raft_log, entry.cell);
  auto& replica = *made;
  CHECK(!replicas_.contains(region), "region {} is here twice", region);
  replicas_[region] = std::move(made);
  // Its size is not known: it is looked at once, though nothing more may ever be written to it.
  replica.give_back_written_bytes(options_.region_split_bytes);
  touch(region);
  return replica;
}

void Shard::set_stores(std::shared_ptr<const replica::KnownStores> stores) {
  const Instant begun = shared_.deps.clock.now();
  stores_ = std::move(stores);
  for (auto& [id, replica] : replicas_) {
    replica->set_stores(stores_);
    touch(id);
  }
  metrics_.broadcast_time.observe(shared_.deps.clock.now() - begun);
}

void Shard::load(LoadedRegion loaded) {
  const metapb::Peer* self = replica::find_peer_on(loaded.region, shared_.store);
  CHECK(self != nullptr, "region {} was loaded but has no peer on store {}", loaded.region.id(), shared_.store);
  replica::Replica::Loaded in;
  in.self = *self;
  in.region = std::move(loaded.region);
  in.raft_state = loaded.raft_state;
  in.apply_state = loaded.apply_state;
  in.lived_before = true;
  auto& replica = add(std::move(in));
  // Alone, nobody else could win: no need to wait for a timeout.
  if (replica.region().peers_size() == 1) replica.campaign();
}

void Shard::on_split(replica::Replica& parent, const replica::SplitDone& split, bool leader) {
  // The engine may lose the split in a crash, while the child's log below is on disk at once and what it acknowledges
  // counts. So the parent's commit index goes there before it: a restart applies the split again by itself, whatever
  // has become of the parent's leader and its log.
  CHECK(parent.storage().raft_state().hard.commit >= parent.applied(), "region {}: applied {}, committed {}",
        parent.id(), parent.applied(), parent.storage().raft_state().hard.commit);
  auto batch = shared_.deps.raft_log.new_batch();
  batch->put_state(parent.id(), replica::encode(parent.storage().raft_state()));
  shared_.log_writer->submit(std::move(batch), engine::Sync::kNo, nullptr);

  std::vector<RegionDirectory::Range> ranges;
  for (size_t i = 0; i < split.plan.regions.size(); ++i) {
    const auto& region = split.plan.regions[i];
    if (i == split.plan.derived || split.created[i]) {
      ranges.push_back({RegionId(region.id()), region.start_key(), region.end_key()});
    }
  }
  shared_.directory.set_ranges(ranges);
  for (size_t i = 0; i < split.plan.regions.size(); ++i) {
    if (!split.created[i]) continue;
    const auto& child = split.plan.regions[i];
    const RegionId id(child.id());
    // They are good for the child's very first leader, if that is this one.
    scheduler_->pessimistic_locks().split(parent.id(), id, child.start_key(), child.end_key(),
                                          replica::kInitialTerm.next());
    const int home = home_shard(id, std::max(1, shared_.options.shards));
    const int shard = shared_.directory.claim(id, home).shard;
    if (shard == index_) {
      create_child(child, leader);
    } else {
      give_child_to(shard, child, leader);
    }
  }
}

// Behind the commands whose entries were applied before the split: their answers are queued already, and with those
// they settle what they have in memory, while it is here (INV-PESSIMISTIC-TERM).
void Shard::give_child_to(int shard, const metapb::Region& child, bool campaign) {
  executor_->post([this, shard, child, campaign] {
    if (stopped_) return;
    auto locks = scheduler_->pessimistic_locks().take(RegionId(child.id()));
    shared_.post_to_shard(shard, [child, campaign, locks = std::move(locks)](Shard& other) mutable {
      other.scheduler_->pessimistic_locks().adopt(std::move(locks));
      other.create_child(child, campaign);
    });
  });
}

void Shard::create_child(const metapb::Region& child, bool campaign) {
  if (stopped_) return;  // the next start makes it: its record is there
  RegionId region(child.id());
  auto entry = shared_.directory.claim(region, index_);
  CHECK(entry.shard == index_, "region {}: a child of shard {} was made on shard {}", region, index_, entry.shard);
  // Its peer may have been made before by a vote, without data. It lives on: its vote must not be forgotten.
  std::optional<replica::RaftState> before;
  if (auto* existing = find(region)) {
    CHECK(!existing->is_initialized(), "region {}: a split makes a region that is here", region);
    CHECK(existing->self().id() == replica::find_peer_on(child, shared_.store)->id(),
          "region {}: a split makes another peer than {}, which is here", region, existing->self().id());
    shared_.births.forget_empty(region);
    before = existing->storage().raft_state();
    for (const auto& folder : existing->take_folders()) remove_folder(folder);
    existing->abandon("the peer begins anew by a split");
    replicas_.erase(region);
  } else {
    auto bytes = shared_.deps.raft_log.state(region);
    if (!bytes.ok()) {
      shared_.fail(bytes.error());
      return;
    }
    if (*bytes) before = replica::decode_raft_state(**bytes);
  }
  replica::Replica::Loaded loaded;
  loaded.region = child;
  loaded.self = *replica::find_peer_on(child, shared_.store);
  loaded.raft_state = replica::begin_raft_state(before);
  // If it is, the split is applied again after a crash, and the child had gone on before that. Else nothing of it may
  // be on disk yet, not even the vote and the term of the peer that was here.
  loaded.is_raft_state_persisted = before && before->last_index >= replica::kInitialIndex;
  loaded.apply_state = replica::kInitialApplyState;
  loaded.lived_before = before.has_value();
  auto& replica = add(std::move(loaded));
  if (campaign) replica.campaign();
  for (auto& message : shared_.pending_votes.take(region)) on_raft_message(std::move(message));
}

void Shard::destroy(replica::Replica& replica) {
  LOG_INFO("region {}: peer {} leaves this store", replica.id(), replica.self().id());
  replica.set_destroying();
  replica.abandon("the peer was removed");
  scheduler_->pessimistic_locks().drop(replica.id());
  scheduler_->wake_waiters(replica.id());  // nobody else would
  note_first_region(replica);
  metapb::Region last = replica.region();
  if (!replica.is_initialized()) *last.add_peers() = replica.self();
  std::vector<replica::ApplyTask> tasks;
  tasks.push_back({replica.id(), replica.incarnation(), replica::DestroyPeer{std::move(last)}});
  applier_->submit(std::move(tasks));
}

void Shard::on_destroyed(const replica::ApplyReport& report) {
  leaving_.push_back({report.region, report.incarnation, report.sequence, *report.destroyed});
  shared_.deps.kv.flush_soon();
  see_off_leaving();
}

void Shard::see_off_leaving() {
  if (leaving_.empty()) return;
  const uint64_t flushed = shared_.deps.kv.flushed_sequence();
  for (Leaving& leaving : std::exchange(leaving_, {})) {
    if (leaving.sequence <= flushed) {
      see_off(std::move(leaving));
    } else {
      leaving_.push_back(std::move(leaving));
    }
  }
}

// With its vote: from now on the tombstone alone speaks of it, after a crash too.
void Shard::see_off(Leaving leaving) {
  auto* replica = find(leaving.region);
  if (!replica || replica->incarnation() != leaving.incarnation) return;
  auto batch = shared_.deps.raft_log.new_batch();
  replica->storage().remove_all(*batch);
  shared_.log_writer->submit(std::move(batch), engine::Sync::kYes,
                             [this, leaving = std::move(leaving)](const replica::LogTimes&) mutable {
                               executor_->post([this, leaving = std::move(leaving)] {
                                 if (!stopped_) clear_remains(leaving);
                               });
                             });
}

// The record of the peer's end is flushed by now, as the clear would overtake it. If a crash undoes the clear, the next
// start clears what belongs to nobody (start.cc).
void Shard::clear_remains(const Leaving& leaving) {
  const auto& last = leaving.last;
  if (last.region_epoch().version() == 0) return forget(leaving.region, leaving.incarnation);  // it had no data
  ++pool_jobs_;
  auto done = [this, region = leaving.region, incarnation = leaving.incarnation](engine::Result<void> cleared) {
    if (!cleared.ok()) shared_.fail(cleared.error());
    executor_->post([this, region, incarnation, is_cleared = cleared.ok()] {
      --pool_jobs_;
      if (is_cleared) forget(region, incarnation);
    });
  };
  shared_.clear_remains(replica::data_key(last.start_key()), replica::data_end_key(last.end_key()), std::move(done));
}

void Shard::forget(RegionId region, replica::Incarnation incarnation) {
  auto* gone = find(region);
  if (stopped_ || !gone || gone->incarnation() != incarnation) return;
  if (gone->is_installing()) --shared_.counters.snapshots_applying;
  // The applier is past what it had to do for this life.
  for (const auto& folder : gone->take_folders()) remove_folder(folder);
  replicas_.erase(region);
  reserved_.erase(region);
  reported_.erase(region);
  sizes_.erase(region);
  leaders_asked_.erase(region);
  early_commands_.erase(region);
  shared_.directory.erase(region);
  shared_.births.forget_empty(region);
}

void Shard::on_region_gone(const metapb::Region& newer) {
  auto* replica = find(RegionId(newer.id()));
  if (!replica || replica->is_destroying() || replica->is_leader()) return;
  const bool is_parted = replica->is_parted_from_by(newer);
  (is_parted ? metrics_.peer_is_gone : metrics_.peer_is_valid).add();
  if (!replica->has_replayed() || replica->is_installing() || !is_parted) return;
  LOG_INFO("region {}: peer {} learns of PD that it was removed", replica->id(), replica->self().id());
  destroy(*replica);
}

void Shard::make_snapshot(RegionId region) {
  auto& counters = shared_.counters;
  if (counters.snapshots_making + counters.snapshots_sending >= shared_.snapshots_sending_max) {
    // Raft asks again when the follower answers the next heartbeat.
    if (auto* replica = find(region)) replica->on_snapshot_made(std::nullopt, nullptr);
    return;
  }
  replica::MakeOptions options;
  options.region = region;
  options.folder = std::string(kMadeSnapshots) + "/" + std::to_string(shared_.next_folder++);
  options.sst_bytes_max = options_.snapshot_sst_bytes_max;
  options.now = shared_.deps.clock.wall_now();
  options.is_canceled = &shared_.stopping;
  ++counters.snapshots_making;
  ++pool_jobs_;
  shared_.snapshot_pool->post([this, options, since = shared_.deps.clock.now()] {
    const Instant began = shared_.deps.clock.now();
    metrics_.snapshot_make_wait.observe(began - since);
    // The transport may hold the files for longer than the store lives.
    std::shared_ptr<void> files(nullptr, [store = shared_.files, folder = options.folder](void*) {
      store->use([&](engine::FileStore& left) { static_cast<void>(left.remove_tree(folder)); });
    });
    auto made = replica::make_snapshot(shared_.deps.kv, options);
    metrics_.snapshot_make_time.observe(shared_.deps.clock.now() - began);
    (made.ok() ? metrics_.snapshots_made : metrics_.snapshots_not_made).add();
    if (!made.ok()) LOG_WARN("region {}: no snapshot could be made: {}", options.region, made.error().message);
    std::optional<replica::MadeSnapshot> out;
    if (made.ok()) {
      out = std::move(made).value();
      uint64_t bytes = 0;
      for (const auto& file : out->files) bytes += file.bytes;
      replica::RaftMetrics::get().snapshot_pairs.observe(out->pairs);
      metrics_.snapshot_bytes.observe(bytes);
      metrics_.snapshot_bytes_made.add(bytes);
    }
    executor_->post([this, id = options.region, out = std::move(out), files = std::move(files)]() mutable {
      --shared_.counters.snapshots_making;
      --pool_jobs_;
      auto* replica = find(id);
      if (!replica || stopped_) return;
      replica->on_snapshot_made(std::move(out), std::move(files));
      touch(id);
    });
  });
}

void Shard::send_snapshot(replica::OutgoingSnapshot snapshot) {
  std::vector<SnapshotSource::File> files;
  for (const auto& file : snapshot.files) files.push_back({file.path, file.bytes});
  SnapshotSource source(shared_.files, std::move(files), std::move(snapshot.keep_alive));
  RegionId region(snapshot.message.region_id());
  PeerId to(snapshot.message.to_peer().id());
  // Runs on any thread, perhaps when the store is gone.
  auto done = [this, store = shared_.self, region, to](bool ok) {
    store->use([&](Shared& shared) {
      (ok ? metrics_.snapshots_sent : metrics_.snapshots_not_sent).add();
      --shared.counters.snapshots_sending;
      executor_->post([this, region, to, ok] {
        auto* replica = find(region);
        if (!replica || stopped_) return;
        replica->on_snapshot_sent(to, ok);
        touch(region);
      });
    });
  };
  if (shared_.counters.snapshots_sending++ >= shared_.snapshots_sending_max) {
    LOG_INFO("region {}: a snapshot for peer {} must wait: too many are being sent", region, to);
    return done(false);
  }
  LOG_INFO("region {}: sends a snapshot of {} bytes to peer {}", region, source.bytes(), to);
  shared_.deps.transport.send_snapshot(std::move(snapshot.message), std::move(source), std::move(done));
}

}  // namespace cairn::store
