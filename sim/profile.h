// What a seed is like for the whole of its life: how fast its disks are, how its stores are set up, and which faults it
// has most of. So one seed has disks of microseconds and many partitions, the next one disks of many milliseconds, tiny
// caches and splits all the time; and what is rare with production's settings is common in some seed.
//
// Plain values, drawn once from the seed. Tests: world_test.cc.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

#include "engine/memory/memory_engine.h"
#include "runtime/random.h"
#include "store/options.h"

namespace cairn::sim {

// How long accesses to a disk take: most of them about the typical time, a few up to `slow_max`, very few stall.
struct DiskTimes {
  Duration write{};  // handing bytes to the operating system; a batch applied to the engine's memory
  Duration sync{};   // fsync of the Raft log or of a file
  Duration flush{};  // of the engine, and taking in or dropping whole files
  double cold = 0;   // of reads: they go to the disk, or would have to if they may look into the cache alone
  double slow = 0;   // of accesses
  Duration slow_max{};
  double stall = 0;  // of accesses
  Duration stall_max{};

  static DiskTimes draw(runtime::Random& dice);
  Duration of(engine::DiskAccess access, runtime::Random& dice) const;
  // The same disk without stalls.
  DiskTimes steady() const;
};

// What the nemesis does; each is counted.
enum class Fault : uint8_t {
  kCrash,      // of a store or PD, often while its disk is at work
  kPartition,  // links that lose or hold back everything, one way or both
  kWeather,    // loss, duplicates, overtaking; requests delivered once more, later
  kPause,      // a whole machine stands still
  kStall,      // one thread does: an applier, the log writer, a pool
  kClock,      // drifts up to what leases bear, or jumps
  kPdClock,    // PD's calendar jumps, either way
  kTransfer,   // of leadership
  kBounce,     // leadership goes away and comes back while the applier stands still
  kFullDisk,   // others fill it
  kSplit,
  kMembership,  // peers are added, removed, replaced
  kCompaction,  // the engine flushes and compacts
  kUsurper,  // a leader does not reach one follower while the other restarts: whoever forgot its lease elects another
  kAmbush,   // a store crashes while it installs a snapshot, or when it has voted
};
inline constexpr size_t kFaultKinds = 15;
const char* fault_name(Fault fault);
using FaultCounts = std::array<uint64_t, kFaultKinds>;

// The default: a world without a profile of its own, in which nothing takes time.
struct Profile {
  DiskTimes disk;
  DiskTimes pd_disk;
  uint32_t read_slice_steps = 1 << 20;  // of a read on the pool, between two turns
  Duration queueing_max{};              // how long a job waits for its turn in a pool, mostly far less
  engine::MemoryDiskOptions memory{.flush_bytes = 16 << 10};
  // How often each fault comes, in the order of Fault; and how long after the one before.
  std::array<uint64_t, kFaultKinds> weights{3, 1, 1, 1, 0, 1, 0, 1, 0, 1, 2, 0, 0, 0, 0};
  Duration pace_min = 50ms;
  Duration pace_max = 800ms;

  static Profile draw(runtime::Random& dice);
  // Settings of the stores that make rare branches common.
  static void vary(store::StoreOptions& options, runtime::Random& dice);
};

}  // namespace cairn::sim
