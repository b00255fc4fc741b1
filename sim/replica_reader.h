// One client's way to any replica of a region: leader, follower or learner, as the stores themselves show them now. A
// read goes there with replica_read set, so that the replica asks its leader for a read index. Used on the client's
// executor. Tests: world_test.cc.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "api/tikv.h"
#include "engine/region_request.h"
#include "runtime/executor.h"
#include "runtime/random.h"
#include "runtime/task.h"
#include "sim/hosts.h"

namespace cairn::sim {

// The part of [begin, end), in user keys, that lies in the region; nothing if the region's bounds are no encoded keys.
std::optional<std::pair<Bytes, Bytes>> part_in(const engine::RegionDescription& region, std::pair<Bytes, Bytes> range);

class ReplicaReader {
 public:
  using TikvAt = std::function<api::Tikv&(NodeId)>;
  ReplicaReader(std::vector<StoreHost*> stores, TikvAt tikv_at, runtime::Executor& executor, uint64_t seed,
                bool is_api_v2)
      : stores_(std::move(stores)),
        tikv_at_(std::move(tikv_at)),
        executor_(executor),
        dice_(seed),
        is_api_v2_(is_api_v2) {}

  // A replica and how a request addresses it.
  struct Target {
    NodeId node;
    engine::RegionDescription region;
    kvrpcpb::Context context;
    std::string name;  // for reports
  };
  // One of the replicas of the key's region (an engine key), by dice; nothing if no store shows one.
  std::optional<Target> draw(ByteView engine_key);

  template <class Req, class Resp>
  using Method = void (api::Tikv::*)(api::Call<Req, Resp>);
  // The answer; nothing if none came in time or the region did not serve.
  template <class Req, class Resp>
  runtime::Task<std::optional<Resp>> ask(Target target, Req request, Method<Req, Resp> method) {
    api::Tikv* tikv = &tikv_at_(target.node);
    auto reply = co_await api::ask<Req, Resp>(executor_, kTimeout, std::move(request),
                                              [tikv, method](auto call) { (tikv->*method)(std::move(call)); });
    if (!reply.ok() || reply->has_region_error()) co_return std::nullopt;
    co_return std::move(*reply);
  }

  runtime::Executor& executor() { return executor_; }
  runtime::Random& dice() { return dice_; }

 private:
  static constexpr Duration kTimeout = std::chrono::seconds(1);

  std::vector<StoreHost*> stores_;
  TikvAt tikv_at_;
  runtime::Executor& executor_;
  runtime::Random dice_;
  bool is_api_v2_;
};

}  // namespace cairn::sim
