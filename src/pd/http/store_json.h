// A store as PD's HTTP API shows it. Pure. Tests: pages_test.cc.
#pragma once

#include "base/time.h"
#include "pd/cluster/region_tree.h"
#include "pd/cluster/stores.h"
#include "pd/http/pages.h"

namespace cairn::pd {

struct ShownStore {
  const StoreInfo& store;
  StoreHealth health;
  RegionTree::Count count;
  int64_t last_heartbeat_ns = 0;  // in Unix time; 0: none
};
Json store_json(const ShownStore& view);

}  // namespace cairn::pd
