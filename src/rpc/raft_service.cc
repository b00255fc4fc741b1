// The receiving end of the streams between stores: Raft, BatchRaft and Snapshot of tikvpb.Tikv. Tests:
// raft_transport_test.cc.
#include <utility>

#include "base/log.h"
#include "rpc/metrics.h"
#include "rpc/raft_transport.h"
#include "tikvpb.pb.h"

namespace cairn::rpc {
namespace {

bool is_for(const RaftReceiver& receiver, const raft_serverpb::RaftMessage& message) {
  const StoreId own = receiver.store_id ? receiver.store_id() : StoreId();
  return !own.is_set() || message.to_peer().store_id() == own.value;
}

api::Status store_not_match(const raft_serverpb::RaftMessage& message) {
  return {api::Code::kUnknown,
          "store not match: the message is for store " + std::to_string(message.to_peer().store_id())};
}

// Raft (one message each) and BatchRaft (many each): `Message` tells which.
template <class Message>
class MessageStream final : public StreamEvents {
 public:
  MessageStream(std::shared_ptr<ServerStream> stream, std::shared_ptr<const RaftReceiver> receiver)
      : stream_(std::move(stream)), receiver_(std::move(receiver)) {}

  void on_message(Payload payload) override {
    Message message;
    if (!payload.parse_into(message)) {
      stream_->finish({api::Code::kInternal, "the Raft message could not be parsed"});
      return;
    }
    if constexpr (std::is_same_v<Message, tikvpb::BatchRaftMessage>) {
      for (auto& one : *message.mutable_msgs()) {
        if (!deliver(std::move(one))) return;
      }
    } else {
      if (!deliver(std::move(message))) return;
    }
    stream_->read();
  }
  void on_read_end() override { stream_->write_and_finish(Payload::serialize(raft_serverpb::Done())); }
  void on_server_stopping() override { stream_->finish({api::Code::kUnavailable, "the server is stopping"}); }

 private:
  bool deliver(raft_serverpb::RaftMessage message) {
    if (!is_for(*receiver_, message)) {
      stream_->finish(store_not_match(message));
      return false;
    }
    if (!std::exchange(is_known_, true) && receiver_->on_stream) {
      receiver_->on_stream(StoreId(message.from_peer().store_id()));
    }
    NetworkMetrics::get().raft_received.add();
    receiver_->on_message(std::move(message));
    return true;
  }

  std::shared_ptr<ServerStream> stream_;
  std::shared_ptr<const RaftReceiver> receiver_;
  bool is_known_ = false;  // a message has come
};

// One snapshot that comes in. What touches the disk runs on the file executor, one chunk at a time.
class SnapshotStream final : public StreamEvents, public std::enable_shared_from_this<SnapshotStream> {
 public:
  SnapshotStream(std::shared_ptr<ServerStream> stream, std::shared_ptr<const RaftReceiver> receiver,
                 std::shared_ptr<runtime::Executor> files)
      : stream_(std::move(stream)), receiver_(std::move(receiver)), files_(std::move(files)) {}

  // Before the first message.
  void begin() { watch(0); }

  void on_message(Payload payload) override {
    auto chunk = std::make_shared<raft_serverpb::SnapshotChunk>();
    if (!payload.parse_into(*chunk)) {
      stream_->finish({api::Code::kInternal, "the snapshot's chunk could not be parsed"});
      return;
    }
    files_->post([self = shared_from_this(), chunk] { self->take(*chunk); });
  }
  void on_read_end() override {
    files_->post([self = shared_from_this()] { self->complete(); });
  }
  void on_server_stopping() override { stream_->finish({api::Code::kUnavailable, "the server is stopping"}); }
  void on_closed() override {
    files_->post([self = shared_from_this()] { self->end(); });
  }

 private:
  // Looks after a while whether a chunk has come since.
  void watch(uint64_t chunks_before) {
    files_->after(receiver_->snapshot_idle_max, [weak = weak_from_this(), chunks_before] {
      const auto self = weak.lock();
      if (!self || self->is_over_) return;
      if (self->chunks_ > chunks_before) return self->watch(self->chunks_);
      self->fail(api::Code::kDeadlineExceeded, "nothing came of the snapshot for long");
    });
  }
  // On the file executor.
  void take(raft_serverpb::SnapshotChunk& chunk) {
    if (is_over_) return;
    ++chunks_;
    if (!writer_) {
      if (!chunk.has_message()) return fail(api::Code::kInvalidArgument, "a snapshot begins with its message");
      if (!is_for(*receiver_, chunk.message())) {
        end();
        return stream_->finish(store_not_match(chunk.message()));
      }
      auto begun = receiver_->begin_snapshot(std::move(*chunk.mutable_message()));
      if (!begun.ok()) return fail(api::Code::kResourceExhausted, begun.error());
      writer_ = std::move(*begun);
      NetworkMetrics::get().snapshots_received.add();
    } else if (chunk.data().empty()) {
      return fail(api::Code::kInvalidArgument, "a snapshot's chunk without data");
    }
    if (!chunk.data().empty() && !writer_->append(chunk.data()).ok()) {
      return fail(api::Code::kInternal, "the snapshot could not be written");
    }
    stream_->read();
  }
  void complete() {
    if (is_over_) return;
    if (!writer_) return fail(api::Code::kInvalidArgument, "a snapshot without its message");
    const auto finished = writer_->finish();
    end();
    if (!finished.ok()) return fail(api::Code::kInternal, "the snapshot is not whole");
    stream_->write_and_finish(Payload::serialize(raft_serverpb::Done()));
  }
  void fail(api::Code code, std::string text) {
    LOG_WARN("a snapshot from {} was refused: {}", stream_->peer(), text);
    end();
    stream_->finish({code, std::move(text)});
  }
  void end() {
    is_over_ = true;
    writer_.reset();
  }

  const std::shared_ptr<ServerStream> stream_;
  const std::shared_ptr<const RaftReceiver> receiver_;
  const std::shared_ptr<runtime::Executor> files_;
  // On the file executor.
  std::unique_ptr<store::SnapshotReceiver> writer_;
  uint64_t chunks_ = 0;
  bool is_over_ = false;
};

}  // namespace

void serve_raft(Router& router, RaftReceiver receiver, std::shared_ptr<runtime::Executor> files) {
  auto shared = std::make_shared<const RaftReceiver>(std::move(receiver));
  const auto add = [&](const char* method, auto make_events) {
    router.add(method, Router::Kind::kStream, [make_events](std::shared_ptr<ServerStream> stream) {
      stream->attach(make_events(stream));
      stream->read();
    });
  };
  add("/tikvpb.Tikv/Raft",
      [shared](auto stream) { return std::make_shared<MessageStream<raft_serverpb::RaftMessage>>(stream, shared); });
  add("/tikvpb.Tikv/BatchRaft",
      [shared](auto stream) { return std::make_shared<MessageStream<tikvpb::BatchRaftMessage>>(stream, shared); });
  add("/tikvpb.Tikv/Snapshot", [shared, files](auto stream) {
    auto events = std::make_shared<SnapshotStream>(stream, shared, files);
    events->begin();
    return events;
  });
}

}  // namespace cairn::rpc
