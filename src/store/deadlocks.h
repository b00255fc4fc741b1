// Deadlock detection across stores. The graph of who waits for whom is on the store that leads the region with the
// first key; it begins empty with that leadership and ends with it. Every store sends the waits of its own waiters
// there, again and again to wherever the graph is by now, so the graph builds itself up anew when it moves.
//
//   LockWaiting ─ detect ─▶ Deadlocks ─┬─ leads the first region ──▶ its own graph
//                    ▲                 └─ else ─▶ PD: who does? ─▶ stream to that store ─▶ its Deadlocks ─▶ its graph
//                    └──────────────── a cycle ◀──────────────────────────┘
//
// A wait whose detector cannot be reached just lasts until it times out.
//
// One per store, an actor with an executor of its own. Tests: deadlocks_test.cc.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <optional>
#include <tuple>
#include <vector>

#include "api/deadlock.h"
#include "runtime/async.h"
#include "store/shared.h"
#include "txn/deadlock.h"

namespace cairn::store {

class Deadlocks final : public txn::DeadlockClient, public std::enable_shared_from_this<Deadlocks> {
 public:
  // `shared` must outlive the executor's jobs.
  Deadlocks(Shared& shared, std::shared_ptr<runtime::Executor> executor);
  ~Deadlocks() override;

  // Any thread, all of these.
  runtime::Task<std::optional<txn::DeadlockCycle>> detect(txn::WaitForEdge wait, runtime::Executor& resume_on) override;
  void clean_up_wait_for(const txn::WaitForEdge& wait) override;
  // The shard has come to lead the region with the first key (in another term or another such region: again), or has
  // ceased to.
  void on_role(int shard, bool leads);
  // Another store's waits.
  std::unique_ptr<api::DeadlockStream> open_detect(api::DeadlockSink sink);
  // Streams end; what waits is not told any more of cycles.
  void stop();

 private:
  using Promise = runtime::Promise<txn::DeadlockCycle>;
  using Key = std::tuple<Timestamp, Timestamp, uint64_t>;  // txn, wait_for, key_hash
  struct Wait {
    txn::WaitForEdge edge;
    std::vector<Promise> waiters;  // several requests of a transaction may wait for one lock
    size_t present = 0;            // of the waiters
  };
  class Served;
  static Key key_of(const txn::WaitForEdge& edge) { return {edge.txn, edge.wait_for, edge.key_hash}; }

  // All below on the executor.
  void add(txn::WaitForEdge wait, Promise promise);
  void remove(const txn::WaitForEdge& wait);
  void announce(const txn::WaitForEdge& wait);
  void announce_all();
  void answer(const txn::WaitForEdge& wait, const txn::DeadlockCycle& cycle);
  // The way to the detector.
  void connect();
  void on_resolved(uint64_t attempt, StoreId leader);
  void on_response(uint64_t stream, const deadlock::DeadlockResponse& response);
  void on_closed(uint64_t stream, const api::Status& status);
  void retry_later();
  void disconnect();
  // The detector.
  void serve(uint64_t id, api::DeadlockSink sink);
  void on_request(uint64_t id, const deadlock::DeadlockRequest& request);

  Shared& shared_;
  const std::shared_ptr<runtime::Executor> executor_;
  bool stopped_ = false;
  std::map<Key, Wait> waits_;
  std::optional<int> leading_shard_;
  std::optional<txn::DeadlockDetector> detector_;  // Invariant: there while leading_shard_ is
  std::map<uint64_t, api::DeadlockSink> served_;   // streams of other stores; Invariant: none without a detector
  std::unique_ptr<api::DeadlockStream> stream_;    // to the detector
  uint64_t attempt_ = 0;                           // of finding and reaching the detector
  bool is_resolving_ = false;
  runtime::TimerId timer_;  // of the attempt under way, or until the next
  std::atomic<uint64_t> next_served_{1};
};

// Who waits for whom, as it travels.
deadlock::WaitForEntry to_wire(const txn::WaitForEdge& edge);
txn::WaitForEdge from_wire(const deadlock::WaitForEntry& entry);

}  // namespace cairn::store
