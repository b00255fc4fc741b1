// Raw keys with a time to live, each written once and read again and again, by leaders and at any replica. A store
// decides by its own calendar, which drifts and jumps; a key must be there while no store's calendar can have reached
// its end, and be gone once all of them have passed it. Of stores that know expiry times only (API V2).
// Tests: world_test.cc.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "client/client.h"
#include "rawkv/api_version.h"
#include "runtime/random.h"
#include "runtime/simulated/sim_loop.h"
#include "runtime/task.h"

namespace cairn::sim {

class ExpiryWorkload {
 public:
  struct Options {
    Bytes prefix;  // of their keys
    uint64_t ttl_max_s = 12;
    Duration pause_max = std::chrono::milliseconds(150);  // between two operations of a client
  };
  ExpiryWorkload(runtime::SimLoop& loop, std::function<void(std::string)> fail, Options options)
      : loop_(loop), fail_(std::move(fail)), options_(std::move(options)) {}

  // One client's life: operations until stop(). The workload outlives it.
  runtime::Task<void> run(client::Client* client, runtime::Executor* executor, uint64_t seed);
  void stop() { is_stopping_ = true; }
  // A store's calendar is ahead of true time by this (negative: behind). To be told of each store often.
  void note_calendar(Duration ahead) {
    ahead_min_ = std::min(ahead_min_, ahead);
    ahead_max_ = std::max(ahead_max_, ahead);
  }
  // Reports what was there too long or gone too early.
  void check() const;
  uint64_t successes() const { return looks_.size(); }

 private:
  struct Key {
    Bytes name;
    uint64_t ttl_s = 0;
    Duration called{};
    Duration returned{};
  };
  struct Look {
    size_t key = 0;
    bool is_there = false;
    Duration called{};
    Duration returned{};
  };

  runtime::SimLoop& loop_;
  std::function<void(std::string)> fail_;
  Options options_;
  std::vector<Key> keys_;
  std::vector<Look> looks_;
  Duration ahead_min_{};
  Duration ahead_max_{};
  uint64_t next_key_ = 1;
  bool is_stopping_ = false;
};

}  // namespace cairn::sim
