// All versions that transactions ever committed, as the stores' engines show them, gathered before garbage collection
// can take them; and the judge of what readers saw:
//
//   snapshot isolation   a read at a timestamp sees, of each key, the newest version at or below it (INV-READ-MAX-TS:
//                        none comes later)
//   read committed       it sees a version at or below its timestamp
//   RcCheckTs            as snapshot isolation; and nothing newer had been acknowledged before it began
//   the newest           a read without a timestamp sees no version older than one that was acknowledged before it
//   began
//
// A follower may apply an entry before its leader does, so what one replica shows another need not show yet, as in
// TiKV: only an acknowledgement binds them all.
//
// A version, once seen, never changes. Tests: commit_history_test.cc.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"
#include "base/time.h"
#include "engine/memory/persistent_map.h"
#include "sim/hosts.h"

namespace cairn::sim {

// What one read saw. User keys.
struct ObservedRead {
  enum class Rule : uint8_t { kSnapshot, kReadCommitted, kCheckTs, kNewest };
  Rule rule = Rule::kSnapshot;
  Timestamp ts;
  Duration called{};
  Duration returned{};
  // The keys it asked for; or the range [first, second) of which it saw all.
  std::vector<Bytes> keys;
  std::optional<std::pair<Bytes, Bytes>> range;
  std::map<Bytes, Bytes> found;
  std::map<Bytes, Timestamp> commit_ts;  // of what was found, as far as it was told
  std::string what;                      // for reports
};

class CommitHistory {
 public:
  using Fail = std::function<void(std::string)>;
  explicit CommitHistory(Fail fail) : fail_(std::move(fail)) {}

  // A version as its write record says. `value` is nothing for a deletion.
  struct Version {
    Timestamp start_ts;
    std::optional<Bytes> value;
    Duration seen_at{};  // first, on any store
  };
  void add(const Bytes& key, Timestamp commit_ts, Version version);
  // Takes in what the store holds that it did not hold when this looked there before. Precondition: the store is up.
  void look(StoreHost& host, Duration now);
  // The transaction's client was told that it is committed.
  void acknowledge(Timestamp start_ts, Timestamp commit_ts, Duration now) {
    acknowledged_.emplace(start_ts, Acknowledged{commit_ts, now});
  }

  // Reports each read that the history cannot explain, and each acknowledgement that it contradicts. To be called once
  // all locks are gone and all versions seen.
  void judge(const std::vector<ObservedRead>& reads) const;

  size_t versions() const { return known_.size(); }

 private:
  using Versions = std::map<Timestamp, Version>;  // by commit_ts
  void take_in(const engine::memory::Entry& record, const engine::memory::PersistentMap& values, Duration now);
  struct Acknowledged {
    Timestamp commit_ts;
    Duration at{};
  };

  // The versions of the key around the timestamp.
  std::string describe(const Bytes& key, Timestamp at) const;
  void judge_key(const ObservedRead& read, const Bytes& key) const;
  bool is_acknowledged(const Version& version, Duration before) const;
  // The newest version at or below the read's timestamp that was acknowledged before the read began.
  Timestamp floor_of(const Versions& versions, const ObservedRead& read) const;
  void complain(const ObservedRead& read, const Bytes& key, const std::string& expected) const;

  Fail fail_;
  std::map<Bytes, Versions> keys_;                               // by user key
  std::map<Bytes, Bytes> known_;                                 // write records seen, by engine key: their bytes
  std::map<std::string, engine::memory::PersistentMap> looked_;  // by store: its write records at the last look
  std::map<Timestamp, Acknowledged> acknowledged_;
};

}  // namespace cairn::sim
