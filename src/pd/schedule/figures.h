// The figures of scheduling that PD's boards show, under PD's names: limits, scores, who is paused. They decide
// nothing.
#pragma once

#include "pd/schedule/schedulers.h"

namespace cairn::pd {

// Looks at all stores and schedulers; now and then.
void observe_schedule(const ClusterView& cluster, const Schedulers& schedulers, const StoreLimits& limits);

// Counters, by their labels.
void count_direction(const std::string& scheduler, const std::string& store, const char* direction, uint64_t times);
void count_scattered(const std::string& store, const char* is_leader, uint64_t times);
void count_scatter(const char* type, const char* event, uint64_t times);
void count_exceeded_limit(const std::string& desc, uint64_t times);

}  // namespace cairn::pd
