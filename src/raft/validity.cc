// Which messages a peer that keeps to the protocol can have sent. All that comes from outside is judged here before it
// is stepped, so that the handlers may CHECK what they rest on: a damaged or forged message costs no more than itself.
#include <algorithm>

#include "raft/raft.h"

namespace cairn::raft {
namespace {

// No term and no log gets this far; arithmetic on what is below cannot overflow.
constexpr uint64_t kEndOfNumbers = uint64_t{1} << 62;

bool is_local(MessageType type) {
  switch (type) {
    case MessageType::kHup:
    case MessageType::kBeat:
    case MessageType::kPropose:  // proposals are made at the leader, and not forwarded
    case MessageType::kUnreachable:
    case MessageType::kSnapStatus:
    case MessageType::kCheckQuorum:
      return true;
    default:
      return false;
  }
}

// Those that have no term: they ask for something, whatever the term.
bool is_without_term(MessageType type) {
  return type == MessageType::kReadIndex || type == MessageType::kTransferLeader;
}

bool is_leaders_word(MessageType type) {
  return type == MessageType::kAppend || type == MessageType::kHeartbeat || type == MessageType::kSnapshot ||
         type == MessageType::kTimeoutNow || type == MessageType::kReadIndexResp;
}

const char* judge_entries(const Message& message) {
  LogIndex index = message.index;
  Term term = message.log_term;
  for (const Entry& entry : message.entries) {
    index = index.next();
    if (entry.index != index) return "its entries do not follow one another";
    if (!entry.term.is_set() || entry.term < term || entry.term > message.term) return "its entries' terms fall";
    if (entry.type > EntryType::kConfChangeV2) return "an entry of an unknown type";
    term = entry.term;
  }
  return nullptr;
}

const char* judge_alone(const Message& message) {
  const SnapshotMeta& snapshot = message.snapshot.meta;
  for (uint64_t number : {message.term.value, message.log_term.value, message.index.value, message.commit.value,
                          message.commit_term.value, message.reject_hint.value, message.request_snapshot,
                          snapshot.index.value, snapshot.term.value, uint64_t{message.entries.size()}}) {
    if (number >= kEndOfNumbers) return "a number that nothing reaches";
  }
  if (message.type > MessageType::kRequestPreVoteResponse || is_local(message.type)) return "no message between peers";
  if (message.term.is_set() == is_without_term(message.type)) return "a term where none belongs, or none";
  switch (message.type) {
    case MessageType::kAppend:
      if (message.log_term > message.term || message.log_term.is_set() != message.index.is_set()) {
        return "an entry before it that cannot be";
      }
      return judge_entries(message);
    case MessageType::kSnapshot:
      if (!snapshot.index.is_set() || !snapshot.term.is_set() || snapshot.term > message.term) {
        return "a snapshot of no place in the log";
      }
      return nullptr;
    case MessageType::kReadIndex:
    case MessageType::kReadIndexResp:
      return message.entries.size() == 1 ? nullptr : "not one context";
    default:
      return nullptr;
  }
}

}  // namespace

const char* Raft::why_impossible(const Message& message) const {
  if (message.to != config_.id || !message.from.is_set() || message.from == config_.id) return "not from peer to peer";
  if (const char* why = judge_alone(message)) return why;
  if (message.term.is_set() && message.term < term_) return nullptr;  // its sender is only told so
  if (is_leaders_word(message.type) && message.term == term_) {
    // INV-LEADER-UNIQUE.
    const PeerId known = role_ == Role::kLeader ? config_.id : leader_;
    if (known.is_set() && known != message.from) return "a second leader of the term";
  }
  // A leader sends no more than it knows to be there.
  if (message.type == MessageType::kHeartbeat && message.commit > log_.last_index()) {
    return "it commits what is not in the log: was it truncated or lost?";
  }
  if (message.type == MessageType::kAppendResponse && role_ == Role::kLeader && message.term == term_) {
    if (!message.reject && message.index > log_.last_index()) return "it accepts what was never sent";
    if (LogIndex(message.request_snapshot) > log_.last_index()) return "it asks for a snapshot that cannot be";
  }
  return nullptr;
}

}  // namespace cairn::raft
