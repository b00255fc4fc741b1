// EtcdService: the etcd v3 API over the etcd key space of the meta store. Reads answer from the applied state of the
// leader, writes go through the group; leases that are not kept end here. Owned by NodeCore, on "pd". Tests:
// node_etcd_test.cc.
#pragma once

#include <functional>
#include <set>

#include "engine/kv_engine.h"
#include "pd/config.h"
#include "pd/member/leadership.h"
#include "pd/member/member_service.h"
#include "pd/meta/etcd.h"
#include "pd/meta/etcd_limits.h"
#include "pd/meta/lease_deadlines.h"
#include "runtime/random.h"

namespace cairn::pd {

class EtcdService {
 public:
  // All must outlive the service; `kv` holds the store.
  EtcdService(Leadership& leadership, const MemberService& members, const Options& options, engine::KvEngine& kv,
              runtime::Random& random)
      : leadership_(leadership), members_(members), options_(options), kv_(kv), random_(random) {}

  // Serving begins: each lease lasts for its whole time from now on, as nobody could keep it until now.
  void begin();
  // Ends the leases whose time is over; now and then, while serving.
  void expire_leases();
  // Why the transaction does not go into the log.
  api::Status judge_txn(const etcdserverpb::TxnRequest& txn) const;

#define CAIRN_DECLARE(Service, Rpc, method, Req, Resp) void method(api::Call<Req, Resp> call);
  CAIRN_ETCD_UNARY(CAIRN_DECLARE)
  CAIRN_ETCD_ORDERED(CAIRN_DECLARE)
#undef CAIRN_DECLARE

 private:
  template <class Header>
  void fill_header(Header* header, int64_t revision) const;
  template <class Call>
  bool admit(Call& call);
  template <class Call>
  void propose(Call call, Bytes command, std::function<void(Call&, CommandResult&)> fill);
  template <class Call>
  void propose_txn(Call call, const etcdserverpb::TxnRequest& txn, std::function<void(Call&, CommandResult&)> fill);
  EtcdUsage usage() const;
  void refresh_lease(int64_t id);

  Leadership& leadership_;
  const MemberService& members_;
  const Options& options_;
  engine::KvEngine& kv_;
  runtime::Random& random_;
  LeaseDeadlines deadlines_;
  std::set<int64_t> expiring_;  // leases whose end was proposed because their time was over
};

}  // namespace cairn::pd
