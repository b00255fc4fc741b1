// What is passed on from one member of PD to another.
#include "rpc/forward.h"

#include <gtest/gtest.h>

#include <future>
#include <string>

#include "rpc/server.h"
#include "rpc/testing/fakes.h"

namespace cairn::rpc {
namespace {

using testing::Waiter;

constexpr const char* kMethod = "/test.Test/Flood";

// Answers without end, as fast as it is taken.
class Flood final : public StreamEvents {
 public:
  Flood(std::shared_ptr<ServerStream> stream, std::function<void(int)> on_over)
      : stream_(std::move(stream)), on_over_(std::move(on_over)) {}
  void on_message(Payload) override {}
  void on_write_done() override {
    ++sent_;
    kvrpcpb::RawPutRequest message;
    message.set_value(std::string(size_t{1} << 20, 'x'));
    stream_->write(Payload::serialize(message));
  }
  void on_closed() override { on_over_(sent_); }

 private:
  const std::shared_ptr<ServerStream> stream_;
  const std::function<void(int)> on_over_;
  int sent_ = 0;
};

// Stands still with its first message.
struct Sleeper final : ClientStreamEvents {
  void on_message(Payload) override { wake.wait(); }
  void on_closed(api::Status status) override { closed.setter()(std::move(status)); }
  std::shared_future<void> wake;
  Waiter<api::Status> closed;
};

TEST(Forward, AClientThatTakesNothingIsRefusedBeforeItCostsMuchMemory) {
  Waiter<int> over;
  Router flood;
  flood.add(kMethod, Router::Kind::kStream, [&](std::shared_ptr<ServerStream> stream) {
    const auto begun = std::make_shared<Flood>(stream, over.setter());
    stream->attach(begun);
    begun->on_write_done();
  });
  auto leader = Server::start({.addresses = {"127.0.0.1:0"}}, Router(flood));
  ASSERT_TRUE(leader.ok()) << leader.error();
  const auto loop = std::make_shared<net::Loop>("follower");
  ClientLoop to_leader(loop);
  auto follower =
      Server::start({.addresses = {"127.0.0.1:0"}, .loop = loop},
                    with_forwarding(flood, to_leader, [](const std::string&) { return ForwardTo::kOther; }));
  ASSERT_TRUE(follower.ok()) << follower.error();

  std::promise<void> wake;
  const auto sleeper = std::make_shared<Sleeper>();
  sleeper->wake = wake.get_future().share();
  ClientLoop client;
  const auto stream =
      testing::channel_to(client, **follower)
          ->open(kMethod, sleeper,
                 {.metadata = {{"pd-forwarded-host", "127.0.0.1:" + std::to_string((*leader)->port())}}});
  EXPECT_LT(over.get(), 100) << "it was held back, or ended";
  wake.set_value();
  EXPECT_EQ(sleeper->closed.get().code, api::Code::kResourceExhausted);
  client.stop();
  (*follower)->stop(Duration{});
  to_leader.stop();
  (*leader)->stop(Duration{});
}

}  // namespace
}  // namespace cairn::rpc
