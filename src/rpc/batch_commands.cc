#include "rpc/batch_commands.h"

#include <google/protobuf/arena.h>

#include <algorithm>
#include <array>
#include <deque>
#include <optional>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/mutex.h"
#include "rpc/answer_room.h"
#include "rpc/batch_errors.h"
#include "rpc/metrics.h"
#include "tikvpb.pb.h"

namespace cairn::rpc {
namespace {

using Request = tikvpb::BatchCommandsRequest::Request;
using Response = tikvpb::BatchCommandsResponse::Response;

// Bounds of one message to the client: a message of more than 4 MiB is more than some clients take.
constexpr size_t kAnswersPerMessageMax = 1024;
constexpr size_t kBytesPerMessageMax = size_t{2} << 20;
// Of a message with one answer, at most: the answer's frame, its id, and how the store is.
constexpr size_t kBesideAnAnswer = 256;

// A small message may ask for more than there is memory. So its requests are looked at in parts of so many, and the
// next part only while there is room for answers.
constexpr size_t kRequestsAtOnce = 64;

// One message of the client.
struct Requests {
  Instant arrived = measured_now();
  google::protobuf::Arena arena;
  tikvpb::BatchCommandsRequest* all = google::protobuf::Arena::CreateMessage<tikvpb::BatchCommandsRequest>(&arena);
};

// Requests of a message that are looked at together, and the room for their answers, which goes with the last of them.
struct Batch {
  std::shared_ptr<Requests> requests;
  int first = 0;  // of the message
  Instant begun = measured_now();
  google::protobuf::Arena arena;
  std::vector<Response*> responses;  // in the arena; one for each request
  std::vector<uint32_t> values;      // that each asks for

  Request& request(int index) const { return *requests->all->mutable_requests(first + index); }
  uint64_t id(int index) const { return requests->all->request_ids(first + index); }
};

struct Service {
  api::Tikv* tikv;
  TikvServiceOptions options;
};

class BatchStream final : public StreamEvents, public std::enable_shared_from_this<BatchStream> {
 public:
  BatchStream(std::shared_ptr<ServerStream> stream, std::shared_ptr<const Service> service)
      : stream_(std::move(stream)), service_(std::move(service)) {}

  void on_message(Payload message) override;
  void on_read_end() override;
  void on_write_done() override;
  void on_server_stopping() override;

  // Any thread.
  bool is_over() const { return stream_->is_over(); }
  uint64_t connection() const { return stream_->connection(); }
  // A sub-request's answer is in its place. Any thread; once for each.
  void answer(std::shared_ptr<Batch> batch, int index, api::Status status);

 private:
  struct Answer {
    std::shared_ptr<Batch> batch;
    int index;
    size_t bytes;
  };

  // One request.
  struct Place {
    std::shared_ptr<Batch> batch;
    int index;
  };

  // Begins what there is room for. The transport's thread.
  void go_on();
  // The next requests to begin; none if there are none or there is no room.
  std::vector<Place> next_places();
  // The next requests of the message. Precondition: there is one.
  std::shared_ptr<Batch> next_batch() CAIRN_REQUIRES(mutex_);
  // Whether requests are looked at. Those for values may have to wait all the same; others wait for none of them.
  bool has_room() const CAIRN_REQUIRES(mutex_);
  bool has_aside() const CAIRN_REQUIRES(mutex_) { return !aside_[0].empty() || !aside_[1].empty(); }
  void dispatch(const std::shared_ptr<Batch>& batch, int index);
  void echo(const std::shared_ptr<Batch>& batch, int index);
  // Sends what waits, if nothing is being sent; ends the stream once its end has come; reads on if there is room.
  void advance() CAIRN_REQUIRES(mutex_);
  // The next message to the client. Precondition: there is what waits, and nothing is being sent.
  void write_waiting() CAIRN_REQUIRES(mutex_);
  // Likewise, but what is answered on the gathering executor waits for what the jobs behind it answer.
  void advance_soon() CAIRN_REQUIRES(mutex_);
  // Says how the store is, if that was asked for (by the answer `asked`) or is due.
  void tell_health(tikvpb::BatchCommandsResponse& out, const Response* asked) CAIRN_REQUIRES(mutex_);

  const std::shared_ptr<ServerStream> stream_;
  const std::shared_ptr<const Service> service_;
  Mutex mutex_;
  std::shared_ptr<Requests> message_ CAIRN_GUARDED_BY(mutex_);  // not yet begun from next_ on
  int next_ CAIRN_GUARDED_BY(mutex_) = 0;
  // Ask for values, and wait until there is room: for one value, for many.
  std::array<std::deque<Place>, 2> aside_ CAIRN_GUARDED_BY(mutex_);
  std::vector<Answer> waiting_ CAIRN_GUARDED_BY(mutex_);  // finished, not yet sent
  AnswerRoom room_ CAIRN_GUARDED_BY(mutex_);
  size_t in_flight_ CAIRN_GUARDED_BY(mutex_) = 0;  // begun or aside, not yet finished
  bool is_writing_ CAIRN_GUARDED_BY(mutex_) = false;
  bool is_dispatching_ CAIRN_GUARDED_BY(mutex_) = false;  // what is answered at once is to leave in one message
  bool is_gathering_ CAIRN_GUARDED_BY(mutex_) = false;    // a job that will advance is under way
  bool is_reading_ CAIRN_GUARDED_BY(mutex_) = true;       // a read is outstanding
  bool no_more_ CAIRN_GUARDED_BY(mutex_) = false;         // nothing more is read
  bool end_at_once_ CAIRN_GUARDED_BY(mutex_) = false;     // do not wait for what is in flight
  api::Status end_status_ CAIRN_GUARDED_BY(mutex_);
  std::optional<Instant> health_told_ CAIRN_GUARDED_BY(mutex_);
};

// A sub-request as a call. Request and response lie in the batch.
template <class Req, class Resp>
class SubCall final : public api::CallState<Req, Resp> {
 public:
  SubCall(std::shared_ptr<BatchStream> stream, std::shared_ptr<Batch> batch, int index, Req& request, Resp& response,
          const MethodMetrics& metrics)
      : stream_(std::move(stream)),
        batch_(std::move(batch)),
        index_(index),
        request_(request),
        response_(response),
        metrics_(metrics) {}
  const Req& request() const override { return request_; }
  Req& mutable_request() override { return request_; }
  Resp& response() override { return response_; }
  bool is_abandoned() const override { return stream_->is_over(); }
  uint64_t client() const override { return stream_->connection(); }
  void finish(api::Status status) override {
    metrics_.note(status, batch_->begun);
    stream_->answer(std::move(batch_), index_, std::move(status));
  }

 private:
  std::shared_ptr<BatchStream> stream_;
  std::shared_ptr<Batch> batch_;
  int index_;
  Req& request_;
  Resp& response_;
  const MethodMetrics& metrics_;
};

void BatchStream::on_message(Payload message) {
  auto requests = std::make_shared<Requests>();
  const bool is_sound =
      message.parse_into(*requests->all) && requests->all->requests_size() == requests->all->request_ids_size();
  {
    MutexLock lock(mutex_);
    is_reading_ = false;
    if (!is_sound) {
      no_more_ = end_at_once_ = true;
      end_status_ = {api::Code::kInvalidArgument, "BatchCommands: as many request_ids as requests are needed"};
      return advance();
    }
    NetworkMetrics::get().requests_a_message.observe(static_cast<uint64_t>(requests->all->requests_size()));
    message_ = std::move(requests);
    next_ = 0;
  }
  go_on();
}

bool BatchStream::has_room() const {
  return in_flight_ + waiting_.size() < service_->options.batch_in_flight_max && room_.has_room(0);
}

std::shared_ptr<Batch> BatchStream::next_batch() {
  auto batch = std::make_shared<Batch>();
  batch->requests = message_;
  batch->first = next_;
  const int count = std::min(static_cast<int>(kRequestsAtOnce), message_->all->requests_size() - next_);
  next_ += count;
  if (next_ == message_->all->requests_size()) message_ = nullptr;
  for (int i = 0; i < count; ++i) {
    batch->responses.push_back(google::protobuf::Arena::CreateMessage<Response>(&batch->arena));
    batch->values.push_back(values_asked(batch->request(i)));
  }
  NetworkMetrics::get().batch_wait.observe(batch->begun - batch->requests->arrived);
  return batch;
}

std::vector<BatchStream::Place> BatchStream::next_places() {
  std::vector<Place> places;
  MutexLock lock(mutex_);
  if (end_at_once_) return places;
  const auto values_of = [](const Place& place) { return place.batch->values[static_cast<size_t>(place.index)]; };
  const auto begin = [&](Place place) CAIRN_REQUIRES(mutex_) {
    room_.begin(values_of(place));
    places.push_back(std::move(place));
  };
  for (auto& aside : aside_) {
    while (!aside.empty() && room_.has_room(values_of(aside.front())) && places.size() < kRequestsAtOnce) {
      begin(std::move(aside.front()));
      aside.pop_front();
    }
  }
  while (message_ && has_room() && places.size() < kRequestsAtOnce) {
    const auto batch = next_batch();
    const int count = static_cast<int>(batch->responses.size());
    in_flight_ += batch->responses.size();
    for (int i = 0; i < count; ++i) {
      Place place{batch, i};
      const uint32_t values = values_of(place);
      auto& aside = aside_[values > 1 ? 1 : 0];
      if (values == 0 || (aside.empty() && room_.has_room(values))) {
        begin(std::move(place));
      } else {
        aside.push_back(std::move(place));
      }
    }
  }
  if (!places.empty()) is_dispatching_ = true;
  return places;
}

void BatchStream::go_on() {
  for (auto places = next_places(); !places.empty(); places = next_places()) {
    for (const auto& place : places) dispatch(place.batch, place.index);
  }
  MutexLock lock(mutex_);
  is_dispatching_ = false;
  advance();
}

void BatchStream::dispatch(const std::shared_ptr<Batch>& batch, int index) {
  Request& request = batch->request(index);
  Response& response = *batch->responses[static_cast<size_t>(index)];
#define CAIRN_DISPATCH(Rpc, method, Req, Resp, field)                                                          \
  if (request.has_##field()) {                                                                                 \
    static const MethodMetrics& metrics = MethodMetrics::of("/tikvpb.Tikv/" #Rpc);                             \
    service_->tikv->method(api::Call<Req, Resp>(std::make_unique<SubCall<Req, Resp>>(                          \
        shared_from_this(), batch, index, *request.mutable_##field(), *response.mutable_##field(), metrics))); \
    return;                                                                                                    \
  }
  CAIRN_TIKV_BATCHED(CAIRN_DISPATCH)
#undef CAIRN_DISPATCH
  if (request.has_empty()) {
    echo(batch, index);
    return;
  }
  if (make_matching_response(request, response)) {
    put_error({api::Code::kUnimplemented, "this command is not implemented"}, response);
  } else {
    // A command of a newer client: it cannot be answered in kind, yet its id must come back.
    response.mutable_empty();
  }
  answer(batch, index, {});
}

void BatchStream::echo(const std::shared_ptr<Batch>& batch, int index) {
  const auto& request = batch->request(index).empty();
  batch->responses[static_cast<size_t>(index)]->mutable_empty()->set_test_id(request.test_id());
  if (request.delay_time() == 0 || !service_->options.timers) {
    answer(batch, index, {});
    return;
  }
  const auto delay = std::chrono::milliseconds(std::min<uint64_t>(request.delay_time(), 60'000));
  service_->options.timers->after(delay, [self = shared_from_this(), batch, index] { self->answer(batch, index, {}); });
}

void BatchStream::answer(std::shared_ptr<Batch> batch, int index, api::Status status) {
  const bool ends_stream = status.code == api::Code::kInvalidArgument || status.code == api::Code::kUnavailable;
  Response& response = *batch->responses[static_cast<size_t>(index)];
  if (status.ok() && !Payload::fits(response, kBesideAnAnswer)) {
    status = {api::Code::kResourceExhausted, "the answer is too large for one message"};
  }
  if (!status.ok() && !ends_stream) put_error(status, response);
  const size_t bytes = response.ByteSizeLong();
  MutexLock lock(mutex_);
  CHECK(in_flight_ > 0, "an answer too many on {}", stream_->peer());
  --in_flight_;
  const uint32_t values = batch->values[static_cast<size_t>(index)];
  if (ends_stream) {
    room_.abandon(values);
    if (!end_at_once_) end_status_ = std::move(status);
    no_more_ = end_at_once_ = true;
  } else {
    room_.end(values, bytes);
    waiting_.push_back({std::move(batch), index, bytes});
  }
  advance_soon();
}

void BatchStream::on_read_end() {
  MutexLock lock(mutex_);
  is_reading_ = false;
  no_more_ = true;
  advance();
}

void BatchStream::on_server_stopping() {
  MutexLock lock(mutex_);
  if (no_more_) return;
  no_more_ = true;
  end_status_ = {api::Code::kUnavailable, "the server is stopping"};
  advance();
}

void BatchStream::on_write_done() {
  {
    MutexLock lock(mutex_);
    is_writing_ = false;
    if (!message_ && !has_aside()) return advance();
  }
  go_on();
}

void BatchStream::advance_soon() {
  const auto& gather = service_->options.gather;
  if (!gather || is_dispatching_ || end_at_once_ || !gather->is_current()) return advance();
  if (std::exchange(is_gathering_, true)) return;
  gather->post([self = shared_from_this()] {
    MutexLock lock(self->mutex_);
    self->is_gathering_ = false;
    self->advance();
  });
}

void BatchStream::tell_health(tikvpb::BatchCommandsResponse& out, const Response* asked) {
  const auto& options = service_->options;
  const bool has_clock = options.clock != nullptr && options.health_feedback_interval > Duration();
  if (asked == nullptr && !has_clock) return;
  const Instant now = has_clock ? options.clock->now() : Instant();
  if (asked != nullptr) {
    if (asked->gethealthfeedback().has_health_feedback()) {
      *out.mutable_health_feedback() = asked->gethealthfeedback().health_feedback();
    }
  } else {
    if (health_told_ && now - *health_told_ < options.health_feedback_interval) return;
    auto feedback = service_->tikv->health_feedback();
    if (!feedback) return;
    *out.mutable_health_feedback() = *std::move(feedback);
  }
  health_told_ = now;
}

void BatchStream::advance() {
  if (is_dispatching_) return;
  if (!is_writing_ && !waiting_.empty()) write_waiting();
  if (no_more_) {
    if (end_at_once_ ? !is_writing_ : (in_flight_ == 0 && waiting_.empty() && !is_writing_ && !message_))
      stream_->finish(end_status_);
    return;
  }
  // While a message is being sent, too: what the network has brought at once is answered at once, by the next message.
  // But a client that does not read is soon not listened to.
  const bool may_gather = !is_writing_ || waiting_.size() < kRequestsAtOnce;
  if (!is_reading_ && !message_ && may_gather && has_room()) {
    is_reading_ = true;
    stream_->read();
  }
}

void BatchStream::write_waiting() {
  tikvpb::BatchCommandsResponse out;
  const Response* asked_for_health = nullptr;
  size_t bytes = 0;
  size_t taken = 0;
  while (taken < waiting_.size() && taken < kAnswersPerMessageMax) {
    const Answer& next = waiting_[taken];
    Response* response = next.batch->responses[static_cast<size_t>(next.index)];
    bytes += next.bytes;
    if (taken > 0 && bytes > kBytesPerMessageMax) break;  // a large one goes alone: it may fill a message
    ++taken;
    if (response->has_gethealthfeedback()) asked_for_health = response;
    out.mutable_responses()->UnsafeArenaAddAllocated(response);  // lent, taken back below
    out.add_request_ids(next.batch->id(next.index));
  }
  NetworkMetrics::get().answers_a_message.observe(taken);
  tell_health(out, asked_for_health);
  Payload payload = Payload::serialize(out);
  out.mutable_responses()->UnsafeArenaExtractSubrange(0, static_cast<int>(taken), nullptr);
  for (size_t i = 0; i < taken; ++i) room_.on_sent(waiting_[i].bytes);
  waiting_.erase(waiting_.begin(), waiting_.begin() + static_cast<std::ptrdiff_t>(taken));
  is_writing_ = stream_->write(std::move(payload));
  if (is_writing_) return;
  no_more_ = true;  // the RPC is over
  message_ = nullptr;
  for (auto& aside : aside_) {
    in_flight_ -= aside.size();
    aside.clear();
  }
  for (const Answer& answer : waiting_) room_.on_sent(answer.bytes);
  waiting_.clear();
}

}  // namespace

void serve_batch_commands(Router& router, api::Tikv& tikv, TikvServiceOptions options) {
  auto service = std::make_shared<const Service>(Service{&tikv, std::move(options)});
  router.add("/tikvpb.Tikv/BatchCommands", Router::Kind::kStream, [service](std::shared_ptr<ServerStream> stream) {
    stream->attach(std::make_shared<BatchStream>(stream, service));
    stream->read();
  });
}

}  // namespace cairn::rpc
