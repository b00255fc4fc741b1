// One gRPC message as bytes, before it is parsed or after it was serialised. Hides grpc::ByteBuffer, so that gRPC's
// headers stay in a few .cc files. Movable, not copyable; owns its bytes. Tests: server_test.cc.
#pragma once

#include <google/protobuf/message_lite.h>

#include <cstddef>
#include <memory>

namespace grpc {
class ByteBuffer;
}

namespace cairn::rpc {

class Payload {
 public:
  // An empty message.
  Payload();
  ~Payload();
  Payload(Payload&&) noexcept;
  Payload& operator=(Payload&&) noexcept;

  // Precondition: fits().
  static Payload serialize(const google::protobuf::MessageLite& message);
  // Whether the message is small enough for protobuf, with so many bytes beside it.
  static bool fits(const google::protobuf::MessageLite& message, size_t beside = 0);
  // Parses into `message`, which may live in an arena; false if the bytes are not such a message.
  [[nodiscard]] bool parse_into(google::protobuf::MessageLite& message) const;
  size_t size() const;

  // For the transport only.
  grpc::ByteBuffer& buffer() { return *buffer_; }

 private:
  std::unique_ptr<grpc::ByteBuffer> buffer_;
};

}  // namespace cairn::rpc
