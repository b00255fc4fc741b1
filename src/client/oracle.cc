#include "client/oracle.h"

#include <algorithm>
#include <iterator>

#include "client/core.h"
#include "client/effort.h"

namespace cairn::client {
namespace {

// One request for `count` timestamps, repeated until PD answers. The largest of the batch.
runtime::Task<Outcome<Timestamp>> ask_pd(CorePtr core, uint32_t count) {
  auto effort = std::make_shared<Effort>(*core, Effect::kRead);
  for (;;) {
    pdpb::TsoRequest request;
    request.mutable_header()->set_cluster_id(core->options.cluster.value);
    request.set_count(count);
    auto reply = co_await api::ask<pdpb::TsoRequest, pdpb::TsoResponse>(
        core->deps.executor, core->options.try_timeout, std::move(request),
        [core](api::Call<pdpb::TsoRequest, pdpb::TsoResponse> call) { core->deps.pd.tso(std::move(call)); });
    if (reply.ok() && !reply->header().has_error() && reply->count() == count) {
      const auto& ts = reply->timestamp();
      co_return Timestamp::compose(static_cast<uint64_t>(ts.physical()), static_cast<uint64_t>(ts.logical()));
    }
    effort->note(reply.ok() ? "PD answers a timestamp request with: " + reply->header().error().message()
                            : "PD does not give timestamps: " + reply.error().message);
    if (!reply.ok() && is_final(reply.error().code)) co_return Err(Error(Refused{effort->last_trouble()}));
    if (!co_await effort->wait(core, Wait::kShort)) co_return Err(effort->exhausted());
  }
}

// Serves those who wait, batch by batch, until none is left.
runtime::Task<void> serve_waiting(CorePtr core) {
  auto& oracle = core->oracle;
  while (!oracle.waiting.empty()) {
    const size_t count = std::min(oracle.waiting.size(), kTimestampsPerRequestMax);
    std::vector<runtime::Promise<Outcome<Timestamp>>> served(
        std::make_move_iterator(oracle.waiting.begin()),
        std::make_move_iterator(oracle.waiting.begin() + static_cast<std::ptrdiff_t>(count)));
    oracle.waiting.erase(oracle.waiting.begin(), oracle.waiting.begin() + static_cast<std::ptrdiff_t>(count));
    auto largest = co_await ask_pd(core, static_cast<uint32_t>(count));
    for (size_t i = 0; i < count; ++i) {
      if (largest.ok()) {
        served[i].set(Timestamp(*largest - (count - 1 - i)));
      } else {
        served[i].set(Err(largest.error()));
      }
    }
  }
  oracle.is_asking = false;
}

}  // namespace

runtime::Task<Outcome<Timestamp>> fresh_timestamp(CorePtr core) {
  auto [promise, future] = runtime::one_shot<Outcome<Timestamp>>();
  core->oracle.waiting.push_back(std::move(promise));
  if (!core->oracle.is_asking) {
    core->oracle.is_asking = true;
    runtime::spawn_inline(serve_waiting(core));
  }
  auto answer = co_await future.wait(core->deps.executor);
  if (!answer) co_return Err(Error(GaveUp{"the client was stopped"}));
  co_return std::move(*answer);
}

}  // namespace cairn::client
