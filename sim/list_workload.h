// Lists in transactions, to check snapshot isolation itself: every transaction reads some lists and appends its own
// number to some of them, in a mode drawn by dice (optimistic or pessimistic; in two phases, asynchronously, in one
// phase). Since numbers are unique, the lists in the end tell the order of all writes, and each read can be judged:
//
//   it is what the list was at the reader's timestamp: it holds all that committed up to then and nothing later
//   it holds all numbers of a transaction, on all the lists that were read, or none of them
//   a transaction that began after another was acknowledged has the greater timestamp
//   a number follows, in the end, just what its transaction had read there: no update is lost
//   what was acknowledged is there, what was refused is not, and nothing is there twice
//
// Tests: world_test.cc.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "client/client.h"
#include "runtime/random.h"
#include "runtime/task.h"
#include "sim/safe_point.h"

namespace cairn::sim {

class ListWorkload {
 public:
  struct Options {
    // Told of each transaction that was acknowledged and wrote; may be null.
    std::function<void(Timestamp start_ts, Timestamp commit_ts)> on_commit;
    SafePoint* safe_point = nullptr;  // to be held; null: no garbage is collected
    // Most transactions are causal. Then none locks by force: it would take on a timestamp that PD has not given out
    // yet, and who begins after it is acknowledged might begin below it.
    bool has_causal = false;
    Bytes prefix = "list/";  // of their keys
    int lists = 5;
    int keys_max = 3;                                     // that a transaction reads
    Duration pause_max = std::chrono::milliseconds(120);  // between two transactions of a client
  };
  ListWorkload(std::function<void(std::string)> fail, Options options);

  // Who holds the safe point for a client: who may be killed cannot let go of it.
  enum class Holder { kClient, kOther };
  // One client's life: transactions until stop(). The workload outlives it.
  runtime::Task<void> run(client::Client* client, runtime::Executor* executor, uint64_t seed,
                          Holder holder = Holder::kClient);
  void stop() { is_stopping_ = true; }
  // Locks and reads all lists, until that succeeds or the budget of tries is spent; then check() may judge.
  runtime::Task<void> read_back(client::Client* client, runtime::Executor* executor);
  // Reports what breaks a rule.
  void check() const;
  // Transactions acknowledged.
  uint64_t successes() const { return successes_; }

  // Where the lists are, for whoever splits them.
  Bytes key_of(int index) const;

 private:
  using List = std::vector<uint64_t>;
  enum class Outcome { kCommitted, kRefused, kUnknown };
  // What one transaction saw and did.
  struct Story {
    uint64_t id = 0;
    Timestamp start_ts;
    Timestamp commit_ts;              // of kCommitted, if it wrote
    std::map<int, List> reads;        // in the snapshot of start_ts
    std::map<int, List> appended_to;  // what the list was before it, as it saw it
    Outcome outcome = Outcome::kRefused;
  };

  runtime::Task<void> transact(client::Client* client, runtime::Executor* executor, runtime::Random* dice,
                               Holder holder);
  runtime::Task<void> look_back(client::Client* client, runtime::Random* dice);
  runtime::Task<bool> read_all(client::Client* client);
  void check_list(int index, const std::map<uint64_t, const Story*>& stories) const;
  void check_read(const Story& story, int index, const List& seen,
                  const std::map<uint64_t, const Story*>& stories) const;
  void check_atomic(const Story& reader) const;

  std::function<void(std::string)> fail_;
  Options options_;
  std::vector<Story> stories_;
  std::vector<List> final_;  // by list
  Timestamp acknowledged_;   // the greatest commit timestamp that a client was told
  uint64_t next_id_ = 1;
  uint64_t successes_ = 0;
  bool is_stopping_ = false;
};

}  // namespace cairn::sim
