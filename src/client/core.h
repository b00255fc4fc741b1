// What the handles and tasks of one client share: the doors to the outside, the region cache and the oracle. Used on
// the client's executor only.
#pragma once

#include <memory>
#include <utility>

#include "client/client.h"
#include "client/oracle.h"
#include "client/region_cache.h"

namespace cairn::client {

struct Core {
  Core(Deps d, Options o) : deps(std::move(d)), options(o) {}

  Deps deps;
  Options options;
  RegionCache regions;
  Oracle oracle;
};

using CorePtr = std::shared_ptr<Core>;

}  // namespace cairn::client
