// Raft's nouns as plain structs. The wire's eraftpb is translated at the edge (replica/); a peer's Raft id is its
// PeerId.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"

namespace cairn::raft {

enum class EntryType : uint8_t { kNormal = 0, kConfChange = 1, kConfChangeV2 = 2 };

struct Entry {
  EntryType type = EntryType::kNormal;
  Term term;
  LogIndex index;
  SharedBytes data;
  Bytes context;  // for conf changes and marks of the proposer; opaque here

  size_t bytes() const { return data.size() + context.size() + 32; }
  friend bool operator==(const Entry&, const Entry&) = default;
};

// What must be on disk before anything that rests on it is said.
struct HardState {
  Term term;
  PeerId vote;
  LogIndex commit;
  friend bool operator==(const HardState&, const HardState&) = default;
};

// The membership. While `voters_outgoing` is not empty the configuration is joint: both majorities decide.
struct ConfState {
  std::vector<PeerId> voters;
  std::vector<PeerId> learners;
  std::vector<PeerId> voters_outgoing;
  std::vector<PeerId> learners_next;  // voters of the outgoing half that become learners when it is left
  bool auto_leave = false;
  friend bool operator==(const ConfState&, const ConfState&) = default;
};

enum class ConfChangeType : uint8_t { kAddVoter = 0, kRemove = 1, kAddLearner = 2 };
enum class ConfChangeTransition : uint8_t { kAuto = 0, kImplicit = 1, kExplicit = 2 };
struct ConfChangeSingle {
  ConfChangeType type = ConfChangeType::kAddVoter;
  PeerId peer;
};
// No changes: leave the joint configuration.
struct ConfChange {
  ConfChangeTransition transition = ConfChangeTransition::kAuto;
  std::vector<ConfChangeSingle> changes;
};

struct SnapshotMeta {
  LogIndex index;
  Term term;
  ConfState conf;
};
struct RaftSnapshot {
  SnapshotMeta meta;
  SharedBytes data;  // opaque here: the region and its files
  bool empty() const { return !meta.index.is_set(); }
};

// Numbers are eraftpb's.
enum class MessageType : uint8_t {
  kHup = 0,
  kBeat = 1,
  kPropose = 2,
  kAppend = 3,
  kAppendResponse = 4,
  kRequestVote = 5,
  kRequestVoteResponse = 6,
  kSnapshot = 7,
  kHeartbeat = 8,
  kHeartbeatResponse = 9,
  kUnreachable = 10,
  kSnapStatus = 11,
  kCheckQuorum = 12,
  kTransferLeader = 13,
  kTimeoutNow = 14,
  kReadIndex = 15,
  kReadIndexResp = 16,
  kRequestPreVote = 17,
  kRequestPreVoteResponse = 18,
};
const char* message_type_name(MessageType type);

struct Message {
  MessageType type = MessageType::kHup;
  PeerId to;
  PeerId from;
  Term term;
  Term log_term;
  LogIndex index;
  std::vector<Entry> entries;
  LogIndex commit;
  Term commit_term;
  RaftSnapshot snapshot;
  uint64_t request_snapshot = 0;
  bool reject = false;
  LogIndex reject_hint;
  Bytes context;
  int64_t priority = 0;
};

enum class Role : uint8_t { kFollower, kPreCandidate, kCandidate, kLeader };
const char* role_name(Role role);

}  // namespace cairn::raft
