#include "client/raw.h"

#include <algorithm>
#include <iterator>

#include "client/send.h"

namespace cairn::client::raw {
namespace {

Effect write_effect(const Core& core) {
  return core.options.repeat_lost_raw_writes ? Effect::kRepeatable : Effect::kOnce;
}

// Raw keys are engine keys, except in API V2.
KeyForm key_form(const Core& core) { return core.options.is_api_v2 ? KeyForm::kEncoded : KeyForm::kPlain; }
Bytes engine_key(const Core& core, const Bytes& key) { return core.options.is_api_v2 ? codec::encode_bytes(key) : key; }

// Ends a write whose response has an error text.
template <class Response>
Outcome<void> written(const Response& response) {
  if (!response.error().empty()) return Err(Error(Refused{response.error()}));
  return {};
}

// Sends the items of a batch write region by region, one after another, `to_request` making each request.
template <class Req, class Resp, class Item, class EngineKey, class BytesOf, class ToRequest>
runtime::Task<Outcome<void>> write_batches(CorePtr core, std::vector<Item> items, EngineKey engine_key, BytesOf bytes,
                                           ToRequest to_request, Method<Req, Resp> method) {
  auto effort = std::make_shared<Effort>(*core, write_effect(*core));
  while (!items.empty()) {
    CO_TRY_ASSIGN(auto batches, co_await divide<Item>(core, effort, std::move(items), engine_key, bytes));
    items.clear();
    for (auto& batch : batches) {
      CO_TRY_ASSIGN(auto reply,
                    co_await attempt<Req, Resp>(core, effort, batch.route, to_request(batch.items), method));
      if (reply) {
        CO_TRY(written(*reply));
      } else {
        std::move(batch.items.begin(), batch.items.end(), std::back_inserter(items));  // divided anew
      }
    }
  }
  co_return Outcome<void>();
}

}  // namespace

runtime::Task<Outcome<std::optional<Bytes>>> get(CorePtr core, Bytes key) {
  auto effort = std::make_shared<Effort>(*core, Effect::kRead);
  kvrpcpb::RawGetRequest request;
  Bytes routed = engine_key(*core, key);
  request.set_key(std::move(key));
  CO_TRY_ASSIGN(auto reply, co_await send<kvrpcpb::RawGetRequest, kvrpcpb::RawGetResponse>(
                                core, effort, std::move(routed), std::move(request), &api::Tikv::raw_get));
  if (!reply.error().empty()) co_return Err(Error(Refused{reply.error()}));
  if (reply.not_found()) co_return std::optional<Bytes>();
  co_return std::optional<Bytes>(std::move(*reply.mutable_value()));
}

runtime::Task<Outcome<std::map<Bytes, Bytes>>> batch_get(CorePtr core, std::vector<Bytes> keys) {
  auto effort = std::make_shared<Effort>(*core, Effect::kRead);
  std::map<Bytes, Bytes> found;
  while (!keys.empty()) {
    std::sort(keys.begin(), keys.end());
    CO_TRY_ASSIGN(auto batches,
                  co_await divide<Bytes>(
                      core, effort, std::move(keys), [core](const Bytes& key) { return engine_key(*core, key); },
                      [](const Bytes& key) { return key.size(); }));
    keys.clear();
    for (auto& batch : batches) {
      kvrpcpb::RawBatchGetRequest request;
      for (const auto& key : batch.items) request.add_keys(key);
      CO_TRY_ASSIGN(auto reply, co_await attempt<kvrpcpb::RawBatchGetRequest, kvrpcpb::RawBatchGetResponse>(
                                    core, effort, batch.route, std::move(request), &api::Tikv::raw_batch_get));
      if (!reply) {
        std::move(batch.items.begin(), batch.items.end(), std::back_inserter(keys));
        continue;
      }
      for (auto& pair : *reply->mutable_pairs()) {
        if (pair.has_error()) co_return Err(Error(Refused{pair.error().ShortDebugString()}));
        found.emplace(std::move(*pair.mutable_key()), std::move(*pair.mutable_value()));
      }
    }
  }
  co_return found;
}

runtime::Task<Outcome<void>> put(CorePtr core, Bytes key, Bytes value, uint64_t ttl_seconds) {
  auto effort = std::make_shared<Effort>(*core, write_effect(*core));
  kvrpcpb::RawPutRequest request;
  Bytes routed = engine_key(*core, key);
  request.set_key(std::move(key));
  request.set_value(std::move(value));
  request.set_ttl(ttl_seconds);
  CO_TRY_ASSIGN(const auto reply, co_await send<kvrpcpb::RawPutRequest, kvrpcpb::RawPutResponse>(
                                      core, effort, std::move(routed), std::move(request), &api::Tikv::raw_put));
  co_return written(reply);
}

runtime::Task<Outcome<void>> batch_put(CorePtr core, std::vector<KeyValue> pairs, uint64_t ttl_seconds) {
  std::map<Bytes, Bytes> sorted;  // of two values for a key the last one is meant
  for (auto& pair : pairs) sorted[std::move(pair.key)] = std::move(pair.value);
  pairs.clear();
  for (auto& [key, value] : sorted) pairs.push_back({key, std::move(value)});
  return write_batches<kvrpcpb::RawBatchPutRequest, kvrpcpb::RawBatchPutResponse>(
      core, std::move(pairs), [core](const KeyValue& pair) { return engine_key(*core, pair.key); },
      [](const KeyValue& pair) { return pair.key.size() + pair.value.size(); },
      [ttl_seconds](const std::vector<KeyValue>& batch) {
        kvrpcpb::RawBatchPutRequest request;
        for (const auto& pair : batch) {
          auto& to = *request.add_pairs();
          to.set_key(pair.key);
          to.set_value(pair.value);
        }
        if (ttl_seconds != 0) request.add_ttls(ttl_seconds);
        return request;
      },
      &api::Tikv::raw_batch_put);
}

runtime::Task<Outcome<void>> del(CorePtr core, Bytes key) {
  auto effort = std::make_shared<Effort>(*core, write_effect(*core));
  kvrpcpb::RawDeleteRequest request;
  Bytes routed = engine_key(*core, key);
  request.set_key(std::move(key));
  CO_TRY_ASSIGN(const auto reply, co_await send<kvrpcpb::RawDeleteRequest, kvrpcpb::RawDeleteResponse>(
                                      core, effort, std::move(routed), std::move(request), &api::Tikv::raw_delete));
  co_return written(reply);
}

runtime::Task<Outcome<void>> batch_delete(CorePtr core, std::vector<Bytes> keys) {
  std::sort(keys.begin(), keys.end());
  return write_batches<kvrpcpb::RawBatchDeleteRequest, kvrpcpb::RawBatchDeleteResponse>(
      core, std::move(keys), [core](const Bytes& key) { return engine_key(*core, key); },
      [](const Bytes& key) { return key.size(); },
      [](const std::vector<Bytes>& batch) {
        kvrpcpb::RawBatchDeleteRequest request;
        for (const auto& key : batch) request.add_keys(key);
        return request;
      },
      &api::Tikv::raw_batch_delete);
}

runtime::Task<Outcome<std::vector<KeyValue>>> scan(CorePtr core, Bytes begin, Bytes end, uint32_t limit,
                                                   Direction direction) {
  auto effort = std::make_shared<Effort>(*core, Effect::kRead);
  const bool is_reverse = direction == Direction::kReverse;
  std::vector<KeyValue> out;
  while (out.size() < limit && (end.empty() || begin < end)) {
    const auto ask_for = static_cast<uint32_t>(std::min<size_t>(core->options.scan_page, limit - out.size()));
    CO_TRY_ASSIGN(const auto stretch, co_await next_stretch(core, effort, key_form(*core), begin, end, direction));
    kvrpcpb::RawScanRequest request;
    request.set_reverse(is_reverse);
    request.set_start_key(is_reverse ? stretch.end : stretch.begin);
    request.set_end_key(is_reverse ? stretch.begin : stretch.end);
    request.set_limit(ask_for);
    CO_TRY_ASSIGN(auto reply, co_await attempt<kvrpcpb::RawScanRequest, kvrpcpb::RawScanResponse>(
                                  core, effort, stretch.route, std::move(request), &api::Tikv::raw_scan));
    if (!reply) continue;
    std::vector<KeyValue> pairs;
    for (auto& pair : *reply->mutable_kvs()) {
      if (pair.has_error()) co_return Err(Error(Refused{pair.error().ShortDebugString()}));
      pairs.push_back({std::move(*pair.mutable_key()), std::move(*pair.mutable_value())});
    }
    auto page = page_of(stretch, std::move(pairs), ask_for, direction);
    std::move(page.pairs.begin(), page.pairs.end(), std::back_inserter(out));
    if (page.is_last) break;
    (is_reverse ? end : begin) = std::move(page.next);
  }
  co_return out;
}

runtime::Task<Outcome<void>> delete_range(CorePtr core, Bytes begin, Bytes end) {
  auto effort = std::make_shared<Effort>(*core, write_effect(*core));
  while (end.empty() || begin < end) {
    CO_TRY_ASSIGN(const auto stretch,
                  co_await next_stretch(core, effort, key_form(*core), begin, end, Direction::kForward));
    kvrpcpb::RawDeleteRangeRequest request;
    request.set_start_key(stretch.begin);
    request.set_end_key(stretch.end);
    CO_TRY_ASSIGN(const auto reply, co_await attempt<kvrpcpb::RawDeleteRangeRequest, kvrpcpb::RawDeleteRangeResponse>(
                                        core, effort, stretch.route, std::move(request), &api::Tikv::raw_delete_range));
    if (!reply) continue;
    CO_TRY(written(*reply));
    if (stretch.is_last) break;
    begin = stretch.end;
  }
  co_return Outcome<void>();
}

runtime::Task<Outcome<Swapped>> compare_and_swap(CorePtr core, Bytes key, std::optional<Bytes> expected,
                                                 std::optional<Bytes> value) {
  // A second attempt could find its own first one, so a lost answer always ends it.
  auto effort = std::make_shared<Effort>(*core, Effect::kOnce);
  kvrpcpb::RawCASRequest request;
  Bytes routed = engine_key(*core, key);
  request.set_key(std::move(key));
  request.set_previous_not_exist(!expected);
  if (expected) request.set_previous_value(std::move(*expected));
  request.set_delete_(!value);
  if (value) request.set_value(std::move(*value));
  CO_TRY_ASSIGN(auto reply, co_await send<kvrpcpb::RawCASRequest, kvrpcpb::RawCASResponse>(
                                core, effort, std::move(routed), std::move(request), &api::Tikv::raw_compare_and_swap));
  if (!reply.error().empty()) co_return Err(Error(Refused{reply.error()}));
  Swapped swapped{reply.succeed(), std::nullopt};
  if (!reply.previous_not_exist()) swapped.previous = std::move(*reply.mutable_previous_value());
  co_return swapped;
}

}  // namespace cairn::client::raw
