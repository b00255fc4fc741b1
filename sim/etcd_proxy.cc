#include "sim/etcd_proxy.h"

#include <utility>

#include "sim/carry.h"

namespace cairn::sim {
namespace {

using etcdserverpb::WatchRequest;
using etcdserverpb::WatchResponse;

// Both ends of one watch. The client's end and every letter under way share it.
struct Link : std::enable_shared_from_this<Link> {
  Network& network;
  Endpoint client;
  SimEtcd::Place place;
  etcdserverpb::WatchCreateRequest request;
  SimEtcd::Watched sink;
  Endpoint life;                                             // of the member that accepted the stream
  std::unique_ptr<api::StreamEnd<WatchRequest>> server_end;  // null before and after
  Channel up, down;
  bool is_broken = false;
  bool is_closed = false;  // by the client

  Link(Network& n, Endpoint c, SimEtcd::Place p, etcdserverpb::WatchCreateRequest r, SimEtcd::Watched s)
      : network(n), client(c), place(std::move(p)), request(std::move(r)), sink(std::move(s)) {}

  // On the client's inbox.
  void break_here(const std::string& why) {
    if (std::exchange(is_broken, true) || is_closed) return;
    sink.close({api::Code::kUnavailable, why});
  }
  void send_up(std::function<void(Link&)> there) {
    network.send({.from = client.node,
                  .to = place.node,
                  .to_incarnation = {},
                  .deliver = [self = shared_from_this(), there = std::move(there)] { there(*self); },
                  .notify = client,
                  .lost = [self = shared_from_this()] { self->break_here("a letter of a watch was lost"); },
                  .channel = &up});
  }
  void send_down(std::function<void(Link&)> here) {
    if (!network.is_alive(life)) return;
    network.send({.from = place.node,
                  .to = client.node,
                  .to_incarnation = client.incarnation,
                  .deliver = [self = shared_from_this(), here = std::move(here)] { here(*self); },
                  .notify = client,
                  .lost = [self = shared_from_this()] { self->break_here("a message of a watch was lost"); },
                  .channel = &down});
  }
  void take(const WatchResponse& response) {
    if (is_broken || is_closed) return;
    sink.respond(response);
    send_up([](Link& at) {
      if (at.server_end && at.network.is_alive(at.life)) at.server_end->on_room();
    });
  }
  // On the member's inbox.
  void open() {
    pd::EtcdKv* service = place.lookup();
    life = network.here(place.node);
    if (service == nullptr) return send_down([](Link& at) { at.break_here("the member starts up"); });
    std::weak_ptr<Link> weak = weak_from_this();
    server_end = service->open_watch({.respond =
                                          [weak](WatchResponse response) {
                                            if (auto self = weak.lock())
                                              self->send_down([response](Link& at) { at.take(response); });
                                          },
                                      .close =
                                          [weak](const api::Status& status) {
                                            if (auto self = weak.lock())
                                              self->send_down([status](Link& at) { at.break_here(status.message); });
                                          }});
    network.watch(life, client, [self = shared_from_this()] { self->break_here("the member went down"); });
    WatchRequest create;
    *create.mutable_create_request() = request;
    server_end->on_request(std::move(create));
  }
};

}  // namespace

#define CAIRN_DEFINE(method, Req, Resp)                                                                       \
  void SimEtcd::method(api::Call<etcdserverpb::Req, etcdserverpb::Resp> call) {                               \
    carry(network_, self_, places_[current_].node, std::move(call),                                           \
          [lookup = places_[current_].lookup](api::Call<etcdserverpb::Req, etcdserverpb::Resp> arrived) {     \
            pd::EtcdKv* service = lookup();                                                                   \
            if (service == nullptr) return arrived.finish({api::Code::kUnavailable, "the member starts up"}); \
            service->method(std::move(arrived));                                                              \
          });                                                                                                 \
  }
CAIRN_DEFINE(range, RangeRequest, RangeResponse)
CAIRN_DEFINE(txn, TxnRequest, TxnResponse)
CAIRN_DEFINE(compact, CompactionRequest, CompactionResponse)
#undef CAIRN_DEFINE

std::shared_ptr<void> SimEtcd::watch(etcdserverpb::WatchCreateRequest request, Watched sink) {
  auto link = std::make_shared<Link>(network_, self_, places_[current_], std::move(request), std::move(sink));
  link->send_up([](Link& at) { at.open(); });
  return {link.get(), [link](void*) {
            link->is_closed = true;
            if (!link->network.is_alive(link->client)) return;
            link->send_up([](Link& at) { at.server_end.reset(); });
          }};
}

}  // namespace cairn::sim
