#include "rpc/payload.h"

#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/proto_buffer_reader.h>
#include <grpcpp/support/proto_buffer_writer.h>

#include <algorithm>
#include <limits>

#include "base/check.h"

namespace cairn::rpc {

Payload::Payload() : buffer_(std::make_unique<grpc::ByteBuffer>()) {}
Payload::~Payload() = default;
Payload::Payload(Payload&&) noexcept = default;
Payload& Payload::operator=(Payload&&) noexcept = default;

bool Payload::fits(const google::protobuf::MessageLite& message, size_t beside) {
  return message.ByteSizeLong() + beside <= std::numeric_limits<int>::max();
}

Payload Payload::serialize(const google::protobuf::MessageLite& message) {
  constexpr size_t kBlockMax = 1 << 20;
  Payload out;
  const size_t size = message.ByteSizeLong();
  CHECK(size <= std::numeric_limits<int>::max(), "a message of {} bytes does not fit protobuf", size);
  if (size <= kBlockMax) {  // one slice, written in place
    grpc::Slice slice(size);
    message.SerializeWithCachedSizesToArray(const_cast<uint8_t*>(slice.begin()));
    *out.buffer_ = grpc::ByteBuffer(&slice, 1);
    return out;
  }
  grpc::ProtoBufferWriter writer(out.buffer_.get(), kBlockMax, static_cast<int>(size));
  CHECK(message.SerializeToZeroCopyStream(&writer), "a message of {} bytes was not serialised", size);
  return out;
}

bool Payload::parse_into(google::protobuf::MessageLite& message) const {
  if (!buffer_->Valid()) {  // the default-made one: no bytes
    message.Clear();
    return true;
  }
  grpc::ProtoBufferReader reader(buffer_.get());
  return reader.status().ok() && message.ParseFromZeroCopyStream(&reader);
}

size_t Payload::size() const { return buffer_->Valid() ? buffer_->Length() : 0; }

}  // namespace cairn::rpc
