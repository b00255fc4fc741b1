// HeartbeatService: the streams of region heartbeats. Reports go into the tree of regions, commands go out to the store
// that leads. Owned by NodeCore, on "pd". Tests: node_regions_test.cc, node_stores_test.cc.
#pragma once

#include <functional>
#include <map>
#include <vector>

#include "api/pd.h"
#include "pd/cluster/region_tree.h"
#include "pd/cluster/stores.h"
#include "pd/member/leadership.h"
#include "pd/node/node_metrics.h"

namespace cairn::pd {

class HeartbeatService {
 public:
  // Called with a region as it stands after a report, and with those that the report left nothing of.
  using OnReport = std::function<void(const RegionPtr& region, const std::vector<RegionId>& removed)>;
  HeartbeatService(Leadership& leadership, const Stores& stores, RegionTree& regions, NodeMetrics& metrics,
                   OnReport on_report)
      : leadership_(leadership),
        stores_(stores),
        regions_(regions),
        metrics_(metrics),
        on_report_(std::move(on_report)) {}

  void end();
  void open_stream(uint64_t stream, api::RegionHeartbeatSink sink);
  void region_heartbeat(uint64_t stream, pdpb::RegionHeartbeatRequest request);
  void close_stream(uint64_t stream);
  void send_to_store(StoreId store, pdpb::RegionHeartbeatResponse response);

 private:
  struct Stream {
    api::RegionHeartbeatSink sink;
    StoreId store;  // told by the first report
  };

  Leadership& leadership_;
  const Stores& stores_;
  RegionTree& regions_;
  NodeMetrics& metrics_;
  const OnReport on_report_;
  std::map<uint64_t, Stream> streams_;
};

}  // namespace cairn::pd
