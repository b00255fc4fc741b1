// What PD offers of the etcd v3 API on its client port, as a C++ interface: SQL servers keep elections, leases and
// settings in PD's meta store. Each method takes one call and finishes it once, on any thread; what a node leaves out
// answers UNIMPLEMENTED. rpc/ serves these lists: X(Service, RpcName, method, Request, Response).
//
// LeaseKeepAlive is a stream on the wire, with one answer for each request, in order; here it is a call, and rpc/ keeps
// the order. Watch is a two-way stream (watch_service.h). Implemented by pd::Node (etcd_service.h). Tests:
// meta_store_test.cc, node_etcd_test.cc.
#pragma once

#include <memory>

#include "api/call.h"
#include "api/stream.h"
#include "etcd/rpc.pb.h"

// clang-format off
#define CAIRN_ETCD_UNARY(X)                                                                                            \
  X(KV, Range, range, etcdserverpb::RangeRequest, etcdserverpb::RangeResponse)                                         \
  X(KV, Put, put, etcdserverpb::PutRequest, etcdserverpb::PutResponse)                                                 \
  X(KV, DeleteRange, delete_range, etcdserverpb::DeleteRangeRequest, etcdserverpb::DeleteRangeResponse)                \
  X(KV, Txn, txn, etcdserverpb::TxnRequest, etcdserverpb::TxnResponse)                                                 \
  X(KV, Compact, compact, etcdserverpb::CompactionRequest, etcdserverpb::CompactionResponse)                           \
  X(Lease, LeaseGrant, lease_grant, etcdserverpb::LeaseGrantRequest, etcdserverpb::LeaseGrantResponse)                 \
  X(Lease, LeaseRevoke, lease_revoke, etcdserverpb::LeaseRevokeRequest, etcdserverpb::LeaseRevokeResponse)             \
  X(Lease, LeaseTimeToLive, lease_time_to_live, etcdserverpb::LeaseTimeToLiveRequest, etcdserverpb::LeaseTimeToLiveResponse) \
  X(Lease, LeaseLeases, lease_leases, etcdserverpb::LeaseLeasesRequest, etcdserverpb::LeaseLeasesResponse)             \
  X(Cluster, MemberList, member_list, etcdserverpb::MemberListRequest, etcdserverpb::MemberListResponse)               \
  X(Maintenance, Status, status, etcdserverpb::StatusRequest, etcdserverpb::StatusResponse)                            \
  X(Maintenance, Alarm, alarm, etcdserverpb::AlarmRequest, etcdserverpb::AlarmResponse)                                \
  X(Maintenance, Hash, hash, etcdserverpb::HashRequest, etcdserverpb::HashResponse)                                    \
  X(Maintenance, HashKV, hash_kv, etcdserverpb::HashKVRequest, etcdserverpb::HashKVResponse)

#define CAIRN_ETCD_ORDERED(X)                                                                                          \
  X(Lease, LeaseKeepAlive, lease_keep_alive, etcdserverpb::LeaseKeepAliveRequest, etcdserverpb::LeaseKeepAliveResponse)
// clang-format on

namespace cairn::pd {

class EtcdKv {
 public:
  virtual ~EtcdKv() = default;

#define CAIRN_DECLARE(Service, Rpc, method, Req, Resp)                                                 \
  virtual void method(api::Call<Req, Resp> call) {                                                     \
    call.finish({api::Code::kUnimplemented, "etcdserverpb." #Service "/" #Rpc " is not implemented"}); \
  }
  CAIRN_ETCD_UNARY(CAIRN_DECLARE)
  CAIRN_ETCD_ORDERED(CAIRN_DECLARE)
#undef CAIRN_DECLARE

  virtual std::unique_ptr<api::StreamEnd<etcdserverpb::WatchRequest>> open_watch(
      api::StreamSink<etcdserverpb::WatchResponse> sink) = 0;
};

}  // namespace cairn::pd
