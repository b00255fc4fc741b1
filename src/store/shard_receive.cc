// Messages of other stores: which of them reach a replica, and which create or end one (protocol e.3).
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/codec.h"
#include "base/log.h"
#include "replica/keys.h"
#include "replica/tombstone.h"
#include "store/shard.h"

namespace cairn::store {
namespace {

constexpr size_t kHeldBackMax = 1024;  // beyond: dropped; the follower asks again

using replica::is_older;

bool is_vote_request(const raft_serverpb::RaftMessage& message) {
  auto type = message.message().msg_type();
  return type == eraftpb::MsgRequestVote || type == eraftpb::MsgRequestPreVote;
}

bool asks_whether_gone(const raft_serverpb::RaftMessage& message) {
  return message.has_extra_msg() && message.extra_msg().type() == raft_serverpb::MsgCheckStalePeer;
}

bool may_create(const raft_serverpb::RaftMessage& message) {
  return is_vote_request(message) ||
         (message.message().msg_type() == eraftpb::MsgHeartbeat && message.message().commit() == 0);
}

// Where the files of a snapshot lie, once it was received whole; else empty.
std::string received_folder(const raft_serverpb::RaftMessage& message) {
  raft_serverpb::RaftSnapshotData data;
  if (message.message().msg_type() != eraftpb::MsgSnapshot) return {};
  if (!data.ParseFromString(message.message().snapshot().data())) return {};
  return data.meta().tablet_snap_path();  // set here, when the files had been received
}

}  // namespace

void Shard::on_raft_message(raft_serverpb::RaftMessage message) {
  if (stopped_) return;
  const std::string folder = received_folder(message);
  const RegionId region(message.region_id());
  if (receive(std::move(message)) == Received::kKept || folder.empty()) return;
  LOG_INFO("region {}: refuses a snapshot", region);
  remove_folder(folder);
}

Shard::Received Shard::receive(raft_serverpb::RaftMessage message) {
  RegionId region(message.region_id());
  auto* replica = find(region);
  if (replica && replica->is_destroying()) return Received::kDropped;

  if (message.is_tombstone()) {
    bool mine = replica && replica->self().id() == message.to_peer().id();
    if (mine && replica->has_replayed() && is_older(replica->region().region_epoch(), message.region_epoch())) {
      LOG_INFO("region {}: peer {} learns that it was removed", region, replica->self().id());
      destroy(*replica);
    }
    return Received::kDropped;
  }
  if (!message.has_message()) {
    on_extra_message(message, replica);
    return Received::kDropped;
  }

  if (replica && message.to_peer().id() > replica->self().id()) {
    // Two peers of a store are never members together: the later one came with a later membership.
    if (replica->is_initialized() && message.region_epoch().conf_ver() <= replica->region().region_epoch().conf_ver()) {
      shared_.refusals.note(Refusals::Origin(message), "a peer that came while another was there",
                            shared_.deps.clock.now());
      return Received::kDropped;
    }
    if (!replica->has_replayed()) return Received::kDropped;
    LOG_INFO("region {}: peer {} gives way to peer {}", region, replica->self().id(), message.to_peer().id());
    destroy(*replica);
    return Received::kDropped;  // the sender repeats it
  }
  if (replica && message.to_peer().id() < replica->self().id()) return Received::kDropped;
  if (!replica) {
    if (!try_create(message)) return Received::kDropped;
    replica = find(region);
  }
  if (replica->is_initialized() && !replica::find_peer(replica->region(), PeerId(message.from_peer().id())) &&
      is_older(message.region_epoch(), replica->region().region_epoch())) {
    if (is_vote_request(message)) {
      send_tombstone(message, replica->region().region_epoch(), PeerId(replica->self().id()));
    }
    return Received::kDropped;
  }
  note_disk_usage(message, *replica);
  if (message.message().msg_type() == eraftpb::MsgSnapshot) {
    const Admission admission = admit_snapshot(message, *replica);
    if (admission == Admission::kLater) return hold_back(std::move(message));
    if (admission == Admission::kNo) return Received::kDropped;
  }
  // No room for entries: the leader sends them again, and others may make the quorum meanwhile.
  if (message.message().entries_size() > 0 && message.message().msg_type() == eraftpb::MsgAppend &&
      shared_.own_disk_usage == disk_usage::AlreadyFull) {
    return Received::kDropped;
  }
  if (message.message().msg_type() == eraftpb::MsgReadIndex && holds_back(message, *replica)) {
    return hold_back(std::move(message));
  }
  const Refusals::Origin origin(message);
  const Instant now = shared_.deps.clock.now();
  if (const char* why = replica->on_raft_message(std::move(message), now)) shared_.refusals.note(origin, why, now);
  touch(region);
  return Received::kKept;
}

void Shard::note_disk_usage(const raft_serverpb::RaftMessage& message, const replica::Replica& replica) {
  const StoreId from(message.from_peer().store_id());
  if (message.disk_usage() == disk_usage::Normal) {
    if (!disk_usages_.empty()) disk_usages_.erase(from);
  } else if (disk_usage::DiskUsage_IsValid(message.disk_usage()) && replica::find_peer_on(replica.region(), from)) {
    disk_usages_[from] = message.disk_usage();
  }
}

// It is looked at again at the next tick.
Shard::Received Shard::hold_back(raft_serverpb::RaftMessage message) {
  if (held_back_.size() >= kHeldBackMax) return Received::kDropped;
  held_back_.push_back(std::move(message));
  return Received::kKept;
}

// A follower's transactional read: this leader's later async commits must stay above it, and those that have chosen
// their timestamp below it must be in the log before the read's index is taken (protocol e.4, read index).
bool Shard::holds_back(const raft_serverpb::RaftMessage& message, const replica::Replica& replica) {
  if (!replica.is_leader() || message.message().entries_size() != 1) return false;
  auto read_ts = replica::read_ts_of(message.message().entries(0).data());
  if (!read_ts) return false;
  shared_.concurrency.update_max_ts(*read_ts);
  auto start = codec::decode_bytes(replica.region().start_key());
  auto end = codec::decode_bytes(replica.region().end_key());
  auto blocks = [&](ByteView, const mvcc::Lock& lock) { return lock.min_commit_ts <= *read_ts; };
  const Instant begun = shared_.deps.clock.now();
  const bool is_locked =
      shared_.concurrency.find_in_range(start.value_or(Bytes()), end.value_or(Bytes()), blocks).has_value();
  (is_locked ? metrics_.replica_read_locked : metrics_.replica_read_unlocked).observe(shared_.deps.clock.now() - begun);
  return is_locked;
}

bool Shard::try_create(const raft_serverpb::RaftMessage& message) {
  const RegionId region(message.region_id());
  if (!may_create(message)) return false;
  if (!shared_.births.make_empty(region, PeerId(message.to_peer().id()))) {
    if (is_vote_request(message)) shared_.pending_votes.keep(message);
    return false;
  }
  if (create_empty(message)) return true;
  shared_.births.forget_empty(region);
  return false;
}

bool Shard::create_empty(const raft_serverpb::RaftMessage& message) {
  const RegionId region(message.region_id());
  if (refuses_by_tombstone(message)) return false;
  if (shared_.directory.overlaps({region, message.start_key(), message.end_key()})) {
    if (is_vote_request(message)) shared_.pending_votes.keep(message);
    return false;
  }
  // What an earlier process promised for this peer still holds.
  auto bytes = shared_.deps.raft_log.state(region);
  if (!bytes.ok()) {
    shared_.fail(bytes.error());
    return false;
  }
  replica::RaftState raft_state;
  if (*bytes) {
    auto decoded = replica::decode_raft_state(**bytes);
    if (!decoded) {
      shared_.fail({engine::Error::Kind::kCorruption,
                    fmt::format("the raft log is damaged: region {} has a raft state that cannot be read", region)});
      return false;
    }
    raft_state = *decoded;
    // A log without a region, and nobody here whose split would make it: no crash leaves that (see on_split). To forget
    // a log that others count on would be worse than a peer that is missing.
    if (raft_state.last_index > LogIndex(0)) {
      LOG_ERROR("region {}: has a log that ends at {}, but no data", region, raft_state.last_index);
      return false;
    }
  }
  auto entry = shared_.directory.claim(region, index_);
  if (entry.shard != index_) return false;
  replica::Replica::Loaded loaded;
  loaded.region.set_id(region.value);
  loaded.self = message.to_peer();
  loaded.raft_state = raft_state;
  loaded.lived_before = bytes->has_value();
  add(std::move(loaded));
  return true;
}

// A peer that hears of no leader and may not vote asks whether it is still wanted; ours ask so, too, and PD in the end.
// Other such messages are hints that we do not act on.
void Shard::on_extra_message(const raft_serverpb::RaftMessage& message, replica::Replica* replica) {
  const auto& extra = message.extra_msg();
  const PeerId from(message.from_peer().id());
  const bool is_question = asks_whether_gone(message);
  if (message.has_extra_msg() && extra.type() == raft_serverpb::MsgCheckStalePeerResponse) {
    if (!replica || replica->self().id() != message.to_peer().id()) return;
    replica->on_later_members(message.region_epoch().conf_ver(),
                              {extra.check_peers().begin(), extra.check_peers().end()});
  } else if (is_question && !replica) {
    static_cast<void>(refuses_by_tombstone(message));
  } else if (is_question && replica->is_initialized() && replica->has_replayed() &&
             !replica::find_peer(replica->region(), from) &&
             is_older(message.region_epoch(), replica->region().region_epoch())) {
    send_tombstone(message, replica->region().region_epoch(), PeerId(replica->self().id()));
  }
}

void Shard::ask_whether_gone(replica::Replica& replica) {
  for (auto& peer : replica.peers_to_ask()) {
    raft_serverpb::RaftMessage question;
    question.set_region_id(replica.id().value);
    *question.mutable_from_peer() = replica.self();
    *question.mutable_to_peer() = std::move(peer);
    *question.mutable_region_epoch() = replica.region().region_epoch();
    question.mutable_extra_msg()->set_type(raft_serverpb::MsgCheckStalePeer);
    shared_.deps.transport.send(std::move(question));
  }
}

bool Shard::refuses_by_tombstone(const raft_serverpb::RaftMessage& message) {
  RegionId region(message.region_id());
  auto bytes = shared_.deps.kv.get(engine::Cf::kRaft, replica::region_state_key(region));
  if (!bytes.ok()) {
    shared_.fail(bytes.error());
    return true;
  }
  if (!*bytes) return false;
  auto local = replica::decode_region_state(**bytes);
  if (!local) {
    shared_.fail({engine::Error::Kind::kCorruption,
                  fmt::format("the data are damaged: region {} has a region state that cannot be read", region)});
    return true;
  }
  if (local->state() != raft_serverpb::Tombstone) {  // being made, or being destroyed
    if (is_vote_request(message)) shared_.pending_votes.keep(message);
    return true;
  }
  const PeerId asked(message.to_peer().id());
  if (!replica::is_of_the_dead(*local, message.region_epoch(), shared_.store, asked)) return false;
  const auto& last = local->region();
  const bool asks = is_vote_request(message) || asks_whether_gone(message);
  if (!asks || !is_older(message.region_epoch(), last.region_epoch())) return true;
  if (!replica::find_peer_on(last, StoreId(message.from_peer().store_id()))) {
    send_tombstone(message, last.region_epoch(), asked);
  } else {
    send_later_members(message, last);
  }
  return true;
}

// The sender was a member when the peer here went: those that were with it then know what came after.
void Shard::send_later_members(const raft_serverpb::RaftMessage& to, const metapb::Region& last) {
  raft_serverpb::RaftMessage answer;
  answer.set_region_id(to.region_id());
  *answer.mutable_to_peer() = to.from_peer();
  *answer.mutable_from_peer() = to.to_peer();
  *answer.mutable_region_epoch() = last.region_epoch();
  answer.mutable_extra_msg()->set_type(raft_serverpb::MsgCheckStalePeerResponse);
  *answer.mutable_extra_msg()->mutable_check_peers() = last.peers();
  shared_.deps.transport.send(std::move(answer));
}

void Shard::send_tombstone(const raft_serverpb::RaftMessage& to, const metapb::RegionEpoch& epoch, PeerId from) {
  raft_serverpb::RaftMessage answer;
  answer.set_region_id(to.region_id());
  *answer.mutable_to_peer() = to.from_peer();
  *answer.mutable_from_peer() = to.to_peer();
  answer.mutable_from_peer()->set_id(from.value);
  *answer.mutable_region_epoch() = epoch;
  answer.set_is_tombstone(true);
  shared_.deps.transport.send(std::move(answer));
}

// Whether a crash would bring back a region of before a split that held a part of this one.
bool Shard::may_be_split_anew(const metapb::Region& region) {
  return shared_.unflushed_splits.touch(region.start_key(), region.end_key(), shared_.deps.kv.flushed_sequence());
}

Shard::Admission Shard::admit_snapshot(const raft_serverpb::RaftMessage& message, replica::Replica& replica) {
  raft_serverpb::RaftSnapshotData data;
  if (!data.ParseFromString(message.message().snapshot().data())) return Admission::kNo;
  const auto& region = data.region();
  // A restart goes by the store, Raft by the peer: they must mean the same.
  const metapb::Peer* self = replica::find_peer_on(region, shared_.store);
  if (region.id() != message.region_id() || !self || self->id() != replica.self().id()) return Admission::kNo;
  // One after the other: the range that is kept must be that of the one which Raft takes.
  const bool is_admitted = reserved_.contains(replica.id());
  if (data.meta().tablet_snap_path().empty() || is_admitted || replica.is_installing()) return Admission::kNo;
  if (is_older(region.region_epoch(), replica.region().region_epoch())) return Admission::kNo;
  using Peer = RegionDirectory::Peer;
  if (!shared_.directory.reserve({replica.id(), region.start_key(), region.end_key()},
                                 replica.is_initialized() ? Peer::kWithData : Peer::kEmpty)) {
    return Admission::kNo;
  }
  // A restart installs what is pending before it applies any log: on the regions as the engine has flushed them. Were a
  // split lost, then a snapshot of the child would lie over the parent of before; and a snapshot of the parent takes
  // the log with it in which the split stands, so that the child, whose own log is on disk already, would never have
  // its data (INV-REGIONS-TILE, INV-LOG-NOT-AHEAD). Asked after the reservation, which no split can overtake.
  const bool own_may_be = replica.is_initialized() && may_be_split_anew(replica.region());
  if (!replica.knows_its_children() || own_may_be || may_be_split_anew(region)) {
    shared_.directory.release_reservation(replica.id());
    shared_.deps.kv.flush_soon();
    // One is enough: each that comes lies on the disk.
    bool is_awaited = std::any_of(held_back_.begin(), held_back_.end(), [&](const auto& held) {
      return held.region_id() == message.region_id() && held.message().msg_type() == eraftpb::MsgSnapshot;
    });
    return is_awaited ? Admission::kNo : Admission::kLater;
  }
  reserved_.insert(replica.id());
  return Admission::kYes;
}

void Shard::on_unreachable(StoreId store) {
  if (stopped_) return;
  const Instant begun = shared_.deps.clock.now();
  for (const auto& [id, replica] : replicas_) {
    if (const auto* peer = replica::find_peer_on(replica->region(), store)) {
      replica->on_unreachable(PeerId(peer->id()));
      touch(id);
    }
  }
  metrics_.broadcast_time.observe(shared_.deps.clock.now() - begun);
}

void Shard::on_unreachable(RegionId region, PeerId peer) {
  if (auto* replica = find(region); replica && !stopped_) {
    replica->on_unreachable(peer);
    touch(region);
  }
}

}  // namespace cairn::store
