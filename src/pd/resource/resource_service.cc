#include "pd/resource/resource_service.h"

#include <algorithm>

#include "pd/meta/meta_group.h"

namespace cairn::pd {
namespace {

namespace rm = resource_manager;
using Writes = Result<etcdserverpb::TxnRequest, std::string>;

etcdserverpb::TxnRequest put_of(const Bytes& key, const rm::ResourceGroup& group) {
  etcdserverpb::TxnRequest txn;
  auto& put = *txn.add_success()->mutable_request_put();
  put.set_key(key);
  put.set_value(group.SerializeAsString());
  return txn;
}

}  // namespace

template <class Call>
bool ResourceService::admit(Call& call) {
  if (!leadership_.is_stopping() && leadership_.can_serve()) return true;
  call.finish(MetaGroup::not_leader());
  return false;
}

template <class Call, class Decide>
runtime::Task<void> ResourceService::serve(Call call, Decide decide) {
  co_await lane_.acquire();
  api::Status status = MetaGroup::not_leader();
  if (leadership_.is_serving()) {
    Writes writes = decide(call.request());
    if (!writes.ok()) {
      status = {api::Code::kUnknown, writes.error()};
    } else {
      status = (co_await leadership_.run(MetaStore::encode_txn(*writes))).status;
    }
  }
  lane_.release();
  if (status.ok()) call.response().set_body("Success!");
  call.finish(std::move(status));
}

void ResourceService::list_resource_groups(
    api::Call<rm::ListResourceGroupsRequest, rm::ListResourceGroupsResponse> call) {
  if (!admit(call)) return;
  for (auto& group : list_groups(leadership_.group().store(), place_of(call.request().keyspace_id()))) {
    *call.response().add_groups() = std::move(group);
  }
  call.finish();
}

void ResourceService::get_resource_group(api::Call<rm::GetResourceGroupRequest, rm::GetResourceGroupResponse> call) {
  if (!admit(call)) return;
  const auto& request = call.request();
  auto group = find_group(leadership_.group().store(), place_of(request.keyspace_id()), request.resource_group_name());
  if (!group) return call.finish({api::Code::kUnknown, no_such_group(request.resource_group_name())});
  *call.response().mutable_group() = std::move(*group);
  call.finish();
}

void ResourceService::add_resource_group(api::Call<rm::PutResourceGroupRequest, rm::PutResourceGroupResponse> call) {
  if (!admit(call)) return;
  leadership_.spawn(serve(std::move(call), [this](const rm::PutResourceGroupRequest& request) -> Writes {
    const auto& group = request.group();
    if (auto why = refuse_group(group); !why.empty()) return Err(std::move(why));
    const auto place = place_of(group.keyspace_id());
    if (leadership_.group().store().count(KeyRange::of_prefix(place.prefix())) >= kGroupsMax) {
      return Err(fmt::format("more than {} resource groups", kGroupsMax));
    }
    return put_of(place.key(group.name()), group);
  }));
}

void ResourceService::modify_resource_group(api::Call<rm::PutResourceGroupRequest, rm::PutResourceGroupResponse> call) {
  if (!admit(call)) return;
  leadership_.spawn(serve(std::move(call), [this](const rm::PutResourceGroupRequest& request) -> Writes {
    const auto place = place_of(request.group().keyspace_id());
    auto group = find_group(leadership_.group().store(), place, request.group().name());
    if (!group) return Err(no_such_group(request.group().name()));
    auto patched = patch_group(std::move(*group), request.group());
    if (!patched.ok()) return Err(patched.error());
    return put_of(place.key(patched->name()), *patched);
  }));
}

void ResourceService::delete_resource_group(
    api::Call<rm::DeleteResourceGroupRequest, rm::DeleteResourceGroupResponse> call) {
  if (!admit(call)) return;
  leadership_.spawn(serve(std::move(call), [this](const rm::DeleteResourceGroupRequest& request) -> Writes {
    const auto& name = request.resource_group_name();
    if (name == kDefaultGroup) {
      return Err(std::string("[PD:resourcemanager:ErrDeleteReservedGroup]cannot delete reserved group"));
    }
    const auto place = place_of(request.keyspace_id());
    if (!find_group(leadership_.group().store(), place, name)) return Err(no_such_group(name));
    buckets_.erase({place.keyspace, name});
    etcdserverpb::TxnRequest txn;
    txn.add_success()->mutable_request_delete_range()->set_key(place.key(name));
    return txn;
  }));
}

void ResourceService::acquire_token_buckets(api::Call<rm::TokenBucketsRequest, rm::TokenBucketsResponse> call) {
  if (!admit(call)) return;
  for (const auto& asked : call.request().requests()) grant(asked, call.request(), call.response());
  call.finish();
}

TokenBucket* ResourceService::find_bucket(const Name& name, const TokenBucket::Settings& settings) {
  auto found = buckets_.find(name);
  if (found == buckets_.end()) {
    if (buckets_.size() >= kBucketsMax) {
      const auto now = leadership_.clock().now();
      std::erase_if(buckets_, [&](const auto& entry) { return entry.second.is_silent(now); });
    }
    if (buckets_.size() >= kBucketsMax) return nullptr;
    found = buckets_.try_emplace(name, settings).first;
  }
  found->second.set(settings);
  return &found->second;
}

void ResourceService::grant(const rm::TokenBucketRequest& asked, const rm::TokenBucketsRequest& whole,
                            rm::TokenBucketsResponse& response) {
  const auto place = place_of(asked.keyspace_id());
  const auto group = find_group(leadership_.group().store(), place, asked.resource_group_name());
  // As in PD, a group that is not there has no answer, nor has work in the background, which is only told of.
  if (!group || asked.is_background()) return;
  const auto settings = bucket_settings(*group);
  TokenBucket unlimited(settings);  // there is nothing to remember of it
  TokenBucket* bucket = settings.burst_limit < 0 ? &unlimited : find_bucket({place.keyspace, group->name()}, settings);
  if (bucket == nullptr) return;
  auto& out = *response.add_responses();
  out.set_resource_group_name(group->name());
  out.mutable_keyspace_id()->set_value(place.keyspace);
  for (const auto& item : asked.ru_items().request_r_u()) {
    if (item.type() != rm::RU) continue;
    const auto period = std::chrono::milliseconds(std::min<uint64_t>(whole.target_request_period_ms(), 60'000));
    const auto grant = bucket->ask({.client = whole.client_unique_id(), .tokens = item.value(), .period = period},
                                   leadership_.clock().now());
    auto& granted = *out.add_granted_r_u_tokens();
    granted.set_type(rm::RU);
    granted.mutable_granted_tokens()->set_tokens(grant.tokens);
    granted.mutable_granted_tokens()->mutable_settings()->set_fill_rate(settings.fill_rate);
    granted.mutable_granted_tokens()->mutable_settings()->set_burst_limit(settings.burst_limit);
    granted.set_trickle_time_ms(grant.trickle / std::chrono::milliseconds(1));
  }
}

}  // namespace cairn::pd
