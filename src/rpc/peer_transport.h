// pd::PeerTransport over gRPC: one long stream of cairnpb.MemberExchange to each other member of PD.
//
//   send() ─▶ the member's queue (bounded) ─ one outstanding write, as many messages as wait, at most 256 or 4 MiB ─▶
//   member
//
// Raft tolerates loss: a full queue or a broken stream drops what waits. A broken stream is reported, so that a
// follower whose leader's process ended asks for votes as soon as the leader's lease permits; it is opened anew by the
// next message after a back-off, or once the member is heard of. All of it runs on the executor given. Tests:
// peer_transport_test.cc.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "pd/member/peer_transport.h"
#include "rpc/client.h"
#include "rpc/server_stream.h"
#include "runtime/executor.h"

namespace cairn::rpc {

struct PeerTransportOptions {
  size_t queue_messages_max = 4096;           // of one member
  size_t queue_bytes_max = size_t{64} << 20;  // a single message may be larger: a snapshot
  size_t batch_messages_max = 256;
  size_t batch_bytes_max = size_t{4} << 20;
  Duration backoff_min = std::chrono::milliseconds(20);
  Duration backoff_max = std::chrono::milliseconds(500);
  Duration heard_backoff = std::chrono::milliseconds(100);  // of a member that is heard of, but cannot be reached
};

class PeerTransport final : public pd::PeerTransport {
 public:
  // `loop` must outlive the transport.
  PeerTransport(PeerTransportOptions options, ClientLoop& loop, std::shared_ptr<runtime::Executor> executor);
  ~PeerTransport() override;
  PeerTransport(const PeerTransport&) = delete;
  PeerTransport& operator=(const PeerTransport&) = delete;

  // Who is told that a stream to a member broke. Before the first send().
  void on_unreachable(std::function<void(uint64_t member)> callback);
  // Closes the streams. Any thread; nothing is reported any more.
  void stop();

  void send(uint64_t to_member, Bytes message) override;
  void set_address(const pd::MemberInfo& member) override;
  void on_heard_of(uint64_t member) override;

  class Core;

 private:
  std::shared_ptr<Core> core_;
};

// The receiving end: `receive` gets each message, on the server's thread.
void serve_member_exchange(Router& router, std::function<void(Bytes message)> receive);

}  // namespace cairn::rpc
