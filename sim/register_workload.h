// A few registers of the raw API, written, read (at any replica), deleted and swapped by several clients at once. Every
// write has a value of its own; what each client saw is recorded and must be linearizable, register by register. Tests:
// world_test.cc.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "client/client.h"
#include "rawkv/api_version.h"
#include "runtime/random.h"
#include "runtime/simulated/sim_loop.h"
#include "runtime/task.h"
#include "sim/linearizability.h"
#include "sim/replica_reader.h"

namespace cairn::sim {

class RegisterWorkload {
 public:
  struct Options {
    Bytes prefix = "reg/";  // of their keys
    rawkv::ApiVersion api_version = rawkv::ApiVersion::kV1;
    int registers = 4;
    Duration pause_max = std::chrono::milliseconds(60);  // between two operations of a client
  };
  RegisterWorkload(runtime::SimLoop& loop, std::function<void(std::string)> fail, Options options);

  // One client's life: operations until stop(). The workload outlives it.
  // With a reader, half of its reads go to any replica.
  runtime::Task<void> run(client::Client* client, ReplicaReader* reader, runtime::Executor* executor, int id,
                          uint64_t seed);
  void stop() { is_stopping_ = true; }
  // Reads every register once more, until that succeeds or the budget of tries is spent; then `is_read_back`.
  runtime::Task<void> read_back(client::Client* client, runtime::Executor* executor);
  bool is_read_back() const { return is_read_back_; }
  // Reports what is not linearizable.
  void check() const;
  // Operations with a known good outcome.
  uint64_t successes() const { return successes_; }

 private:
  Bytes key_of(size_t index) const { return options_.prefix + std::to_string(index); }
  runtime::Task<bool> one_operation(client::Client* client, ReplicaReader* reader, size_t index, int id,
                                    runtime::Random* dice);
  // Reads at one of the replicas, once; nothing: no answer.
  runtime::Task<std::optional<std::optional<Bytes>>> read_anywhere(ReplicaReader* reader, Bytes key);
  // Whether the error leaves the outcome open; reports errors that must not be.
  bool is_open(const client::Error& error, const char* what);

  runtime::SimLoop& loop_;
  std::function<void(std::string)> fail_;
  Options options_;
  std::vector<std::vector<Operation>> histories_;  // by register
  uint64_t next_value_ = 1;
  uint64_t successes_ = 0;
  bool is_stopping_ = false;
  bool is_read_back_ = false;
};

}  // namespace cairn::sim
