#include "pd/schedule/schedulers.h"

#include <algorithm>
#include <set>

#include "base/metrics.h"
#include "pd/schedule/balance_leader.h"
#include "pd/schedule/balance_region.h"
#include "pd/schedule/leader_schedulers.h"
#include "pd/schedule/shuffle_schedulers.h"

namespace cairn::pd {
namespace {

constexpr Duration kIntervalMin = std::chrono::milliseconds(10);
constexpr Duration kIntervalMax = std::chrono::seconds(5);
constexpr double kGrowth = 1.3;

}  // namespace

void count_event(const std::string& scheduler, const char* event) {
  metrics::counter("pd_scheduler_event_count", "What schedulers did", {{"type", scheduler}, {"name", event}}).add();
}

std::unique_ptr<Scheduler> make_scheduler(const std::string& name) {
  if (name == "balance-leader-scheduler") return std::make_unique<BalanceLeader>();
  if (name == "balance-region-scheduler") return std::make_unique<BalanceRegion>();
  if (name == "evict-leader-scheduler") return std::make_unique<EvictLeader>();
  if (name == "grant-leader-scheduler") return std::make_unique<GrantLeader>();
  if (name == "shuffle-leader-scheduler") return std::make_unique<ShuffleLeader>();
  if (name == "shuffle-region-scheduler") return std::make_unique<ShuffleRegion>();
  return nullptr;
}

bool is_known_scheduler(const std::string& name) {
  static const std::set<std::string> others{"balance-witness-scheduler",      "balance-range-scheduler",
                                            "evict-slow-store-scheduler",     "evict-slow-trend-scheduler",
                                            "grant-hot-region-scheduler",     "balance-hot-region-scheduler",
                                            "random-merge-scheduler",         "scatter-range-scheduler",
                                            "shuffle-hot-region-scheduler",   "transfer-witness-leader-scheduler",
                                            "evict-stopping-store-scheduler", "label-scheduler"};
  return others.contains(name) || make_scheduler(name) != nullptr;
}

void Schedulers::clear() { entries_.clear(); }

bool Schedulers::add(const std::string& name) {
  if (entries_.contains(name)) return false;
  auto scheduler = make_scheduler(name);
  if (!scheduler) return false;
  entries_[name] = {
      .scheduler = std::move(scheduler), .next = {}, .interval = kIntervalMin, .paused_from = {}, .paused_until = {}};
  return true;
}

bool Schedulers::remove(const std::string& name) { return entries_.erase(name) > 0; }

Scheduler* Schedulers::find(const std::string& name) {
  const auto found = entries_.find(name);
  return found == entries_.end() ? nullptr : found->second.scheduler.get();
}

bool Schedulers::pause(const std::string& name, Instant now, Duration duration) {
  const auto found = entries_.find(name);
  if (found == entries_.end()) return false;
  found->second.paused_from = now;
  found->second.paused_until = now + duration;
  return true;
}

LeaderPauses Schedulers::pauses() const {
  LeaderPauses out;
  for (const auto& [name, entry] : entries_) entry.scheduler->add_pauses(out);
  return out;
}

void Schedulers::run(const View& view, runtime::Random& dice, const MayBegin& may_begin, const Begin& begin) {
  for (auto& [name, entry] : entries_) {
    const Instant now = view().now();
    if (now < entry.next || entry.is_paused(now)) continue;
    bool has_begun = false;
    for (int i = 0; i < entry.scheduler->batch() && may_begin(entry.scheduler->kind()); ++i) {
      auto proposal = entry.scheduler->propose(view(), dice);
      if (!proposal || !begin(std::move(*proposal))) break;
      count_event(name, "new-operator");
      has_begun = true;
    }
    count_event(name, "schedule");
    entry.interval = has_begun ? kIntervalMin
                               : std::min(kIntervalMax, std::chrono::duration_cast<Duration>(entry.interval * kGrowth));
    entry.next = now + entry.interval;
  }
}

}  // namespace cairn::pd
