#include "rpc/store_clients.h"

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/log.h"
#include "rpc/tikv_client.h"
#include "runtime/async.h"

namespace cairn::rpc {
namespace {

constexpr Duration kRefreshInterval = std::chrono::seconds(5);
constexpr Duration kMissedInterval = std::chrono::milliseconds(100);  // sooner, if a store is asked for in vain
constexpr Duration kPdTimeout = std::chrono::seconds(3);

}  // namespace

struct StoreClients::State {
  State(ClientLoop& l, api::Pd& p, const runtime::Clock& c, runtime::Executor& e)
      : loop(l), pd(p), clock(c), executor(e) {}

  struct Entry {
    std::string address;
    TikvClient* client = nullptr;
  };

  ClientLoop& loop;
  api::Pd& pd;
  const runtime::Clock& clock;
  runtime::Executor& executor;
  std::map<StoreId, Entry> entries;
  std::vector<std::unique_ptr<TikvClient>> clients;  // also those of addresses that are no more
  uint64_t cluster_id = 0;
  std::optional<Instant> asked_at;
  bool is_asking = false;
};

namespace {

// Asks PD for all stores and takes over what is new.
runtime::Task<void> refresh(std::shared_ptr<StoreClients::State> s);

}  // namespace

StoreClients::StoreClients(ClientLoop& loop, api::Pd& pd, const runtime::Clock& clock, runtime::Executor& executor)
    : state_(std::make_shared<State>(loop, pd, clock, executor)) {}

StoreClients::~StoreClients() = default;

api::Tikv* StoreClients::connect(StoreId store) {
  auto& s = *state_;
  const auto found = s.entries.find(store);
  const bool is_known = found != s.entries.end();
  const Duration interval = is_known ? kRefreshInterval : kMissedInterval;
  if (!s.is_asking && (!s.asked_at || s.clock.now() - *s.asked_at >= interval)) {
    s.is_asking = true;
    s.asked_at = s.clock.now();
    runtime::spawn_inline(refresh(state_));
  }
  return is_known ? found->second.client : nullptr;
}

namespace {

runtime::Task<bool> learn_cluster(std::shared_ptr<StoreClients::State> s) {
  auto members = co_await api::ask<pdpb::GetMembersRequest, pdpb::GetMembersResponse>(
      s->executor, kPdTimeout, {}, [s](auto call) { s->pd.get_members(std::move(call)); });
  if (members.ok()) s->cluster_id = members->header().cluster_id();
  co_return s->cluster_id != 0;
}

runtime::Task<void> refresh(std::shared_ptr<StoreClients::State> s) {
  if (s->cluster_id != 0 || co_await learn_cluster(s)) {
    pdpb::GetAllStoresRequest request;
    request.mutable_header()->set_cluster_id(s->cluster_id);
    request.set_exclude_tombstone_stores(true);
    auto reply = co_await api::ask<pdpb::GetAllStoresRequest, pdpb::GetAllStoresResponse>(
        s->executor, kPdTimeout, std::move(request), [s](auto call) { s->pd.get_all_stores(std::move(call)); });
    if (reply.ok()) {
      for (const auto& store : reply->stores()) {
        auto& entry = s->entries[StoreId(store.id())];
        if (entry.address == store.address()) continue;
        s->clients.push_back(std::make_unique<TikvClient>(s->loop.channel(store.address())));
        entry = {store.address(), s->clients.back().get()};
      }
    }
  }
  s->is_asking = false;
}

}  // namespace
}  // namespace cairn::rpc
