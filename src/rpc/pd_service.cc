// pdpb.PD and PD's part of the etcd v3 API. RegionHeartbeat is a true two-way stream: what the store reports goes in,
// PD's commands go out as they come. Tests: services_test.cc.
#include <deque>
#include <mutex>

#include "base/log.h"
#include "rpc/ordered_stream.h"
#include "rpc/services.h"
#include "rpc/unary.h"

namespace cairn::rpc {
namespace {

// Commands to one store that wait for the network; beyond it the oldest is dropped: PD repeats what still matters.
constexpr size_t kCommandsMax = 4096;

class HeartbeatStream final : public StreamEvents, public std::enable_shared_from_this<HeartbeatStream> {
 public:
  HeartbeatStream(std::shared_ptr<ServerStream> stream, api::Pd& pd) : stream_(std::move(stream)), pd_(pd) {}

  void open() {
    auto weak = weak_from_this();
    inner_ = pd_.open_region_heartbeat({
        .on_response =
            [weak](pdpb::RegionHeartbeatResponse response) {
              if (auto self = weak.lock()) self->send(std::move(response));
            },
        .on_closed =
            [weak](api::Status status) {
              if (auto self = weak.lock()) self->stream_->finish(std::move(status));
            },
    });
    stream_->read();
  }

  void on_message(Payload message) override {
    pdpb::RegionHeartbeatRequest request;
    if (!message.parse_into(request)) {
      stream_->finish({api::Code::kInternal, "the region heartbeat could not be parsed"});
      return;
    }
    inner_->send(std::move(request));
    stream_->read();
  }
  void on_read_end() override { stream_->finish({}); }
  void on_write_done() override {
    std::lock_guard lock(mutex_);
    is_writing_ = false;
    advance();
  }
  void on_server_stopping() override { stream_->finish({api::Code::kUnavailable, "the server is stopping"}); }
  void on_closed() override { inner_.reset(); }

 private:
  void send(pdpb::RegionHeartbeatResponse response) {
    Payload payload = Payload::serialize(response);
    std::lock_guard lock(mutex_);
    if (waiting_.size() >= kCommandsMax) waiting_.pop_front();
    waiting_.push_back(std::move(payload));
    advance();
  }
  void advance() {  // the caller holds the mutex
    if (is_writing_ || waiting_.empty()) return;
    is_writing_ = stream_->write(std::move(waiting_.front()));
    waiting_.pop_front();
    if (!is_writing_) waiting_.clear();
  }

  const std::shared_ptr<ServerStream> stream_;
  api::Pd& pd_;
  std::unique_ptr<api::RegionHeartbeatStream> inner_;  // on the transport's thread
  std::mutex mutex_;
  std::deque<Payload> waiting_;  // guarded by mutex_
  bool is_writing_ = false;      // guarded by mutex_
};

}  // namespace

void serve_pd(Router& router, api::Pd& pd) {
#define CAIRN_SERVE(Rpc, method, Req, Resp) \
  add_unary<Req, Resp>(router, "/pdpb.PD/" #Rpc, [&pd](api::Call<Req, Resp> call) { pd.method(std::move(call)); });
  CAIRN_PD_UNARY(CAIRN_SERVE)
#undef CAIRN_SERVE
#define CAIRN_SERVE(Rpc, method, Req, Resp) \
  add_ordered<Req, Resp>(router, "/pdpb.PD/" #Rpc, [&pd](api::Call<Req, Resp> call) { pd.method(std::move(call)); });
  CAIRN_PD_ORDERED(CAIRN_SERVE)
#undef CAIRN_SERVE
  router.add("/pdpb.PD/RegionHeartbeat", Router::Kind::kStream, [&pd](std::shared_ptr<ServerStream> stream) {
    auto events = std::make_shared<HeartbeatStream>(stream, pd);
    stream->attach(events);
    events->open();
  });
}

void serve_etcd(Router& router, pd::EtcdKv& etcd) {
#define CAIRN_SERVE(Service, Rpc, method, Req, Resp)               \
  add_unary<Req, Resp>(router, "/etcdserverpb." #Service "/" #Rpc, \
                       [&etcd](api::Call<Req, Resp> call) { etcd.method(std::move(call)); });
  CAIRN_ETCD_UNARY(CAIRN_SERVE)
#undef CAIRN_SERVE
#define CAIRN_SERVE(Service, Rpc, method, Req, Resp)                 \
  add_ordered<Req, Resp>(router, "/etcdserverpb." #Service "/" #Rpc, \
                         [&etcd](api::Call<Req, Resp> call) { etcd.method(std::move(call)); });
  CAIRN_ETCD_ORDERED(CAIRN_SERVE)
#undef CAIRN_SERVE
}

}  // namespace cairn::rpc
