// Reactor: one thread that polls a completion queue of gRPC and is an executor at the same time. What shares it,
// server, client streams and an actor's jobs, passes work on without waking another thread, which is what most of the
// CPU time of a small request would go to.
//
//   events of the network (as many as are there, bounded) ─▶ the jobs that wait ─▶ events ─▶ jobs … ─▶ sleep
//
// Events go first, so that one job sees all that has come: a round of a shard takes every message and request that is
// here. Jobs run one at a time in the order of posting, timers with a precision of a millisecond. All events and jobs
// of a process on one thread also spare gRPC from handing events of one queue to the thread of another. The price: a
// job that blocks holds up the network, so only what computes may run here. Tests: reactor_test.cc.
#pragma once

#include <memory>
#include <string>

#include "runtime/executor.h"

namespace grpc {
class ServerBuilder;
class ServerCompletionQueue;
}  // namespace grpc

namespace cairn::rpc {

class Reactor final : public runtime::Executor {
 public:
  // Starts the thread.
  explicit Reactor(const std::string& name);
  // Stops if stop() was not called.
  ~Reactor() override;
  Reactor(const Reactor&) = delete;
  Reactor& operator=(const Reactor&) = delete;

  void post(runtime::Job job) override;
  runtime::TimerId after(Duration delay, runtime::Job job) override;
  void cancel(runtime::TimerId timer) override;
  bool is_current() const override;
  size_t backlog() const override;

  // Ends the thread and drops the jobs that wait; later ones are dropped too. The server and the client loop on it must
  // have stopped. Idempotent. Not on its own thread.
  void stop();

  // For this folder: the queue, and the builder that made it, for one server.
  grpc::ServerCompletionQueue& queue();
  grpc::ServerBuilder& builder();

 private:
  class Core;
  std::unique_ptr<Core> core_;
};

}  // namespace cairn::rpc
