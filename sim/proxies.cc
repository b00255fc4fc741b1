#include "sim/proxies.h"

#include <utility>

#include "sim/carry.h"

namespace cairn::sim {
namespace {

constexpr Duration kSilenceMax = 1s;  // then the next member of PD is asked

}  // namespace

#define CAIRN_DEFINE(Rpc, method, Req, Resp, ...)                                                       \
  void SimTikv::method(api::Call<Req, Resp> call) {                                                     \
    carry(network_, self_, server_, std::move(call), [lookup = lookup_](api::Call<Req, Resp> arrived) { \
      api::Tikv* service = lookup();                                                                    \
      if (service == nullptr) return arrived.finish({api::Code::kUnavailable, "the node starts up"});   \
      service->method(std::move(arrived));                                                              \
    });                                                                                                 \
  }
CAIRN_TIKV_BATCHED(CAIRN_DEFINE)
CAIRN_TIKV_UNARY_ONLY(CAIRN_DEFINE)
#undef CAIRN_DEFINE

// Which member is asked now.
struct SimPd::Turn {
  size_t current = 0;
  size_t count = 1;
  std::weak_ptr<HeartbeatLink> heartbeats;

  void fail(size_t asked);
};

SimPd::SimPd(Network& network, Endpoint self, std::vector<Place> places, runtime::Executor& executor)
    : network_(network), self_(self), places_(std::move(places)), executor_(executor), turn_(std::make_shared<Turn>()) {
  turn_->count = places_.size();
}

const SimPd::Place& SimPd::place() const { return places_[turn_->current]; }

template <class Req, class Resp>
api::Call<Req, Resp> SimPd::turning(api::Call<Req, Resp> call) {
  if (turn_->count == 1) return call;
  auto held = std::make_shared<api::Call<Req, Resp>>(std::move(call));
  auto is_over = std::make_shared<bool>(false);
  const size_t asked = turn_->current;
  executor_.after(kSilenceMax, [turn = turn_, asked, is_over] {
    if (!*is_over) turn->fail(asked);
  });
  Req request = held->request();
  return api::make_call<Req, Resp>(std::move(request), [turn = turn_, asked, is_over, held](api::Reply<Resp> reply) {
    *is_over = true;
    if (!reply.ok()) {
      if (reply.error().code == api::Code::kUnavailable) turn->fail(asked);
      return held->finish(std::move(reply).error());
    }
    held->response() = std::move(*reply);
    held->finish();
  });
}

#define CAIRN_DEFINE(Rpc, method, Req, Resp)                                                                \
  void SimPd::method(api::Call<Req, Resp> call) {                                                           \
    carry(network_, self_, place().node, turning(std::move(call)),                                          \
          [lookup = place().lookup](api::Call<Req, Resp> arrived) {                                         \
            api::Pd* service = lookup();                                                                    \
            if (service == nullptr) return arrived.finish({api::Code::kUnavailable, "the node starts up"}); \
            service->method(std::move(arrived));                                                            \
          });                                                                                               \
  }
CAIRN_PD_UNARY(CAIRN_DEFINE)
CAIRN_DEFINE(QueryRegion, query_region, pdpb::QueryRegionRequest, pdpb::QueryRegionResponse)
#undef CAIRN_DEFINE

void SimPd::tso(api::Call<pdpb::TsoRequest, pdpb::TsoResponse> call) {
  carry(network_, self_, place().node, turning(std::move(call)),
        [lookup = place().lookup, watch = watch_](api::Call<pdpb::TsoRequest, pdpb::TsoResponse> arrived) {
          api::Pd* service = lookup();
          if (service == nullptr) return arrived.finish({api::Code::kUnavailable, "the node starts up"});
          if (!watch) return service->tso(std::move(arrived));
          auto asked = std::make_shared<api::Call<pdpb::TsoRequest, pdpb::TsoResponse>>(std::move(arrived));
          pdpb::TsoRequest request = asked->request();
          const Timestamp newest_before = watch->newest();
          service->tso(api::make_call<pdpb::TsoRequest, pdpb::TsoResponse>(
              std::move(request), [watch, asked, newest_before](api::Reply<pdpb::TsoResponse> reply) {
                if (!reply.ok()) return asked->finish(std::move(reply).error());
                if (reply->header().error().type() == pdpb::OK) watch->on_answer(*reply, newest_before);
                asked->response() = std::move(*reply);
                asked->finish();
              }));
        });
}

// Both ends of one heartbeat stream. The store's end and every letter under way share it.
struct HeartbeatLink : std::enable_shared_from_this<HeartbeatLink> {
  Network& network;
  Endpoint store;
  NodeId pd;
  SimPd::Lookup lookup;
  api::RegionHeartbeatSink sink;
  Endpoint pd_life;                                        // that accepted the stream
  std::unique_ptr<api::RegionHeartbeatStream> server_end;  // PD's; null before and after
  Channel up, down;
  bool is_broken = false;
  bool is_closed_by_store = false;

  HeartbeatLink(Network& n, Endpoint s, NodeId p, SimPd::Lookup l, api::RegionHeartbeatSink k)
      : network(n), store(s), pd(p), lookup(std::move(l)), sink(std::move(k)) {}

  // On the store's inbox.
  void break_here(const std::string& why) {
    if (std::exchange(is_broken, true)) return;
    if (!is_closed_by_store && sink.on_closed) sink.on_closed({api::Code::kUnavailable, why});
  }
  void send_up(std::function<void(HeartbeatLink&)> at_pd) {
    auto self = shared_from_this();
    network.send({.from = store.node,
                  .to = pd,
                  .to_incarnation = {},
                  .deliver = [self, at_pd = std::move(at_pd)] { at_pd(*self); },
                  .notify = store,
                  .lost = [self] { self->break_here("a region heartbeat was lost"); },
                  .channel = &up});
  }
  void send_down(std::function<void(HeartbeatLink&)> at_store) {
    if (!network.is_alive(pd_life)) return;
    auto self = shared_from_this();
    network.send({.from = pd,
                  .to = store.node,
                  .to_incarnation = store.incarnation,
                  .deliver = [self, at_store = std::move(at_store)] { at_store(*self); },
                  .notify = store,
                  .lost = [self] { self->break_here("an answer to a region heartbeat was lost"); },
                  .channel = &down});
  }

  // On PD's inbox.
  void open() {
    api::Pd* service = lookup();
    pd_life = network.here(pd);
    if (service == nullptr) {
      send_down([](HeartbeatLink& s) { s.break_here("PD starts up"); });
      return;
    }
    std::weak_ptr<HeartbeatLink> weak = weak_from_this();
    server_end = service->open_region_heartbeat(
        {.on_response =
             [weak](const pdpb::RegionHeartbeatResponse& response) {
               auto self = weak.lock();
               if (self)
                 self->send_down([response](HeartbeatLink& s) {
                   if (!s.is_broken && !s.is_closed_by_store) s.sink.on_response(response);
                 });
             },
         .on_closed =
             [weak](const api::Status& status) {
               auto self = weak.lock();
               if (self) self->send_down([status](HeartbeatLink& s) { s.break_here(status.message); });
             }});
    network.watch(pd_life, store, [self = shared_from_this()] { self->break_here("PD went down"); });
  }
};

void SimPd::Turn::fail(size_t asked) {
  if (count == 1 || asked != current) return;
  current = (current + 1) % count;
  // Reports belong to the leader.
  if (auto stream = heartbeats.lock()) stream->break_here("another member of PD is asked now");
}

namespace {

class StoreEnd final : public api::RegionHeartbeatStream {
 public:
  explicit StoreEnd(std::shared_ptr<HeartbeatLink> stream) : stream_(std::move(stream)) {}
  ~StoreEnd() override {
    stream_->is_closed_by_store = true;
    if (!stream_->network.is_alive(stream_->store)) return;
    stream_->send_up([](HeartbeatLink& s) { s.server_end.reset(); });
  }
  void send(pdpb::RegionHeartbeatRequest request) override {
    if (stream_->is_broken) return;
    stream_->send_up([request = std::move(request)](HeartbeatLink& s) {
      // A life of PD that did not open the stream knows nothing of it.
      if (s.server_end && s.network.is_alive(s.pd_life)) s.server_end->send(request);
    });
  }

 private:
  std::shared_ptr<HeartbeatLink> stream_;
};

}  // namespace

std::unique_ptr<api::RegionHeartbeatStream> SimPd::open_region_heartbeat(api::RegionHeartbeatSink sink) {
  if (turn_->count > 1) {
    sink.on_closed = [turn = turn_, asked = turn_->current, closed = std::move(sink.on_closed)](api::Status status) {
      turn->fail(asked);
      if (closed) closed(std::move(status));
    };
  }
  auto stream = std::make_shared<HeartbeatLink>(network_, self_, place().node, place().lookup, std::move(sink));
  heartbeats_ = stream;
  turn_->heartbeats = stream;
  stream->send_up([](HeartbeatLink& s) { s.open(); });
  return std::make_unique<StoreEnd>(std::move(stream));
}

void SimPd::command(pdpb::RegionHeartbeatResponse response) {
  auto link = heartbeats_.lock();
  if (!link || link->server_end == nullptr) return;
  link->send_down([response = std::move(response)](HeartbeatLink& s) {
    if (!s.is_broken && !s.is_closed_by_store) s.sink.on_response(response);
  });
}

}  // namespace cairn::sim
