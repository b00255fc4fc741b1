// Keys that are overwritten and deleted all the time, while a collector moves the safe point up behind the oldest
// transaction, and readers hold on to snapshots: what a snapshot showed first it must show again, as long as the safe
// point has not passed it, and it must be what the transactions known to be committed have left.
// Tests: old_versions_test.cc.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "api/pd.h"
#include "client/client.h"
#include "runtime/executor.h"
#include "runtime/random.h"
#include "runtime/task.h"

namespace cairn::sim {

class VersionsWorkload {
 public:
  struct Options {
    ClusterId cluster;
    Bytes prefix = "version/";  // of all keys
    int keys = 6;
    Duration pause_max = std::chrono::milliseconds(40);  // between two transactions of a client
    Duration hold_max = std::chrono::milliseconds(800);  // between two looks at a snapshot
    Duration collect_pause = std::chrono::milliseconds(300);
  };
  VersionsWorkload(std::function<void(std::string)> fail, Options options);

  // One client's life: writes and snapshots until stop(). The workload outlives it.
  runtime::Task<void> run(client::Client* client, runtime::Executor* executor, uint64_t seed);
  // The collector's life: resolves locks by reading at the timestamp to be, then tells PD. One of it.
  runtime::Task<void> collect(client::Client* client, api::Pd* pd, runtime::Executor* executor);
  void stop() { is_stopping_ = true; }

  Timestamp safe_point() const { return safe_point_; }
  uint64_t commits() const { return commits_; }
  uint64_t looks() const { return looks_; }

 private:
  using Row = std::map<Bytes, Bytes>;
  // A transaction's changes; a deletion has no value.
  struct Written {
    Timestamp start_ts;
    Timestamp commit_ts;  // 0: not known
    std::map<Bytes, std::optional<Bytes>> changes;
  };
  // The safe point stays below what is held.
  class Hold {
   public:
    explicit Hold(VersionsWorkload* owner);
    ~Hold();
    Hold(const Hold&) = delete;
    Hold& operator=(const Hold&) = delete;
    void move_to(Timestamp ts);

   private:
    VersionsWorkload* owner_;
    std::multiset<Timestamp>::iterator at_;
  };

  runtime::Task<void> write(client::Client* client, runtime::Random* dice);
  runtime::Task<void> look(client::Client* client, runtime::Executor* executor, runtime::Random* dice);
  runtime::Task<std::optional<Row>> read_all(client::Client* client, Timestamp at);
  void compare(Timestamp at, const Row& seen);
  // Whether a transaction whose end is not known may have changed what is read.
  bool is_uncertain(const Bytes& key, Timestamp at) const;

  std::function<void(std::string)> fail_;
  Options options_;
  std::multiset<Timestamp> held_;
  std::vector<std::shared_ptr<Written>> written_;  // by key order of nothing: as they began
  Timestamp safe_point_;
  uint64_t next_value_ = 1;
  uint64_t commits_ = 0;
  uint64_t looks_ = 0;
  bool is_stopping_ = false;
};

}  // namespace cairn::sim
