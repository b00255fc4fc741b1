// Filters: why a store may not give or take leaders or regions now. Each answers with PD's name of the reason, for the
// figures; null: it may.
//
//                     down  offline  removed  paused  silent  busy  limit  snapshots  pending  space
//     gives leaders     x               x       x       x
//     takes leaders     x      x        x       x       x       x
//     gives regions                                             x     x        x
//     takes regions     x      x        x               x       x     x        x         x       x
//
// refuse_to_ever_take_regions() leaves out what passes by itself.
#pragma once

#include "pd/schedule/view.h"

namespace cairn::pd {

const char* refuse_to_give_leaders(const ClusterView& cluster, const StoreView& store);
const char* refuse_to_take_leaders(const ClusterView& cluster, const StoreView& store);
const char* refuse_to_give_regions(const ClusterView& cluster, const StoreView& store);
const char* refuse_to_take_regions(const ClusterView& cluster, const StoreView& store);
// Of what does not pass by itself only.
const char* refuse_to_ever_take_regions(const ClusterView& cluster, const StoreView& store);

// The stores that are not refused, and are not for columnar replicas. Refusals are counted for `scope`, the name of who
// asks.
using Refuse = const char* (*)(const ClusterView& cluster, const StoreView& store);
enum class Side { kSource, kTarget };
std::vector<StoreView> select_stores(const ClusterView& cluster, const char* scope, Side side, Refuse refuse);
void note_refusal(const char* scope, Side side, const char* reason, StoreId store, uint64_t times = 1);

}  // namespace cairn::pd
