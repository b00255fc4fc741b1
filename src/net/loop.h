// Loop: one thread that waits for descriptors, and is an executor at the same time. What shares it, server, client
// connections and an actor's jobs, passes work on without waking another thread, which is what most of the CPU time of
// a small request would go to. One turn:
//
//   the descriptors that are ready ─▶ the jobs that wait ─▶ the ends of the turn ─▶ sleep
//
// Descriptors go first, so that one job sees all that has come: a round of a shard takes every message and request that
// is here. Jobs run one at a time in the order of posting, timers with a precision of a millisecond. At the end of the
// turn each connection that has something to send sends it, with one write. A job that blocks holds up the network, so
// only what computes may run here. Tests: loop_test.cc.
#pragma once

#include <memory>
#include <string>

#include "runtime/executor.h"

namespace cairn::net {

class Loop final : public runtime::Executor {
 public:
  // Starts the thread.
  explicit Loop(const std::string& name);
  // Stops if stop() was not called.
  ~Loop() override;
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  void post(runtime::Job job) override;
  runtime::TimerId after(Duration delay, runtime::Job job) override;
  void cancel(runtime::TimerId timer) override;
  bool is_current() const override;
  size_t backlog() const override;

  // Ends the thread and drops the jobs that wait; later ones are dropped too. Idempotent. Not on its own thread. What
  // watches descriptors on it must have ended.
  void stop();

  // What follows is for the loop's own thread.

  // Who is told that a descriptor is ready. It may end its own watch meanwhile, but must outlive the call.
  class Ready {
   public:
    virtual ~Ready() = default;
    virtual void on_readable() = 0;
    virtual void on_writable() = 0;
  };
  // A descriptor's watch, level-triggered; ends with the object, which must die on the loop's thread and before the
  // descriptor is closed. Nothing is wanted at first.
  class Watch {
   public:
    virtual ~Watch() = default;
    virtual void want_reads(bool on) = 0;
    virtual void want_writes(bool on) = 0;
  };
  std::unique_ptr<Watch> watch(int descriptor, Ready& ready);

  // Calls `on_turn_end` once at the end of this turn. To be asked for again each time; whoever asked must live until
  // then.
  class TurnEnd {
   public:
    virtual ~TurnEnd() = default;
    virtual void on_turn_end() = 0;
  };
  void at_turn_end(std::shared_ptr<TurnEnd> who);

  // Room for what a descriptor has: read into it, then pass on slices that share its ownership. The same room is given
  // again once nobody shares it.
  struct ReadRoom {
    std::shared_ptr<char[]> bytes;
    size_t size;
  };
  ReadRoom& read_room();

 private:
  class Core;
  std::unique_ptr<Core> core_;
};

}  // namespace cairn::net
