#include "pd/meta/meta_storage_service.h"

namespace cairn::pd {
namespace {

namespace etcd = etcdserverpb;
namespace meta = meta_storagepb;

void fill_meta(const mvccpb::KeyValue& in, meta::KeyValue& out) {
  out.set_key(in.key());
  out.set_value(in.value());
  out.set_create_revision(in.create_revision());
  out.set_mod_revision(in.mod_revision());
  out.set_version(in.version());
  out.set_lease(in.lease());
}

api::Status no_leader() { return {api::Code::kUnavailable, "etcdserver: no leader"}; }

}  // namespace

template <class Call>
bool MetaStorageService::admit(Call& call) {
  if (!leadership_.is_stopping() && leadership_.can_serve()) return true;
  call.finish(no_leader());
  return false;
}

template <class Call>
void MetaStorageService::finish(Call call, const api::Status& status) {
  auto& header = *call.response().mutable_header();
  header.set_cluster_id(leadership_.cluster_id());
  header.set_revision(leadership_.group().store().revision());
  if (!status.ok()) {
    header.mutable_error()->set_type(meta::UNKNOWN);
    header.mutable_error()->set_message(status.message);
  }
  call.finish();
}

template <class Call>
void MetaStorageService::propose(Call call, const etcd::TxnRequest& txn,
                                 std::function<void(Call&, CommandResult&)> fill) {
  if (auto status = etcd_.judge_txn(txn); !status.ok()) {
    return finish(std::move(call), status);
  }
  leadership_.group().propose(MetaStore::encode_txn(txn), [this, weak = leadership_.owner(), call = std::move(call),
                                                           fill = std::move(fill)](CommandResult result) mutable {
    const auto owner = weak.lock();
    if (!owner) return call.finish(MetaGroup::not_leader());
    if (result.status.ok()) fill(call, result);
    finish(std::move(call), result.status);
  });
}

void MetaStorageService::meta_get(api::Call<meta::GetRequest, meta::GetResponse> call) {
  if (!admit(call)) return;
  etcd::RangeRequest range;
  range.set_key(call.request().key());
  range.set_range_end(call.request().range_end());
  range.set_limit(call.request().limit());
  range.set_revision(call.request().revision());
  const auto found = leadership_.group().store().range(range);
  if (!found.ok()) return finish(std::move(call), found.error());
  for (const auto& kv : found->kvs()) fill_meta(kv, *call.response().add_kvs());
  call.response().set_more(found->more());
  call.response().set_count(found->count());
  finish(std::move(call), {});
}

void MetaStorageService::meta_put(api::Call<meta::PutRequest, meta::PutResponse> call) {
  if (!admit(call)) return;
  etcd::TxnRequest txn;
  auto& put = *txn.add_success()->mutable_request_put();
  put.set_key(call.request().key());
  put.set_value(call.request().value());
  put.set_lease(call.request().lease());
  put.set_prev_kv(call.request().prev_kv());
  propose<decltype(call)>(std::move(call), txn, [](auto& done, CommandResult& result) {
    const auto& response = result.txn.responses(0).response_put();
    if (response.has_prev_kv()) fill_meta(response.prev_kv(), *done.response().mutable_prev_kv());
  });
}

void MetaStorageService::meta_delete(api::Call<meta::DeleteRequest, meta::DeleteResponse> call) {
  if (!admit(call)) return;
  etcd::TxnRequest txn;
  auto& del = *txn.add_success()->mutable_request_delete_range();
  del.set_key(call.request().key());
  del.set_range_end(call.request().range_end());
  del.set_prev_kv(call.request().prev_kv());
  propose<decltype(call)>(std::move(call), txn, [](auto& done, CommandResult& result) {
    const auto& response = result.txn.responses(0).response_delete_range();
    done.response().set_deleted(response.deleted());
    for (const auto& kv : response.prev_kvs()) fill_meta(kv, *done.response().add_prev_kvs());
  });
}

}  // namespace cairn::pd
