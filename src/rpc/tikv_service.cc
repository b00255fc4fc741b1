// tikvpb.Tikv: the unary methods of the lists in api/tikv.h, and BatchCommands. Tests: services_test.cc.
#include "rpc/batch_commands.h"
#include "rpc/services.h"
#include "rpc/unary.h"

namespace cairn::rpc {

void serve_tikv(Router& router, api::Tikv& tikv, TikvServiceOptions options) {
#define CAIRN_SERVE(Rpc, method, Req, Resp, ...)     \
  add_unary<Req, Resp>(router, "/tikvpb.Tikv/" #Rpc, \
                       [&tikv](api::Call<Req, Resp> call) { tikv.method(std::move(call)); });
  CAIRN_TIKV_BATCHED(CAIRN_SERVE)
  CAIRN_TIKV_UNARY_ONLY(CAIRN_SERVE)
#undef CAIRN_SERVE
  serve_batch_commands(router, tikv, std::move(options));
}

}  // namespace cairn::rpc
