// Deadlock detection: the graph of who waits for whom. A wait that closes a cycle is refused, and its transaction with
// it.
//
//   DeadlockDetector   the graph; pure, time comes in. Used by one thread.
//   DeadlockClient     where a scheduler asks. A store asks the one that has the graph of the whole cluster
//                      (store/deadlocks.h).
//
// An edge expires if its wait is not detected again in time: its waiter may be gone without a word, and no wait lasts
// longer than that. Tests: deadlock_test.cc.
#pragma once

#include <map>
#include <optional>
#include <vector>

#include "base/time.h"
#include "mvcc/key_error.h"
#include "runtime/executor.h"
#include "runtime/task.h"

namespace cairn::txn {

using mvcc::WaitForEdge;

// A cycle, from the transaction that the refused wait would have waited for.
struct DeadlockCycle {
  uint64_t key_hash = 0;  // of the last edge before the refused wait: what the refused transaction holds
  Bytes key;
  std::vector<WaitForEdge> chain;  // the refused wait is the last
};

// The hash by which waits name keys: XXH64 of the user key. TiKV takes farmhash's Fingerprint64; the numbers are
// compared only with each other, within one detector, and shown to people.
uint64_t deadlock_key_hash(ByteView user_key);

class DeadlockDetector {
 public:
  // Edges expire `ttl` after they were last detected.
  explicit DeadlockDetector(Duration ttl) : ttl_(ttl) {}

  // Adds the wait to the graph, or refuses it because it closes a cycle.
  std::optional<DeadlockCycle> detect(const WaitForEdge& wait, Instant now);
  // The wait has ended.
  void clean_up_wait_for(Timestamp txn, Timestamp wait_for, uint64_t key_hash);
  // All waits of the transaction have ended.
  void clean_up(Timestamp txn) { waits_.erase(txn); }
  // Waiting transactions that are known; some may have expired.
  size_t size() const { return waits_.size(); }

 private:
  // All waits of one transaction for one other.
  struct Edge {
    Instant detected_at;
    std::map<uint64_t, WaitForEdge> by_key_hash;
  };
  using EdgesOf = std::map<Timestamp, Edge>;  // by whom it waits for

  bool is_expired(const Edge& edge, Instant now) const { return now - edge.detected_at > ttl_; }
  std::optional<std::vector<WaitForEdge>> find_path(Timestamp from, Timestamp to, Instant now) const;
  void drop_expired(Instant now);

  const Duration ttl_;
  std::map<Timestamp, EdgesOf> waits_;  // by who waits
  std::optional<Instant> swept_at_;
};

class DeadlockClient {
 public:
  virtual ~DeadlockClient() = default;
  // A cycle that the wait closes, then or later while it lasts; nothing once it has ended (clean_up_wait_for). The task
  // goes on on `resume_on`, unless the answer is there at once.
  virtual runtime::Task<std::optional<DeadlockCycle>> detect(WaitForEdge wait, runtime::Executor& resume_on) = 0;
  // The wait has ended. To be called once for each detect(), even if it was answered.
  virtual void clean_up_wait_for(const WaitForEdge& wait) = 0;
};

}  // namespace cairn::txn
