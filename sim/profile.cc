#include "sim/profile.h"

#include <algorithm>
#include <cmath>

namespace cairn::sim {

namespace {

// Between both, each order of magnitude as likely as the next.
Duration draw_magnitude(runtime::Random& dice, Duration low, Duration high) {
  const double from = std::log(static_cast<double>(low.count()));
  const double to = std::log(static_cast<double>(high.count()));
  return Duration(static_cast<int64_t>(std::exp(from + dice.fraction() * (to - from))));
}

template <class T>
T one_of(runtime::Random& dice, std::initializer_list<T> values) {
  return values.begin()[dice.below(values.size())];
}

}  // namespace

DiskTimes DiskTimes::draw(runtime::Random& dice) {
  DiskTimes times;
  times.write = draw_magnitude(dice, 5us, 2ms);
  times.sync = draw_magnitude(dice, 20us, 20ms);
  times.flush = draw_magnitude(dice, 100us, 50ms);
  times.cold = one_of(dice, {0.01, 0.05, 0.5});
  times.slow = dice.chance(0.5) ? 0.02 : 0.2;
  times.slow_max = draw_magnitude(dice, 1ms, 60ms);
  times.stall = dice.chance(0.3) ? 0 : 0.0005;
  times.stall_max = draw_magnitude(dice, 200ms, 4s);
  return times;
}

Duration DiskTimes::of(engine::DiskAccess access, runtime::Random& dice) const {
  using engine::DiskAccess;
  if (sync == Duration{}) return {};
  if (access == DiskAccess::kKvRead && !dice.chance(cold)) return {};
  if (stall > 0 && dice.chance(stall)) return dice.between(stall_max / 10, stall_max);
  if (slow > 0 && dice.chance(slow)) return dice.between(Duration{}, slow_max);
  Duration typical = write;
  switch (access) {
    case DiskAccess::kKvWrite:
    case DiskAccess::kLogWrite:
    case DiskAccess::kFileWrite:
    case DiskAccess::kFileRead:
    case DiskAccess::kKvRead:
      break;
    case DiskAccess::kLogSync:
    case DiskAccess::kFileSync:
      typical = sync;
      break;
    case DiskAccess::kKvFlush:
    case DiskAccess::kKvIngest:
    case DiskAccess::kKvCompact:
      typical = flush;
      break;
  }
  return dice.between(typical / 2, typical * 3 / 2);
}

DiskTimes DiskTimes::steady() const {
  DiskTimes times = *this;
  times.stall = 0;
  return times;
}

const char* fault_name(Fault fault) {
  static constexpr const char* kNames[kFaultKinds] = {"crash", "partition",  "weather",    "pause",   "stall",
                                                      "clock", "pd-clock",   "transfer",   "bounce",  "full-disk",
                                                      "split", "membership", "compaction", "usurper", "ambush"};
  return kNames[static_cast<size_t>(fault)];
}

Profile Profile::draw(runtime::Random& dice) {
  Profile profile;
  profile.disk = DiskTimes::draw(dice);
  profile.pd_disk = DiskTimes::draw(dice);
  profile.queueing_max = draw_magnitude(dice, 10us, 20ms);
  profile.memory.flush_bytes = one_of<uint64_t>(dice, {2 << 10, 16 << 10, 256 << 10});
  profile.memory.flush_lag = one_of(dice, {1, 8, 60});
  profile.read_slice_steps = one_of<uint32_t>(dice, {3, 50, 1 << 20});
  // Every seed has all of them, and much of some.
  for (auto& weight : profile.weights) weight = dice.chance(0.3) ? 8 : 2;
  profile.pace_min = 20ms;
  profile.pace_max = draw_magnitude(dice, 300ms, 1500ms);
  return profile;
}

void Profile::vary(store::StoreOptions& options, runtime::Random& dice) {
  options.shards = static_cast<int>(dice.between(1, 3));
  options.read_threads = static_cast<int>(dice.between(1, 4));
  options.append_bytes_max = one_of<uint64_t>(dice, {100, 1000, 1 << 20});
  options.inflight_appends_max = one_of(dice, {1, 4, 256});
  options.entry_cache_bytes_max = one_of<uint64_t>(dice, {0, 512, 1 << 20});
  options.snapshot_sst_bytes_max = one_of<uint64_t>(dice, {256, 4096, 100 << 20});
  options.log_gc_interval = one_of<Duration>(dice, {100ms, 500ms, 1s});
  options.log_gc_threshold = one_of<uint64_t>(dice, {3, 10, 20});
  options.log_gc_count_max = one_of<uint64_t>(dice, {15, 40, 192 << 10});
  options.raft_log_flush_bytes = one_of<uint64_t>(dice, {16 << 10, 512 << 20});
  options.pessimistic_in_memory = dice.chance(0.8);
  options.pessimistic_pipelined = dice.chance(0.8);
  options.txn_statuses_max = one_of<size_t>(dice, {4, 512 << 10});
  options.proposals_max = one_of<uint64_t>(dice, {16, 4096});
  options.pending_reads_max = one_of<uint64_t>(dice, {16, 16384});
}

}  // namespace cairn::sim
