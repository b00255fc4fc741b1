// Stand-ins for the tests of rpc: a store and a PD that answer by simple rules, and a client's stream that records.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <deque>
#include <optional>
#include <thread>
#include <vector>

#include "api/pd.h"
#include "api/tikv.h"
#include "base/mutex.h"
#include "rpc/client.h"
#include "rpc/server.h"
#include "rpc/services.h"

namespace cairn::rpc::testing {

// One value from another thread.
template <class T>
class Waiter {
 public:
  auto setter() {
    return [state = state_](T value) {
      MutexLock lock(state->mutex);
      state->value.emplace(std::move(value));
      state->there.notify_all();
    };
  }
  T get() {
    MutexLock lock(state_->mutex);
    state_->there.wait(state_->mutex, [this]() CAIRN_REQUIRES(state_->mutex) { return state_->value.has_value(); });
    return std::move(*state_->value);
  }

 private:
  struct State {
    Mutex mutex;
    CondVar there;
    std::optional<T> value CAIRN_GUARDED_BY(mutex);
  };
  std::shared_ptr<State> state_ = std::make_shared<State>();
};

// RawGet answers "value of <key>"; the key "refuse" is INVALID_ARGUMENT, and "hold" waits for finish_held(). RawScan
// waits for finish_scans().
class FakeTikv : public api::Tikv {
 public:
  using Get = api::Call<kvrpcpb::RawGetRequest, kvrpcpb::RawGetResponse>;
  using Scan = api::Call<kvrpcpb::RawScanRequest, kvrpcpb::RawScanResponse>;

  ~FakeTikv() override {
    {
      MutexLock lock(mutex_);
      is_stopping_ = true;
    }
    there_.notify_all();
    for (auto& thread : threads_) thread.join();
  }

  // From now on, calls are answered by so many threads.
  void answer_on_threads(int count) {
    for (int i = 0; i < count; ++i) {
      threads_.emplace_back([this] {
        for (;;) {
          auto call = next();
          if (!call) return;
          answer(*std::move(call));
        }
      });
    }
  }

  void raw_get(Get call) override {
    if (call.request().key() == "hold") {
      MutexLock lock(mutex_);
      held_.push_back(std::move(call));
      there_.notify_all();
      return;
    }
    if (threads_.empty()) return answer(std::move(call));
    {
      MutexLock lock(mutex_);
      queue_.push_back(std::move(call));
    }
    there_.notify_one();
  }

  void raw_scan(Scan call) override {
    MutexLock lock(mutex_);
    scans_.push_back(std::move(call));
    there_.notify_all();
  }
  void wait_for_scans(size_t count) {
    MutexLock lock(mutex_);
    there_.wait(mutex_, [&]() CAIRN_REQUIRES(mutex_) { return scans_.size() >= count; });
  }
  // Each finds a value of so many bytes. How many they were.
  size_t finish_scans(size_t value_bytes) {
    std::vector<Scan> scans;
    {
      MutexLock lock(mutex_);
      scans.swap(scans_);
    }
    for (auto& call : scans) {
      call.response().add_kvs()->set_value(std::string(value_bytes, 'v'));
      call.finish();
    }
    return scans.size();
  }

  std::optional<kvrpcpb::HealthFeedback> health_feedback() override {
    kvrpcpb::HealthFeedback feedback;
    feedback.set_feedback_seq_no(++feedbacks_);
    return feedback;
  }
  void get_health_feedback(
      api::Call<kvrpcpb::GetHealthFeedbackRequest, kvrpcpb::GetHealthFeedbackResponse> call) override {
    *call.response().mutable_health_feedback() = *health_feedback();
    call.finish();
  }

  void wait_for_held(size_t count) {
    MutexLock lock(mutex_);
    there_.wait(mutex_, [&]() CAIRN_REQUIRES(mutex_) { return held_.size() >= count; });
  }
  void finish_held() {
    std::vector<Get> held;
    {
      MutexLock lock(mutex_);
      held.swap(held_);
    }
    for (auto& call : held) answer(std::move(call));
  }

 private:
  // Nothing once it is stopping and all are taken.
  std::optional<Get> next() {
    MutexLock lock(mutex_);
    there_.wait(mutex_, [this]() CAIRN_REQUIRES(mutex_) { return is_stopping_ || !queue_.empty(); });
    if (queue_.empty()) return std::nullopt;
    Get call = std::move(queue_.front());
    queue_.pop_front();
    return call;
  }
  static void answer(Get call) {
    if (call.request().key() == "refuse") return call.finish({api::Code::kInvalidArgument, "refused"});
    call.response().set_value("value of " + call.request().key());
    call.finish();
  }

  Mutex mutex_;
  CondVar there_;
  std::deque<Get> queue_ CAIRN_GUARDED_BY(mutex_);
  std::vector<Get> held_ CAIRN_GUARDED_BY(mutex_);
  std::vector<Scan> scans_ CAIRN_GUARDED_BY(mutex_);
  std::atomic<uint64_t> feedbacks_{0};
  std::vector<std::thread> threads_;
  bool is_stopping_ CAIRN_GUARDED_BY(mutex_) = false;
};

// Tso echoes the count, answering requests in pairs, the later first; a count of 0 is refused. Region heartbeats echo
// the region's id. GetMembers names the leader that was set.
class FakePd : public api::Pd {
 public:
  void tso(api::Call<pdpb::TsoRequest, pdpb::TsoResponse> call) override {
    std::optional<api::Call<pdpb::TsoRequest, pdpb::TsoResponse>> earlier;
    {
      MutexLock lock(mutex_);
      if (tso_failures_ > 0) {
        --tso_failures_;
        return call.finish({api::Code::kUnavailable, "not leader"});
      }
      if (call.request().count() % 2 == 1) {
        waiting_.emplace(std::move(call));
        return;
      }
      earlier = std::exchange(waiting_, std::nullopt);
    }
    answer(std::move(call));
    if (earlier) answer(std::move(*earlier));
  }
  void fail_next_tso(int count) {
    MutexLock lock(mutex_);
    tso_failures_ = count;
  }

  void get_members(api::Call<pdpb::GetMembersRequest, pdpb::GetMembersResponse> call) override {
    MutexLock lock(mutex_);
    call.response().mutable_header()->set_cluster_id(77);
    call.response().mutable_leader()->add_client_urls(leader_url_);
    call.finish();
  }
  void set_leader(std::string url) {
    MutexLock lock(mutex_);
    leader_url_ = std::move(url);
  }

  void alloc_id(api::Call<pdpb::AllocIDRequest, pdpb::AllocIDResponse> call) override {
    MutexLock lock(mutex_);
    if (refusals_ > 0) {
      --refusals_;
      return call.finish({api::Code::kUnavailable, "not leader"});
    }
    call.response().mutable_header()->set_cluster_id(call.request().header().cluster_id());
    call.response().set_id(++last_id_);
    call.finish();
  }
  void refuse_next(int count) {
    MutexLock lock(mutex_);
    refusals_ = count;
  }

  void get_store(api::Call<pdpb::GetStoreRequest, pdpb::GetStoreResponse> call) override {
    MutexLock lock(mutex_);
    call.response().mutable_store()->set_id(call.request().store_id());
    call.response().mutable_store()->set_address(store_address_);
    call.finish();
  }
  void set_store_address(std::string address) {
    MutexLock lock(mutex_);
    store_address_ = std::move(address);
  }

  std::unique_ptr<api::RegionHeartbeatStream> open_region_heartbeat(api::RegionHeartbeatSink sink) override {
    struct Echo : api::RegionHeartbeatStream {
      api::RegionHeartbeatSink sink;
      void send(pdpb::RegionHeartbeatRequest request) override {
        pdpb::RegionHeartbeatResponse response;
        response.set_region_id(request.region().id());
        sink.on_response(std::move(response));
      }
    };
    auto echo = std::make_unique<Echo>();
    echo->sink = std::move(sink);
    return echo;
  }

 private:
  static void answer(api::Call<pdpb::TsoRequest, pdpb::TsoResponse> call) {
    if (call.request().count() == 0) return call.finish({api::Code::kInvalidArgument, "count must be positive"});
    call.response().set_count(call.request().count());
    call.finish();
  }

  Mutex mutex_;
  std::optional<api::Call<pdpb::TsoRequest, pdpb::TsoResponse>> waiting_ CAIRN_GUARDED_BY(mutex_);
  std::string leader_url_ CAIRN_GUARDED_BY(mutex_);
  std::string store_address_ CAIRN_GUARDED_BY(mutex_);
  int tso_failures_ CAIRN_GUARDED_BY(mutex_) = 0;
  int refusals_ CAIRN_GUARDED_BY(mutex_) = 0;
  uint64_t last_id_ CAIRN_GUARDED_BY(mutex_) = 0;
};

// A client's stream: sends in order, keeps what comes.
template <class Resp>
class RecordingStream : public ClientStreamEvents, public std::enable_shared_from_this<RecordingStream<Resp>> {
 public:
  void open(Channel& channel, const std::string& method, const StreamOptions& options = {}) {
    auto stream = channel.open(method, this->shared_from_this(), options);
    MutexLock lock(mutex_);
    stream_ = std::move(stream);
    advance();
  }
  void send(const google::protobuf::MessageLite& message) {
    MutexLock lock(mutex_);
    outgoing_.push_back(Payload::serialize(message));
    advance();
  }
  // No more is sent.
  void end() {
    MutexLock lock(mutex_);
    is_ending_ = true;
    advance();
  }
  void cancel() {
    MutexLock lock(mutex_);
    if (stream_) stream_->cancel();
  }
  // The next message; nothing once the stream is over.
  std::optional<Resp> next() {
    MutexLock lock(mutex_);
    there_.wait(mutex_, [this]() CAIRN_REQUIRES(mutex_) { return !incoming_.empty() || status_; });
    if (incoming_.empty()) return std::nullopt;
    Resp message = std::move(incoming_.front());
    incoming_.pop_front();
    return message;
  }
  api::Status status() {
    MutexLock lock(mutex_);
    there_.wait(mutex_, [this]() CAIRN_REQUIRES(mutex_) { return status_.has_value(); });
    return *status_;
  }

  void on_writable() override {
    MutexLock lock(mutex_);
    is_writable_ = true;
    advance();
  }
  void on_message(Payload payload) override {
    Resp message;
    if (!payload.parse_into(message)) std::abort();
    MutexLock lock(mutex_);
    incoming_.push_back(std::move(message));
    there_.notify_all();
  }
  void on_closed(api::Status status) override {
    MutexLock lock(mutex_);
    status_ = std::move(status);
    stream_.reset();
    there_.notify_all();
  }

 private:
  void advance() CAIRN_REQUIRES(mutex_) {
    if (!is_writable_ || !stream_) return;
    if (!outgoing_.empty()) {
      is_writable_ = false;
      stream_->write(std::move(outgoing_.front()));
      outgoing_.pop_front();
    } else if (is_ending_) {
      is_writable_ = false;
      stream_->end_writes();
    }
  }

  Mutex mutex_;
  CondVar there_;
  std::shared_ptr<ClientStream> stream_ CAIRN_GUARDED_BY(mutex_);
  std::deque<Payload> outgoing_ CAIRN_GUARDED_BY(mutex_);
  std::deque<Resp> incoming_ CAIRN_GUARDED_BY(mutex_);
  std::optional<api::Status> status_ CAIRN_GUARDED_BY(mutex_);
  bool is_writable_ CAIRN_GUARDED_BY(mutex_) = false;
  bool is_ending_ CAIRN_GUARDED_BY(mutex_) = false;
};

// A server of that store, by default on any free port.
inline std::unique_ptr<Server> must_start(FakeTikv& tikv, const std::string& address = "127.0.0.1:0") {
  Router router;
  serve_tikv(router, tikv);
  auto started = Server::start({.addresses = {address}}, std::move(router));
  EXPECT_TRUE(started.ok()) << started.error();
  return std::move(*started);
}

inline std::shared_ptr<Channel> channel_to(ClientLoop& loop, const Server& server) {
  return loop.channel("127.0.0.1:" + std::to_string(server.port()));
}

}  // namespace cairn::rpc::testing
