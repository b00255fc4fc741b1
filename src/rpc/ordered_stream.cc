#include "rpc/ordered_stream.h"

#include "base/check.h"

namespace cairn::rpc {

void OrderedStream::answer(uint64_t slot, api::Status status, Payload response) {
  MutexLock lock(mutex_);
  CHECK(slot >= first_slot_ && slot - first_slot_ < slots_.size(), "an answer for slot {} of {} from {}", slot,
        slots_.size(), first_slot_);
  slots_[slot - first_slot_] = Answer{std::move(status), std::move(response)};
  advance();
}

void OrderedStream::on_message(Payload message) {
  uint64_t slot = 0;
  {
    MutexLock lock(mutex_);
    is_reading_ = false;
    slot = first_slot_ + slots_.size();
    slots_.emplace_back();
  }
  // Without the lock: the call may finish at once. A message that is not one ends the stream, in its turn: the state's
  // api::Call was never made, so the slot is still open.
  if (!(*dispatch_)(shared_from_this(), slot, message)) {
    answer(slot, {api::Code::kInternal, "the request could not be parsed"}, {});
    return;
  }
  MutexLock lock(mutex_);
  if (!is_reading_ && !no_more_ && slots_.size() < kInFlightMax) {
    is_reading_ = true;
    stream_->read();
  }
}

void OrderedStream::on_read_end() {
  MutexLock lock(mutex_);
  is_reading_ = false;
  no_more_ = true;
  advance();
}

void OrderedStream::on_server_stopping() {
  MutexLock lock(mutex_);
  if (no_more_) return;
  no_more_ = true;
  end_status_ = {api::Code::kUnavailable, "the server is stopping"};
  advance();
}

void OrderedStream::on_write_done() {
  MutexLock lock(mutex_);
  is_writing_ = false;
  advance();
}

void OrderedStream::advance() {
  if (is_writing_) return;
  if (slots_.empty()) {
    if (no_more_) stream_->finish(end_status_);
    return;
  }
  if (!slots_.front()) return;
  Answer next = std::move(*slots_.front());
  slots_.pop_front();
  ++first_slot_;
  if (!next.status.ok()) {
    no_more_ = true;
    stream_->finish(std::move(next.status));
    return;
  }
  // Once the RPC is over, answers go nowhere; the slots still empty themselves.
  is_writing_ = stream_->write(std::move(next.response));
  if (!is_reading_ && !no_more_ && slots_.size() < kInFlightMax) {
    is_reading_ = true;
    stream_->read();
  }
  if (!is_writing_) advance();
}

void add_ordered_bytes(Router& router, std::string method, OrderedStream::Dispatch dispatch) {
  auto shared = std::make_shared<const OrderedStream::Dispatch>(std::move(dispatch));
  router.add(std::move(method), Router::Kind::kStream, [shared](std::shared_ptr<ServerStream> stream) {
    stream->attach(std::make_shared<OrderedStream>(stream, shared));
    stream->read();
  });
}

}  // namespace cairn::rpc
