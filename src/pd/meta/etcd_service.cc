#include "pd/meta/etcd_service.h"

namespace cairn::pd {
namespace {

namespace etcd = etcdserverpb;

constexpr int64_t kLeaseTtlMin = 5;  // as with PD's etcd
// Of the leases that are over, so many end in one turn, and about so many keys go with them as one lease may have.
constexpr size_t kLeasesAtOnce = 128;

api::Status no_leader() { return {api::Code::kUnavailable, "etcdserver: no leader"}; }
api::Status answer_too_large() {
  return {api::Code::kResourceExhausted, "etcdserver: the answer is too large, ask for less"};
}

}  // namespace

template <class Header>
void EtcdService::fill_header(Header* header, int64_t revision) const {
  header->set_cluster_id(leadership_.cluster_id());
  header->set_member_id(options_.member_id);
  header->set_revision(revision);
  header->set_raft_term(leadership_.group().term());
}

template <class Call>
bool EtcdService::admit(Call& call) {
  if (!leadership_.is_stopping() && leadership_.can_serve()) return true;
  call.finish(no_leader());
  return false;
}

template <class Call>
void EtcdService::propose(Call call, Bytes command, std::function<void(Call&, CommandResult&)> fill) {
  leadership_.group().propose(std::move(command), [this, weak = leadership_.owner(), call = std::move(call),
                                                   fill = std::move(fill)](CommandResult result) mutable {
    const auto owner = weak.lock();
    if (!owner || !result.status.ok()) {
      const bool lost = !owner || result.status.message == MetaGroup::not_leader().message;
      call.finish(lost ? no_leader() : result.status);
      return;
    }
    const int64_t revision =
        result.txn.has_header() ? result.txn.header().revision() : leadership_.group().store().revision();
    fill(call, result);
    fill_header(call.response().mutable_header(), revision);
    call.finish();
  });
}

void EtcdService::range(api::Call<etcd::RangeRequest, etcd::RangeResponse> call) {
  if (!admit(call)) return;
  auto found = leadership_.group().store().range(call.request());
  if (!found.ok()) return call.finish(std::move(found).error());
  call.response() = std::move(*found);
  fill_header(call.response().mutable_header(), leadership_.group().store().revision());
  call.finish();
}

EtcdUsage EtcdService::usage() const {
  return {leadership_.group().store().bytes(), leadership_.group().log_bytes(), leadership_.group().proposals()};
}

api::Status EtcdService::judge_txn(const etcd::TxnRequest& txn) const {
  auto status = MetaStore::check_shape(txn);
  return status.ok() ? check_limits(txn, options_.etcd, usage()) : status;
}

template <class Call>
void EtcdService::propose_txn(Call call, const etcd::TxnRequest& txn, std::function<void(Call&, CommandResult&)> fill) {
  if (auto status = judge_txn(txn); !status.ok()) return call.finish(std::move(status));
  propose<Call>(std::move(call), MetaStore::encode_txn(txn), std::move(fill));
}

void EtcdService::put(api::Call<etcd::PutRequest, etcd::PutResponse> call) {
  if (!admit(call)) return;
  etcd::TxnRequest txn;
  *txn.add_success()->mutable_request_put() = call.request();
  propose_txn<decltype(call)>(std::move(call), txn, [](auto& put, CommandResult& result) {
    put.response() = std::move(*result.txn.mutable_responses(0)->mutable_response_put());
  });
}

void EtcdService::delete_range(api::Call<etcd::DeleteRangeRequest, etcd::DeleteRangeResponse> call) {
  if (!admit(call)) return;
  etcd::TxnRequest txn;
  *txn.add_success()->mutable_request_delete_range() = call.request();
  propose_txn<decltype(call)>(std::move(call), txn, [](auto& del, CommandResult& result) {
    del.response() = std::move(*result.txn.mutable_responses(0)->mutable_response_delete_range());
  });
}

void EtcdService::txn(api::Call<etcd::TxnRequest, etcd::TxnResponse> call) {
  if (!admit(call)) return;
  const auto& txn = call.request();
  propose_txn<decltype(call)>(std::move(call), txn,
                              [](auto& done, CommandResult& result) { done.response() = std::move(result.txn); });
}

void EtcdService::compact(api::Call<etcd::CompactionRequest, etcd::CompactionResponse> call) {
  if (!admit(call)) return;
  auto command = MetaStore::encode_compact(call.request().revision());
  propose<decltype(call)>(std::move(call), std::move(command), [](auto&, CommandResult&) {});
}

void EtcdService::begin() {
  deadlines_.clear();
  expiring_.clear();
  for (const auto& [id, lease] : leadership_.group().store().leases()) refresh_lease(id);
}

void EtcdService::refresh_lease(int64_t id) {
  auto found = leadership_.group().store().leases().find(id);
  if (found == leadership_.group().store().leases().end()) return;
  deadlines_.set(id, leadership_.clock().now() +
                         std::chrono::seconds(std::min<int64_t>(found->second.ttl_seconds, 100LL * 365 * 24 * 3600)));
}

void EtcdService::expire_leases() {
  const auto now = leadership_.clock().now();
  size_t keys = 0;
  for (const int64_t id : deadlines_.due(now, kLeasesAtOnce)) {
    auto found = leadership_.group().store().leases().find(id);
    if (found == leadership_.group().store().leases().end()) {
      deadlines_.erase(id);
      continue;
    }
    if (keys > MetaStore::kLeaseKeysMax) break;
    keys += found->second.keys.size();
    // If this does not get through, it is tried again.
    deadlines_.set(id, now + std::chrono::seconds(1));
    expiring_.insert(id);
    leadership_.group().propose(MetaStore::encode_lease_revoke(id), [this, id](const CommandResult& result) {
      if (result.status.ok()) expiring_.erase(id);
    });
  }
}

void EtcdService::lease_grant(api::Call<etcd::LeaseGrantRequest, etcd::LeaseGrantResponse> call) {
  if (!admit(call)) return;
  if (auto status = check_lease_limits(options_.etcd, usage()); !status.ok()) return call.finish(std::move(status));
  const int64_t ttl = std::max(kLeaseTtlMin, call.request().ttl());
  int64_t id = call.request().id();
  while (id == 0 || (call.request().id() == 0 && leadership_.group().store().leases().contains(id))) {
    id = static_cast<int64_t>(random_.next() >> 1);
  }
  propose<decltype(call)>(std::move(call), MetaStore::encode_lease_grant(id, ttl),
                          [this, id, ttl](auto& grant, CommandResult&) {
                            refresh_lease(id);
                            grant.response().set_id(id);
                            grant.response().set_ttl(ttl);
                          });
}

void EtcdService::lease_revoke(api::Call<etcd::LeaseRevokeRequest, etcd::LeaseRevokeResponse> call) {
  if (!admit(call)) return;
  const int64_t id = call.request().id();
  propose<decltype(call)>(std::move(call), MetaStore::encode_lease_revoke(id),
                          [this, id](auto&, CommandResult&) { deadlines_.erase(id); });
}

void EtcdService::lease_keep_alive(api::Call<etcd::LeaseKeepAliveRequest, etcd::LeaseKeepAliveResponse> call) {
  if (!admit(call)) return;
  const int64_t id = call.request().id();
  auto found = leadership_.group().store().leases().find(id);
  call.response().set_id(id);
  // Once its end is under way it cannot be kept: whoever was told otherwise would believe in it beyond its end.
  const bool is_there = found != leadership_.group().store().leases().end() && !expiring_.contains(id);
  call.response().set_ttl(is_there ? found->second.ttl_seconds : 0);
  if (is_there) refresh_lease(id);
  fill_header(call.response().mutable_header(), leadership_.group().store().revision());
  call.finish();
}

void EtcdService::lease_time_to_live(api::Call<etcd::LeaseTimeToLiveRequest, etcd::LeaseTimeToLiveResponse> call) {
  if (!admit(call)) return;
  const int64_t id = call.request().id();
  auto found = leadership_.group().store().leases().find(id);
  auto& response = call.response();
  response.set_id(id);
  fill_header(response.mutable_header(), leadership_.group().store().revision());
  if (found == leadership_.group().store().leases().end()) {
    response.set_ttl(-1);
  } else {
    const auto now = leadership_.clock().now();
    const auto left = deadlines_.get(id).value_or(now) - now;
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

void EtcdService::lease_leases(api::Call<etcd::LeaseLeasesRequest, etcd::LeaseLeasesResponse> call) {
  if (!admit(call)) return;
  if (leadership_.group().store().leases().size() > MetaStore::kWorkMax) return call.finish(answer_too_large());
  for (const auto& [id, lease] : leadership_.group().store().leases()) call.response().add_leases()->set_id(id);
  fill_header(call.response().mutable_header(), leadership_.group().store().revision());
  call.finish();
}

void EtcdService::member_list(api::Call<etcd::MemberListRequest, etcd::MemberListResponse> call) {
  if (!admit(call)) return;
  for (const auto& member : members_.members()) {
    auto& out = *call.response().add_members();
    out.set_id(member.id());
    out.set_name(member.name());
    *out.mutable_clienturls() = member.client_urls();
    *out.mutable_peerurls() = member.peer_urls();
    out.set_islearner(member.is_learner());
  }
  fill_header(call.response().mutable_header(), leadership_.group().store().revision());
  call.finish();
}

void EtcdService::status(api::Call<etcd::StatusRequest, etcd::StatusResponse> call) {
  auto& response = call.response();
  response.set_version("3.5.0");  // of the API: clients read it as etcd's
  response.set_leader(leadership_.group().leader());
  response.set_raftterm(leadership_.group().term());
  response.set_raftindex(leadership_.group().last_index());
  response.set_raftappliedindex(leadership_.group().applied_index());
  response.set_dbsize(static_cast<int64_t>(kv_.space().used));
  response.set_dbsizeinuse(static_cast<int64_t>(leadership_.group().store().bytes()));
  fill_header(response.mutable_header(), leadership_.group().store().revision());
  call.finish();
}

void EtcdService::alarm(api::Call<etcd::AlarmRequest, etcd::AlarmResponse> call) {
  if (!admit(call)) return;
  const auto& request = call.request();
  const bool is_asked = request.action() == etcd::AlarmRequest::GET;
  const bool is_full = usage().store_bytes > options_.etcd.quota_backend_bytes;
  if (is_asked && is_full && (request.alarm() == etcd::NONE || request.alarm() == etcd::NOSPACE)) {
    auto& alarm = *call.response().add_alarms();
    alarm.set_memberid(options_.member_id);
    alarm.set_alarm(etcd::NOSPACE);
  }
  // It is over once there is room again; there is nothing to disarm.
  fill_header(call.response().mutable_header(), leadership_.group().store().revision());
  call.finish();
}

void EtcdService::hash(api::Call<etcd::HashRequest, etcd::HashResponse> call) {
  if (!admit(call)) return;
  auto hash = leadership_.group().store().hash(0);
  if (!hash.ok()) return call.finish(std::move(hash).error());
  call.response().set_hash(*hash);
  fill_header(call.response().mutable_header(), leadership_.group().store().revision());
  call.finish();
}

void EtcdService::hash_kv(api::Call<etcd::HashKVRequest, etcd::HashKVResponse> call) {
  if (!admit(call)) return;
  const auto& store = leadership_.group().store();
  auto hash = store.hash(call.request().revision());
  if (!hash.ok()) return call.finish(std::move(hash).error());
  call.response().set_hash(*hash);
  call.response().set_compact_revision(store.compacted_revision());
  call.response().set_hash_revision(call.request().revision() > 0 ? call.request().revision() : store.revision());
  fill_header(call.response().mutable_header(), store.revision());
  call.finish();
}

}  // namespace cairn::pd
