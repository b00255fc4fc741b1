// Stand-ins for the tests of rpc: a store and a PD that answer by simple rules, and a client's stream that records.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "api/pd.h"
#include "api/tikv.h"
#include "rpc/client.h"

namespace cairn::rpc::testing {

// One value from another thread.
template <class T>
class Waiter {
 public:
  auto setter() {
    return [state = state_](T value) {
      std::lock_guard lock(state->mutex);
      state->value.emplace(std::move(value));
      state->there.notify_all();
    };
  }
  T get() {
    std::unique_lock lock(state_->mutex);
    state_->there.wait(lock, [this] { return state_->value.has_value(); });
    return std::move(*state_->value);
  }

 private:
  struct State {
    std::mutex mutex;
    std::condition_variable there;
    std::optional<T> value;
  };
  std::shared_ptr<State> state_ = std::make_shared<State>();
};

// RawGet answers "value of <key>"; the key "refuse" is INVALID_ARGUMENT, and "hold" waits for finish_held().
class FakeTikv : public api::Tikv {
 public:
  using Get = api::Call<kvrpcpb::RawGetRequest, kvrpcpb::RawGetResponse>;

  ~FakeTikv() override {
    {
      std::lock_guard lock(mutex_);
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
          std::unique_lock lock(mutex_);
          there_.wait(lock, [this] { return is_stopping_ || !queue_.empty(); });
          if (queue_.empty()) return;
          auto call = std::move(queue_.front());
          queue_.pop_front();
          lock.unlock();
          answer(std::move(call));
        }
      });
    }
  }

  void raw_get(Get call) override {
    if (call.request().key() == "hold") {
      std::lock_guard lock(mutex_);
      held_.push_back(std::move(call));
      there_.notify_all();
      return;
    }
    if (threads_.empty()) return answer(std::move(call));
    {
      std::lock_guard lock(mutex_);
      queue_.push_back(std::move(call));
    }
    there_.notify_one();
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
    std::unique_lock lock(mutex_);
    there_.wait(lock, [&] { return held_.size() >= count; });
  }
  void finish_held() {
    std::vector<Get> held;
    {
      std::lock_guard lock(mutex_);
      held.swap(held_);
    }
    for (auto& call : held) answer(std::move(call));
  }

 private:
  static void answer(Get call) {
    if (call.request().key() == "refuse") return call.finish({api::Code::kInvalidArgument, "refused"});
    call.response().set_value("value of " + call.request().key());
    call.finish();
  }

  std::mutex mutex_;
  std::condition_variable there_;
  std::deque<Get> queue_;
  std::vector<Get> held_;
  std::atomic<uint64_t> feedbacks_{0};
  std::vector<std::thread> threads_;
  bool is_stopping_ = false;
};

// Tso echoes the count, answering requests in pairs, the later first; a count of 0 is refused. Region heartbeats echo
// the region's id. GetMembers names the leader that was set.
class FakePd : public api::Pd {
 public:
  void tso(api::Call<pdpb::TsoRequest, pdpb::TsoResponse> call) override {
    std::optional<api::Call<pdpb::TsoRequest, pdpb::TsoResponse>> earlier;
    {
      std::lock_guard lock(mutex_);
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
    std::lock_guard lock(mutex_);
    tso_failures_ = count;
  }

  void get_members(api::Call<pdpb::GetMembersRequest, pdpb::GetMembersResponse> call) override {
    std::lock_guard lock(mutex_);
    call.response().mutable_header()->set_cluster_id(77);
    call.response().mutable_leader()->add_client_urls(leader_url_);
    call.finish();
  }
  void set_leader(std::string url) {
    std::lock_guard lock(mutex_);
    leader_url_ = std::move(url);
  }

  void alloc_id(api::Call<pdpb::AllocIDRequest, pdpb::AllocIDResponse> call) override {
    std::lock_guard lock(mutex_);
    if (refusals_ > 0) {
      --refusals_;
      return call.finish({api::Code::kUnavailable, "not leader"});
    }
    call.response().mutable_header()->set_cluster_id(call.request().header().cluster_id());
    call.response().set_id(++last_id_);
    call.finish();
  }
  void refuse_next(int count) {
    std::lock_guard lock(mutex_);
    refusals_ = count;
  }

  void get_store(api::Call<pdpb::GetStoreRequest, pdpb::GetStoreResponse> call) override {
    std::lock_guard lock(mutex_);
    call.response().mutable_store()->set_id(call.request().store_id());
    call.response().mutable_store()->set_address(store_address_);
    call.finish();
  }
  void set_store_address(std::string address) {
    std::lock_guard lock(mutex_);
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

  std::mutex mutex_;
  std::optional<api::Call<pdpb::TsoRequest, pdpb::TsoResponse>> waiting_;
  std::string leader_url_;
  std::string store_address_;
  int tso_failures_ = 0;
  int refusals_ = 0;
  uint64_t last_id_ = 0;
};

// A client's stream: sends in order, keeps what comes.
template <class Resp>
class RecordingStream : public ClientStreamEvents, public std::enable_shared_from_this<RecordingStream<Resp>> {
 public:
  void open(Channel& channel, const std::string& method, const Metadata& metadata = {}) {
    auto stream = channel.open(method, this->shared_from_this(), metadata);
    std::lock_guard lock(mutex_);
    stream_ = std::move(stream);
    advance();
  }
  void send(const google::protobuf::MessageLite& message) {
    std::lock_guard lock(mutex_);
    outgoing_.push_back(Payload::serialize(message));
    advance();
  }
  // No more is sent.
  void end() {
    std::lock_guard lock(mutex_);
    is_ending_ = true;
    advance();
  }
  // The next message; nothing once the stream is over.
  std::optional<Resp> next() {
    std::unique_lock lock(mutex_);
    there_.wait(lock, [this] { return !incoming_.empty() || status_; });
    if (incoming_.empty()) return std::nullopt;
    Resp message = std::move(incoming_.front());
    incoming_.pop_front();
    return message;
  }
  api::Status status() {
    std::unique_lock lock(mutex_);
    there_.wait(lock, [this] { return status_.has_value(); });
    return *status_;
  }

  void on_writable() override {
    std::lock_guard lock(mutex_);
    is_writable_ = true;
    advance();
  }
  void on_message(Payload payload) override {
    Resp message;
    if (!payload.parse_into(message)) std::abort();
    std::lock_guard lock(mutex_);
    incoming_.push_back(std::move(message));
    there_.notify_all();
  }
  void on_closed(api::Status status) override {
    std::lock_guard lock(mutex_);
    status_ = std::move(status);
    stream_.reset();
    there_.notify_all();
  }

 private:
  void advance() {
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

  std::mutex mutex_;
  std::condition_variable there_;
  std::shared_ptr<ClientStream> stream_;
  std::deque<Payload> outgoing_;
  std::deque<Resp> incoming_;
  std::optional<api::Status> status_;
  bool is_writable_ = false;
  bool is_ending_ = false;
};

}  // namespace cairn::rpc::testing
