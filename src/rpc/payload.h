// One gRPC message as bytes, before it is parsed or after it was serialised. Movable, not copyable; shares its bytes
// with whoever read or sends them. Tests: server_test.cc.
#pragma once

#include <google/protobuf/message_lite.h>

#include <cstddef>
#include <string_view>

#include "net/slice.h"

namespace cairn::rpc {

class Payload {
 public:
  // An empty message.
  Payload() = default;
  // These bytes, whatever they mean.
  explicit Payload(net::Slice message, bool came_compressed = false)
      : message_(std::move(message)), came_compressed_(came_compressed) {}
  Payload(Payload&&) noexcept = default;
  Payload& operator=(Payload&&) noexcept = default;

  // Precondition: fits().
  static Payload serialize(const google::protobuf::MessageLite& message);
  // Whether the message is small enough for protobuf, with so many bytes beside it.
  static bool fits(const google::protobuf::MessageLite& message, size_t beside = 0);
  // Parses into `message`, which may live in an arena; false if the bytes are not such a message.
  [[nodiscard]] bool parse_into(google::protobuf::MessageLite& message) const;
  size_t size() const { return message_.size; }
  // Makes sure that it holds not much more memory than its size.
  void detach();
  std::string_view bytes() const { return message_.view(); }
  // How the other side sent it.
  bool came_compressed() const { return came_compressed_; }
  // It is sent as it is, even if other messages of its call are compressed.
  void keep_plain() { is_kept_plain_ = true; }
  bool is_kept_plain() const { return is_kept_plain_; }

  // For the transport: the bytes, to be sent with the prefix of a message (message_frame.h).
  const net::Slice& slice() const { return message_; }

 private:
  net::Slice message_;
  bool came_compressed_ = false;
  bool is_kept_plain_ = false;
};

}  // namespace cairn::rpc
