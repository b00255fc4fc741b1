#include "sim/pd_watch.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/bytes.h"

namespace cairn::sim {
namespace {

constexpr uint64_t kReportsPerBurst = 24;
constexpr int kBurst = 600;                // requests at once
constexpr uint32_t kBurstCount = 1 << 16;  // timestamps each
// Beyond the time that a burst took.
constexpr uint64_t kSlackMs = 60;

}  // namespace

struct WatchedPd::State : std::enable_shared_from_this<State> {
  State(api::Pd& p, const runtime::Clock& c, std::function<void(std::string)> f)
      : pd(p), clock(c), fail(std::move(f)) {}

  api::Pd& pd;
  const runtime::Clock& clock;
  std::function<void(std::string)> fail;
  bool was_complete = false;  // every key was routed in this life
  uint64_t reports = 0;

  void look(uint64_t cluster_id) {
    pdpb::ScanRegionsRequest request;
    request.mutable_header()->set_cluster_id(cluster_id);
    pd.scan_regions(api::make_call<pdpb::ScanRegionsRequest, pdpb::ScanRegionsResponse>(
        std::move(request), [self = shared_from_this()](const api::Reply<pdpb::ScanRegionsResponse>& reply) {
          if (reply.ok() && !reply->header().has_error()) self->judge(*reply);
        }));
    if (++reports % kReportsPerBurst == 0) burst(cluster_id);
  }

  void judge(const pdpb::ScanRegionsResponse& regions) {
    Bytes at;
    bool has_hole = regions.regions().empty();
    for (const auto& region : regions.regions()) {
      if (region.region().start_key() != at) {
        has_hole = true;
        break;
      }
      at = region.region().end_key();
    }
    has_hole |= !at.empty();
    if (has_hole && was_complete) fail(fmt::format("INV-ROUTES-STAY: PD routes no key behind {} any more", to_hex(at)));
    was_complete |= !has_hole;
  }

  // A burst must not move timestamps further than time goes by, unless they were behind the clock.
  struct Burst {
    Instant began;
    WallTime wall_began;
    uint64_t least_ms = UINT64_MAX;
    uint64_t greatest_ms = 0;
    uint64_t wall_ms = 0;  // the greatest seen
    int left = kBurst;
    bool failed = false;
  };

  void burst(uint64_t cluster_id) {
    auto story = std::make_shared<Burst>();
    story->began = clock.now();
    story->wall_began = clock.wall_now();
    for (int i = 0; i < kBurst; ++i) {
      pdpb::TsoRequest request;
      request.mutable_header()->set_cluster_id(cluster_id);
      request.set_count(kBurstCount);
      pd.tso(api::make_call<pdpb::TsoRequest, pdpb::TsoResponse>(
          std::move(request), [self = shared_from_this(), story](const api::Reply<pdpb::TsoResponse>& reply) {
            self->on_timestamp(*story, reply);
          }));
    }
  }

  void on_timestamp(Burst& story, const api::Reply<pdpb::TsoResponse>& reply) {
    --story.left;
    story.wall_ms = std::max<uint64_t>(story.wall_ms, clock.wall_now().ms());
    if (reply.ok()) {
      const auto ms = static_cast<uint64_t>(reply->timestamp().physical());
      story.least_ms = std::min(story.least_ms, ms);
      story.greatest_ms = std::max(story.greatest_ms, ms);
    }
    story.failed |= !reply.ok();
    if (story.left > 0 || story.failed) return;
    const Duration passed = std::max(clock.now() - story.began, clock.wall_now() - story.wall_began);
    const auto passed_ms = static_cast<uint64_t>(std::max(passed, Duration{}) / std::chrono::milliseconds(1));
    // They may first have caught up with the clock, and gone on with the time from there though it jumped back.
    if (story.greatest_ms > std::max(story.least_ms, story.wall_ms) + passed_ms + kSlackMs) {
      fail(
          fmt::format("INV-TSO-NOT-AHEAD: timestamps moved by {} ms, to {}, in {} ms of a clock that showed {} at most",
                      story.greatest_ms - story.least_ms, story.greatest_ms, passed_ms, story.wall_ms));
    }
  }
};

// A store's end of a heartbeat stream.
class WatchedPd::StreamEnd final : public api::RegionHeartbeatStream {
 public:
  StreamEnd(std::unique_ptr<api::RegionHeartbeatStream> end, std::shared_ptr<State> state)
      : end_(std::move(end)), state_(std::move(state)) {}
  void send(pdpb::RegionHeartbeatRequest request) override {
    const uint64_t cluster_id = request.header().cluster_id();
    end_->send(std::move(request));
    state_->look(cluster_id);
  }

 private:
  std::unique_ptr<api::RegionHeartbeatStream> end_;
  std::shared_ptr<State> state_;
};

WatchedPd::WatchedPd(api::Pd& pd, const runtime::Clock& clock, std::function<void(std::string)> fail)
    : pd_(pd), state_(std::make_shared<State>(pd, clock, std::move(fail))) {}

void WatchedPd::begin_reign() { state_->was_complete = false; }

std::unique_ptr<api::RegionHeartbeatStream> WatchedPd::open_region_heartbeat(api::RegionHeartbeatSink sink) {
  return std::make_unique<StreamEnd>(pd_.open_region_heartbeat(std::move(sink)), state_);
}

}  // namespace cairn::sim
