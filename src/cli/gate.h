// The services of a node that stand on the port before the node behind them exists: UNAVAILABLE until open(), then all
// calls go through. So an address that is taken is found out before the store tells PD of itself.
#pragma once

#include <atomic>
#include <memory>

#include "server/node.h"

namespace cairn::cli {

class Gate final : public api::Tikv, public api::Deadlock {
 public:
  // `node` must outlive all calls.
  void open(server::Node& node) { node_ = &node; }

#define CAIRN_FORWARD(Rpc, method, Req, Resp, ...)                       \
  void method(api::Call<Req, Resp> call) override {                      \
    if (auto* node = node_.load()) return node->method(std::move(call)); \
    call.finish({api::Code::kUnavailable, "the store is starting"});     \
  }
  CAIRN_TIKV_BATCHED(CAIRN_FORWARD)
  CAIRN_TIKV_UNARY_ONLY(CAIRN_FORWARD)
#undef CAIRN_FORWARD
  std::optional<kvrpcpb::HealthFeedback> health_feedback() override {
    if (auto* node = node_.load()) return node->health_feedback();
    return std::nullopt;
  }
  void get_wait_for_entries(
      api::Call<deadlock::WaitForEntriesRequest, deadlock::WaitForEntriesResponse> call) override {
    if (auto* node = node_.load()) return node->get_wait_for_entries(std::move(call));
    call.finish({api::Code::kUnavailable, "the store is starting"});
  }
  std::unique_ptr<api::DeadlockStream> open_detect(api::DeadlockSink sink) override {
    if (auto* node = node_.load()) return node->open_detect(std::move(sink));
    struct Closed final : api::DeadlockStream {
      void send(deadlock::DeadlockRequest) override {}
    };
    sink.on_closed({api::Code::kUnavailable, "the store is starting"});
    return std::make_unique<Closed>();
  }

 private:
  std::atomic<server::Node*> node_{nullptr};
};

}  // namespace cairn::cli
