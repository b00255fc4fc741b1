// The stream of waits between two stores over a real server; PD is a fake that knows one address.
#include <gtest/gtest.h>

#include "rpc/raft_transport.h"
#include "rpc/server.h"
#include "rpc/services.h"
#include "rpc/testing/fakes.h"
#include "runtime/threaded/thread_executor.h"

namespace cairn::rpc {
namespace {

using testing::FakePd;
using testing::Waiter;

// Answers each wait as if it closed a cycle; closes the stream when it hears of transaction 13.
class EchoDeadlock final : public api::Deadlock {
 public:
  void get_wait_for_entries(
      api::Call<deadlock::WaitForEntriesRequest, deadlock::WaitForEntriesResponse> call) override {
    call.response().add_entries()->set_txn(7);
    call.finish();
  }
  std::unique_ptr<api::DeadlockStream> open_detect(api::DeadlockSink sink) override {
    struct Echo final : api::DeadlockStream {
      api::DeadlockSink sink;
      void send(deadlock::DeadlockRequest request) override {
        if (request.entry().txn() == 13) {
          return sink.on_closed({api::Code::kFailedPrecondition, "the leader has changed"});
        }
        deadlock::DeadlockResponse response;
        *response.mutable_entry() = request.entry();
        sink.on_response(std::move(response));
      }
    };
    auto stream = std::make_unique<Echo>();
    stream->sink = std::move(sink);
    return stream;
  }
};

struct DeadlockServiceTest : ::testing::Test {
  FakePd pd;
  EchoDeadlock deadlock;
  ClientLoop loop;
  runtime::ThreadedExecutors executors;
  std::unique_ptr<Server> server;
  std::unique_ptr<RaftTransport> transport;
  Mutex mutex;
  CondVar came;
  std::vector<uint64_t> answered CAIRN_GUARDED_BY(mutex);
  std::optional<api::Status> closed CAIRN_GUARDED_BY(mutex);

  void SetUp() override {
    Router router;
    serve_deadlock(router, deadlock);
    auto started = Server::start({.addresses = {"127.0.0.1:0"}}, std::move(router));
    ASSERT_TRUE(started.ok()) << started.error();
    server = std::move(*started);
    pd.set_store_address("127.0.0.1:" + std::to_string(server->port()));
    transport = std::make_unique<RaftTransport>(RaftTransportOptions{}, loop, pd, executors.make("timers"),
                                                executors.make("files"));
  }
  void TearDown() override {
    transport->stop();
    loop.stop();
    server->stop(Duration(0));
    executors.stop();
  }
  api::DeadlockSink sink() {
    return {.on_response =
                [this](const deadlock::DeadlockResponse& response) {
                  MutexLock lock(mutex);
                  answered.push_back(response.entry().txn());
                  came.notify_all();
                },
            .on_closed =
                [this](api::Status status) {
                  MutexLock lock(mutex);
                  closed = std::move(status);
                  came.notify_all();
                }};
  }
  static deadlock::DeadlockRequest wait_of(uint64_t txn) {
    deadlock::DeadlockRequest request;
    request.mutable_entry()->set_txn(txn);
    return request;
  }
};

TEST_F(DeadlockServiceTest, WaitsArriveInOrderAndCyclesComeBack) {
  auto stream = transport->open_detect(StoreId(2), sink());
  constexpr uint64_t kWaits = 2000;
  for (uint64_t i = 1; i <= kWaits; ++i) stream->send(wait_of(100 + i));
  MutexLock lock(mutex);
  came.wait(mutex, [&]() CAIRN_REQUIRES(mutex) { return answered.size() == kWaits; });
  for (uint64_t i = 0; i < kWaits; ++i) ASSERT_EQ(answered[i], 101 + i);
  EXPECT_FALSE(closed);
}

TEST_F(DeadlockServiceTest, TheEndOfTheStreamIsTold) {
  auto stream = transport->open_detect(StoreId(2), sink());
  stream->send(wait_of(13));
  {
    MutexLock lock(mutex);
    came.wait(mutex, [&]() CAIRN_REQUIRES(mutex) { return closed.has_value(); });
    EXPECT_EQ(closed->code, api::Code::kFailedPrecondition);
  }
  stream->send(wait_of(14));  // of no effect
}

TEST_F(DeadlockServiceTest, WaitsOfAStoreAreListed) {
  Waiter<api::Reply<deadlock::WaitForEntriesResponse>> waiter;
  call_unary<deadlock::WaitForEntriesResponse>(
      *loop.channel("127.0.0.1:" + std::to_string(server->port())), "/deadlock.Deadlock/GetWaitForEntries",
      deadlock::WaitForEntriesRequest(), std::chrono::seconds(5), waiter.setter());
  const auto reply = waiter.get();
  ASSERT_TRUE(reply.ok());
  ASSERT_EQ(reply->entries_size(), 1);
  EXPECT_EQ(reply->entries(0).txn(), 7u);
}

}  // namespace
}  // namespace cairn::rpc
