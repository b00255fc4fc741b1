// MetaStorageService: meta_storagepb.MetaStorage, the etcd key space under other words. Its errors stand in the header;
// only a node that does not lead fails the call. Owned by NodeCore, on "pd". Tests: node_etcd_test.cc.
#pragma once

#include <functional>

#include "pd/member/leadership.h"
#include "pd/meta/etcd_service.h"
#include "pd/meta/meta_storage.h"

namespace cairn::pd {

class MetaStorageService {
 public:
  MetaStorageService(Leadership& leadership, const EtcdService& etcd) : leadership_(leadership), etcd_(etcd) {}

#define CAIRN_DECLARE(Rpc, method, Req, Resp) void meta_##method(api::Call<Req, Resp> call);
  CAIRN_META_STORAGE_UNARY(CAIRN_DECLARE)
#undef CAIRN_DECLARE

 private:
  template <class Call>
  bool admit(Call& call);
  template <class Call>
  void finish(Call call, const api::Status& status);
  template <class Call>
  void propose(Call call, const etcdserverpb::TxnRequest& txn, std::function<void(Call&, CommandResult&)> fill);

  Leadership& leadership_;
  const EtcdService& etcd_;
};

}  // namespace cairn::pd
