#include "engine/region_metrics.h"

namespace cairn::engine {
namespace {

metrics::Counter& counter_of(const char* type, const char* status) {
  return metrics::counter("tikv_storage_engine_async_request_total",
                          "Views of regions and writes that were asked for, and what came of them",
                          {{"type", type}, {"status", status}});
}

struct Label {
  const char* operator()(const NotLeader&) const { return "err_not_leader"; }
  const char* operator()(const RegionNotFound&) const { return "err_region_not_found"; }
  const char* operator()(const KeyNotInRegion&) const { return "err_key_not_in_region"; }
  const char* operator()(const EpochNotMatch&) const { return "err_epoch_not_match"; }
  const char* operator()(const StoreNotMatch&) const { return "err_store_not_match"; }
  const char* operator()(const MismatchPeerId&) const { return "err_mismatch_peer_id"; }
  const char* operator()(const ServerIsBusy&) const { return "err_server_is_busy"; }
  const char* operator()(const StaleCommand&) const { return "err_stale_command"; }
  const char* operator()(const RaftEntryTooLarge&) const { return "err_raft_entry_too_large"; }
  const char* operator()(const MaxTimestampNotSynced&) const { return "err_max_timestamp_not_synced"; }
  const char* operator()(const ReadIndexNotReady&) const { return "err_read_index_not_ready"; }
  const char* operator()(const ProposalInMergingMode&) const { return "err_proposal_in_merging_mode"; }
  const char* operator()(const DataIsNotReady&) const { return "err_data_is_not_ready"; }
  const char* operator()(const RegionNotInitialized&) const { return "err_region_not_initialized"; }
  const char* operator()(const DiskFull&) const { return "err_disk_full"; }
  const char* operator()(const UndeterminedResult&) const { return "err_undetermind"; }  // TiKV spells it so
  const char* operator()(const OtherRegionError&) const { return "err_other"; }
};

}  // namespace

const char* label_of(const RegionError& error) { return std::visit(Label(), error); }

RegionRequestMetrics::RegionRequestMetrics(const char* type)
    : type_(type),
      all_(counter_of(type, "all")),
      success_(counter_of(type, "success")),
      time_(metrics::histogram("tikv_storage_engine_async_request_duration_seconds",
                               "How long views of regions, read indices and writes take", metrics::kStepTimes,
                               {{"type", type}})) {}

void RegionRequestMetrics::note(const RegionError* error, Duration took) const {
  all_.add();
  if (error != nullptr) return counter_of(type_, label_of(*error)).add();
  success_.add();
  time_.observe(took);
}

}  // namespace cairn::engine
