// Counters that pessimistic transactions increment, two at a time and in any order, so that they wait for each other
// and deadlock. Locks are asked for in the normal mode and in the force-lock mode. In the end each counter has counted
// every acknowledged increment, and nothing that was refused. Tests: pessimistic_test.cc.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>

#include "client/client.h"
#include "runtime/random.h"
#include "runtime/task.h"
#include "sim/safe_point.h"

namespace cairn::sim {

class CounterWorkload {
 public:
  static constexpr int kCounters = 5;

  struct Options {
    Bytes prefix = "count/";          // of their keys
    SafePoint* safe_point = nullptr;  // to be held; null: no garbage is collected
  };
  CounterWorkload(std::function<void(std::string)> fail, Options options)
      : fail_(std::move(fail)), options_(std::move(options)) {}

  // One client's life: increments until stop(). The workload outlives it.
  runtime::Task<void> run(client::Client* client, runtime::Executor* executor, uint64_t seed);
  void stop() { is_stopping_ = true; }
  int running() const { return running_; }
  // Locks and reads all counters, which must be possible, and reports what they do not say.
  runtime::Task<void> check(client::Client* client, runtime::Executor* executor);
  bool is_checked() const { return is_checked_; }

  uint64_t successes() const { return successes_; }
  uint64_t deadlocks() const { return deadlocks_; }
  Bytes key_of(uint64_t counter) const { return options_.prefix + std::to_string(counter); }

 private:
  runtime::Task<void> increment(client::Client* client, runtime::Random* dice);

  std::function<void(std::string)> fail_;
  Options options_;
  std::map<Bytes, uint64_t> acknowledged_;
  std::map<Bytes, uint64_t> unknown_;
  uint64_t successes_ = 0;
  uint64_t deadlocks_ = 0;
  int running_ = 0;
  bool is_stopping_ = false;
  bool is_checked_ = false;
};

}  // namespace cairn::sim
