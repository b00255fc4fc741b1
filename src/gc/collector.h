// The owner of the garbage in a cluster without a SQL layer: runs beside a PD node and, while that node leads and
// nobody else owns the garbage, moves the safe points.
//
//   a round, each run_interval:
//     turn     ask the node whether it is for us
//     sweep    end all locks of transactions older than life_time (sweep.h); those that are kept alive stay
//     txn safe point := now - life_time, but below the oldest transaction that lives, and as barriers allow
//     gc safe point  := the txn safe point that all clients know by now, likewise below the oldest that lives
//
// From then on transactions that began before the txn safe point may no longer read (clients see to it themselves), and
// stores delete what nobody at or above the gc safe point can see. A round that fails moves nothing; the next one tries
// again. All of it lives on the executor of Deps::client. Tests: collector_test.cc; with real stores: sim/gc_test.cc.
#pragma once

#include <functional>
#include <memory>

#include "api/gc_turn.h"
#include "client/client.h"
#include "gc/options.h"

namespace cairn::gc {

struct Deps {
  client::Deps client;
  api::AskGcTurn ask_turn;
};

class Collector {
 public:
  // What `deps` refers to must outlive the collector's end.
  Collector(Deps deps, Options options);
  ~Collector();
  Collector(const Collector&) = delete;
  Collector& operator=(const Collector&) = delete;

  // Any thread; once. The first round comes after an interval.
  void start();
  // Any thread. `on_done` runs on the executor once the round under way has ended, which gives up soon.
  void stop(std::function<void()> on_done);

  struct State;  // collector.cc

 private:
  std::shared_ptr<State> state_;
};

}  // namespace cairn::gc
