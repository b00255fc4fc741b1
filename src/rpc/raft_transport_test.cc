// The Raft transport between two ends over a real server; PD is a fake that knows one address.
#include "rpc/raft_transport.h"

#include <gtest/gtest.h>

#include "rpc/server.h"
#include "rpc/testing/fakes.h"
#include "runtime/threaded/thread_executor.h"

namespace cairn::rpc {
namespace {

using testing::FakePd;
using testing::Waiter;

// A snapshot that counts what comes.
struct CountingSnapshot : store::SnapshotReceiver {
  std::shared_ptr<std::string> all;
  engine::Result<void> append(ByteView bytes) override {
    all->append(bytes);
    return {};
  }
  engine::Result<void> finish() override { return {}; }
};

struct RaftTransportTest : ::testing::Test {
  FakePd pd;
  ClientLoop loop;
  runtime::ThreadedExecutors executors;
  std::shared_ptr<runtime::Executor> files = executors.make("files");
  Mutex mutex;
  CondVar came;
  std::vector<raft_serverpb::RaftMessage> received CAIRN_GUARDED_BY(mutex);
  std::vector<StoreId> streams_from CAIRN_GUARDED_BY(mutex);
  int unreachable CAIRN_GUARDED_BY(mutex) = 0;
  std::shared_ptr<std::string> snapshot = std::make_shared<std::string>();
  Duration snapshot_idle_max = std::chrono::minutes(1);
  std::unique_ptr<Server> server;
  std::unique_ptr<RaftTransport> transport;

  void start_server(int port = 0) {
    Router router;
    serve_raft(router,
               {.store_id = [] { return StoreId(2); },
                .on_message =
                    [this](raft_serverpb::RaftMessage message) {
                      MutexLock lock(mutex);
                      received.push_back(std::move(message));
                      came.notify_all();
                    },
                .on_stream =
                    [this](StoreId from) {
                      MutexLock lock(mutex);
                      streams_from.push_back(from);
                    },
                .begin_snapshot = [this](raft_serverpb::RaftMessage message)
                    -> Result<std::unique_ptr<store::SnapshotReceiver>, std::string> {
                  if (message.region_id() == 13) return Err(std::string("too many snapshots"));
                  auto receiver = std::make_unique<CountingSnapshot>();
                  receiver->all = snapshot;
                  return std::unique_ptr<store::SnapshotReceiver>(std::move(receiver));
                },
                .snapshot_idle_max = snapshot_idle_max},
               files);
    auto started = Server::start({.addresses = {"127.0.0.1:" + std::to_string(port)}}, std::move(router));
    ASSERT_TRUE(started.ok()) << started.error();
    server = std::move(*started);
    pd.set_store_address("127.0.0.1:" + std::to_string(server->port()));
  }
  void SetUp() override {
    start_server();
    make_transport({.backoff_min = std::chrono::milliseconds(5), .backoff_max = std::chrono::milliseconds(20)});
  }
  void make_transport(const RaftTransportOptions& options) {
    if (transport) transport->stop();
    transport = std::make_unique<RaftTransport>(options, loop, pd, executors.make("timers"), files);
    transport->on_unreachable([this](StoreId) {
      MutexLock lock(mutex);
      ++unreachable;
      came.notify_all();
    });
  }
  void TearDown() override {
    transport->stop();
    loop.stop();
    server->stop(Duration(0));
    executors.stop();
  }

  static raft_serverpb::RaftMessage message(uint64_t region, uint64_t to_store = 2) {
    raft_serverpb::RaftMessage out;
    out.set_region_id(region);
    out.mutable_to_peer()->set_store_id(to_store);
    out.mutable_from_peer()->set_store_id(1);
    return out;
  }
};

TEST_F(RaftTransportTest, MessagesArriveInOrder) {
  constexpr uint64_t kMessages = 5000;
  for (uint64_t i = 1; i <= kMessages; ++i) transport->send(message(i));
  MutexLock lock(mutex);
  came.wait(mutex, [&]() CAIRN_REQUIRES(mutex) { return received.size() == kMessages; });
  for (uint64_t i = 0; i < kMessages; ++i) ASSERT_EQ(received[i].region_id(), i + 1);
}

TEST_F(RaftTransportTest, APeerThatComesBackIsReachedAgainAndItsAbsenceIsReported) {
  transport->send(message(1));
  {
    MutexLock lock(mutex);
    came.wait(mutex, [&]() CAIRN_REQUIRES(mutex) { return received.size() == 1; });
  }
  const int port = server->port();
  server->stop(Duration(0));
  server.reset();
  {
    MutexLock lock(mutex);
    came.wait(mutex, [&]() CAIRN_REQUIRES(mutex) { return unreachable > 0; });
  }
  start_server(port);
  for (bool is_there = false; !is_there;) {
    transport->send(message(2));
    MutexLock lock(mutex);
    is_there = came.wait_for(mutex, std::chrono::milliseconds(10),
                             [&]() CAIRN_REQUIRES(mutex) { return received.size() >= 2; });
  }
  MutexLock lock(mutex);
  EXPECT_EQ(received[1].region_id(), 2u);
}

TEST_F(RaftTransportTest, AStoreThatIsHeardOfAgainIsTriedAtOnce) {
  make_transport({.backoff_min = std::chrono::hours(1), .backoff_max = std::chrono::hours(1)});
  transport->send(message(1));
  {
    MutexLock lock(mutex);
    came.wait(mutex, [&]() CAIRN_REQUIRES(mutex) { return received.size() == 1; });
    EXPECT_EQ(streams_from, std::vector{StoreId(1)});
  }
  const int port = server->port();
  server->stop(Duration(0));
  {
    MutexLock lock(mutex);
    came.wait(mutex, [&]() CAIRN_REQUIRES(mutex) { return unreachable > 0; });
  }
  server.reset();
  start_server(port);
  transport->on_heard(StoreId(7));  // whom nobody knows
  transport->on_heard(StoreId(2));
  transport->send(message(2));
  MutexLock lock(mutex);
  EXPECT_TRUE(
      came.wait_for(mutex, std::chrono::seconds(20), [&]() CAIRN_REQUIRES(mutex) { return received.size() == 2; }));
}

TEST_F(RaftTransportTest, AMessageForAnotherStoreEndsTheStream) {
  transport->send(message(1, 9));
  MutexLock lock(mutex);
  came.wait(mutex, [&]() CAIRN_REQUIRES(mutex) { return unreachable > 0; });
  EXPECT_TRUE(received.empty());
}

TEST_F(RaftTransportTest, ASnapshotOfWhichNothingMoreComesIsGivenUp) {
  server->stop(Duration(0));
  snapshot_idle_max = std::chrono::milliseconds(20);
  start_server();
  const auto channel = loop.channel("127.0.0.1:" + std::to_string(server->port()));
  auto stream = std::make_shared<testing::RecordingStream<raft_serverpb::Done>>();
  stream->open(*channel, "/tikvpb.Tikv/Snapshot");
  raft_serverpb::SnapshotChunk head;
  *head.mutable_message() = message(1);
  stream->send(head);
  EXPECT_EQ(stream->status().code, api::Code::kDeadlineExceeded);
}

TEST_F(RaftTransportTest, ASnapshotWithoutFilesIsAnsweredAndARefusedOneFails) {
  Waiter<bool> taken;
  transport->send_snapshot(message(1), {}, taken.setter());
  EXPECT_TRUE(taken.get());
  Waiter<bool> refused;
  transport->send_snapshot(message(13), {}, refused.setter());
  EXPECT_FALSE(refused.get());
}

}  // namespace
}  // namespace cairn::rpc
