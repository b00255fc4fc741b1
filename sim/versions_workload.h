// Keys that are overwritten and deleted all the time, while a collector moves the safe point up behind the oldest
// transaction, and readers hold on to snapshots: what a snapshot showed first it must show again, as long as the safe
// point has not passed it, and it must be what the transactions known to be committed have left.
// Tests: old_versions_test.cc.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "api/pd.h"
#include "client/client.h"
#include "runtime/executor.h"
#include "runtime/random.h"
#include "runtime/task.h"
#include "sim/safe_point.h"

namespace cairn::sim {

class VersionsWorkload {
 public:
  struct Options {
    ClusterId cluster;
    Bytes prefix = "version/";           // of all keys
    std::vector<Bytes> others_prefixes;  // of keys of other workloads, whose locks the collector ends too
    int keys = 6;
    Duration pause_max = std::chrono::milliseconds(40);  // between two transactions of a client
    Duration hold_max = std::chrono::milliseconds(800);  // between two looks at a snapshot
    Duration collect_pause = std::chrono::milliseconds(300);
  };
  VersionsWorkload(std::function<void(std::string)> fail, SafePoint& safe_point, Options options);

  // One client's life: writes and snapshots until stop(). The workload outlives it.
  runtime::Task<void> run(client::Client* client, runtime::Executor* executor, uint64_t seed);
  // The collector's life: moves the safe point, resolves locks by reading there, then tells PD. One of it.
  runtime::Task<void> collect(client::Client* client, api::Pd* pd, runtime::Executor* executor);
  void stop() { is_stopping_ = true; }

  Timestamp safe_point() const { return safe_point_.reached(); }
  uint64_t commits() const { return commits_; }
  uint64_t looks() const { return looks_; }
  // How often PD was told of a new safe point, and answered.
  uint64_t collections() const { return collections_; }

 private:
  using Row = std::map<Bytes, Bytes>;
  // A transaction's changes; a deletion has no value.
  struct Written {
    Timestamp start_ts;
    Timestamp commit_ts;  // 0: not known
    std::map<Bytes, std::optional<Bytes>> changes;
  };

  runtime::Task<void> write(client::Client* client, runtime::Random* dice);
  runtime::Task<void> look(client::Client* client, runtime::Executor* executor, runtime::Random* dice);
  // All keys at the timestamp, in either direction; locks at or below it are resolved by that.
  runtime::Task<std::optional<Row>> read_all(client::Client* client, Timestamp at, bool is_reverse);
  runtime::Task<bool> resolve_others(client::Client* client, Timestamp at);
  void compare(Timestamp at, const Row& seen);
  // Whether a transaction whose end is not known may have changed what is read.
  bool is_uncertain(const Bytes& key, Timestamp at) const;

  std::function<void(std::string)> fail_;
  Options options_;
  SafePoint& safe_point_;
  std::vector<std::shared_ptr<Written>> written_;  // in the order in which the transactions began
  uint64_t next_value_ = 1;
  uint64_t commits_ = 0;
  uint64_t looks_ = 0;
  uint64_t collections_ = 0;
  bool is_stopping_ = false;
};

}  // namespace cairn::sim
