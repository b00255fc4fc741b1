// What a call carries beside its messages, from one side to the other: metadata, compression, deadlines.
#include <gtest/gtest.h>

#include <algorithm>
#include <future>
#include <vector>

#include "rpc/server.h"
#include "rpc/testing/fakes.h"

namespace cairn::rpc {
namespace {

using testing::channel_to;
using testing::RecordingStream;

constexpr const char* kMethod = "/test.Test/Echo";

// Sends each message back, compressed with gzip, but for those that came plain.
class Echo final : public StreamEvents {
 public:
  explicit Echo(std::shared_ptr<ServerStream> stream) : stream_(std::move(stream)) {
    stream_->send_headers({{"first", stream_->metadata("name")}});
    stream_->set_trailers({{"last-bin", stream_->metadata("name-bin")}});
  }
  void on_message(Payload message) override {
    if (!message.came_compressed()) message.keep_plain();
    stream_->write(std::move(message));
  }
  void on_write_done() override { stream_->read(); }
  void on_read_end() override { stream_->finish({api::Code::kAborted, "as asked"}); }

 private:
  const std::shared_ptr<ServerStream> stream_;
};

std::unique_ptr<Server> echo_server() {
  Router router;
  router.add(kMethod, Router::Kind::kStream, [](std::shared_ptr<ServerStream> stream) {
    stream->compress(Compression::kGzip);
    stream->attach(std::make_shared<Echo>(stream));
    stream->read();
  });
  auto started = Server::start({.addresses = {"127.0.0.1:0"}}, std::move(router));
  EXPECT_TRUE(started.ok()) << started.error();
  return std::move(*started);
}

// What came is to be looked at once the stream is over.
struct Recorder : RecordingStream<kvrpcpb::RawPutRequest> {
  void on_headers(Metadata metadata) override { headers = std::move(metadata); }
  void on_trailers(Metadata metadata) override { trailers = std::move(metadata); }
  void on_message(Payload message) override {
    compressed.push_back(message.came_compressed());
    RecordingStream::on_message(std::move(message));
  }

  Metadata headers;
  Metadata trailers;
  std::vector<bool> compressed;
};

kvrpcpb::RawPutRequest message_of(size_t bytes) {
  kvrpcpb::RawPutRequest message;
  message.set_value(std::string(bytes, 'x'));
  return message;
}

bool has(const Metadata& metadata, const std::pair<std::string, std::string>& entry) {
  return std::find(metadata.begin(), metadata.end(), entry) != metadata.end();
}

TEST(Call, MetadataGoesBothWaysBeforeTheFirstMessageAndWithTheStatus) {
  const auto server = echo_server();
  ClientLoop loop;
  auto stream = std::make_shared<Recorder>();
  const std::string bytes("\0\xff,", 3);
  stream->open(*channel_to(loop, *server), kMethod, {.metadata = {{"name", "value"}, {"name-bin", bytes}}});
  stream->end();
  EXPECT_EQ(stream->status().code, api::Code::kAborted);
  EXPECT_EQ(stream->status().message, "as asked");
  EXPECT_TRUE(has(stream->headers, {"first", "value"}));
  EXPECT_TRUE(has(stream->trailers, {"last-bin", bytes}));
}

TEST(Call, CompressionGoesBothWaysAndAMessageMayRefuseIt) {
  const auto server = echo_server();
  ClientLoop loop;
  for (const auto compression : {Compression::kIdentity, Compression::kGzip, Compression::kDeflate}) {
    auto stream = std::make_shared<Recorder>();
    stream->open(*channel_to(loop, *server), kMethod, {.compression = compression});
    for (const size_t bytes : {size_t{100'000}, size_t{0}, size_t{50}}) {
      stream->send(message_of(bytes));
      auto echoed = stream->next();
      ASSERT_TRUE(echoed);
      EXPECT_EQ(echoed->value().size(), bytes);
    }
    stream->end();
    EXPECT_EQ(stream->status().code, api::Code::kAborted);
    const bool is_compressed = compression != Compression::kIdentity;
    EXPECT_EQ(stream->compressed, (std::vector<bool>{is_compressed, false, is_compressed}));
  }
}

// Never answers; tells when it began and when it was over.
struct Silent final : StreamEvents {
  void on_message(Payload) override {}
  void on_closed() override { closed.set_value(); }

  std::promise<void> begun;
  std::promise<void> closed;
};

std::unique_ptr<Server> silent_server(const std::shared_ptr<Silent>& silent,
                                      std::shared_ptr<net::Loop> loop = nullptr) {
  Router router;
  router.add(kMethod, Router::Kind::kStream, [silent](const std::shared_ptr<ServerStream>& stream) {
    stream->attach(silent);
    silent->begun.set_value();
  });
  auto started = Server::start({.addresses = {"127.0.0.1:0"}, .loop = std::move(loop)}, std::move(router));
  EXPECT_TRUE(started.ok()) << started.error();
  return std::move(*started);
}

TEST(Call, AServerResetsAtTheDeadlineWhatItDoesNotAnswer) {
  const auto silent = std::make_shared<Silent>();
  const auto server = silent_server(silent);
  ClientLoop loop;
  auto stream = std::make_shared<Recorder>();
  // The client itself knows of no deadline.
  stream->open(*channel_to(loop, *server), kMethod, {.metadata = {{"grpc-timeout", "20m"}}});
  EXPECT_EQ(stream->status().code, api::Code::kCancelled);
  silent->closed.get_future().wait();
}

TEST(Call, WhoeverSeesTheDeadlineFirstTheClientHearsOfTheDeadline) {
  const auto silent = std::make_shared<Silent>();
  const auto server_loop = std::make_shared<net::Loop>("server");
  const auto client_loop = std::make_shared<net::Loop>("client");
  {
    const auto server = silent_server(silent, server_loop);
    ClientLoop loop(client_loop);
    auto stream = std::make_shared<Recorder>();
    stream->open(*channel_to(loop, *server), kMethod, {.timeout = 200ms});
    silent->begun.get_future().wait();
    // The client's thread sleeps until the server has reset the stream and another turn of its loop has sent that.
    client_loop->post([silent, server_loop] {
      silent->closed.get_future().wait();
      for (int i = 0; i < 2; ++i) {
        std::promise<void> turned;
        server_loop->post([&] { turned.set_value(); });
        turned.get_future().wait();
      }
    });
    EXPECT_EQ(stream->status().code, api::Code::kDeadlineExceeded);
  }
  client_loop->stop();
  server_loop->stop();
}

}  // namespace
}  // namespace cairn::rpc
