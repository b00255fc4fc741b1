// What nghttp2 calls back, and headers in its form. Internal to http2.cc and http2_callbacks.cc.
#pragma once

#include <nghttp2/nghttp2.h>

#include <cstdint>
#include <string_view>
#include <vector>

#include "net/http2.h"

namespace cairn::net {

inline std::string_view view(const uint8_t* data, size_t size) { return {reinterpret_cast<const char*>(data), size}; }

// Headers as nghttp2 takes them. What they refer to must outlive it.
class NameValues {
 public:
  template <class Headers>
  explicit NameValues(const Headers& headers) {
    values_.reserve(headers.size());
    for (const auto& [name, value] : headers) {
      values_.push_back({reinterpret_cast<uint8_t*>(const_cast<char*>(name.data())),
                         reinterpret_cast<uint8_t*>(const_cast<char*>(value.data())), name.size(), value.size(),
                         NGHTTP2_NV_FLAG_NONE});
    }
  }
  const nghttp2_nv* data() const { return values_.data(); }
  size_t size() const { return values_.size(); }

 private:
  std::vector<nghttp2_nv> values_;
};

// `user` is the connection. A stream's own pointer is kept with nghttp2's stream for as long as it is open.
struct Http2Connection::Callbacks {
  static nghttp2_session_callbacks* all();
  static nghttp2_option* session_options();

  // Where the body of what we send comes from: its stream.
  static ssize_t read_source(nghttp2_session* session, int32_t id, uint8_t* into, size_t length, uint32_t* flags,
                             nghttp2_data_source* source, void* user);

 private:
  static Http2Connection& self(void* user) { return *static_cast<Http2Connection*>(user); }
  static Http2Stream* stream_of(nghttp2_session* session, int32_t id) {
    return static_cast<Http2Stream*>(nghttp2_session_get_stream_user_data(session, id));
  }

  static int on_begin_headers(nghttp2_session* session, const nghttp2_frame* frame, void* user);
  static int on_header(nghttp2_session* session, const nghttp2_frame* frame, const uint8_t* name, size_t name_size,
                       const uint8_t* value, size_t value_size, uint8_t flags, void* user);
  static int on_frame(nghttp2_session* session, const nghttp2_frame* frame, void* user);
  static int on_data(nghttp2_session* session, uint8_t flags, int32_t id, const uint8_t* data, size_t size, void* user);
  static int on_close(nghttp2_session* session, int32_t id, uint32_t error, void* user);
  static int on_sent(nghttp2_session* session, const nghttp2_frame* frame, void* user);
  static int send_data(nghttp2_session* session, nghttp2_frame* frame, const uint8_t* header, size_t length,
                       nghttp2_data_source* source, void* user);
};

}  // namespace cairn::net
