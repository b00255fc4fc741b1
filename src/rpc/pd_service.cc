// pdpb.PD and PD's part of the etcd v3 API. RegionHeartbeat is a true two-way stream: what the store reports goes in,
// PD's commands go out as they come. Tests: services_test.cc.
#include "rpc/ordered_stream.h"
#include "rpc/push_stream.h"
#include "rpc/room_stream.h"
#include "rpc/services.h"
#include "rpc/unary.h"

namespace cairn::rpc {

// The methods of the service at `prefix`, by `served`.
#define CAIRN_UNARY(Rpc, method, Req, Resp) \
  add_unary<Req, Resp>(router, prefix + #Rpc, [&served](api::Call<Req, Resp> call) { served.method(std::move(call)); });
#define CAIRN_ORDERED(Rpc, method, Req, Resp)   \
  add_ordered<Req, Resp>(router, prefix + #Rpc, \
                         [&served](api::Call<Req, Resp> call) { served.method(std::move(call)); });

void serve_pd(Router& router, api::Pd& served) {
  const std::string prefix = "/pdpb.PD/";
  CAIRN_PD_UNARY(CAIRN_UNARY)
  CAIRN_PD_ORDERED(CAIRN_ORDERED)
  using Heartbeats =
      PushStream<pdpb::RegionHeartbeatRequest, pdpb::RegionHeartbeatResponse, api::RegionHeartbeatStream>;
  add_push<Heartbeats>(router, "/pdpb.PD/RegionHeartbeat", [&served](Heartbeats::Sink sink) {
    return served.open_region_heartbeat({std::move(sink.on_response), std::move(sink.on_closed)});
  });
}

void serve_keyspaces(Router& router, api::Keyspaces& served) {
  const std::string prefix = "/keyspacepb.Keyspace/";
  CAIRN_KEYSPACE_UNARY(CAIRN_UNARY)
}

void serve_resources(Router& router, api::ResourceManager& served) {
  const std::string prefix = "/resource_manager.ResourceManager/";
  CAIRN_RESOURCE_UNARY(CAIRN_UNARY)
  CAIRN_RESOURCE_ORDERED(CAIRN_ORDERED)
}

void serve_members(Router& router, api::Members& served) {
  const std::string prefix = "/cairnpb.Members/";
  CAIRN_MEMBERS_UNARY(CAIRN_UNARY)
}

void serve_admin(Router& router, api::Admin& served) {
  const std::string prefix = "/cairnpb.Admin/";
  CAIRN_ADMIN_UNARY(CAIRN_UNARY)
}

#undef CAIRN_UNARY
#undef CAIRN_ORDERED

void serve_meta_storage(Router& router, pd::MetaStorage& meta_storage) {
#define CAIRN_SERVE(Rpc, method, Req, Resp)                         \
  add_unary<Req, Resp>(router, "/meta_storagepb.MetaStorage/" #Rpc, \
                       [&meta_storage](api::Call<Req, Resp> call) { meta_storage.meta_##method(std::move(call)); });
  CAIRN_META_STORAGE_UNARY(CAIRN_SERVE)
#undef CAIRN_SERVE
  add_room_stream<meta_storagepb::WatchRequest, meta_storagepb::WatchResponse>(
      router, "/meta_storagepb.MetaStorage/Watch", HalfClose::kIsUsual,
      [&meta_storage](auto sink) { return meta_storage.meta_watch(std::move(sink)); });
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
  add_room_stream<etcdserverpb::WatchRequest, etcdserverpb::WatchResponse>(
      router, "/etcdserverpb.Watch/Watch", HalfClose::kEndsStream,
      [&etcd](auto sink) { return etcd.open_watch(std::move(sink)); });
}

}  // namespace cairn::rpc
