#include "rpc/tikv_client.h"

namespace cairn::rpc {

TikvClient::TikvClient(std::shared_ptr<Channel> channel, Duration timeout)
    : channel_(std::move(channel)), timeout_(timeout) {}

namespace {

template <class Req, class Resp>
void forward(Channel& channel, const char* method, Duration timeout, api::Call<Req, Resp> call) {
  Payload request = Payload::serialize(call.request());
  channel.call(method, std::move(request), timeout,
               [call = std::move(call)](api::Status status, Payload payload) mutable {
                 if (status.ok() && !payload.parse_into(call.response())) {
                   status = {api::Code::kInternal, "the response could not be parsed"};
                 }
                 call.finish(std::move(status));
               });
}

}  // namespace

#define CAIRN_DEFINE(Rpc, method, Req, Resp, ...)                        \
  void TikvClient::method(api::Call<Req, Resp> call) {                   \
    forward(*channel_, "/tikvpb.Tikv/" #Rpc, timeout_, std::move(call)); \
  }
CAIRN_TIKV_BATCHED(CAIRN_DEFINE)
CAIRN_TIKV_UNARY_ONLY(CAIRN_DEFINE)
#undef CAIRN_DEFINE

}  // namespace cairn::rpc
