#include "replica/replica.h"

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "replica/command.h"
#include "replica/conf_change.h"
#include "replica/keys.h"
#include "replica/metrics.h"
#include "replica/region_check.h"
#include "runtime/random.h"

namespace cairn::replica {
namespace {

// More peers than a change of membership brings in. Who has to give way to another is answered when it speaks again.
constexpr size_t kStrangersMax = 64;

void note_proposal(ProposalKind kind) {
  const auto& metrics = RaftMetrics::get();
  metrics.proposals[ProposalKind::kAll].add();
  metrics.proposals[kind].add();
}

// What tells this life of the peer from all others, former ones of the same peer id among them.
uint64_t draw_life(const ReplicaOptions& options, const Replica::Loaded& loaded) {
  runtime::Random lives(options.seed ^ (loaded.incarnation * 0x9E3779B97F4A7C15ULL));
  return runtime::Random(lives.next() ^ loaded.self.id()).next();
}

raft::Config raft_config(const ReplicaOptions& options, const Replica::Loaded& loaded) {
  raft::Config config;
  config.id = PeerId(loaded.self.id());
  config.applied = loaded.apply_state.applied;
  config.election_ticks = options.election_ticks;
  config.election_ticks_max = 2 * options.election_ticks;
  config.heartbeat_ticks = options.heartbeat_ticks;
  config.append_bytes_max = options.append_bytes_max;
  config.inflight_appends_max = options.inflight_appends_max;
  config.seed = options.seed ^ (loaded.self.id() * 0x9E3779B97F4A7C15ULL);
  config.is_hard_state_persisted = loaded.is_raft_state_persisted;
  // Even of a peer that was alone when its region was last flushed: others may have joined it since. And whom it
  // followed is not known.
  const int patience = loaded.stores->has_others() ? election_ticks_beside_tikv(options.tick, options.election_ticks)
                                                   : options.election_ticks;
  config.vote_grace_ticks = loaded.lived_before ? patience : 0;
  return config;
}

// A follower that heard the leader at its own tick n refuses others up to tick n + election_ticks, which may be almost
// a tick less than that many intervals; a tenth more is left for clocks that run unevenly.
Duration lease_length(const ReplicaOptions& options) { return options.tick * (options.election_ticks - 1) * 9 / 10; }

}  // namespace

Replica::Replica(const ReplicaOptions& options, Loaded loaded, const engine::RaftLogEngine& log,
                 std::shared_ptr<ReadCell> cell)
    : options_(options),
      incarnation_(loaded.incarnation),
      region_(loaded.region),
      description_(describe(loaded.region)),
      self_(loaded.self),
      storage_({RegionId(loaded.region.id()), options.cache_bytes_max, options.unapplied_cache_bytes_max}, log,
               loaded.raft_state, loaded.apply_state, conf_state_of(loaded.region)),
      node_(raft_config(options, loaded), storage_),
      applied_(loaded.apply_state.applied),
      applied_term_(loaded.apply_state.applied_term),
      applied_term_since_(applied_),
      reads_(draw_life(options, loaded)),
      lease_(lease_length(options)),
      replay_end_(node_.commit()),
      cell_(std::move(cell)),
      role_term_(node_.term()),
      stores_(loaded.stores) {
  adapt_patience();
  // What was truncated before this process began was flushed: it may go.
  if (applied_ > LogIndex(0)) log_gc_.on_truncated(0, loaded.apply_state.truncated);
  cell_->set_applied(applied_);
  if (is_initialized()) cell_->set_region(std::make_shared<engine::RegionDescription>(description_));
}

Replica::~Replica() { cell_->publish(nullptr); }

// See known_stores.h.
bool Replica::is_beside_tikv() {
  const auto counts_as_tikv = [&](const metapb::Peer& peer) {
    const StoreId store(peer.store_id());
    if (!stores_->is_known(store)) events_.unknown_stores.insert(store);
    return !stores_->is_ours(store);
  };
  bool is_beside = false;
  for (const auto& peer : region_.peers()) is_beside = counts_as_tikv(peer) || is_beside;
  patient_with_ = node_.leader();
  if (!patient_with_.is_set() || patient_with_ == PeerId(self_.id())) return is_beside;
  if (find_peer(region_, patient_with_)) return is_beside;
  const auto stranger = strangers_.find(patient_with_);
  return stranger == strangers_.end() || counts_as_tikv(stranger->second) || is_beside;
}

void Replica::adapt_patience() {
  const int before = node_.election_ticks();
  const int ticks =
      is_beside_tikv() ? election_ticks_beside_tikv(options_.tick, options_.election_ticks) : options_.election_ticks;
  node_.set_election_ticks(ticks, 2 * ticks);
  if (ticks != before) LOG_DEBUG("region {}: peer {} waits {} ticks for a leader", id(), self_.id(), ticks);
}

void Replica::set_stores(std::shared_ptr<const KnownStores> stores) {
  stores_ = std::move(stores);
  adapt_patience();
}

void Replica::tick(Instant now) {
  node_.tick();
  if (node_.leader() != patient_with_) adapt_patience();
  const Duration patience = options_.tick * options_.election_ticks;
  reads_.retry_older_than(now - patience);
  // Who waits so long may have its way to the leader cut, or the leader's way back: another replica may serve.
  constexpr int kPatienceOfReads = 3;
  engine::RegionError error = engine::NotLeader{id(), std::nullopt};
  if (leader()) error = engine::ReadIndexNotReady{id(), "the leader does not answer"};
  const bool may_wait_to_apply = is_leader();
  reads_.give_up(now, now - kPatienceOfReads * patience, error, may_wait_to_apply);
  if (is_leader()) leader_seen_ = now;
}

const char* Replica::on_raft_message(raft_serverpb::RaftMessage message, Instant now) {
  const metapb::Peer& sender = message.from_peer();
  const PeerId from(sender.id());
  const metapb::Peer* member = find_peer(region_, from);
  if (member && member->store_id() != sender.store_id()) return "a peer on another store than the region has it";
  raft::Message in = from_wire(std::move(*message.mutable_message()));
  if (in.type == raft::MessageType::kSnapshot) {
    raft_serverpb::RaftSnapshotData data;
    ByteView bytes = in.snapshot.data.view();
    if (!data.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return "a snapshot that cannot be read";
    // One truth: the region's peers, which a restart goes by.
    in.snapshot.meta.conf = conf_state_of(data.region());
    received_folders_.push_back(data.meta().tablet_snap_path());
    if (installing_) return nullptr;  // one after the other; the leader will send another
  }
  if (const char* why = node_.step(std::move(in))) return why;
  if (member) last_heard_[from] = now;
  if (!member) {
    if (strangers_.size() >= kStrangersMax && !strangers_.contains(from)) strangers_.erase(strangers_.begin());
    strangers_[from] = sender;
  }
  addressed_at_ = std::max(addressed_at_, message.region_epoch().conf_ver());
  if (node_.leader() != patient_with_) adapt_patience();
  // Its word, not its name: who cannot campaign keeps the last leader's name though nobody speaks to it any more.
  if (node_.leader() == from) leader_seen_ = now;
  return nullptr;
}

bool Replica::is_parted_from_by(const metapb::Region& newer) const {
  // A peer without data knows no epoch but that of those who speak to it: PD may not have heard of it yet.
  return newer.region_epoch().conf_ver() > known_conf_ver() && !find_peer(newer, PeerId(self_.id()));
}

void Replica::set_region(metapb::Region region) {
  region_ = std::move(region);
  description_ = describe(region_);
  cell_->set_region(std::make_shared<engine::RegionDescription>(description_));
  if (const metapb::Peer* self = find_peer(region_, PeerId(self_.id()))) self_ = *self;
  adapt_patience();
}

std::optional<engine::PeerDescription> Replica::leader() const {
  const metapb::Peer* peer = find_peer(region_, node_.leader());
  if (!peer) return std::nullopt;
  return describe(*peer);
}

std::optional<engine::RegionError> Replica::check(const engine::RegionRequest& request) const {
  if (destroying_) return engine::RegionNotFound{id()};
  PeerView view{options_.store,   PeerId(self_.id()), node_.term(), node_.is_leader(),
                is_initialized(), leader(),           &description_};
  return check_request(request, view);
}

bool Replica::is_busy() const {
  return proposals_.size() >= options_.proposals_max || proposals_.bytes() >= options_.proposals_bytes_max;
}

engine::RegionError Replica::refusal(raft::ProposeError error) const {
  switch (error) {
    case raft::ProposeError::kNotLeader:
      return engine::NotLeader{id(), leader()};
    case raft::ProposeError::kTransferring:
      return engine::NotLeader{id(), std::nullopt};
    case raft::ProposeError::kTooMuchUncommitted:
      return engine::ServerIsBusy{"too many uncommitted writes", 0ms};
    case raft::ProposeError::kConfChangePending:
    case raft::ProposeError::kInvalidConfChange:
      break;
  }
  return engine::OtherRegionError{"the change of membership is not possible now"};
}

void Replica::write(const engine::RegionRequest& request, engine::WriteBasis basis, engine::WriteData data, Instant now,
                    OnWritten done) {
  engine::RegionRequest strict = request;
  strict.replica_read = strict.stale_read = false;
  std::optional<engine::RegionError> error = check(strict);
  if (!error && basis.is_view() && basis.term() != node_.term()) error = engine::StaleCommand{};
  CHECK(error || !basis.is_view() || (applied_term_ == node_.term() && basis.applied() >= applied_term_since_),
        "INV-WRITE-BASIS: region {}: a write of term {} follows from {} applied; of its term is {} from {} on", id(),
        node_.term(), basis.applied(), applied_term_, applied_term_since_);
  if (!error && is_busy()) error = engine::ServerIsBusy{"too many writes of the region are waiting", 0ms};
  for (size_t i = 0; !error && i < data.changes.size(); ++i) error = check_key(data.changes[i].key, description_);
  if (error) {
    std::move(done)(Err(std::move(*error)));
    return;
  }
  auto wanted = std::move(data.times);
  Bytes bytes = serialize(make_write(region_, self_, node_.term(), std::move(data)));
  uint64_t size = bytes.size();
  if (size > options_.entry_bytes_max) {
    std::move(done)(Err(engine::RegionError(engine::RaftEntryTooLarge{id(), size})));
    return;
  }
  auto index = node_.propose(SharedBytes(std::move(bytes)));
  if (!index.ok()) {
    std::move(done)(Err(refusal(index.error())));
    return;
  }
  note_proposal(ProposalKind::kNormal);
  RaftMetrics::get().proposed_bytes.observe(size);
  proposals_.push({*index, node_.term(), now, size, std::move(done), std::move(wanted)});
}

bool Replica::propose_admin(raft_cmdpb::AdminRequest admin, Instant now, OnWritten done) {
  bool is_split = admin.cmd_type() == raft_cmdpb::BatchSplit;
  if (!node_.is_leader()) {
    if (done) std::move(done)(Err(engine::RegionError(engine::NotLeader{id(), leader()})));
    return false;
  }
  Bytes bytes = serialize(make_admin(region_, self_, node_.term(), std::move(admin)));
  uint64_t size = bytes.size();
  auto index = node_.propose(SharedBytes(std::move(bytes)), is_split ? Bytes(1, kSplitMark) : Bytes());
  if (!index.ok()) {
    if (done) std::move(done)(Err(refusal(index.error())));
    return false;
  }
  note_proposal(ProposalKind::kNormal);
  if (is_split) splits_.insert(*index);
  proposals_.push({*index, node_.term(), now, size, std::move(done)});
  return true;
}

std::string Replica::propose_conf_change(raft_cmdpb::AdminRequest admin, Instant now) {
  if (!node_.is_leader()) return "not the leader";
  PeerChanges changes = changes_of(admin);
  // A replica that applied nothing of its own term does not know yet what its predecessor changed.
  ConfChangeFacts facts{region_, PeerId(self_.id()), !has_applied_in_its_term(), storage_.first_index(),
                        node_.status().progress};
  if (std::string reason = why_not_propose(changes, facts); !reason.empty()) return reason;
  raft::ConfChange change = to_raft(changes);
  bool v1 = admin.cmd_type() == raft_cmdpb::ChangePeer;
  Bytes context = serialize(make_admin(region_, self_, node_.term(), std::move(admin)));
  Bytes data;
  if (v1) {
    eraftpb::ConfChange wire;
    wire.set_change_type(static_cast<eraftpb::ConfChangeType>(change.changes.front().type));
    wire.set_node_id(change.changes.front().peer.value);
    wire.set_context(context);
    data = serialize(wire);
  } else {
    eraftpb::ConfChangeV2 wire;
    wire.set_transition(static_cast<eraftpb::ConfChangeTransition>(change.transition));
    for (const auto& single : change.changes) {
      auto& out = *wire.add_changes();
      out.set_change_type(static_cast<eraftpb::ConfChangeType>(single.type));
      out.set_node_id(single.peer.value);
    }
    wire.set_context(context);
    data = serialize(wire);
  }
  auto index = node_.propose_conf_change(v1 ? raft::EntryType::kConfChange : raft::EntryType::kConfChangeV2, change,
                                         SharedBytes(std::move(data)), std::move(context));
  if (!index.ok()) return "refused by raft";
  note_proposal(ProposalKind::kConfChange);
  proposals_.push({*index, node_.term(), now, 0, nullptr});
  return {};
}

std::string Replica::why_not_transfer(PeerId to) const {
  constexpr uint64_t kLagMax = 128;
  const metapb::Peer* peer = find_peer(region_, to);
  if (!node_.is_leader()) return "not the leader";
  if (!peer || (peer->role() != metapb::Voter && peer->role() != metapb::IncomingVoter))
    return "the target is no voter";
  if (to.value == self_.id()) return "it leads already";
  for (const auto& progress : node_.status().progress) {
    if (progress.id != to) continue;
    if (progress.state == raft::PeerProgress::State::kSnapshot) return "the target waits for a snapshot";
    if (node_.last_index() > progress.matched + kLagMax) return "the target is too far behind";
    return {};
  }
  return "the target is not known";
}

std::string Replica::transfer_leader(PeerId to) {
  std::string reason = why_not_transfer(to);
  if (!reason.empty()) return reason;
  note_proposal(ProposalKind::kTransferLeader);
  node_.transfer_leader(to);
  return {};
}

bool Replica::split_is_under_way() const { return !splits_.empty() && *splits_.begin() <= node_.commit(); }

std::vector<std::string> Replica::take_folders() {
  auto folders = std::exchange(received_folders_, {});
  folders.push_back(std::exchange(installing_folder_, {}));
  return folders;
}

void Replica::on_later_members(uint64_t conf_ver, std::vector<metapb::Peer> members) {
  if (conf_ver <= std::max(known_conf_ver(), later_members_ ? later_members_->first : 0)) return;
  later_members_.emplace(conf_ver, std::move(members));
}

std::vector<metapb::Peer> Replica::peers_to_ask() const {
  std::vector<metapb::Peer> out;
  if (later_members_ && later_members_->first > known_conf_ver()) {
    out = later_members_->second;
  } else {
    out.assign(region_.peers().begin(), region_.peers().end());
  }
  std::erase_if(out, [&](const metapb::Peer& peer) { return peer.store_id() == options_.store.value; });
  return out;
}

void Replica::read(const engine::RegionRequest& request, Instant now, OnReadable done) {
  std::optional<engine::RegionError> error = check(request);
  if (!error && split_is_under_way()) error = engine::ReadIndexNotReady{id(), "a split is being applied"};
  if (!error && reads_.size() >= options_.reads_max) error = engine::ServerIsBusy{"too many reads are waiting", 0ms};
  if (error) {
    std::move(done)(Err(std::move(*error)));
    return;
  }
  note_proposal(ProposalKind::kReadIndex);
  reads_.push(std::move(done), node_.is_leader() ? Timestamp() : request.read_ts, {now, request.deadline});
}

void Replica::ask_read_index(Instant now) {
  if (!reads_.has_unsent() || split_is_under_way()) return;
  Bytes context = reads_.next_context(description_);
  if (node_.read_index(context)) {
    reads_.mark_sent(std::move(context), now);
  }
}

ReadViewPtr Replica::reading_view() const {
  auto view = std::make_shared<ReadView>();
  view->region = description_;
  view->peer = PeerId(self_.id());
  view->term = node_.term();
  return view;
}

void Replica::abandon(const std::string& reason) {
  cell_->publish(nullptr);
  view_ = nullptr;
  lease_.end();
  proposals_.abandon(reason);
  reads_.fail_all(engine::RegionNotFound{id()});
}

void Replica::on_snapshot_sent(PeerId peer, bool ok) {
  node_.report_snapshot(peer, ok ? raft::RawNode::SnapshotOutcome::kFinished : raft::RawNode::SnapshotOutcome::kFailed);
}

void Replica::on_snapshot_made(std::optional<MadeSnapshot> made, std::shared_ptr<void> keep_alive) {
  if (!made || !node_.is_leader()) {
    storage_.on_snapshot_failed();
    return;
  }
  constexpr size_t kMadeMax = 4;  // offered to Raft but not taken, as the follower needs it no more
  if (made_files_.size() >= kMadeMax) made_files_.erase(made_files_.begin());
  made_files_.push_back({made->snapshot.meta.index, std::move(made->files), std::move(keep_alive)});
  storage_.offer_snapshot(std::move(made->snapshot));
}

void Replica::gc_log(const LogGcLimits& limits, uint64_t flushed_sequence, Instant now, Outbox& out) {
  if (auto cuttable = log_gc_.take_cuttable(flushed_sequence)) storage_.cut(*cuttable, *out.log);
  if (!node_.is_leader() || is_compacting_) return;
  LogGc::View view{storage_.truncated(), applied_, storage_.last_index(), storage_.log_bytes(),
                   storage_.snapshot_begin()};
  auto to = log_gc_.compact_to(view, node_.status().progress, limits);
  if (!to) {
    const bool is_long = view.last - view.truncated >= limits.threshold;
    const auto& metrics = RaftMetrics::get();
    return (is_long ? metrics.log_gc_kept_for_followers : metrics.log_gc_below_threshold).add();
  }
  auto term = storage_.term(*to);
  CHECK(term.ok(), "region {}: no term of {} which is to be compacted", id(), *to);
  raft_cmdpb::AdminRequest admin;
  admin.set_cmd_type(raft_cmdpb::CompactLog);
  admin.mutable_compact_log()->set_compact_index(to->value);
  admin.mutable_compact_log()->set_compact_term(term->value);
  is_compacting_ = true;
  // Refused at once, overtaken or applied: each proposal is answered.
  propose_admin(std::move(admin), now, [this](const WriteOutcome&) { is_compacting_ = false; });
}

}  // namespace cairn::replica
