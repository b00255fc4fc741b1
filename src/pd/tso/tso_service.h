// TsoService: timestamps for those who ask. Calls wait in a queue while the bound that they need is being saved, or for
// the clock. The rules are tso.h's. Owned by NodeCore, on "pd". Tests: node_test.cc, tso_test.cc.
#pragma once

#include <deque>
#include <functional>

#include "api/pd.h"
#include "pd/member/leadership.h"
#include "pd/node/node_metrics.h"
#include "pd/tso/tso.h"

namespace cairn::pd {

class TsoService {
 public:
  // `on_first_bound` runs once in each leadership: from then on there are timestamps.
  TsoService(Leadership& leadership, NodeMetrics& metrics, uint64_t save_interval_ms,
             std::function<void()> on_first_bound)
      : leadership_(leadership),
        metrics_(metrics),
        on_first_bound_(std::move(on_first_bound)),
        oracle_(save_interval_ms) {}

  // A leadership begins: saves the first bound.
  void begin();
  void end();
  // The regular look at the clock.
  void on_timer();
  bool is_active() const { return oracle_.is_active(); }
  uint64_t physical_ms() const { return oracle_.physical_ms(); }

  void tso(api::Call<pdpb::TsoRequest, pdpb::TsoResponse> call);
  void get_min_ts(api::Call<pdpb::GetMinTSRequest, pdpb::GetMinTSResponse> call);

 private:
  void save_bound();
  void on_bound_saved(uint64_t leadership, uint64_t bound_ms, CommandResult result);
  void drain();
  // Arranges that those who wait are looked at again.
  void wait();
  bool answer(api::Call<pdpb::TsoRequest, pdpb::TsoResponse>& call, Instant since);

  Leadership& leadership_;
  NodeMetrics& metrics_;
  const std::function<void()> on_first_bound_;
  TsoOracle oracle_;
  bool has_bound_ = false;  // the first of this leadership
  bool is_saving_ = false;
  bool is_retry_armed_ = false;
  struct Waiting {
    api::Call<pdpb::TsoRequest, pdpb::TsoResponse> call;
    Instant since;
  };
  std::deque<Waiting> waiting_;
};

}  // namespace cairn::pd
