// api::Tikv over one channel to one store: each call a unary RPC. For the native client and tools.
// Tests: services_test.cc.
#pragma once

#include <memory>

#include "api/tikv.h"
#include "base/time.h"
#include "rpc/client.h"

namespace cairn::rpc {

class TikvClient : public api::Tikv {
 public:
  explicit TikvClient(std::shared_ptr<Channel> channel, Duration timeout = std::chrono::seconds(30));

#define CAIRN_DECLARE(Rpc, method, Req, Resp, ...) void method(api::Call<Req, Resp> call) override;
  CAIRN_TIKV_BATCHED(CAIRN_DECLARE)
  CAIRN_TIKV_UNARY_ONLY(CAIRN_DECLARE)
#undef CAIRN_DECLARE

 private:
  std::shared_ptr<Channel> channel_;
  Duration timeout_;
};

}  // namespace cairn::rpc
