#include "rpc/peer_transport.h"

#include <algorithm>
#include <atomic>
#include <deque>

#include "base/log.h"
#include "base/metrics.h"
#include "cairnpb.pb.h"

namespace cairn::rpc {
namespace {

struct Link;

}  // namespace

class PeerTransport::Core : public std::enable_shared_from_this<PeerTransport::Core> {
 public:
  Core(PeerTransportOptions o, ClientLoop& l, std::shared_ptr<runtime::Executor> e)
      : options(o), loop(l), executor(std::move(e)) {}

  const PeerTransportOptions options;
  ClientLoop& loop;
  const std::shared_ptr<runtime::Executor> executor;
  std::function<void(uint64_t)> on_unreachable;
  std::atomic<bool> is_stopped{false};
  std::map<uint64_t, std::shared_ptr<Link>> links;  // by member
};

namespace {

using Core = PeerTransport::Core;
using std::chrono::steady_clock;

// The stream to one member, and what waits for it.
struct Link : std::enable_shared_from_this<Link> {
  Link(std::weak_ptr<Core> c, uint64_t m) : core(std::move(c)), member(m) {}

  // Of one stream: events of earlier ones are ignored.
  struct Events final : ClientStreamEvents {
    Events(std::shared_ptr<Link> l, std::shared_ptr<runtime::Executor> e, uint64_t g)
        : link(std::move(l)), executor(std::move(e)), generation(g) {}
    void on_writable() override {
      executor->post([link = link, g = generation] { link->on_writable(g); });
    }
    void on_message(Payload) override {}  // PeerDone, which says nothing
    void on_closed(api::Status status) override {
      executor->post([link = link, g = generation, status = std::move(status)] { link->on_closed(g, status); });
    }
    const std::shared_ptr<Link> link;
    const std::shared_ptr<runtime::Executor> executor;
    const uint64_t generation;
  };

  void send(Core& transport, Bytes message) {
    const bool has_room = queue.size() < transport.options.queue_messages_max &&
                          (queue.empty() || queued_bytes + message.size() <= transport.options.queue_bytes_max);
    if (!has_room) {
      static auto& dropped = metrics::counter("cairn_pd_peer_dropped_total", "Messages between members without room");
      dropped.add();
      return;
    }
    queued_bytes += message.size();
    queue.push_back(std::move(message));
    if (stream) return advance(transport);
    if (!is_backing_off) connect(transport);
  }

  void connect(Core& transport) {
    if (urls.empty()) return drop();
    const std::string& url = urls[next_url++ % urls.size()];
    is_writable = false;
    tried_at = steady_clock::now();
    auto events = std::make_shared<Events>(shared_from_this(), transport.executor, ++generation);
    const auto channel = transport.loop.channel(url);
    channel->reconnect_now();  // this link's own back-off is over
    stream = channel->open("/cairnpb.MemberExchange/Exchange", std::move(events));
  }

  void on_heard_of(Core& transport) {
    if (is_backing_off && steady_clock::now() - tried_at >= transport.options.heard_backoff) end_back_off(backoffs);
  }

  void on_writable(uint64_t of) {
    auto transport = core.lock();
    if (!transport || of != generation || !stream) return;
    is_writable = true;
    backoff = {};
    advance(*transport);
  }

  void on_closed(uint64_t of, const api::Status& status) {
    auto transport = core.lock();
    if (!transport || of != generation || transport->is_stopped) return;
    if (status.message != last_error) LOG_WARN("the stream to PD's member {:x} ended: {}", member, status.message);
    last_error = status.message;
    stream.reset();
    drop();
    backoff = std::clamp(backoff * 2, transport->options.backoff_min, transport->options.backoff_max);
    is_backing_off = true;
    transport->executor->after(backoff, [link = shared_from_this(), of = ++backoffs] { link->end_back_off(of); });
    if (transport->on_unreachable) transport->on_unreachable(member);
  }

  void end_back_off(uint64_t of) {
    if (of != backoffs || !is_backing_off) return;
    is_backing_off = false;
    auto transport = core.lock();
    if (transport && !transport->is_stopped && !queue.empty() && !stream) connect(*transport);
  }

  void drop() {
    queue.clear();
    queued_bytes = 0;
  }

  // Sends what waits, if nothing is being sent.
  void advance(Core& transport) {
    if (!stream || !is_writable || queue.empty()) return;
    cairnpb::PeerBatch batch;
    size_t bytes = 0;
    while (!queue.empty() && static_cast<size_t>(batch.messages_size()) < transport.options.batch_messages_max) {
      bytes += queue.front().size();
      if (batch.messages_size() > 0 && bytes > transport.options.batch_bytes_max) break;
      queued_bytes -= queue.front().size();
      batch.add_messages(std::move(queue.front()));
      queue.pop_front();
    }
    is_writable = false;
    stream->write(Payload::serialize(batch));
  }

  const std::weak_ptr<Core> core;
  const uint64_t member;
  std::vector<std::string> urls;
  size_t next_url = 0;
  std::deque<Bytes> queue;
  size_t queued_bytes = 0;
  std::shared_ptr<ClientStream> stream;
  uint64_t generation = 0;
  bool is_writable = false;
  bool is_backing_off = false;
  uint64_t backoffs = 0;  // their number: a back-off that was cut short ends but once
  steady_clock::time_point tried_at;
  Duration backoff{};
  std::string last_error;
};

std::shared_ptr<Link>& link_to(Core& core, uint64_t member) {
  auto& link = core.links[member];
  if (!link) link = std::make_shared<Link>(core.weak_from_this(), member);
  return link;
}

class Exchange final : public StreamEvents {
 public:
  Exchange(std::shared_ptr<ServerStream> stream, std::shared_ptr<const std::function<void(Bytes)>> receive)
      : stream_(std::move(stream)), receive_(std::move(receive)) {}

  void on_message(Payload payload) override {
    cairnpb::PeerBatch batch;
    if (!payload.parse_into(batch)) {
      return stream_->finish({api::Code::kInternal, "the batch of messages could not be parsed"});
    }
    for (auto& message : *batch.mutable_messages()) (*receive_)(std::move(message));
    stream_->read();
  }
  void on_read_end() override { stream_->write_and_finish(Payload::serialize(cairnpb::PeerDone())); }
  void on_server_stopping() override { stream_->finish({api::Code::kUnavailable, "the server is stopping"}); }

 private:
  const std::shared_ptr<ServerStream> stream_;
  const std::shared_ptr<const std::function<void(Bytes)>> receive_;
};

}  // namespace

PeerTransport::PeerTransport(PeerTransportOptions options, ClientLoop& loop,
                             std::shared_ptr<runtime::Executor> executor)
    : core_(std::make_shared<Core>(options, loop, std::move(executor))) {}

PeerTransport::~PeerTransport() { stop(); }

void PeerTransport::on_unreachable(std::function<void(uint64_t)> callback) {
  core_->on_unreachable = std::move(callback);
}

void PeerTransport::stop() {
  if (core_->is_stopped.exchange(true)) return;
  core_->executor->post([core = core_] {
    for (auto& [member, link] : std::exchange(core->links, {})) {
      link->drop();
      if (link->stream) link->stream->cancel();
    }
  });
}

void PeerTransport::send(uint64_t to_member, Bytes message) {
  if (core_->is_stopped) return;
  link_to(*core_, to_member)->send(*core_, std::move(message));
}

void PeerTransport::set_address(const pd::MemberInfo& member) {
  if (core_->is_stopped || member.peer_urls.empty()) return;
  link_to(*core_, member.id)->urls = member.peer_urls;
}

void PeerTransport::on_heard_of(uint64_t member) {
  if (core_->is_stopped) return;
  if (const auto found = core_->links.find(member); found != core_->links.end()) found->second->on_heard_of(*core_);
}

void serve_member_exchange(Router& router, std::function<void(Bytes)> receive) {
  auto shared = std::make_shared<const std::function<void(Bytes)>>(std::move(receive));
  router.add("/cairnpb.MemberExchange/Exchange", Router::Kind::kStream, [shared](std::shared_ptr<ServerStream> stream) {
    stream->attach(std::make_shared<Exchange>(stream, shared));
    stream->read();
  });
}

}  // namespace cairn::rpc
