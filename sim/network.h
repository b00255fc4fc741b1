// The simulated network: letters between nodes, delivered as jobs on the receiver's inbox executor after a delay; with
// loss, duplication, overtaking, partitions (one-way too) and clogs, all drawn from the loop's dice.
//
// A node is attached while it is up; each attachment is a new incarnation. What cannot be delivered is reported to the
// one who is to know (`notify`), soon or late: a connection that breaks, or one that is only found dead by a timeout.
// Owned by the World; used on the loop's thread. Tests: network_test.cc.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/ids.h"
#include "runtime/executor.h"
#include "runtime/simulated/sim_loop.h"

namespace cairn::sim {

using NodeId = StrongId<struct SimNodeIdTag>;

// One life of a node.
struct Endpoint {
  NodeId node;
  uint64_t incarnation = 0;
  friend auto operator<=>(const Endpoint&, const Endpoint&) = default;
};

// How bad the network is just now, everywhere.
struct Weather {
  Duration delay_min = 100us;
  Duration delay_max = 1ms;
  double loss = 0;       // of a letter
  double duplicate = 0;  // of a datagram
  double straggle = 0;   // of a letter: it takes up to `straggle_max`, and others overtake it
  Duration straggle_max = 200ms;
  double repeat = 0;  // of a request that clients repeat (carry.h): it arrives once more, up to `repeat_after` later
  Duration repeat_after = 3s;
  double quiet_failure = 0.3;  // a letter that failed is reported only after `quiet_after`
  Duration quiet_after = 8s;
};

// The order of a stream: its letters do not overtake one another.
struct Channel {
  Duration last_due{};
};

struct Letter {
  NodeId from;
  NodeId to;
  std::optional<uint64_t> to_incarnation;  // only this life of the receiver; none: whoever lives there
  runtime::Job deliver;                    // on the receiver's inbox
  Endpoint notify;                         // who learns of a failure
  runtime::Job lost;                       // on `notify`'s inbox; may be null
  Channel* channel = nullptr;              // must outlive this call only
};

class Network {
 public:
  explicit Network(runtime::SimLoop& loop);
  Network(const Network&) = delete;
  Network& operator=(const Network&) = delete;

  NodeId add_node(std::string name);
  // The node is up from now on and reads its letters on `inbox`.
  Endpoint attach(NodeId node, std::shared_ptr<runtime::Executor> inbox);
  // The node is down: whatever arrives fails, and its watchers are told.
  void detach(NodeId node);
  bool is_up(NodeId node) const;
  bool is_alive(Endpoint endpoint) const;
  // The life that the node lives now.
  Endpoint here(NodeId node) const;
  const std::string& name(NodeId node) const;

  // Delivers at most once.
  void send(Letter letter);
  // Delivers at most once, up to the weather's `repeat_after` later than others.
  void send_late(Letter letter);
  // Whether a request that may be repeated is sent once more.
  bool draws_repeat() { return weather_.repeat > 0 && loop_.random().chance(weather_.repeat); }
  // Delivers any number of times, mostly once. `lost` as in Letter.
  void send_datagram(Endpoint from, NodeId to, std::function<void()> deliver, std::function<void()> lost);
  // `job` runs on the watcher's inbox a while after `peer` went down; soon if it is down already.
  void watch(Endpoint peer, Endpoint watcher, runtime::Job job);

  // Faults. A blocked link loses everything in that direction.
  Weather& weather() { return weather_; }
  void block(NodeId from, NodeId to) { blocked_.insert({from, to}); }
  void unblock(NodeId from, NodeId to) { blocked_.erase({from, to}); }
  // Cuts the node off in both directions, from all others.
  void isolate(NodeId node);
  // What is sent over the link arrives only after `span`.
  void clog(NodeId from, NodeId to, Duration span);
  // No partition, no clog.
  void mend_links();
  // Fair weather, too.
  void heal();

  // The end of the world: drops what is under way while its receivers are still there.
  void close() { executors_.kill(); }

  // Letters delivered and failed so far.
  uint64_t delivered() const { return delivered_; }
  uint64_t failed() const { return failed_; }

 private:
  struct Place {
    std::string name;
    uint64_t incarnation = 0;
    std::shared_ptr<runtime::Executor> inbox;  // null while down
    std::vector<std::pair<Endpoint, runtime::Job>> watchers;
  };
  Place& place(NodeId node);
  const Place& place(NodeId node) const;
  Duration draw_delay(NodeId from, NodeId to);
  void arrive(Letter letter);
  void fail(Letter letter);
  void post_to(Endpoint endpoint, runtime::Job job);

  runtime::SimLoop& loop_;
  runtime::SimClock clock_;
  runtime::SimExecutors executors_;
  std::shared_ptr<runtime::Executor> wire_;
  std::vector<Place> places_;
  Weather weather_;
  std::set<std::pair<NodeId, NodeId>> blocked_;
  std::map<std::pair<NodeId, NodeId>, Duration> clogged_until_;
  uint64_t delivered_ = 0;
  uint64_t failed_ = 0;
};

}  // namespace cairn::sim
