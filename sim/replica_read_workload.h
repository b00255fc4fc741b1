// Readers who go to any replica of a region, leader, follower or learner, and read what other workloads write: point
// reads, batches and scans in both directions; at fresh and at old timestamps, and the newest; under snapshot
// isolation, read committed and RcCheckTs. What they saw is judged in the end by the history of commits
// (commit_history.h).
//
// They deal with locks in the ways that clients of several vintages do (Vintage), drawn by dice for each client.
// Tests: world_test.cc.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <utility>
#include <vector>

#include "client/core.h"
#include "runtime/simulated/sim_loop.h"
#include "runtime/task.h"
#include "sim/commit_history.h"
#include "sim/replica_reader.h"
#include "sim/safe_point.h"

namespace cairn::sim {

class ReplicaReadWorkload {
 public:
  using Fail = std::function<void(std::string)>;
  struct Options {
    std::vector<Bytes> keys;                      // for point reads and batches
    std::vector<std::pair<Bytes, Bytes>> ranges;  // for scans
    Duration pause_max = std::chrono::milliseconds(100);
    // Whether some clients look at the pairs of a batch or scan alone, never at the response's own error.
    bool has_pairs_only_clients = true;
    // Whether they read at the greatest timestamp.
    bool reads_newest = true;
    SafePoint* safe_point = nullptr;  // to be held; null: no garbage is collected
  };
  ReplicaReadWorkload(runtime::SimLoop& loop, Fail fail, CommitHistory& history, Options options)
      : loop_(loop), fail_(std::move(fail)), history_(history), options_(std::move(options)) {}

  // One client's life: reads until stop(). The workload outlives it.
  runtime::Task<void> run(client::CorePtr core, ReplicaReader* reader);
  void stop() { is_stopping_ = true; }
  // Reports what breaks a rule. Precondition: the history has seen all versions, and no locks are left.
  void check() const { history_.judge(reads_); }
  // Reads that were answered.
  uint64_t successes() const { return reads_.size(); }

 private:
  // How a client deals with a lock in its way.
  enum class Vintage : uint8_t {
    kResolves,  // ends transactions that are over, waits for others
    kPasses,    // leaves locks alone: says with the next try which ones do not matter, and which are committed
    kWaits,     // asks again, until somebody else has removed it
  };
  struct Client {
    client::CorePtr core;
    ReplicaReader* reader;
    Vintage vintage;
    bool pairs_only;
  };
  // One read: what is asked, and what its tries have learned of locks.
  struct Question {
    enum class Form : uint8_t { kGet, kBatchGet, kScan, kReverseScan };
    Form form = Form::kGet;
    ObservedRead read;
    uint32_t limit = 0;
    std::vector<Timestamp> passed;
    std::vector<Timestamp> committed;
  };
  // What one try came to: all is read; or the locks in the way. Neither: try again.
  struct Attempt {
    bool is_read = false;
    bool is_over = false;  // the read ends without a result
    std::vector<kvrpcpb::LockInfo> locks;
  };

  runtime::Task<void> one_read(Client client);
  runtime::Task<std::optional<Question>> draw(Client client);
  runtime::Task<Attempt> attempt(Client client, Question* question);
  runtime::Task<Attempt> get(Client client, Question* question, ReplicaReader::Target target);
  runtime::Task<Attempt> batch_get(Client client, Question* question, ReplicaReader::Target target);
  runtime::Task<Attempt> scan(Client client, Question* question, ReplicaReader::Target target);
  runtime::Task<void> deal_with(Client client, Question* question, std::vector<kvrpcpb::LockInfo> locks);
  // Sorts a key's error: a lock is added to the attempt, a conflict ends the read, others are reported.
  void note_error(const Question& question, const kvrpcpb::KeyError& error, Attempt& attempt);

  runtime::SimLoop& loop_;
  Fail fail_;
  CommitHistory& history_;
  Options options_;
  std::vector<ObservedRead> reads_;
  std::vector<Timestamp> timestamps_;  // that readers had before
  bool is_stopping_ = false;
};

}  // namespace cairn::sim
