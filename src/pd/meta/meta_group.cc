#include "pd/meta/meta_group.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/codec.h"
#include "base/log.h"
#include "base/metrics.h"
#include "pd/member/identity.h"
#include "pd/member/member_records.h"
#include "pd/member/peer_transport.h"
#include "pd/meta/keys.h"
#include "pd/meta/meta_group_places.h"
#include "pd/meta/record_check.h"

namespace cairn::pd {

using namespace places;

namespace {

constexpr Duration kApplyTurn = std::chrono::milliseconds(10);
constexpr size_t kFreedAtOnce = 8192;

// The store whose image a snapshot carries, or what is wrong with it.
Result<MetaStore, std::string> read_image(ByteView in, uint64_t seed) {
  MetaStore store(seed);
  ByteView key;
  ByteView value;
  while (!in.empty()) {
    if (!take_pair(in, key, value)) return Err(std::string("it is cut short"));
    if (key == MetaStore::image_format_key()) TRY(MetaStore::check_format(value));
    if (!store.load_pair(key, value)) return Err(damaged_record(printable_key(key)));
  }
  TRY(store.finish_load());
  return store;
}

}  // namespace

struct MetaGroup::Round {
  uint64_t number = 0;  // of the Ready; 0 for a cut, which is no Ready
  std::vector<raft::Entry> entries;
  std::optional<raft::HardState> hard_state;
  std::vector<raft::Message> messages;  // to send once it is on disk
  bool must_sync = false;
  std::optional<LogPosition> snapshot;  // installed: the log begins anew behind it
  std::optional<LogPosition> cut;       // the log loses what is up to it
  LogIndex first_before;                // the log's bounds before this round
  LogIndex last_before;

  bool wants_disk() const { return !entries.empty() || hard_state || snapshot || cut || must_sync; }
};

MetaGroup::MetaGroup(const Options& options, World world, Listener listener)
    : options_(options), world_(std::move(world)), listener_(std::move(listener)), store_(world_.seed), log_([this] {
        return make_snapshot();
      }) {
  if (options_.members.empty()) options_.members.push_back({.id = options_.member_id});
  const bool is_one = std::any_of(options_.members.begin(), options_.members.end(),
                                  [this](const MemberInfo& member) { return member.id == options_.member_id; });
  CHECK(is_one, "member {} is not of the group", options_.member_id);
  CHECK(options_.members.size() == 1 || world_.transport != nullptr, "a group of {} members needs a transport",
        options_.members.size());
}

MetaGroup::~MetaGroup() = default;

api::Status MetaGroup::not_leader() { return {api::Code::kUnavailable, "not leader"}; }

engine::Result<void> MetaGroup::forget_install() {
  auto batch = world_.kv.new_batch();
  installed_.reset();
  batch->del(kCf, kInstalledKey);
  TRY_ASSIGN(applied_sequence_, world_.kv.write(*batch));
  world_.kv.flush_soon();
  return {};
}

void MetaGroup::start() {
  if (was_alone_ && conf_.voters.front() == PeerId(options_.member_id)) raft_->campaign();
  arm_tick();
  schedule();
}

void MetaGroup::arm_tick() {
  timer_ = world_.executor.after(options_.raft_tick, [this, alive = std::weak_ptr<int>(alive_)] {
    if (alive.expired() || stopping_ || failed_) return;
    tick();
    arm_tick();
  });
}

void MetaGroup::tick() {
  raft_->tick();
  if (raft_->is_leader() && raft_->term() == handed_over_ && !raft_->is_transferring()) {
    LOG_WARN("pd member {:x} hands over again: who was to lead next may do so at any moment", options_.member_id);
    transfer_leader(0);
  }
  renew_lease();
  process();
}

void MetaGroup::stop(std::function<void()> done) {
  stopping_ = true;
  on_stopped_ = std::move(done);
  world_.executor.cancel(timer_);
  fail_proposals();
  if (!writing_ && on_stopped_) std::exchange(on_stopped_, nullptr)();
}

void MetaGroup::propose(Bytes command, Done done) {
  if (stopping_ || failed_ || raft_ == nullptr) {
    done({not_leader(), {}});
    return;
  }
  auto index = raft_->propose(SharedBytes(std::move(command)));
  if (!index.ok()) {
    done({index.error() == raft::ProposeError::kTooMuchUncommitted
              ? api::Status{api::Code::kUnavailable, "etcdserver: too many requests"}
              : not_leader(),
          {}});
    return;
  }
  proposals_[*index] = {raft_->term(), std::move(done)};
  schedule();
}

void MetaGroup::propose_members(MetaTxn txn, Done done) {
  if (stopping_ || failed_ || raft_ == nullptr) return done({not_leader(), {}});
  // What the records would be if it were applied now: the raft core judges the step.
  OwnRecords after;
  store_.own().scan_prefix(kMembersPrefix, [&](ByteView key, ByteView value) { after.put(key, value); });
  for (const auto& write : txn.writes()) {
    write.kind == MetaTxn::Write::Kind::kPut ? after.put(write.key, write.value) : after.del(write.key);
  }
  const auto change = difference(conf_, conf_of(after, options_.members));
  Bytes command = MetaStore::encode_own(txn);
  if (change.changes.empty()) return propose(std::move(command), std::move(done));
  auto index = raft_->propose_conf_change(raft::EntryType::kConfChangeV2, change, SharedBytes(std::move(command)));
  if (!index.ok()) {
    const bool is_pending = index.error() == raft::ProposeError::kConfChangePending;
    return done(
        {is_pending ? api::Status{api::Code::kUnavailable, "another change of the members is under way"} : not_leader(),
         {}});
  }
  proposals_[*index] = {raft_->term(), std::move(done)};
  schedule();
}

void MetaGroup::receive_raft(uint64_t from, ByteView bytes) {
  raft::Message message;
  if (!decode_message(bytes, message) || message.from != PeerId(from)) return;
  if (!message.snapshot.empty()) {
    if (auto image = read_image(message.snapshot.data.view(), world_.seed); !image.ok()) {
      LOG_ERROR("a snapshot of PD's data from member {:x} is dropped: {}", message.from, image.error());
      return;
    }
  }
  const bool is_of_leader = message.type == raft::MessageType::kHeartbeat && message.term >= raft_->term();
  if (is_of_leader && message.commit > raft_->last_index()) {
    // The leader names no more than what this member has acknowledged.
    return fatal(
        fmt::format("this member has acknowledged PD's records up to {}, as member {:x} knows, but its log ends "
                    "at {}: its data directory is an older copy, or was cut short. Remove it from the cluster, "
                    "and let it join anew",
                    message.commit, from, raft_->last_index()));
  }
  if (message.type == raft::MessageType::kHeartbeatResponse) metrics_.on_heartbeat_answered(from, world_.clock.now());
  if (const char* why = raft_->step(std::move(message)); why != nullptr) {
    LOG_WARN("a message of member {:x} is dropped: {}", from, why);
  }
  schedule();
}

raft::ConfChange MetaGroup::follow_members() {
  const auto before = std::exchange(conf_, conf_of(store_.own(), options_.members));
  if (world_.transport != nullptr) {
    for (const auto& member : options_.members) world_.transport->set_address(member);
    for (const auto& record : read_members(store_.own())) world_.transport->set_address(info_of(record));
  }
  return difference(before, conf_);
}

void MetaGroup::schedule() {
  if (scheduled_ || processing_) return;
  scheduled_ = true;
  world_.executor.post([this, alive = std::weak_ptr<int>(alive_)] {
    if (alive.expired()) return;
    scheduled_ = false;
    if (!stopping_ && !failed_) process();
  });
}

void MetaGroup::process() {
  CHECK(!processing_, "a round inside a round");
  processing_ = true;
  const Instant until = world_.clock.now() + kApplyTurn;
  maybe_cut();
  do {
    while (raft_->has_ready() && !failed_) {
      auto ready = raft_->ready();
      Round round;
      round.first_before = log_.first_index();
      round.last_before = log_.last_index();
      send(ready.messages);
      if (!ready.snapshot.empty()) {
        install(ready.snapshot);
        round.snapshot = applied_;
      }
      log_.append(ready.entries);
      if (ready.hard_state) hard_state_ = *ready.hard_state;
      round.number = ready.number;
      round.entries = std::move(ready.entries);
      round.hard_state = ready.hard_state;
      round.messages = std::move(ready.persisted_messages);
      round.must_sync = ready.must_sync;
      rounds_.push_back(std::move(round));
      to_apply_.insert(to_apply_.end(), std::make_move_iterator(ready.committed.begin()),
                       std::make_move_iterator(ready.committed.end()));
      for (const auto& read : ready.read_states) {
        uint64_t asked = 0;
        ByteView context = read.context;
        if (!codec::get_u64_be(context, asked)) continue;
        if (auto found = lease_asked_.find(asked); found != lease_asked_.end()) {
          const auto length = options_.raft_tick * options_.raft_election_ticks * 8 / 10;
          lease_until_ = std::max(lease_until_, found->second + length);
          metrics_.on_lease_renewed(found->second, world_.clock.now());
          lease_asked_.erase(lease_asked_.begin(), std::next(found));
        }
      }
    }
    apply(until);
    start_write();  // may end at once and make more ready
  } while (raft_->has_ready() && !failed_);
  processing_ = false;
  if (!to_apply_.empty()) schedule();
  free_remains();
  watch_leadership();
}

void MetaGroup::free_remains() {
  if (freeing_ || !store_.has_remains()) return;
  freeing_ = true;
  world_.executor.post([this, alive = std::weak_ptr<int>(alive_)] {
    if (alive.expired()) return;
    freeing_ = false;
    store_.free_some(kFreedAtOnce);
    free_remains();
  });
}

void MetaGroup::send(const std::vector<raft::Message>& messages) {
  for (const auto& message : messages) {
    if (world_.transport == nullptr) continue;
    if (message.type == raft::MessageType::kTimeoutNow) handed_over_ = raft_->term();
    cairnpb::PeerMessage letter;
    letter.set_raft(encode_message(message));
    send_to(message.to.value, std::move(letter));
    if (message.type == raft::MessageType::kHeartbeat) metrics_.on_heartbeat_sent(message.to.value, world_.clock.now());
    if (message.type == raft::MessageType::kSnapshot) {
      // Whether it arrived shows in the follower's next answer.
      raft_->report_snapshot(message.to, raft::RawNode::SnapshotOutcome::kFinished);
    }
  }
}

void MetaGroup::apply(Instant until) {
  if (to_apply_.empty() || failed_) return;
  std::vector<std::pair<Done, CommandResult>> answers;
  do {
    const auto entry = std::move(to_apply_.front());
    to_apply_.pop_front();
    CHECK(entry.index == applied_.index.next(), "entry {} applied after {}", entry.index, applied_.index);
    applied_ = {entry.index, entry.term};
    CommandResult result;
    if (entry.type != raft::EntryType::kNormal && entry.data.empty()) {
      raft_->apply_conf_change(std::nullopt);
    } else if (!entry.data.empty()) {
      auto applied = store_.apply(entry.data.view());
      if (!applied.ok()) return fatal(fmt::format("entry {} of PD's raft log: {}", entry.index, applied.error()));
      result = std::move(*applied);
      if (entry.type != raft::EntryType::kNormal) {
        const auto change = follow_members();
        const bool is_change = !change.changes.empty();  // else its guard did not hold
        const auto conf = raft_->apply_conf_change(is_change ? std::optional(change) : std::nullopt);
        CHECK(conf == conf_, "the members' records and the group's membership differ at {}", entry.index);
      }
    }
    if (auto found = proposals_.find(entry.index); found != proposals_.end()) {
      if (found->second.term != entry.term) result = {not_leader(), {}};
      answers.emplace_back(std::move(found->second.done), std::move(result));
      proposals_.erase(found);
    }
  } while (!to_apply_.empty() && world_.clock.now() < until);
  write_changes();
  raft_->on_applied(applied_.index);
  for (auto& [done, result] : answers) done(std::move(result));
  if (listener_.on_applied) listener_.on_applied();
}

void MetaGroup::write_changes() {
  auto batch = world_.kv.new_batch();
  for (const auto& change : store_.take_changes()) {
    if (change.value) {
      batch->put(kCf, change.key, *change.value);
    } else if (change.end.empty()) {
      batch->del(kCf, change.key);
    } else {
      batch->delete_range(kCf, change.key, change.end);
    }
  }
  for (int64_t id : store_.take_changed_leases()) {
    auto found = store_.leases().find(id);
    if (found == store_.leases().end()) {
      batch->del(kCf, MetaStore::image_lease_key(id));
    } else {
      batch->put(kCf, MetaStore::image_lease_key(id), MetaStore::image_lease_value(found->second));
    }
  }
  for (const auto& key : store_.take_changed_own()) {
    if (auto value = store_.own().value(key)) {
      batch->put(kCf, MetaStore::image_own_key(key), *value);
    } else {
      batch->del(kCf, MetaStore::image_own_key(key));
    }
  }
  batch->put(kCf, MetaStore::image_revision_key(), store_.image_revision_value());
  batch->put(kCf, kAppliedKey, encode_position(applied_));
  static auto& time = metrics::histogram("etcd_disk_backend_commit_duration_seconds",
                                         "How long changes of PD's records take to be written", metrics::kStepTimes);
  const Instant begun = world_.clock.now();
  auto sequence = world_.kv.write(*batch);
  time.observe(world_.clock.now() - begun);
  if (!sequence.ok()) return fatal("writing PD's data: " + sequence.error().message);
  applied_sequence_ = *sequence;
}

void MetaGroup::install(const raft::RaftSnapshot& snapshot) {
  auto image = read_image(snapshot.data.view(), world_.seed);
  if (!image.ok()) return fatal(fmt::format("the snapshot at {}: {}", snapshot.meta.index, image.error()));
  store_ = std::move(*image);
  (void)follow_members();
  to_apply_.clear();  // it holds them all
  auto batch = world_.kv.new_batch();
  batch->delete_range(kCf, Bytes(1, '\0'), Bytes(1, '\xff'));
  store_.write_image([&](ByteView key, ByteView value) { batch->put(kCf, key, value); });
  applied_ = {snapshot.meta.index, snapshot.meta.term};
  batch->put(kCf, kAppliedKey, encode_position(applied_));
  installed_ = applied_;
  batch->put(kCf, kInstalledKey, encode_position(applied_));
  if (options_.group_id != 0) batch->put(kCf, kIdentityKey, encode_identity(Identity::of(options_)));
  auto sequence = world_.kv.write(*batch);
  if (!sequence.ok()) return fatal("installing a snapshot: " + sequence.error().message);
  applied_sequence_ = *sequence;
  if (auto flushed = world_.kv.flush(); !flushed.ok()) return fatal("flushing a snapshot: " + flushed.error().message);
  log_.reset(applied_);
  cut_.reset();
}

raft::RaftSnapshot MetaGroup::make_snapshot() const {
  Bytes data;
  store_.write_image([&](ByteView key, ByteView value) { append_pair(data, key, value); });
  return {{applied_.index, applied_.term, conf_}, SharedBytes(std::move(data))};
}

void MetaGroup::start_write() {
  if (writing_ || rounds_.empty() || failed_) return;
  auto rounds = std::exchange(rounds_, {});
  if (std::none_of(rounds.begin(), rounds.end(), [](const Round& round) { return round.wants_disk(); })) {
    finish_write({}, std::move(rounds));
    return;
  }
  std::shared_ptr<engine::RaftLogBatch> batch = world_.raft_log.new_batch();
  bool sync = false;
  for (const auto& round : rounds) {
    sync |= round.must_sync || round.snapshot;
    if (round.snapshot) {
      if (round.last_before >= round.first_before) batch->cut_suffix(kGroup, round.first_before, round.last_before);
      batch->put_meta(kGroup, kTruncatedSlot, encode_position(*round.snapshot));
    }
    if (!round.entries.empty() && !round.snapshot && round.entries.front().index <= round.last_before) {
      batch->cut_suffix(kGroup, round.entries.front().index, round.last_before);
    }
    for (const auto& entry : round.entries) batch->put_entry(kGroup, entry.index, encode_entry(entry));
    if (round.cut) {
      batch->cut_prefix(kGroup, round.first_before, round.cut->index.next());
      batch->put_meta(kGroup, kTruncatedSlot, encode_position(*round.cut));
    }
  }
  // The state is that of now: all entries in the log's memory are in this batch or before it.
  batch->put_state(kGroup, encode_local_state(hard_state_, log_.last_index()));
  writing_ = true;
  // What runs on "pd-log" touches nothing of the group but the engine; the group waits for it before it goes.
  world_.log_executor.post([this, alive = std::weak_ptr<int>(alive_), batch, sync, log = &world_.raft_log,
                            clock = &world_.clock, home = &world_.executor, rounds = std::move(rounds)]() mutable {
    const Instant begun = clock->now();
    auto written = log->write(*batch, sync ? engine::Sync::kYes : engine::Sync::kNo);
    static auto& time =
        metrics::histogram("etcd_disk_wal_fsync_duration_seconds",
                           "How long the log of PD's records takes to be written and synced", metrics::kStepTimes);
    time.observe(clock->now() - begun);
    Result<void, std::string> outcome;
    if (!written.ok()) outcome = Err(written.error().message);
    home->post([this, alive, outcome = std::move(outcome), rounds = std::move(rounds)]() mutable {
      if (alive.expired()) return;
      writing_ = false;
      if (stopping_) {
        if (on_stopped_) std::exchange(on_stopped_, nullptr)();
        return;
      }
      finish_write(std::move(outcome), std::move(rounds));
      if (!failed_) process();
    });
  });
}

void MetaGroup::finish_write(Result<void, std::string> outcome, std::vector<Round> rounds) {
  if (!outcome.ok()) return fatal("writing PD's raft log: " + outcome.error());
  uint64_t number = 0;
  for (const auto& round : rounds) {
    send(round.messages);
    number = std::max(number, round.number);
    if (!round.snapshot) continue;
    const bool is_last = installed_ && installed_->index == round.snapshot->index;
    raft_->on_snapshot_applied(round.snapshot->index);
    if (!is_last) continue;
    if (auto done = forget_install(); !done.ok()) return fatal("writing PD's data: " + done.error().message);
  }
  if (number != 0) raft_->on_persisted(number);
}

void MetaGroup::maybe_cut() {
  if (cut_ && world_.kv.flushed_sequence() >= cut_->sequence) {
    const auto position = cut_->position;
    cut_.reset();
    if (position.index > log_.truncated().index) {
      Round round;
      round.first_before = log_.first_index();
      round.last_before = log_.last_index();
      log_.cut(position.index);
      round.cut = position;
      rounds_.push_back(std::move(round));
    }
  }
  const bool is_long = applied_.index - log_.truncated().index > options_.raft_log_gc_entries;
  const bool is_large = log_.bytes() > options_.raft_log_gc_bytes && applied_.index > log_.truncated().index;
  if (!cut_ && (is_long || is_large)) {
    cut_ = Cut{applied_, applied_sequence_};
    world_.kv.flush_soon();
  }
}

bool MetaGroup::is_leader() const {
  return leading_ && raft_->is_leader() && !raft_->is_transferring() && raft_->term() != handed_over_ &&
         (is_alone() || world_.clock.now() < lease_until_);
}

Duration MetaGroup::lease_left() const { return leading_ ? lease_until_ - world_.clock.now() : Duration(); }

uint64_t MetaGroup::leader() const { return raft_ == nullptr ? 0 : raft_->leader().value; }
uint64_t MetaGroup::term() const { return raft_ == nullptr ? 0 : raft_->term().value; }

void MetaGroup::renew_lease() {
  if (is_alone() || !raft_->is_leader()) return;
  Bytes context;
  codec::put_u64_be(context, ++lease_round_);
  if (raft_->read_index(std::move(context))) lease_asked_[lease_round_] = world_.clock.now();
  while (lease_asked_.size() > 64) lease_asked_.erase(lease_asked_.begin());
}

void MetaGroup::watch_leadership() {
  if (failed_ || stopping_) return;
  const bool leads = raft_->is_leader() && raft_->committed_in_term() && applied_.index >= raft_->commit();
  if (leading_ && (!raft_->is_leader() || raft_->term() != leading_term_)) {
    leading_ = false;
    lease_until_ = {};
    lease_asked_.clear();
    LOG_INFO("pd member {:x} leads no more, term {}", options_.member_id, raft_->term());
    listener_.on_leadership(false);
  }
  if (!raft_->is_leader()) fail_proposals();
  if (leads && !leading_) {
    leading_ = true;
    leading_term_ = raft_->term();
    LOG_INFO("pd member {:x} leads in term {}", options_.member_id, leading_term_);
    renew_lease();  // the next tick may be far
    listener_.on_leadership(true);
  }
}

void MetaGroup::fail_proposals() {
  auto failed = std::exchange(proposals_, {});
  for (auto& [index, proposal] : failed) proposal.done({not_leader(), {}});
}

void MetaGroup::fatal(const std::string& what) {
  if (std::exchange(failed_, true)) return;
  LOG_ERROR("pd member {:x} stops serving: {}", options_.member_id, what);
  const bool led = std::exchange(leading_, false);
  fail_proposals();
  if (led) listener_.on_leadership(false);
  if (world_.on_fatal) world_.on_fatal(what);
}

}  // namespace cairn::pd
