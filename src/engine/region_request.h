// Who asks what of a region, and why it may be refused: the plain form of kvrpcpb.Context and errorpb.Error, shared by
// the replica (which decides), txn and rawkv (which pass it on) and the server (which translates it, in one file).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"
#include "base/time.h"

namespace cairn::engine {

// conf_ver grows with each change of membership, version with each change of bounds (split, merge).
struct RegionEpoch {
  uint64_t conf_ver = 0;
  uint64_t version = 0;
  friend bool operator==(const RegionEpoch&, const RegionEpoch&) = default;
};

struct PeerDescription {
  PeerId id;
  StoreId store;
  enum class Role : uint8_t { kVoter = 0, kLearner = 1, kIncomingVoter = 2, kDemotingVoter = 3 } role = Role::kVoter;
  friend bool operator==(const PeerDescription&, const PeerDescription&) = default;
};

struct RegionDescription {
  RegionId id;
  Bytes start_key;  // engine key; empty: no bound
  Bytes end_key;
  RegionEpoch epoch;
  std::vector<PeerDescription> peers;
};

// Whether a write goes on while a disk has little room. As on the wire.
enum class DiskFullOpt : uint8_t {
  kNotAllowedOnFull = 0,     // the default: what adds data
  kAllowedOnAlmostFull = 1,  // what ends transactions, and so lets data be collected
  kAllowedOnAlreadyFull = 2,
};

// What a request says of the region it means. Unset parts are not checked.
struct RegionRequest {
  RegionId region;
  PeerId peer;    // the peer meant; unset: any
  StoreId store;  // the store meant; unset: any
  RegionEpoch epoch;
  Term term;                  // as the client last saw it; 0: not checked
  bool replica_read = false;  // a follower may answer, by read index
  bool stale_read = false;    // any replica may answer, by safe timestamp
  Timestamp read_ts;          // of replica and stale reads
  DiskFullOpt disk_full_opt = DiskFullOpt::kNotAllowedOnFull;
  Instant deadline{Duration::max()};  // an answer after it is of no use
};

// Reasons a region does not serve a request. An alternative exists only because a client or caller acts on it; what
// each makes the client do stands in docs of errorpb. `outcome known` unless said otherwise: nothing was written.
struct NotLeader {
  RegionId region;
  std::optional<PeerDescription> leader;  // if known
};
struct RegionNotFound {
  RegionId region;
};
struct KeyNotInRegion {
  Bytes key;  // engine key
  RegionDescription region;
};
struct EpochNotMatch {
  std::vector<RegionDescription> current;
};
struct StoreNotMatch {
  StoreId asked, actual;
};
struct MismatchPeerId {
  PeerId asked, actual;
};
struct ServerIsBusy {
  std::string reason;
  Duration backoff{};
};
// The proposal was overtaken by a change of leader: it was not and will not be applied.
struct StaleCommand {};
struct RaftEntryTooLarge {
  RegionId region;
  uint64_t bytes = 0;
};
struct MaxTimestampNotSynced {};
struct ReadIndexNotReady {
  RegionId region;
  std::string reason;
};
struct ProposalInMergingMode {
  RegionId region;
};
struct DataIsNotReady {
  RegionId region;
  PeerId peer;
  Timestamp safe_ts;
};
struct RegionNotInitialized {
  RegionId region;
};
struct DiskFull {
  std::vector<StoreId> stores;  // whose disks have no room
  std::string reason;
};
// The write may or may not have happened, and this node cannot find out.
struct UndeterminedResult {
  std::string reason;
};
struct OtherRegionError {
  std::string message;
};

using RegionError =
    std::variant<NotLeader, RegionNotFound, KeyNotInRegion, EpochNotMatch, StoreNotMatch, MismatchPeerId, ServerIsBusy,
                 StaleCommand, RaftEntryTooLarge, MaxTimestampNotSynced, ReadIndexNotReady, ProposalInMergingMode,
                 DataIsNotReady, RegionNotInitialized, DiskFull, UndeterminedResult, OtherRegionError>;

// A sentence for logs and errorpb.Error.message; never empty.
std::string to_string(const RegionError& error);

}  // namespace cairn::engine
