// pdpb.PD and PD's part of the etcd v3 API. RegionHeartbeat is a true two-way stream: what the store reports goes in,
// PD's commands go out as they come. Tests: services_test.cc.
#include "rpc/ordered_stream.h"
#include "rpc/push_stream.h"
#include "rpc/room_stream.h"
#include "rpc/services.h"
#include "rpc/unary.h"

namespace cairn::rpc {

void serve_pd(Router& router, api::Pd& pd) {
#define CAIRN_SERVE(Rpc, method, Req, Resp) \
  add_unary<Req, Resp>(router, "/pdpb.PD/" #Rpc, [&pd](api::Call<Req, Resp> call) { pd.method(std::move(call)); });
  CAIRN_PD_UNARY(CAIRN_SERVE)
#undef CAIRN_SERVE
#define CAIRN_SERVE(Rpc, method, Req, Resp) \
  add_ordered<Req, Resp>(router, "/pdpb.PD/" #Rpc, [&pd](api::Call<Req, Resp> call) { pd.method(std::move(call)); });
  CAIRN_PD_ORDERED(CAIRN_SERVE)
#undef CAIRN_SERVE
  using Heartbeats =
      PushStream<pdpb::RegionHeartbeatRequest, pdpb::RegionHeartbeatResponse, api::RegionHeartbeatStream>;
  add_push<Heartbeats>(router, "/pdpb.PD/RegionHeartbeat", [&pd](Heartbeats::Sink sink) {
    return pd.open_region_heartbeat({std::move(sink.on_response), std::move(sink.on_closed)});
  });
}

void serve_keyspaces(Router& router, api::Keyspaces& keyspaces) {
#define CAIRN_SERVE(Rpc, method, Req, Resp)                  \
  add_unary<Req, Resp>(router, "/keyspacepb.Keyspace/" #Rpc, \
                       [&keyspaces](api::Call<Req, Resp> call) { keyspaces.method(std::move(call)); });
  CAIRN_KEYSPACE_UNARY(CAIRN_SERVE)
#undef CAIRN_SERVE
}

void serve_resources(Router& router, api::ResourceManager& resources) {
#define CAIRN_SERVE(Rpc, method, Req, Resp)                               \
  add_unary<Req, Resp>(router, "/resource_manager.ResourceManager/" #Rpc, \
                       [&resources](api::Call<Req, Resp> call) { resources.method(std::move(call)); });
  CAIRN_RESOURCE_UNARY(CAIRN_SERVE)
#undef CAIRN_SERVE
#define CAIRN_SERVE(Rpc, method, Req, Resp)                                 \
  add_ordered<Req, Resp>(router, "/resource_manager.ResourceManager/" #Rpc, \
                         [&resources](api::Call<Req, Resp> call) { resources.method(std::move(call)); });
  CAIRN_RESOURCE_ORDERED(CAIRN_SERVE)
#undef CAIRN_SERVE
}

void serve_members(Router& router, api::Members& members) {
#define CAIRN_SERVE(Rpc, method, Req, Resp)              \
  add_unary<Req, Resp>(router, "/cairnpb.Members/" #Rpc, \
                       [&members](api::Call<Req, Resp> call) { members.method(std::move(call)); });
  CAIRN_MEMBERS_UNARY(CAIRN_SERVE)
#undef CAIRN_SERVE
}

void serve_admin(Router& router, api::Admin& admin) {
#define CAIRN_SERVE(Rpc, method, Req, Resp)            \
  add_unary<Req, Resp>(router, "/cairnpb.Admin/" #Rpc, \
                       [&admin](api::Call<Req, Resp> call) { admin.method(std::move(call)); });
  CAIRN_ADMIN_UNARY(CAIRN_SERVE)
#undef CAIRN_SERVE
}

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
