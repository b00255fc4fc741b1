// RegionService: which region has which key, and the ids for new ones. It owns the tree of regions, which heartbeats
// fill (heartbeat_service.h). A small scan is answered at once, a large one in slices. Owned by NodeCore, on "pd".
// Tests: node_regions_test.cc.
#pragma once

#include <string>

#include "api/pd.h"
#include "pd/cluster/region_scan.h"
#include "pd/cluster/region_tree.h"
#include "pd/member/leadership.h"
#include "pd/tso/id_service.h"

namespace cairn::pd {

class RegionService {
 public:
  // `scan_executor` builds large answers of immutable parts.
  RegionService(Leadership& leadership, IdService& ids, runtime::Executor& scan_executor)
      : leadership_(leadership), ids_(ids), scan_executor_(scan_executor), scan_lane_(leadership.executor(), 1) {}

  RegionTree& tree() { return regions_; }
  const RegionTree& tree() const { return regions_; }

  void get_region(api::Call<pdpb::GetRegionRequest, pdpb::GetRegionResponse> call);
  void get_prev_region(api::Call<pdpb::GetRegionRequest, pdpb::GetRegionResponse> call);
  void get_region_by_id(api::Call<pdpb::GetRegionByIDRequest, pdpb::GetRegionResponse> call);
  void query_region(api::Call<pdpb::QueryRegionRequest, pdpb::QueryRegionResponse> call);
  void scan_regions(api::Call<pdpb::ScanRegionsRequest, pdpb::ScanRegionsResponse> call);
  void batch_scan_regions(api::Call<pdpb::BatchScanRegionsRequest, pdpb::BatchScanRegionsResponse> call);
  void ask_split(api::Call<pdpb::AskSplitRequest, pdpb::AskSplitResponse> call);
  void report_split(api::Call<pdpb::ReportSplitRequest, pdpb::ReportSplitResponse> call);
  void ask_batch_split(api::Call<pdpb::AskBatchSplitRequest, pdpb::AskBatchSplitResponse> call);
  void report_batch_split(api::Call<pdpb::ReportBatchSplitRequest, pdpb::ReportBatchSplitResponse> call);

 private:
  // `fill` puts one region into the response.
  template <class Call, class Fill>
  void scan_for(Call call, RegionScan scan, Fill fill);
  template <class Call, class Fill>
  runtime::Task<void> serve_wide_scan(Call call, RegionScan scan, Fill fill);
  // Finishes the call if the scan ended with an error.
  template <class Call>
  void end_scan(Call& call, const RegionScan& scan);
  runtime::Task<void> serve_ask_split(api::Call<pdpb::AskSplitRequest, pdpb::AskSplitResponse> call);
  runtime::Task<void> serve_ask_batch_split(api::Call<pdpb::AskBatchSplitRequest, pdpb::AskBatchSplitResponse> call);
  // Why the region may not be split as it is described; empty if it may.
  std::string refuse_split(const metapb::Region& region) const;

  Leadership& leadership_;
  IdService& ids_;
  runtime::Executor& scan_executor_;
  RegionTree regions_;
  runtime::Semaphore scan_lane_;
  int wide_scans_ = 0;  // under way or waiting
};

}  // namespace cairn::pd
