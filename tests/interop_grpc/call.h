// A call of our client's that the caller waits for, step by step.
#pragma once

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "rpc/client.h"

namespace cairn::judged {

class Call final : public rpc::ClientStreamEvents, public std::enable_shared_from_this<Call> {
 public:
  static std::shared_ptr<Call> open(rpc::Channel& channel, const std::string& method,
                                    const rpc::StreamOptions& options = {.timeout = std::chrono::seconds(20)}) {
    auto call = std::make_shared<Call>();
    auto stream = channel.open(method, call, options);
    const std::lock_guard lock(call->mutex_);
    call->stream_ = std::move(stream);
    call->advance();
    return call;
  }

  void send(const google::protobuf::MessageLite& message, bool is_kept_plain = false) {
    auto payload = rpc::Payload::serialize(message);
    if (is_kept_plain) payload.keep_plain();
    const std::lock_guard lock(mutex_);
    outgoing_.push_back(std::move(payload));
    advance();
  }
  // No more is sent.
  void end() {
    const std::lock_guard lock(mutex_);
    is_ending_ = true;
    advance();
  }
  void cancel() { stream_->cancel(); }

  // The next message; nothing once the call is over.
  std::optional<rpc::Payload> next() {
    std::unique_lock lock(mutex_);
    there_.wait(lock, [this] { return !incoming_.empty() || status_; });
    if (incoming_.empty()) return std::nullopt;
    auto message = std::move(incoming_.front());
    incoming_.pop_front();
    return message;
  }
  // Waits for the end.
  api::Status status() {
    std::unique_lock lock(mutex_);
    there_.wait(lock, [this] { return status_.has_value(); });
    return *status_;
  }
  // Of an ended call.
  const rpc::Metadata& headers() const { return headers_; }
  const rpc::Metadata& trailers() const { return trailers_; }

 private:
  void advance() {
    if (!is_writable_ || !stream_ || status_) return;
    if (!outgoing_.empty()) {
      is_writable_ = false;
      stream_->write(std::move(outgoing_.front()));
      outgoing_.pop_front();
    } else if (std::exchange(is_ending_, false)) {
      stream_->end_writes();
    }
  }
  void on_writable() override {
    const std::lock_guard lock(mutex_);
    is_writable_ = true;
    advance();
  }
  void on_headers(rpc::Metadata metadata) override { headers_ = std::move(metadata); }
  void on_message(rpc::Payload message) override {
    const std::lock_guard lock(mutex_);
    incoming_.push_back(std::move(message));
    there_.notify_all();
  }
  void on_trailers(rpc::Metadata metadata) override { trailers_ = std::move(metadata); }
  void on_closed(api::Status status) override {
    const std::lock_guard lock(mutex_);
    status_ = std::move(status);
    there_.notify_all();
  }

  std::mutex mutex_;
  std::condition_variable there_;
  std::shared_ptr<rpc::ClientStream> stream_;
  std::deque<rpc::Payload> outgoing_;
  std::deque<rpc::Payload> incoming_;
  std::optional<api::Status> status_;
  rpc::Metadata headers_;   // of the loop's thread, until the call is over
  rpc::Metadata trailers_;  // likewise
  bool is_writable_ = false;
  bool is_ending_ = false;
};

}  // namespace cairn::judged
