// The machines of the world: a PD node and a storage node, the real code over a disk in memory, behind power switches.
// A host outlives the lives of its node: the disk, the clock and the place in the network stay.
//
// crash() is the loss of power: executors stop between two jobs, the disk forgets by dice what was not synced. What the
// dead life left behind is kept until the process ends, for tasks that wait for ever may still refer to it.
// Owned by the World. Tests: world_test.cc.
#pragma once

#include <pdpb.pb.h>

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/memory/memory_engine.h"
#include "gc/options.h"
#include "pd/config.h"
#include "runtime/simulated/sim_loop.h"
#include "sim/network.h"
#include "sim/profile.h"
#include "sim/proxies.h"
#include "sim/transport.h"
#include "store/options.h"

namespace cairn::pd {
class Node;
struct Identity;
}  // namespace cairn::pd
namespace cairn::store {
class Store;
}
namespace cairn::api {
class Pd;
class Tikv;
}  // namespace cairn::api

namespace cairn::sim {

inline constexpr ClusterId kCluster{4711};  // of every world

// What a host needs of the world.
struct Surroundings {
  runtime::SimLoop& loop;
  Network& network;
  Directory& directory;
  std::function<void(std::string)> fail;  // something happened that never may
  Profile profile;
};

// What PD and storage hosts have in common: the switch, the disk, the clock.
class Host {
 public:
  Host(Surroundings world, std::string name);
  virtual ~Host() = default;
  Host(const Host&) = delete;
  Host& operator=(const Host&) = delete;

  // Precondition: down.
  virtual void start() = 0;
  // Nothing if it is down.
  void crash(engine::CrashKind kind);
  void pause();
  void resume();
  // The threads whose names begin so stand still for `span`.
  void stall(const std::string& threads, Duration span);
  // Runs on the first thread whose name begins so; nothing if there is none.
  void run_on(const std::string& thread, runtime::Job job);
  // From now on. None: accesses take no time.
  void set_disk_times(DiskTimes times) { disk_times_ = times; }
  // Ends the node in order and runs the loop until that is done; false if it does not end. Its executors stop then.
  virtual bool stop() = 0;

  bool is_up() const { return executors_ != nullptr; }
  // How often it was started.
  int lives() const { return lives_; }
  NodeId node() const { return node_; }
  const std::string& name() const { return name_; }
  runtime::SimClock& clock() { return clock_; }
  engine::MemoryDisk& disk() { return *disk_; }

 protected:
  // Executors and a place in the network for a new life.
  Endpoint power_on();
  // Takes both away again.
  void power_off();
  // An empty one.
  void make_disk();
  // The end of an orderly stop; false if a thread does not end.
  bool finish_stop();
  // Keeps what the dead life consisted of.
  virtual void bury() = 0;

  Surroundings world_;
  std::string name_;
  NodeId node_;
  runtime::SimClock clock_;
  std::shared_ptr<engine::MemoryDisk> disk_;
  std::shared_ptr<runtime::SimExecutors> executors_;  // null while down
  std::shared_ptr<runtime::Executor> inbox_;
  int lives_ = 0;
  DiskTimes disk_times_;
  runtime::Random disk_dice_;
};

class PdHost final : public Host {
 public:
  // Who else is a member: by id, its node and what receives there; null while down.
  struct Peers {
    std::function<NodeId(uint64_t member)> node_of;
    std::function<pd::Node*(NodeId)> at;
  };
  // With `gc`, the collector of garbage runs beside the node; it reaches the service of a store's node by `service_at`.
  using ServiceAt = std::function<api::Tikv*(NodeId)>;
  PdHost(Surroundings world, std::string name, pd::Options options, std::optional<gc::Options> gc, ServiceAt service_at,
         Peers peers = {});
  ~PdHost() override;
  void start() override;
  bool stop() override;
  // The service; null while down.
  api::Pd* service();
  pd::Node* pd_node();
  // Precondition: down. What it kept is gone, and it stays down until it has a place in the group again.
  void lose_disk();
  void take_place(const pd::Identity& identity);
  // Whether it serves as the leader, as far as it knows.
  bool serves() const { return is_up() && serves_; }
  // How often it began to.
  uint64_t reigns() const { return reigns_; }
  uint64_t member() const { return options_.member_id; }
  bool has_place() const { return has_place_; }

 private:
  void bury() override;
  void start_collector(Endpoint self);
  struct Life;
  pd::Options options_;
  std::optional<gc::Options> gc_;
  ServiceAt service_at_;
  Peers peers_;
  bool has_place_ = true;
  bool serves_ = false;
  uint64_t reigns_ = 0;
  std::shared_ptr<Life> life_;
};

// All members of PD.
struct PdHosts {
  std::vector<PdHost*> all;
  // The one that serves; the one that came to last, if two think so; any if none does.
  PdHost& leading() const;
};

// As a node of the world reaches them.
std::vector<SimPd::Place> places_of(const PdHosts& pds);

class StoreHost final : public Host {
 public:
  StoreHost(Surroundings world, std::string name, store::StoreOptions options, PdHosts pds);
  ~StoreHost() override;
  void start() override;
  bool stop() override;
  // An operator's command reaches the store as if PD had sent it; lost if the store has no stream to PD just now.
  void command(pdpb::RegionHeartbeatResponse command);
  // The service and the store; null until the store has started.
  api::Tikv* service();
  store::Store* store();
  // The store's data, for checkers; null while down.
  engine::KvEngine* data();

 private:
  void bury() override;
  struct Life;
  store::StoreOptions options_;
  PdHosts pds_;
  std::shared_ptr<Life> life_;
};

}  // namespace cairn::sim
