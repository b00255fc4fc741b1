#include "net/http2.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "net/first_bytes.h"
#include "net/http2_callbacks.h"
#include "net/linger.h"

namespace cairn::net {

namespace {

using std::chrono::steady_clock;

// A connection that drains says so first, so that streams which are on their way are not refused.
constexpr Duration kDrainNotice = 100ms;

}  // namespace

Http2Stream::Http2Stream() = default;
Http2Stream::~Http2Stream() = default;

void Http2Stream::wake() {
  if (is_deferred_) {
    is_deferred_ = false;
    nghttp2_session_resume_data(connection_->session_, id_);
  }
  connection_->need_flush();
}

void Http2Stream::respond(const std::vector<HeaderView>& headers, bool is_all) {
  if (!is_open()) return;
  const NameValues values(headers);
  nghttp2_data_provider source{{.ptr = this}, &Http2Connection::Callbacks::read_source};
  has_data_source_ = !is_all;
  is_ended_ = is_all;
  const int rc =
      nghttp2_submit_response(connection_->session_, id_, values.data(), values.size(), is_all ? nullptr : &source);
  CHECK(rc == 0 || rc == NGHTTP2_ERR_INVALID_ARGUMENT || rc == NGHTTP2_ERR_DATA_EXIST, "an answer on stream {}: {}",
        id_, nghttp2_strerror(rc));
  connection_->need_flush();
}

void Http2Stream::send(std::string_view bytes) {
  if (!is_open() || is_ended_) return;
  out_.append(bytes);
  wake();
}

void Http2Stream::send(Slice slice) {
  if (!is_open() || is_ended_) return;
  out_.append(std::move(slice));
  wake();
}

void Http2Stream::end() {
  if (!is_open() || is_ended_) return;
  is_ended_ = true;
  wake();
}

void Http2Stream::end_with(const std::vector<HeaderView>& trailers) {
  if (!is_open() || is_ended_) return;
  for (const auto& [name, value] : trailers) trailers_.emplace_back(name, value);
  end();
}

void Http2Stream::reset(Http2Error error) {
  if (!is_open()) return;
  // A request that waits for its turn at the other side may stay for long.
  out_ = OutQueue();
  is_ended_ = true;
  nghttp2_submit_rst_stream(connection_->session_, NGHTTP2_FLAG_NONE, id_, static_cast<uint32_t>(error));
  connection_->need_flush();
}

void Http2Stream::consume(size_t bytes) {
  if (is_open()) connection_->consumed(*this, bytes);
}

void Http2Stream::set_deadline(steady_clock::time_point when) {
  deadline_ = when;
  if (is_open()) connection_->deadlines_.add(when);
}

std::shared_ptr<Http2Connection> Http2Connection::open(Role role, Loop& loop, std::unique_ptr<Transport> transport,
                                                       const Http2Options& options, Owner* owner) {
  auto connection = std::make_shared<Http2Connection>(role, loop, std::move(transport), options, owner);
  connection->start();
  return connection;
}

std::shared_ptr<Http2Connection> Http2Connection::open(Loop& loop, Greeted greeted, const Http2Options& options,
                                                       Owner* owner) {
  auto connection =
      std::make_shared<Http2Connection>(Role::kServer, loop, std::move(greeted.transport), options, owner);
  connection->first_bytes_ = std::move(greeted.first);
  connection->has_more_at_first_ = greeted.has_more;
  connection->start();
  return connection;
}

Http2Connection::Http2Connection(Role role, Loop& loop, std::unique_ptr<Transport> transport,
                                 const Http2Options& options, Owner* owner)
    : role_(role),
      loop_(loop),
      transport_(std::move(transport)),
      peer_(transport_->peer()),
      options_(options),
      owner_(owner),
      heads_(role == Role::kServer ? NGHTTP2_CLIENT_MAGIC_LEN : 0),
      deadlines_(loop, [this](Deadlines::TimePoint now) { return look_at_deadlines(now); }),
      begun_at_(steady_clock::now()),
      heard_at_(begun_at_) {
  const auto make = role == Role::kServer ? &nghttp2_session_server_new2 : &nghttp2_session_client_new2;
  CHECK(make(&session_, Callbacks::all(), this, Callbacks::session_options()) == 0, "no memory for HTTP/2");
}

Http2Connection::~Http2Connection() {
  CHECK(first_ == nullptr, "a connection of {} dies with open streams", peer());
  nghttp2_session_del(session_);
}

void Http2Connection::start() {
  std::vector<nghttp2_settings_entry> settings = {
      {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, static_cast<uint32_t>(options_.stream_window)},
      {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, static_cast<uint32_t>(options_.header_bytes_max)},
  };
  if (role_ == Role::kServer) {
    settings.push_back({NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, options_.streams_max});
  } else {
    settings.push_back({NGHTTP2_SETTINGS_ENABLE_PUSH, 0});
  }
  CHECK(nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, settings.data(), settings.size()) == 0, "HTTP/2 settings");
  CHECK(nghttp2_session_set_local_window_size(session_, NGHTTP2_FLAG_NONE, 0, options_.connection_window) == 0,
        "HTTP/2 window");
  wire_ = std::make_shared<Wire>(loop_, std::move(transport_), weak_from_this());
  wire_->want_bytes(true);
  watch_silence();
  need_flush();
}

void Http2Connection::adopt(Http2Stream& stream, int32_t id) {
  stream.connection_ = this;
  stream.id_ = id;
  stream.self_ = stream.shared_from_this();
  stream.next_ = first_;
  if (first_ != nullptr) first_->previous_ = &stream;
  first_ = &stream;
  ++stream_count_;
  if (stream.deadline_ != Deadlines::kNone) deadlines_.add(stream.deadline_);
}

void Http2Connection::release(Http2Stream& stream, Http2Error error, std::string_view why) {
  const auto held = std::move(stream.self_);
  unconsumed_ -= stream.unconsumed_;
  stream.unconsumed_ = 0;
  give_back_connection_window();
  if (stream.next_ != nullptr) stream.next_->previous_ = stream.previous_;
  (stream.previous_ != nullptr ? stream.previous_->next_ : first_) = stream.next_;
  stream.previous_ = stream.next_ = nullptr;
  stream.connection_ = nullptr;
  // nghttp2 remembers closed streams for a while, and ours is gone by then.
  nghttp2_session_set_stream_user_data(session_, stream.id_, nullptr);
  --stream_count_;
  stream.is_unprocessed_ = role_ == Role::kClient && (error == Http2Error::kRefused || !stream.is_asked_);
  held->on_closed(error, why);
  if (is_draining_ && stream_count_ == 0) need_flush();
}

bool Http2Connection::request(const std::shared_ptr<Http2Stream>& stream, const std::vector<HeaderView>& headers) {
  if (is_closed_ || is_going_away_ || is_draining_ || !failure_.empty()) return false;
  const NameValues values(headers);
  // It may have been on another connection before.
  stream->out_ = OutQueue();
  stream->is_ended_ = stream->is_deferred_ = stream->is_asked_ = false;
  stream->header_bytes_ = 0;
  nghttp2_data_provider source{{.ptr = stream.get()}, &Callbacks::read_source};
  const int32_t id = nghttp2_submit_request(session_, nullptr, values.data(), values.size(), &source, stream.get());
  if (id < 0) return false;  // its numbers are used up
  stream->has_data_source_ = true;
  adopt(*stream, id);
  need_flush();
  return true;
}

void Http2Connection::consumed(Http2Stream& stream, size_t bytes) {
  CHECK(bytes <= stream.unconsumed_, "{} bytes consumed of {}", bytes, stream.unconsumed_);
  stream.unconsumed_ -= bytes;
  unconsumed_ -= bytes;
  nghttp2_session_consume_stream(session_, stream.id_, bytes);
  give_back_connection_window();
  if (nghttp2_session_want_write(session_) != 0) need_flush();
}

// The connection's window is given back at once while its streams hold little: then a stream that is not read holds up
// no other.
void Http2Connection::give_back_connection_window() {
  if (connection_owed_ == 0 || unconsumed_ > static_cast<size_t>(options_.connection_window) / 2) return;
  nghttp2_session_consume_connection(session_, std::exchange(connection_owed_, 0));
}

void Http2Connection::on_bytes(Slice bytes) {
  heard_at_ = steady_clock::now();
  if (!has_hello_ && refuse_other(bytes.view())) return;
  feed(bytes.view(), bytes.owner);
}

void Http2Connection::on_end() {
  is_left_ = true;
  close("the other side has closed the connection");
}

void Http2Connection::on_broken(const std::string& why) { say_goodbye(why, Http2Error::kNone); }

void Http2Connection::on_taken() {
  if (!is_flushing_) flush();
}

bool Http2Connection::refuse_other(std::string_view first) {
  if (role_ == Role::kServer) return false;
  const auto words = words_in_http1(first);
  if (words) close("the other side answers in HTTP/1: " + *words);
  return words.has_value();
}

void Http2Connection::feed(std::string_view bytes, const std::shared_ptr<const void>& owner) {
  reading_from_ = owner;
  if (role_ == Role::kServer) look_at_frames(bytes);
  is_in_session_ = true;
  const ssize_t taken =
      nghttp2_session_mem_recv(session_, reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
  is_in_session_ = false;
  reading_from_ = nullptr;
  if (taken < 0 && failure_.empty()) failure_ = nghttp2_strerror(static_cast<int>(taken));
  if (!late_.empty()) answer_late_frames();
  need_flush();
}

void Http2Connection::look_at_frames(std::string_view bytes) {
  heads_.feed(bytes, [this](uint8_t type, int32_t id) {
    if (type == NGHTTP2_RST_STREAM) return remember_gone(id, true);
    if (type != NGHTTP2_DATA && type != NGHTTP2_HEADERS) return;
    const auto gone = std::find_if(gone_.begin(), gone_.end(), [id](const Gone& one) { return one.id == id; });
    if (id != 0 && gone != gone_.end()) late_.push_back(std::exchange(*gone, {}));  // once
  });
}

// A client that has reset a stream may still have frames of it in its queue (grpc-java's has): that ends this stream
// only, as calls of others are on the connection. Whoever goes on after the end that it set itself is beyond help.
void Http2Connection::answer_late_frames() {
  for (const auto& [id, is_reset] : std::exchange(late_, {})) {
    if (is_reset) {
      nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, id, NGHTTP2_STREAM_CLOSED);
    } else {
      nghttp2_session_terminate_session(session_, NGHTTP2_STREAM_CLOSED);
    }
  }
}

void Http2Connection::remember_gone(int32_t id, bool is_reset) {
  const bool is_known = std::any_of(gone_.begin(), gone_.end(), [id](const Gone& one) { return one.id == id; });
  if (!is_known) gone_[gone_count_++ % gone_.size()] = {id, is_reset};
}

void Http2Connection::need_flush() {
  if (is_flush_asked_ || is_closed_) return;
  is_flush_asked_ = true;
  loop_.at_turn_end(shared_from_this());
}

void Http2Connection::on_turn_end() {
  is_flush_asked_ = false;
  if (is_closed_) return;
  if (const Slice first = std::exchange(first_bytes_, {}); first.size > 0) feed(first.view(), first.owner);
  if (std::exchange(has_more_at_first_, false)) wire_->expect_more();
  flush();
}

// Takes frames from nghttp2 until the queue is full. False if the session is broken.
bool Http2Connection::fill() {
  while (has_room_to_fill()) {
    const uint8_t* data = nullptr;
    is_in_session_ = true;
    const ssize_t size = nghttp2_session_mem_send(session_, &data);
    is_in_session_ = false;
    if (size < 0) {
      if (failure_.empty()) failure_ = nghttp2_strerror(static_cast<int>(size));
      return false;
    }
    if (size == 0) return true;
    wire_->send(view(data, static_cast<size_t>(size)));
  }
  return true;
}

void Http2Connection::flush() {
  const auto self = shared_from_this();
  is_flushing_ = true;
  bool is_whole = true;
  do {
    // What cannot be written yet is taken from nghttp2 all the same: then it counts against the bound below.
    is_whole = fill();
    wire_->flush();
  } while (is_whole && !is_closed_ && !wire_->is_blocked() && nghttp2_session_want_write(session_) != 0 &&
           has_room_to_fill());
  is_flushing_ = false;
  if (is_closed_) return;
  // What a client does not read stays here: then it is not listened to, or its requests would fill our memory. A client
  // always listens: if both sides waited for the other to read, neither would.
  may_read_ = role_ == Role::kClient || !wire_->is_blocked() || wire_->is_crossed() || has_room_to_fill();
  wire_->want_bytes(may_read_);
  if (!failure_.empty()) return say_goodbye(failure_, Http2Error::kNone);
  close_if_done();
}

void Http2Connection::close_if_done() {
  if (wire_->unsent() > 0) return;
  if (nghttp2_session_want_read(session_) == 0 && nghttp2_session_want_write(session_) == 0) {
    return say_goodbye("the connection came to its end", Http2Error::kNone);
  }
  if (is_draining_ && is_told_ && stream_count_ == 0) say_goodbye("all its streams have ended", Http2Error::kNone);
}

void Http2Connection::drain() {
  if (is_draining_ || is_closed_) return;
  is_draining_ = true;
  if (role_ == Role::kServer) {
    nghttp2_submit_shutdown_notice(session_);
    drain_timer_ = loop_.after(kDrainNotice, [weak = weak_from_this()] {
      if (const auto self = weak.lock()) self->end_drain_notice();
    });
  } else {
    is_told_ = true;
  }
  need_flush();
}

void Http2Connection::end_drain_notice() {
  if (is_closed_) return;
  is_told_ = true;
  nghttp2_submit_goaway(session_, NGHTTP2_FLAG_NONE, nghttp2_session_get_last_proc_stream_id(session_),
                        NGHTTP2_NO_ERROR, nullptr, 0);
  need_flush();
}

void Http2Connection::end(const std::string& why, Http2Error error) {
  if (is_closed_) return;
  CHECK(!is_in_session_, "a connection of {} is ended by its own event", peer());
  const auto self = shared_from_this();
  end_drain_notice();
  flush();
  say_goodbye(why, error);
}

void Http2Connection::say_goodbye(const std::string& why, Http2Error error) {
  const auto self = shared_from_this();
  if (auto transport = finish(why, error)) linger(loop_, std::move(transport));
}

void Http2Connection::close(const std::string& why, Http2Error error) {
  const auto self = shared_from_this();
  finish(why, error);  // whoever still holds the connection does not hold the socket
}

std::unique_ptr<Transport> Http2Connection::finish(const std::string& why, Http2Error error) {
  if (is_closed_) return nullptr;
  if (is_in_session_) {  // from within a callback of nghttp2
    if (failure_.empty()) failure_ = why;
    need_flush();
    return nullptr;
  }
  is_closed_ = true;
  auto transport = wire_->release();
  loop_.cancel(silence_timer_);
  loop_.cancel(drain_timer_);
  while (first_ != nullptr) release(*first_, error, why);
  if (auto* owner = std::exchange(owner_, nullptr)) owner->on_connection_closed(*this, why);
  return transport;
}

Deadlines::TimePoint Http2Connection::look_at_deadlines(Deadlines::TimePoint now) {
  std::vector<std::pair<Deadlines::TimePoint, std::shared_ptr<Http2Stream>>> past;
  auto earliest = Deadlines::kNone;
  for (Http2Stream* stream = first_; stream != nullptr; stream = stream->next_) {
    if (stream->deadline_ <= now) {
      past.emplace_back(std::exchange(stream->deadline_, Deadlines::kNone), stream->shared_from_this());
    } else {
      earliest = std::min(earliest, stream->deadline_);
    }
  }
  const auto self = shared_from_this();
  std::sort(past.begin(), past.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  for (const auto& [_, stream] : past) {
    if (stream->is_open()) stream->on_deadline();
  }
  return earliest;
}

// Looks once in a while at how long the other side has been silent.
void Http2Connection::watch_silence() {
  Duration next = 1s;
  if (options_.ping_after > Duration(0)) next = std::min(next, std::max<Duration>(options_.ping_after / 4, 10ms));
  silence_timer_ = loop_.after(next, [weak = weak_from_this()] {
    if (const auto self = weak.lock(); self && !self->is_closed_) self->on_silence_tick();
  });
}

void Http2Connection::on_silence_tick() {
  const auto now = steady_clock::now();
  if (!may_read_) {
    // A client that is not listened to cannot be heard: that it takes bytes is the sign that it lives.
    const size_t untaken = wire_->unsent() + wire_->transport().untaken();
    if (untaken != std::exchange(untaken_, untaken)) heard_at_ = now;
  }
  const Duration silent = now - heard_at_;
  if (!has_hello_ && now - begun_at_ > options_.hello_max) return close("it did not speak HTTP/2 in time");
  if (stream_count_ > 0) used_at_ = now;
  if (options_.idle_max > Duration(0) && now - used_at_ > options_.idle_max && !is_draining_) drain();
  if (is_ping_out_ && now - pinged_at_ > options_.ping_timeout && silent > options_.ping_timeout) {
    return close("it does not answer pings");
  }
  const bool may_ping = stream_count_ > 0 || options_.pings_without_streams;
  if (options_.ping_after > Duration(0) && !is_ping_out_ && may_ping && silent > options_.ping_after) {
    is_ping_out_ = true;
    pinged_at_ = now;
    nghttp2_submit_ping(session_, NGHTTP2_FLAG_NONE, nullptr);
    need_flush();
  }
  watch_silence();
}

}  // namespace cairn::net
