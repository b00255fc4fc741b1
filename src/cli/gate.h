// api::Tikv that stands on the port before the node behind it exists: UNAVAILABLE until open(), then all calls go
// through. So an address that is taken is found out before the store tells PD of itself.
#pragma once

#include <atomic>

#include "api/tikv.h"

namespace cairn::cli {

class Gate final : public api::Tikv {
 public:
  // `node` must outlive all calls.
  void open(api::Tikv& node) { node_ = &node; }

#define CAIRN_FORWARD(Rpc, method, Req, Resp, ...)                       \
  void method(api::Call<Req, Resp> call) override {                      \
    if (auto* node = node_.load()) return node->method(std::move(call)); \
    call.finish({api::Code::kUnavailable, "the store is starting"});     \
  }
  CAIRN_TIKV_BATCHED(CAIRN_FORWARD)
  CAIRN_TIKV_UNARY_ONLY(CAIRN_FORWARD)
#undef CAIRN_FORWARD

 private:
  std::atomic<api::Tikv*> node_{nullptr};
};

}  // namespace cairn::cli
