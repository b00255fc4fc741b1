// One request to the region of a key. locate() finds the region, attempt() sends once and, if the region does not
// serve, reacts: it repairs the cache, waits, and leaves it to the caller to locate again, for the keys of a batch may
// belong to several regions by then. Tests: client_test.cc.
#pragma once

#include <fmt/format.h>

#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "client/core.h"
#include "client/effort.h"
#include "kvrpcpb.pb.h"

namespace cairn::client {

// The region of the key, from the cache or from PD.
runtime::Task<Outcome<RegionRoute>> locate(CorePtr core, EffortPtr effort, Bytes engine_key);

// The region that holds the keys right before `engine_key_end`; empty: the last one.
runtime::Task<Outcome<RegionRoute>> locate_before(CorePtr core, EffortPtr effort, Bytes engine_key_end);

// Carries out the reaction to a region error. No error: try again.
runtime::Task<Outcome<void>> recover(CorePtr core, EffortPtr effort, RegionRoute route, errorpb::Error error);

// Likewise for a call that failed or was not answered in time.
runtime::Task<Outcome<void>> recover(CorePtr core, EffortPtr effort, RegionRoute route, api::Status status);

// Writes what addresses the request to the region.
void fill_context(const Core& core, const RegionRoute& route, kvrpcpb::Context& context);

template <class Req, class Resp>
using Method = void (api::Tikv::*)(api::Call<Req, Resp>);

// The response without a region error; nothing: locate and try again.
template <class Resp>
using Attempt = Outcome<std::optional<Resp>>;

template <class Req, class Resp>
runtime::Task<Attempt<Resp>> attempt(CorePtr core, EffortPtr effort, RegionRoute route, Req request,
                                     Method<Req, Resp> method) {
  fill_context(*core, route, *request.mutable_context());
  api::Tikv* store = core->deps.connect(StoreId(route.peer.store_id()));
  if (store == nullptr) {
    effort->note(fmt::format("store {} cannot be reached", route.peer.store_id()));
    core->regions.next_peer(route.id, PeerId(route.peer.id()));
    if (!co_await effort->wait(core, Wait::kShort)) co_return Err(effort->exhausted());
    co_return std::optional<Resp>();
  }
  const Duration timeout = std::min(core->options.try_timeout, effort->time_left(*core));
  auto reply =
      co_await api::ask<Req, Resp>(core->deps.executor, timeout, std::move(request),
                                   [store, method](api::Call<Req, Resp> call) { (store->*method)(std::move(call)); });
  if (!reply.ok()) {
    CO_TRY(co_await recover(core, effort, route, std::move(reply).error()));
    co_return std::optional<Resp>();
  }
  if (reply->has_region_error()) {
    CO_TRY(co_await recover(core, effort, route, reply->region_error()));
    co_return std::optional<Resp>();
  }
  co_return std::optional<Resp>(std::move(*reply));
}

// Locates and attempts until the region of the key has answered.
template <class Req, class Resp>
runtime::Task<Outcome<Resp>> send(CorePtr core, EffortPtr effort, Bytes engine_key, Req request,
                                  Method<Req, Resp> method) {
  for (;;) {
    CO_TRY_ASSIGN(auto route, co_await locate(core, effort, engine_key));
    CO_TRY_ASSIGN(auto response, co_await attempt<Req, Resp>(core, effort, std::move(route), request, method));
    if (response) co_return std::move(*response);
  }
}

// Items that go to one region in one request.
template <class Item>
struct Batch {
  RegionRoute route;
  std::vector<Item> items;
};

// Divides items by region, and by the limits of one request. `engine_key(item)` and `bytes(item)` describe one; items
// must be sorted by engine key. `items_max`: of one batch, if that is less than the client's own limit.
template <class Item, class EngineKey, class BytesOf>
runtime::Task<Outcome<std::vector<Batch<Item>>>> divide(CorePtr core, EffortPtr effort, std::vector<Item> items,
                                                        EngineKey engine_key, BytesOf bytes,
                                                        size_t items_max = SIZE_MAX) {
  items_max = std::min(items_max, core->options.batch_keys_max);
  std::vector<Batch<Item>> batches;
  size_t batch_bytes = 0;
  for (auto& item : items) {
    const Bytes key = engine_key(item);
    const bool fits = !batches.empty() && batches.back().route.contains(key);
    const bool is_full =
        fits && (batches.back().items.size() >= items_max || batch_bytes >= core->options.batch_bytes_max);
    if (!fits) {
      CO_TRY_ASSIGN(auto route, co_await locate(core, effort, key));
      batches.push_back({std::move(route), {}});
      batch_bytes = 0;
    } else if (is_full) {
      RegionRoute route = batches.back().route;
      batches.push_back({std::move(route), {}});
      batch_bytes = 0;
    }
    batch_bytes += bytes(item);
    batches.back().items.push_back(std::move(item));
  }
  co_return batches;
}

}  // namespace cairn::client
