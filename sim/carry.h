// Carries an api::Call over the simulated network: the request to the server's node, the answer back to the same life
// of the caller. A letter that fails ends the call with UNAVAILABLE, soon or late; a server that dies says nothing, so
// callers need their timeouts. Tests: network_test.cc.
#pragma once

#include <kvrpcpb.pb.h>

#include <memory>
#include <type_traits>
#include <utility>

#include "api/call.h"
#include "sim/network.h"

namespace cairn::sim {

// Requests that a client sends again when it hears nothing: the first may then arrive after the second, and after its
// answer. Raw writes are not among them: repeating one late is a write of its own.
template <class Req>
inline constexpr bool kIsRepeatable =
    std::is_same_v<Req, kvrpcpb::PrewriteRequest> || std::is_same_v<Req, kvrpcpb::CommitRequest> ||
    std::is_same_v<Req, kvrpcpb::BatchRollbackRequest> || std::is_same_v<Req, kvrpcpb::CheckTxnStatusRequest> ||
    std::is_same_v<Req, kvrpcpb::CheckSecondaryLocksRequest> || std::is_same_v<Req, kvrpcpb::ResolveLockRequest> ||
    std::is_same_v<Req, kvrpcpb::TxnHeartBeatRequest> || std::is_same_v<Req, kvrpcpb::PessimisticLockRequest> ||
    std::is_same_v<Req, kvrpcpb::PessimisticRollbackRequest> || std::is_same_v<Req, kvrpcpb::CleanupRequest>;

// `serve(api::Call<Req, Resp>)` runs on the server's inbox.
template <class Req, class Resp, class Serve>
void carry(Network& network, Endpoint caller, NodeId server, api::Call<Req, Resp> call, Serve serve) {
  auto pending = std::make_shared<api::Call<Req, Resp>>(std::move(call));
  auto fail = [pending] {
    if (pending->is_pending()) pending->finish({api::Code::kUnavailable, "the connection broke"});
  };
  if constexpr (kIsRepeatable<Req>) {
    if (network.draws_repeat()) {
      network.send_late({.from = caller.node,
                         .to = server,
                         .to_incarnation = {},
                         .deliver =
                             [serve, request = Req(pending->request())]() mutable {
                               serve(api::make_call<Req, Resp>(std::move(request), [](const api::Reply<Resp>&) {}));
                             },
                         .notify = caller,
                         .lost = nullptr});
    }
  }
  auto deliver = [&network, caller, server, pending, fail, request = Req(pending->request()),
                  serve = std::move(serve)]() mutable {
    auto answer = [&network, caller, server, pending, fail](api::Reply<Resp> reply) {
      auto finish = [pending, reply = std::move(reply)]() mutable {
        if (!pending->is_pending()) return;
        if (!reply.ok()) return pending->finish(std::move(reply).error());
        pending->response() = std::move(reply).value();
        pending->finish();
      };
      network.send({.from = server,
                    .to = caller.node,
                    .to_incarnation = caller.incarnation,
                    .deliver = std::move(finish),
                    .notify = caller,
                    .lost = fail});
    };
    // What a node says after its death nobody hears.
    const Endpoint life = network.here(server);
    serve(api::make_call<Req, Resp>(std::move(request),
                                    [&network, life, answer = std::move(answer)](api::Reply<Resp> reply) mutable {
                                      if (network.is_alive(life)) answer(std::move(reply));
                                    }));
  };
  network.send({.from = caller.node,
                .to = server,
                .to_incarnation = {},
                .deliver = std::move(deliver),
                .notify = caller,
                .lost = fail});
}

}  // namespace cairn::sim
