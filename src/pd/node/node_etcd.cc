// The etcd v3 API and meta_storagepb.MetaStorage over the etcd key space of the meta store: reads answer from the
// applied state of the leader, writes go through the group.
#include "pd/meta/etcd_limits.h"
#include "pd/node/node_core.h"

namespace cairn::pd {
namespace {

namespace etcd = etcdserverpb;

constexpr int64_t kLeaseTtlMin = 1;
// Of the leases that are over, so many end in one turn, and about so many keys go with them as one lease may have.
constexpr size_t kLeasesAtOnce = 128;

api::Status no_leader() { return {api::Code::kUnavailable, "etcdserver: no leader"}; }
api::Status answer_too_large() {
  return {api::Code::kResourceExhausted, "etcdserver: the answer is too large, ask for less"};
}

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

EtcdUsage NodeCore::etcd_usage() const { return {group_.store().bytes(), group_.log_bytes(), group_.proposals()}; }

api::Status NodeCore::judge_txn(const etcd::TxnRequest& txn) const {
  auto status = MetaStore::check_shape(txn);
  return status.ok() ? check_limits(txn, options_.etcd, etcd_usage()) : status;
}

template <class Call>
void NodeCore::propose_etcd_txn(Call call, const etcd::TxnRequest& txn,
                                std::function<void(Call&, CommandResult&)> fill) {
  if (auto status = judge_txn(txn); !status.ok()) return call.finish(std::move(status));
  propose_etcd<Call>(std::move(call), MetaStore::encode_txn(txn), std::move(fill));
}

void NodeCore::etcd_put(api::Call<etcd::PutRequest, etcd::PutResponse> call) {
  if (!admit_etcd(call)) return;
  etcd::TxnRequest txn;
  *txn.add_success()->mutable_request_put() = call.request();
  propose_etcd_txn<decltype(call)>(std::move(call), txn, [](auto& put, CommandResult& result) {
    put.response() = std::move(*result.txn.mutable_responses(0)->mutable_response_put());
  });
}

void NodeCore::etcd_delete_range(api::Call<etcd::DeleteRangeRequest, etcd::DeleteRangeResponse> call) {
  if (!admit_etcd(call)) return;
  etcd::TxnRequest txn;
  *txn.add_success()->mutable_request_delete_range() = call.request();
  propose_etcd_txn<decltype(call)>(std::move(call), txn, [](auto& del, CommandResult& result) {
    del.response() = std::move(*result.txn.mutable_responses(0)->mutable_response_delete_range());
  });
}

void NodeCore::etcd_txn(api::Call<etcd::TxnRequest, etcd::TxnResponse> call) {
  if (!admit_etcd(call)) return;
  const auto& txn = call.request();
  propose_etcd_txn<decltype(call)>(std::move(call), txn,
                                   [](auto& done, CommandResult& result) { done.response() = std::move(result.txn); });
}

void NodeCore::etcd_compact(api::Call<etcd::CompactionRequest, etcd::CompactionResponse> call) {
  if (!admit_etcd(call)) return;
  auto command = MetaStore::encode_compact(call.request().revision());
  propose_etcd<decltype(call)>(std::move(call), std::move(command), [](auto&, CommandResult&) {});
}

void NodeCore::refresh_lease(int64_t id) {
  auto found = group_.store().leases().find(id);
  if (found == group_.store().leases().end()) return;
  lease_deadlines_.set(id, dependencies_.clock.now() + std::chrono::seconds(std::min<int64_t>(
                                                           found->second.ttl_seconds, 100LL * 365 * 24 * 3600)));
}

void NodeCore::expire_leases() {
  const auto now = dependencies_.clock.now();
  size_t keys = 0;
  for (const int64_t id : lease_deadlines_.due(now, kLeasesAtOnce)) {
    auto found = group_.store().leases().find(id);
    if (found == group_.store().leases().end()) {
      lease_deadlines_.erase(id);
      continue;
    }
    if (keys > MetaStore::kLeaseKeysMax) break;
    keys += found->second.keys.size();
    // If this does not get through, it is tried again.
    lease_deadlines_.set(id, now + std::chrono::seconds(1));
    group_.propose(MetaStore::encode_lease_revoke(id), [](const CommandResult&) {});
  }
}

void NodeCore::etcd_lease_grant(api::Call<etcd::LeaseGrantRequest, etcd::LeaseGrantResponse> call) {
  if (!admit_etcd(call)) return;
  if (auto status = check_lease_limits(options_.etcd, etcd_usage()); !status.ok())
    return call.finish(std::move(status));
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
  const int64_t id = call.request().id();
  propose_etcd<decltype(call)>(std::move(call), MetaStore::encode_lease_revoke(id),
                               [this, id](auto&, CommandResult&) { lease_deadlines_.erase(id); });
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
    const auto now = dependencies_.clock.now();
    const auto left = lease_deadlines_.get(id).value_or(now) - now;
    response.set_ttl(std::max<int64_t>(0, left / std::chrono::seconds(1)));
    response.set_grantedttl(found->second.ttl_seconds);
    uint64_t bytes = 0;
    for (const auto& key : found->second.keys) {
      if (!call.request().keys()) break;
      bytes += key.size();
      if (bytes > MetaStore::kAnswerBytesMax) return call.finish(answer_too_large());
      response.add_keys(key);
    }
  }
  call.finish();
}

void NodeCore::etcd_lease_leases(api::Call<etcd::LeaseLeasesRequest, etcd::LeaseLeasesResponse> call) {
  if (!admit_etcd(call)) return;
  if (group_.store().leases().size() > MetaStore::kWorkMax) return call.finish(answer_too_large());
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
  response.set_dbsizeinuse(static_cast<int64_t>(group_.store().bytes()));
  fill_etcd_header(response.mutable_header(), group_.store().revision());
  call.finish();
}

// meta_storagepb.MetaStorage: the same key space under other words. Its errors stand in the header; only a node that
// does not lead fails the call.

namespace {

namespace meta = meta_storagepb;

void fill_meta(const mvccpb::KeyValue& in, meta::KeyValue& out) {
  out.set_key(in.key());
  out.set_value(in.value());
  out.set_create_revision(in.create_revision());
  out.set_mod_revision(in.mod_revision());
  out.set_version(in.version());
  out.set_lease(in.lease());
}

}  // namespace

template <class Call>
void NodeCore::finish_meta(Call call, const api::Status& status) {
  auto& header = *call.response().mutable_header();
  header.set_cluster_id(cluster_id_);
  header.set_revision(group_.store().revision());
  if (!status.ok()) {
    header.mutable_error()->set_type(meta::UNKNOWN);
    header.mutable_error()->set_message(status.message);
  }
  call.finish();
}

template <class Call>
void NodeCore::propose_meta(Call call, const etcd::TxnRequest& txn, std::function<void(Call&, CommandResult&)> fill) {
  if (auto status = judge_txn(txn); !status.ok()) {
    return finish_meta(std::move(call), status);
  }
  group_.propose(MetaStore::encode_txn(txn), [weak = weak_from_this(), call = std::move(call),
                                              fill = std::move(fill)](CommandResult result) mutable {
    auto self = weak.lock();
    if (!self) return call.finish(MetaGroup::not_leader());
    if (result.status.ok()) fill(call, result);
    self->finish_meta(std::move(call), result.status);
  });
}

void NodeCore::meta_get(api::Call<meta::GetRequest, meta::GetResponse> call) {
  if (!admit_etcd(call)) return;
  etcd::RangeRequest range;
  range.set_key(call.request().key());
  range.set_range_end(call.request().range_end());
  range.set_limit(call.request().limit());
  range.set_revision(call.request().revision());
  const auto found = group_.store().range(range);
  if (!found.ok()) return finish_meta(std::move(call), found.error());
  for (const auto& kv : found->kvs()) fill_meta(kv, *call.response().add_kvs());
  call.response().set_more(found->more());
  call.response().set_count(found->count());
  finish_meta(std::move(call), {});
}

void NodeCore::meta_put(api::Call<meta::PutRequest, meta::PutResponse> call) {
  if (!admit_etcd(call)) return;
  etcd::TxnRequest txn;
  auto& put = *txn.add_success()->mutable_request_put();
  put.set_key(call.request().key());
  put.set_value(call.request().value());
  put.set_lease(call.request().lease());
  put.set_prev_kv(call.request().prev_kv());
  propose_meta<decltype(call)>(std::move(call), txn, [](auto& done, CommandResult& result) {
    const auto& response = result.txn.responses(0).response_put();
    if (response.has_prev_kv()) fill_meta(response.prev_kv(), *done.response().mutable_prev_kv());
  });
}

void NodeCore::meta_delete(api::Call<meta::DeleteRequest, meta::DeleteResponse> call) {
  if (!admit_etcd(call)) return;
  etcd::TxnRequest txn;
  auto& del = *txn.add_success()->mutable_request_delete_range();
  del.set_key(call.request().key());
  del.set_range_end(call.request().range_end());
  del.set_prev_kv(call.request().prev_kv());
  propose_meta<decltype(call)>(std::move(call), txn, [](auto& done, CommandResult& result) {
    const auto& response = result.txn.responses(0).response_delete_range();
    done.response().set_deleted(response.deleted());
    for (const auto& kv : response.prev_kvs()) fill_meta(kv, *done.response().add_prev_kvs());
  });
}

}  // namespace cairn::pd
