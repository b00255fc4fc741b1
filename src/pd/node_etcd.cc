// The etcd v3 API over the meta store: reads answer from the applied state of the leader, writes go through the group.
#include "pd/node_core.h"

namespace cairn::pd {
namespace {

namespace etcd = etcdserverpb;

constexpr int64_t kLeaseTtlMin = 1;

api::Status no_leader() { return {api::Code::kUnavailable, "etcdserver: no leader"}; }

}  // namespace

template <class Header>
void NodeCore::fill_etcd_header(Header* header, int64_t revision) const {
  header->set_cluster_id(cluster_id_);
  header->set_member_id(options_.member_id);
  header->set_revision(revision);
  header->set_raft_term(group_.term());
}

template <class Call>
bool NodeCore::admit_etcd(Call& call) {
  if (serving_ && !stopping_ && group_.is_leader()) return true;
  call.finish(no_leader());
  return false;
}

template <class Call>
void NodeCore::propose_etcd(Call call, Bytes command, std::function<void(Call&, CommandResult&)> fill) {
  group_.propose(std::move(command), [weak = weak_from_this(), call = std::move(call),
                                      fill = std::move(fill)](CommandResult result) mutable {
    auto self = weak.lock();
    if (!self || !result.status.ok()) {
      const bool lost = !self || result.status.message == MetaGroup::not_leader().message;
      call.finish(lost ? no_leader() : result.status);
      return;
    }
    const int64_t revision = result.txn.has_header() ? result.txn.header().revision() : self->group_.store().revision();
    fill(call, result);
    self->fill_etcd_header(call.response().mutable_header(), revision);
    call.finish();
  });
}

void NodeCore::etcd_range(api::Call<etcd::RangeRequest, etcd::RangeResponse> call) {
  if (!admit_etcd(call)) return;
  auto found = group_.store().range(call.request());
  if (!found.ok()) return call.finish(std::move(found).error());
  call.response() = std::move(*found);
  fill_etcd_header(call.response().mutable_header(), group_.store().revision());
  call.finish();
}

void NodeCore::etcd_put(api::Call<etcd::PutRequest, etcd::PutResponse> call) {
  if (!admit_etcd(call)) return;
  etcd::TxnRequest txn;
  *txn.add_success()->mutable_request_put() = call.request();
  propose_etcd<decltype(call)>(std::move(call), MetaStore::encode_txn(txn), [](auto& put, CommandResult& result) {
    put.response() = std::move(*result.txn.mutable_responses(0)->mutable_response_put());
  });
}

void NodeCore::etcd_delete_range(api::Call<etcd::DeleteRangeRequest, etcd::DeleteRangeResponse> call) {
  if (!admit_etcd(call)) return;
  etcd::TxnRequest txn;
  *txn.add_success()->mutable_request_delete_range() = call.request();
  propose_etcd<decltype(call)>(std::move(call), MetaStore::encode_txn(txn), [](auto& del, CommandResult& result) {
    del.response() = std::move(*result.txn.mutable_responses(0)->mutable_response_delete_range());
  });
}

void NodeCore::etcd_txn(api::Call<etcd::TxnRequest, etcd::TxnResponse> call) {
  if (!admit_etcd(call)) return;
  auto command = MetaStore::encode_txn(call.request());
  propose_etcd<decltype(call)>(std::move(call), std::move(command),
                               [](auto& txn, CommandResult& result) { txn.response() = std::move(result.txn); });
}

void NodeCore::etcd_compact(api::Call<etcd::CompactionRequest, etcd::CompactionResponse> call) {
  if (!admit_etcd(call)) return;
  auto command = MetaStore::encode_compact(call.request().revision());
  propose_etcd<decltype(call)>(std::move(call), std::move(command), [](auto&, CommandResult&) {});
}

void NodeCore::refresh_lease(int64_t id) {
  auto found = group_.store().leases().find(id);
  if (found == group_.store().leases().end()) return;
  lease_deadlines_[id] = dependencies_.clock.now() +
                         std::chrono::seconds(std::min<int64_t>(found->second.ttl_seconds, 100LL * 365 * 24 * 3600));
}

void NodeCore::expire_leases() {
  const auto now = dependencies_.clock.now();
  for (auto it = lease_deadlines_.begin(); it != lease_deadlines_.end();) {
    const auto [id, deadline] = *it;
    if (!group_.store().leases().contains(id)) {
      it = lease_deadlines_.erase(it);
      continue;
    }
    ++it;
    if (deadline > now) continue;
    // If this does not get through, it is tried again.
    lease_deadlines_[id] = now + std::chrono::seconds(1);
    group_.propose(MetaStore::encode_lease_revoke(id), [](const CommandResult&) {});
  }
}

void NodeCore::etcd_lease_grant(api::Call<etcd::LeaseGrantRequest, etcd::LeaseGrantResponse> call) {
  if (!admit_etcd(call)) return;
  const int64_t ttl = std::max(kLeaseTtlMin, call.request().ttl());
  int64_t id = call.request().id();
  while (id == 0 || (call.request().id() == 0 && group_.store().leases().contains(id))) {
    id = static_cast<int64_t>(random_.next() >> 1);
  }
  propose_etcd<decltype(call)>(std::move(call), MetaStore::encode_lease_grant(id, ttl),
                               [this, id, ttl](auto& grant, CommandResult&) {
                                 refresh_lease(id);
                                 grant.response().set_id(id);
                                 grant.response().set_ttl(ttl);
                               });
}

void NodeCore::etcd_lease_revoke(api::Call<etcd::LeaseRevokeRequest, etcd::LeaseRevokeResponse> call) {
  if (!admit_etcd(call)) return;
  auto command = MetaStore::encode_lease_revoke(call.request().id());
  propose_etcd<decltype(call)>(std::move(call), std::move(command), [](auto&, CommandResult&) {});
}

void NodeCore::etcd_lease_keep_alive(api::Call<etcd::LeaseKeepAliveRequest, etcd::LeaseKeepAliveResponse> call) {
  if (!admit_etcd(call)) return;
  const int64_t id = call.request().id();
  auto found = group_.store().leases().find(id);
  call.response().set_id(id);
  call.response().set_ttl(found == group_.store().leases().end() ? 0 : found->second.ttl_seconds);
  refresh_lease(id);
  fill_etcd_header(call.response().mutable_header(), group_.store().revision());
  call.finish();
}

void NodeCore::etcd_lease_time_to_live(api::Call<etcd::LeaseTimeToLiveRequest, etcd::LeaseTimeToLiveResponse> call) {
  if (!admit_etcd(call)) return;
  const int64_t id = call.request().id();
  auto found = group_.store().leases().find(id);
  auto& response = call.response();
  response.set_id(id);
  fill_etcd_header(response.mutable_header(), group_.store().revision());
  if (found == group_.store().leases().end()) {
    response.set_ttl(-1);
  } else {
    const auto left = lease_deadlines_[id] - dependencies_.clock.now();
    response.set_ttl(std::max<int64_t>(0, left / std::chrono::seconds(1)));
    response.set_grantedttl(found->second.ttl_seconds);
    if (call.request().keys()) {
      for (const auto& key : found->second.keys) response.add_keys(key);
    }
  }
  call.finish();
}

void NodeCore::etcd_lease_leases(api::Call<etcd::LeaseLeasesRequest, etcd::LeaseLeasesResponse> call) {
  if (!admit_etcd(call)) return;
  for (const auto& [id, lease] : group_.store().leases()) call.response().add_leases()->set_id(id);
  fill_etcd_header(call.response().mutable_header(), group_.store().revision());
  call.finish();
}

void NodeCore::etcd_member_list(api::Call<etcd::MemberListRequest, etcd::MemberListResponse> call) {
  if (!admit_etcd(call)) return;
  for (const auto& member : options_.members) {
    auto& out = *call.response().add_members();
    out.set_id(member.id);
    out.set_name(member.name);
    for (const auto& url : member.client_urls) out.add_clienturls(url);
    for (const auto& url : member.peer_urls) out.add_peerurls(url);
  }
  fill_etcd_header(call.response().mutable_header(), group_.store().revision());
  call.finish();
}

void NodeCore::etcd_status(api::Call<etcd::StatusRequest, etcd::StatusResponse> call) {
  auto& response = call.response();
  response.set_version("3.5.0");  // of the API: clients read it as etcd's
  response.set_leader(group_.leader());
  response.set_raftterm(group_.term());
  response.set_raftindex(group_.last_index());
  response.set_raftappliedindex(group_.applied_index());
  response.set_dbsize(static_cast<int64_t>(dependencies_.kv.space().used));
  response.set_dbsizeinuse(response.dbsize());
  fill_etcd_header(response.mutable_header(), group_.store().revision());
  call.finish();
}

}  // namespace cairn::pd
