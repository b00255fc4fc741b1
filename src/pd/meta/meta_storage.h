// meta_storagepb.MetaStorage as a C++ interface: what current PD clients ask for settings, above all when they connect.
// It is the etcd key space of the meta store. Implemented by pd::Node (meta_storage_service.h, watch_service.h). Tests:
// node_etcd_test.cc.
#pragma once

#include <memory>

#include "api/call.h"
#include "api/stream.h"
#include "meta_storagepb.pb.h"

// clang-format off
#define CAIRN_META_STORAGE_UNARY(X)                                             \
  X(Get, get, meta_storagepb::GetRequest, meta_storagepb::GetResponse)          \
  X(Put, put, meta_storagepb::PutRequest, meta_storagepb::PutResponse)          \
  X(Delete, delete, meta_storagepb::DeleteRequest, meta_storagepb::DeleteResponse)
// clang-format on

namespace cairn::pd {

class MetaStorage {
 public:
  virtual ~MetaStorage() = default;

#define CAIRN_DECLARE(Rpc, method, Req, Resp) virtual void meta_##method(api::Call<Req, Resp> call) = 0;
  CAIRN_META_STORAGE_UNARY(CAIRN_DECLARE)
#undef CAIRN_DECLARE

  virtual std::unique_ptr<api::StreamEnd<meta_storagepb::WatchRequest>> meta_watch(
      api::StreamSink<meta_storagepb::WatchResponse> sink) = 0;
};

}  // namespace cairn::pd
