#include "replica/message_check.h"

#include <algorithm>
#include <set>

#include "raft_cmdpb.pb.h"
#include "replica/conf_change.h"
#include "replica/wire.h"

namespace cairn::replica {
namespace {

// What the entry carries is applied on every replica or on none: so it is looked at before it is in the log.
bool is_command_of(const std::string& bytes, uint64_t region, raft_cmdpb::RaftCmdRequest& scratch) {
  return scratch.ParseFromString(bytes) && scratch.header().region_id() == region;
}

bool is_sound(const PeerChanges& changes) {
  return std::all_of(changes.begin(), changes.end(), [](const raft_cmdpb::ChangePeerRequest& change) {
    return eraftpb::ConfChangeType_IsValid(change.change_type()) && change.peer().id() != 0 &&
           change.peer().store_id() != 0;
  });
}

const char* judge_entries(const eraftpb::Message& message, uint64_t region) {
  raft_cmdpb::RaftCmdRequest command;
  for (const auto& entry : message.entries()) {
    if (!eraftpb::EntryType_IsValid(entry.entry_type())) return "an entry of an unknown type";
    if (entry.entry_type() == eraftpb::EntryNormal) {
      if (!entry.data().empty() && !is_command_of(entry.data(), region, command)) return "an entry without a command";
    } else if (!entry.data().empty() || !entry.context().empty()) {  // an empty one leaves a joint membership
      if (!is_command_of(entry.context(), region, command)) return "a change of membership without a command";
      if (!is_sound(changes_of(command.admin_request()))) return "a change of membership that cannot be";
    }
  }
  return nullptr;
}

const char* judge_snapshot(const raft_serverpb::RaftMessage& message) {
  const auto& snapshot = message.message().snapshot();
  raft_serverpb::RaftSnapshotData data;
  if (!data.ParseFromString(snapshot.data())) return "a snapshot that cannot be read";
  const auto& region = data.region();
  if (region.id() != message.region_id() || !is_well_formed(region)) return "a snapshot of no such region";
  const metapb::Peer* to = find_peer(region, PeerId(message.to_peer().id()));
  // It may be of before the receiver came in: then it only brings nothing.
  if (to && to->store_id() != message.to_peer().store_id()) return "a snapshot that has the receiver on another store";
  if (conf_state_of(region).voters.empty()) return "a snapshot of a region without voters";
  if (snapshot.metadata().index() < kInitialIndex.value) return "a snapshot of no place in the log";
  return nullptr;
}

const char* judge_raft(const raft_serverpb::RaftMessage& message) {
  const auto& in = message.message();
  if (!eraftpb::MessageType_IsValid(in.msg_type())) return "a message of an unknown type";
  if (in.from() != message.from_peer().id() || in.to() != message.to_peer().id()) {
    return "a message of other peers than its envelope names";
  }
  switch (in.msg_type()) {
    case eraftpb::MsgAppend:
      // Before that there is no log, only snapshots.
      if (in.index() < kInitialIndex.value) return "entries behind no place in the log";
      return judge_entries(in, message.region_id());
    case eraftpb::MsgSnapshot:
      return judge_snapshot(message);
    default:
      return nullptr;
  }
}

}  // namespace

bool is_well_formed(const metapb::Region& region) {
  const auto& epoch = region.region_epoch();
  if (region.id() == 0 || epoch.version() == 0 || epoch.conf_ver() == 0) return false;
  if (!region.end_key().empty() && region.start_key() >= region.end_key()) return false;
  std::set<uint64_t> peers, stores;
  for (const auto& peer : region.peers()) {
    if (peer.id() == 0 || peer.store_id() == 0 || !metapb::PeerRole_IsValid(peer.role())) return false;
    if (!peers.insert(peer.id()).second || !stores.insert(peer.store_id()).second) return false;
  }
  return true;
}

const char* why_malformed(const raft_serverpb::RaftMessage& message) {
  if (message.region_id() == 0) return "a message of no region";
  for (const metapb::Peer* peer : {&message.from_peer(), &message.to_peer()}) {
    if (peer->id() == 0 || peer->store_id() == 0) return "a message without peers";
  }
  if (!message.end_key().empty() && message.start_key() >= message.end_key())
    return "a region that ends before it begins";
  return message.has_message() ? judge_raft(message) : nullptr;
}

}  // namespace cairn::replica
