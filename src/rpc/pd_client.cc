#include "rpc/pd_client.h"

#include "base/log.h"
#include "rpc/metrics.h"
#include "rpc/pd_client_core.h"

namespace cairn::rpc {

PdClient::PdClient(PdClientOptions options, ClientLoop& loop, const runtime::Clock& clock,
                   std::shared_ptr<runtime::Executor> executor)
    : core_(std::make_shared<Core>(std::move(options), loop, clock, std::move(executor))) {}

PdClient::~PdClient() { core_->stop(); }

namespace {

// One call as the core handles it: bytes with the cluster's id filled in, and what to do with the outcome.
template <class Req, class Resp>
std::shared_ptr<PdWork> make_work(const char* path, const char* method, api::Call<Req, Resp> call) {
  auto held = std::make_shared<api::Call<Req, Resp>>(std::move(call));
  auto work = std::make_shared<PdWork>();
  work->method = path;
  work->serialize = [held](uint64_t cluster_id) {
    auto& header = *held->mutable_request().mutable_header();
    if (header.cluster_id() == 0) header.set_cluster_id(cluster_id);
    return Payload::serialize(held->request());
  };
  work->done = [held, &time = pd_request_time(method), begun = measured_now()](api::Status status, Payload payload) {
    time.observe(measured_now() - begun);
    if (status.ok() && !payload.parse_into(held->response())) {
      status = {api::Code::kInternal, "PD's response could not be parsed"};
    }
    held->finish(std::move(status));
  };
  return work;
}

// The caller's end of a heartbeat stream.
class HeartbeatEnd final : public api::RegionHeartbeatStream {
 public:
  HeartbeatEnd(std::shared_ptr<PdClient::Core> core, std::shared_ptr<PdHeartbeats> heartbeats)
      : core_(std::move(core)), heartbeats_(std::move(heartbeats)) {}
  ~HeartbeatEnd() override { core_->close_heartbeats(heartbeats_); }
  void send(pdpb::RegionHeartbeatRequest request) override { core_->send_heartbeat(heartbeats_, std::move(request)); }

 private:
  std::shared_ptr<PdClient::Core> core_;
  std::shared_ptr<PdHeartbeats> heartbeats_;
};

}  // namespace

#define CAIRN_DEFINE(Rpc, method, Req, Resp)                              \
  void PdClient::method(api::Call<Req, Resp> call) {                      \
    core_->submit(make_work("/pdpb.PD/" #Rpc, #method, std::move(call))); \
  }
CAIRN_PD_UNARY(CAIRN_DEFINE)
#undef CAIRN_DEFINE

#define CAIRN_DEFINE(Rpc, method, Req, Resp)                                      \
  void PdClient::method(api::Call<Req, Resp> call) {                              \
    core_->submit_ordered(make_work("/pdpb.PD/" #Rpc, #method, std::move(call))); \
  }
CAIRN_PD_ORDERED(CAIRN_DEFINE)
#undef CAIRN_DEFINE

std::unique_ptr<api::RegionHeartbeatStream> PdClient::open_region_heartbeat(api::RegionHeartbeatSink sink) {
  return std::make_unique<HeartbeatEnd>(core_, core_->open_heartbeats(std::move(sink)));
}

}  // namespace cairn::rpc
