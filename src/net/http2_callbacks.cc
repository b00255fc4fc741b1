#include "net/http2_callbacks.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace cairn::net {

namespace {

// Streams that the other side may reset at once, and each second. Clients whose deadlines pass reset many, too.
constexpr uint64_t kResetBurst = 10'000;
constexpr uint64_t kResetRate = 1'000;

}  // namespace

int Http2Connection::Callbacks::on_begin_headers(nghttp2_session* session, const nghttp2_frame* frame, void* user) {
  Http2Connection& connection = self(user);
  if (connection.role_ == Role::kClient || frame->headers.cat != NGHTTP2_HCAT_REQUEST) return 0;
  auto stream = connection.owner_ != nullptr ? connection.owner_->on_stream(connection) : nullptr;
  if (!stream) {
    nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, frame->hd.stream_id, NGHTTP2_REFUSED_STREAM);
    return 0;
  }
  nghttp2_session_set_stream_user_data(session, frame->hd.stream_id, stream.get());
  connection.adopt(*stream, frame->hd.stream_id);
  return 0;
}

int Http2Connection::Callbacks::on_header(nghttp2_session* session, const nghttp2_frame* frame, const uint8_t* name,
                                          size_t name_size, const uint8_t* value, size_t value_size, uint8_t,
                                          void* user) {
  Http2Stream* stream = stream_of(session, frame->hd.stream_id);
  if (stream == nullptr || !stream->is_open()) return 0;
  constexpr size_t kOverhead = 32;  // RFC 9113, section 6.5.2
  stream->header_bytes_ += name_size + value_size + kOverhead;
  if (stream->header_bytes_ > self(user).options_.header_bytes_max) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
  stream->on_header(view(name, name_size), view(value, value_size));
  return 0;
}

int Http2Connection::Callbacks::on_frame(nghttp2_session* session, const nghttp2_frame* frame, void* user) {
  Http2Connection& connection = self(user);
  switch (frame->hd.type) {
    case NGHTTP2_SETTINGS:
      connection.has_hello_ = true;
      return 0;
    case NGHTTP2_PING:
      if ((frame->hd.flags & NGHTTP2_FLAG_ACK) != 0) connection.is_ping_out_ = false;
      return 0;
    case NGHTTP2_GOAWAY:
      connection.is_going_away_ = true;
      if (connection.owner_ != nullptr) connection.owner_->on_going_away(connection);
      return 0;
    case NGHTTP2_HEADERS:
    case NGHTTP2_DATA:
      break;
    default:
      return 0;
  }
  Http2Stream* stream = stream_of(session, frame->hd.stream_id);
  if (stream == nullptr || !stream->is_open()) return 0;
  const auto held = stream->shared_from_this();
  if (frame->hd.type == NGHTTP2_HEADERS) {
    stream->header_bytes_ = 0;
    stream->on_headers_end();
  }
  if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0 && stream->is_open()) stream->on_end();
  return 0;
}

int Http2Connection::Callbacks::on_data(nghttp2_session* session, uint8_t, int32_t id, const uint8_t* data, size_t size,
                                        void* user) {
  Http2Connection& connection = self(user);
  Http2Stream* stream = stream_of(session, id);
  if (stream == nullptr || !stream->is_open()) {
    nghttp2_session_consume(session, id, size);
    return 0;
  }
  const auto held = stream->shared_from_this();
  stream->unconsumed_ += size;
  connection.unconsumed_ += size;
  connection.connection_owed_ += size;
  connection.give_back_connection_window();
  held->on_data({connection.reading_from_, reinterpret_cast<const char*>(data), size});
  return 0;
}

int Http2Connection::Callbacks::on_close(nghttp2_session* session, int32_t id, uint32_t error, void* user) {
  Http2Stream* stream = stream_of(session, id);
  if (nghttp2_session_get_stream_remote_close(session, id) == 1) self(user).remember_gone(id, false);
  if (stream != nullptr && stream->is_open()) self(user).release(*stream, static_cast<Http2Error>(error), "");
  return 0;
}

int Http2Connection::Callbacks::on_sent(nghttp2_session* session, const nghttp2_frame* frame, void* user) {
  if (self(user).role_ == Role::kClient) {
    Http2Stream* stream = frame->hd.type == NGHTTP2_HEADERS ? stream_of(session, frame->hd.stream_id) : nullptr;
    if (stream != nullptr) stream->is_asked_ = true;
    return 0;
  }
  if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) == 0) return 0;
  if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA) return 0;
  // The answer is complete while the request is not: the rest of it is of no use (RFC 9113, section 8.1).
  if (nghttp2_session_get_stream_remote_close(session, frame->hd.stream_id) == 0) {
    nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, frame->hd.stream_id, NGHTTP2_NO_ERROR);
  }
  return 0;
}

ssize_t Http2Connection::Callbacks::read_source(nghttp2_session* session, int32_t id, uint8_t*, size_t length,
                                                uint32_t* flags, nghttp2_data_source* source, void*) {
  auto* stream = static_cast<Http2Stream*>(source->ptr);
  if (stream->out_.empty() && !stream->is_ended_) {
    stream->is_deferred_ = true;
    return NGHTTP2_ERR_DEFERRED;
  }
  const size_t size = std::min(length, stream->out_.size());
  *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
  if (size == stream->out_.size() && stream->is_ended_) {
    *flags |= NGHTTP2_DATA_FLAG_EOF;
    if (!stream->trailers_.empty()) {
      const NameValues trailers(stream->trailers_);
      if (nghttp2_submit_trailer(session, id, trailers.data(), trailers.size()) == 0) {
        *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
      }
    }
  }
  return static_cast<ssize_t>(size);
}

int Http2Connection::Callbacks::send_data(nghttp2_session*, nghttp2_frame*, const uint8_t* header, size_t length,
                                          nghttp2_data_source* source, void* user) {
  constexpr size_t kFrameHeader = 9;
  Http2Connection& connection = self(user);
  if (!connection.has_room_to_fill()) return NGHTTP2_ERR_WOULDBLOCK;
  auto* stream = static_cast<Http2Stream*>(source->ptr);
  if (stream->out_.size() < length) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;  // it was reset meanwhile
  connection.wire_->send(view(header, kFrameHeader));
  stream->out_.move_to(connection.wire_->out(), length);
  if (stream->out_.empty() && !stream->is_ended_ && stream->is_open()) {
    const auto held = stream->shared_from_this();
    held->on_sent();
  }
  return 0;
}

nghttp2_session_callbacks* Http2Connection::Callbacks::all() {
  static nghttp2_session_callbacks* const callbacks = [] {
    nghttp2_session_callbacks* made = nullptr;
    CHECK(nghttp2_session_callbacks_new(&made) == 0, "no memory for HTTP/2");
    nghttp2_session_callbacks_set_on_begin_headers_callback(made, &on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(made, &on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(made, &on_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(made, &on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(made, &on_close);
    nghttp2_session_callbacks_set_on_frame_send_callback(made, &on_sent);
    nghttp2_session_callbacks_set_send_data_callback(made, &send_data);
    return made;
  }();
  return callbacks;
}

nghttp2_option* Http2Connection::Callbacks::session_options() {
  static nghttp2_option* const options = [] {
    nghttp2_option* made = nullptr;
    CHECK(nghttp2_option_new(&made) == 0, "no memory for HTTP/2");
    nghttp2_option_set_no_auto_window_update(made, 1);
    // It would end the connection for late frames of streams that it remembers. See look_at_frames().
    nghttp2_option_set_no_closed_streams(made, 1);
    nghttp2_option_set_stream_reset_rate_limit(made, kResetBurst, kResetRate);
    return made;
  }();
  return options;
}

}  // namespace cairn::net
