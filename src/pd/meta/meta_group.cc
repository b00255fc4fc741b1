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
#include "pd/meta/record_check.h"

namespace cairn::pd {
namespace {

constexpr RegionId kGroup{1};  // the one group of PD's Raft log engine
constexpr uint8_t kTruncatedSlot = 0;
constexpr engine::Cf kCf = engine::Cf::kDefault;
const Bytes kAppliedKey = "a";
const Bytes kInstalledKey = "i";  // the snapshot that was installed last, until the log is known to go on behind it
constexpr Duration kApplyTurn = std::chrono::milliseconds(10);
constexpr size_t kFreedAtOnce = 8192;
constexpr Duration kTellEvery = std::chrono::seconds(10);  // of the same refusal
constexpr size_t kRefusedMax = 64;                         // members that are told apart
constexpr uint64_t kBehindMax = 256;                       // entries, of a member that keeps up

// A key for people: as it stands if it is text.
std::string printable(ByteView key) {
  const bool is_text = std::all_of(key.begin(), key.end(), [](char c) { return c >= ' ' && c <= '~'; });
  return is_text ? std::string(key) : to_hex(key);
}

std::string lost_log(LogIndex applied, LogIndex last) {
  return fmt::format(
      "PD's raft log (the folder raft of the data directory) ends at {}, but PD's data stand at {}: the log was "
      "removed, "
      "cut short or is an older copy. To go on would lose what was acknowledged. Put back the log that belongs to the "
      "data, or the whole data directory from one backup",
      last, applied);
}

// The store whose image a snapshot carries, or what is wrong with it.
Result<MetaStore, std::string> read_image(ByteView in, uint64_t seed) {
  MetaStore store(seed);
  ByteView key;
  ByteView value;
  while (!in.empty()) {
    if (!take_pair(in, key, value)) return Err(std::string("it is cut short"));
    if (key == MetaStore::image_format_key()) TRY(MetaStore::check_format(value));
    if (!store.load_pair(key, value)) return Err(damaged_record(printable(key)));
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

Result<void, std::string> MetaGroup::open() {
  TRY(load_store());
  conf_ = conf_of(store_.own(), options_.members);
  TRY(load_log());
  if (!has_mark_) TRY(leave_first_mark());
  if (!has_format_) TRY(write_format());
  if (installed_) TRY(finish_install());
  raft::Config config;
  config.id = PeerId(options_.member_id);
  config.applied = applied_.index;
  config.election_ticks = options_.raft_election_ticks;
  config.election_ticks_max = options_.raft_election_ticks * 2;
  // A leader's lease may rest on what this member promised before its restart. What it has applied may be of a time
  // when it was alone.
  was_alone_ = is_alone() && !log_.has_conf_change_behind(applied_.index);
  if (!was_alone_) config.vote_grace_ticks = options_.raft_election_ticks;
  config.seed = world_.seed;
  raft_ = std::make_unique<raft::RawNode>(config, log_);
  (void)follow_members();
  return {};
}

Result<void, std::string> MetaGroup::load_store() {
  auto snapshot = world_.kv.snapshot();
  auto iterator = snapshot->iterator(kCf, {});
  for (iterator->seek_to_first(); iterator->valid(); iterator->next()) {
    const bool is_own =
        iterator->key() == kAppliedKey || iterator->key() == kInstalledKey || iterator->key() == kIdentityKey;
    bool good = false;
    if (iterator->key() == MetaStore::image_format_key()) {
      TRY(MetaStore::check_format(iterator->value()));
      has_format_ = good = iterator->value() == MetaStore::image_format_value();
    } else if (iterator->key() == kAppliedKey) {
      has_mark_ = true;
      good = decode_position(iterator->value(), applied_);
    } else if (iterator->key() == kInstalledKey) {
      good = decode_position(iterator->value(), installed_.emplace());
    } else if (iterator->key() == kIdentityKey) {
      const auto identity = decode_identity(iterator->value());
      if (!identity.ok()) return Err("the record of who this member is: " + identity.error());
      good = identity->member_id == options_.member_id && identity->group_id == options_.group_id;
    } else {
      good = store_.load_pair(iterator->key(), iterator->value());
    }
    if (good) continue;
    const std::string key = printable(iterator->key());
    if (is_own || MetaStore::is_image_key(iterator->key())) return Err(damaged_record(key));
    return Err(fmt::format("the data directory is not PD's: it holds the key {}, perhaps of a store", key));
  }
  if (auto status = iterator->status(); !status.ok()) return Err(status.error().message);
  return store_.finish_load();
}

Result<void, std::string> MetaGroup::load_log() {
  auto describe = [](const engine::Error& error) { return "reading PD's raft log: " + error.message; };
  LogPosition truncated;
  auto meta = world_.raft_log.meta(kGroup, kTruncatedSlot);
  if (!meta.ok()) return Err(describe(meta.error()));
  if (*meta && !decode_position(**meta, truncated))
    return Err(std::string("PD's raft log: damaged truncated position"));
  auto state = world_.raft_log.state(kGroup);
  if (!state.ok()) return Err(describe(state.error()));
  LogIndex last;
  if (*state && !decode_local_state(**state, hard_state_, last))
    return Err(std::string("PD's raft log: damaged state"));
  if (!*state && has_mark_) return Err(lost_log(applied_.index, last));
  log_.reset(truncated);
  if (installed_ && truncated.index < installed_->index) {
    // A crash came before the log was told of the snapshot. What it holds is not the group's, however long it is.
    log_.reset(applied_);
    hard_state_.commit = applied_.index;
    hard_state_.term = std::max(hard_state_.term, applied_.term);
    forgotten_ = std::pair(truncated.index.next(), last);
  } else if (applied_.index > std::max(last, truncated.index)) {
    return Err(lost_log(applied_.index, last));
  } else if (last > truncated.index) {
    std::vector<Bytes> encoded;
    auto got = world_.raft_log.entries(kGroup, truncated.index.next(), last.next(), SIZE_MAX, encoded);
    if (!got.ok()) return Err(describe(got.error()));
    if (encoded.size() != last - truncated.index) return Err(std::string("PD's raft log has a gap"));
    std::vector<raft::Entry> entries(encoded.size());
    for (size_t i = 0; i < encoded.size(); ++i) {
      const LogIndex index = truncated.index + (i + 1);
      if (!decode_entry(encoded[i], entries[i]) || entries[i].index != index) {
        return Err(fmt::format("PD's raft log: damaged entry {}", index));
      }
    }
    log_.append(entries);
  }
  if (applied_.index < log_.truncated().index) return Err(std::string("PD's raft log was cut behind its data"));
  hard_state_.commit = std::max(hard_state_.commit, applied_.index);
  if (hard_state_.commit > log_.last_index()) {
    return Err(fmt::format("PD's raft log ends at {}, but {} is committed", log_.last_index(), hard_state_.commit));
  }
  log_.set_initial(hard_state_, conf_);
  return {};
}

// From then on a start without a log is known to have lost it.
Result<void, std::string> MetaGroup::leave_first_mark() {
  auto log = world_.raft_log.new_batch();
  log->put_state(kGroup, encode_local_state(hard_state_, log_.last_index()));
  if (auto done = world_.raft_log.write(*log, engine::Sync::kYes); !done.ok()) return Err(done.error().message);
  auto batch = world_.kv.new_batch();
  batch->put(kCf, kAppliedKey, encode_position(applied_));
  if (options_.group_id != 0) batch->put(kCf, kIdentityKey, encode_identity(Identity::of(options_)));
  if (auto done = world_.kv.write(*batch); !done.ok()) return Err(done.error().message);
  if (auto done = world_.kv.flush(); !done.ok()) return Err(done.error().message);
  return {};
}

Result<void, std::string> MetaGroup::write_format() {
  auto batch = world_.kv.new_batch();
  batch->put(kCf, MetaStore::image_format_key(), MetaStore::image_format_value());
  if (auto done = world_.kv.write(*batch); !done.ok()) return Err(done.error().message);
  if (auto done = world_.kv.flush(); !done.ok()) return Err(done.error().message);
  return {};
}

// What a crash cut short.
Result<void, std::string> MetaGroup::finish_install() {
  if (forgotten_) {
    auto log = world_.raft_log.new_batch();
    const auto& [first, last] = *forgotten_;
    if (last >= first) log->cut_suffix(kGroup, first, last);
    log->put_meta(kGroup, kTruncatedSlot, encode_position(applied_));
    log->put_state(kGroup, encode_local_state(hard_state_, log_.last_index()));
    if (auto done = world_.raft_log.write(*log, engine::Sync::kYes); !done.ok()) return Err(done.error().message);
  }
  if (auto done = forget_install(); !done.ok()) return Err(done.error().message);
  return {};
}

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

uint64_t MetaGroup::group_id() const {
  if (options_.group_id != 0) return options_.group_id;
  const uint64_t cluster_id = number_of(store_.own().value(kClusterIdKey));
  return cluster_id == 0 ? 0 : group_id_of(cluster_id);
}

void MetaGroup::send_to(uint64_t member, cairnpb::PeerMessage message) {
  if (world_.transport == nullptr) return;
  message.set_group_id(group_id());
  message.set_cluster_id(number_of(store_.own().value(kClusterIdKey)));
  message.set_from(options_.member_id);
  message.set_to(member);
  message.set_data_id(options_.data_id);
  world_.transport->send(member, message.SerializeAsString());
}

void MetaGroup::announce(const cairnpb::MemberRecord& self) {
  cairnpb::PeerMessage message;
  *message.mutable_announced() = self;
  for (const auto* ids : {&conf_.voters, &conf_.learners}) {
    for (const auto id : *ids) {
      if (id.value != options_.member_id) send_to(id.value, message);
    }
  }
}

std::optional<cairnpb::Refusal> MetaGroup::judge(const cairnpb::PeerMessage& message) const {
  cairnpb::Refusal refusal;
  const auto refuse = [&](cairnpb::Refusal::Kind kind, std::string text) {
    refusal.set_kind(kind);
    refusal.set_text(std::move(text));
    return refusal;
  };
  const uint64_t own_cluster = number_of(store_.own().value(kClusterIdKey));
  if (message.group_id() != group_id()) {
    return refuse(
        cairnpb::Refusal::OTHER_GROUP,
        fmt::format("cluster ID mismatch: member {:x} is of the group {:x}, member {:x} of the group {:x}; the "
                    "peer-urls of two clusters are mixed up",
                    message.from(), message.group_id(), options_.member_id, group_id()));
  }
  if (own_cluster != 0 && message.cluster_id() != 0 && message.cluster_id() != own_cluster) {
    return refuse(cairnpb::Refusal::OTHER_GROUP,
                  fmt::format("cluster ID mismatch: member {:x} is of the cluster {}, member {:x} of the cluster {}",
                              message.from(), message.cluster_id(), options_.member_id, own_cluster));
  }
  if (store_.own().value(removed_member_key(message.from()))) {
    return refuse(cairnpb::Refusal::REMOVED,
                  fmt::format("the member {:x} has been removed from the cluster; to come back it must join with an "
                              "empty data directory and other peer-urls",
                              message.from()));
  }
  const auto known = find_member(store_.own(), message.from());
  if (known && known->data_id() != 0 && known->data_id() != message.data_id()) {
    return refuse(cairnpb::Refusal::DATA_LOST,
                  fmt::format("the member {} has already been bootstrapped, and comes with other data: what it voted "
                              "for is lost. Remove it from the cluster, and let it join anew",
                              known->name()));
  }
  return std::nullopt;
}

void MetaGroup::on_refused(uint64_t by, const cairnpb::Refusal& refusal) {
  auto& told = refused_at_[by];
  const auto now = world_.clock.now();
  const bool is_final = refusal.kind() == cairnpb::Refusal::DATA_LOST || refusal.kind() == cairnpb::Refusal::REMOVED;
  if (is_final) return fatal(refusal.text());
  if (told != Instant{} && now - told < kTellEvery) return;
  told = now;
  LOG_ERROR("member {:x} refuses this one: {}", by, refusal.text());
}

void MetaGroup::receive(ByteView bytes) {
  cairnpb::PeerMessage message;
  if (raft_ == nullptr || stopping_ || failed_) return;
  if (!message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return;
  if (message.to() != options_.member_id || message.from() == options_.member_id || message.from() == 0) return;
  if (auto refusal = judge(message)) {
    if (refused_at_.size() >= kRefusedMax) refused_at_.clear();
    auto& told = refused_at_[message.from()];
    const auto now = world_.clock.now();
    if (message.has_refusal() || (told != Instant{} && now - told < kTellEvery)) return;
    told = now;
    LOG_WARN("a message of member {:x} is refused: {}", message.from(), refusal->text());
    cairnpb::PeerMessage answer;
    *answer.mutable_refusal() = std::move(*refusal);
    return send_to(message.from(), std::move(answer));
  }
  if (world_.transport != nullptr) world_.transport->on_heard_of(message.from());
  if (message.has_refusal()) return on_refused(message.from(), message.refusal());
  if (message.has_announced() && message.announced().id() == message.from()) {
    if (world_.transport != nullptr) world_.transport->set_address(info_of(message.announced()));
    if (listener_.on_announced) listener_.on_announced(message.announced());
  }
  if (message.has_raft()) receive_raft(message.from(), message.raft());
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

void MetaGroup::report_unreachable(uint64_t member) {
  if (raft_ == nullptr || stopping_ || failed_) return;
  raft_->report_unreachable(PeerId(member));
  schedule();
}

bool MetaGroup::keeps_up(uint64_t member) const {
  if (raft_ == nullptr || !raft_->is_leader()) return false;
  const auto status = raft_->status();
  return std::any_of(status.progress.begin(), status.progress.end(), [&](const raft::PeerProgress& progress) {
    return progress.id == PeerId(member) && progress.state == raft::PeerProgress::State::kReplicate &&
           progress.recently_active && progress.matched + kBehindMax >= status.last_index;
  });
}

bool MetaGroup::can_do_without(uint64_t member) const {
  if (raft_ == nullptr || !raft_->is_leader()) return false;
  const auto status = raft_->status();
  size_t voters = 0;
  size_t present = 0;
  bool is_voter = false;
  for (const auto& progress : status.progress) {
    if (progress.is_learner) continue;
    if (progress.id == PeerId(member)) {
      is_voter = true;
      continue;
    }
    ++voters;
    if (progress.recently_active) ++present;
  }
  return !is_voter || present > voters / 2;
}

void MetaGroup::transfer_leader(uint64_t member) {
  if (raft_ == nullptr || stopping_ || failed_ || !raft_->is_leader()) return;
  PeerId to(member);
  if (member == 0) {
    const auto status = raft_->status();
    LogIndex most;
    for (const auto& progress : status.progress) {
      const bool is_other = progress.id != PeerId(options_.member_id) && !progress.is_learner;
      if (!is_other || !progress.recently_active || progress.matched < most) continue;
      most = progress.matched;
      to = progress.id;
    }
  }
  if (!to.is_set()) return;
  raft_->transfer_leader(to);
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
