#include "rpc/payload.h"

#include <limits>
#include <memory>

#include "base/check.h"

namespace cairn::rpc {

bool Payload::fits(const google::protobuf::MessageLite& message, size_t beside) {
  return message.ByteSizeLong() + beside <= std::numeric_limits<int>::max();
}

Payload Payload::serialize(const google::protobuf::MessageLite& message) {
  const size_t size = message.ByteSizeLong();
  CHECK(size <= std::numeric_limits<int>::max(), "a message of {} bytes does not fit protobuf", size);
  auto bytes = std::make_shared_for_overwrite<char[]>(size);
  message.SerializeWithCachedSizesToArray(reinterpret_cast<uint8_t*>(bytes.get()));
  const char* data = bytes.get();
  return Payload(net::Slice{std::move(bytes), data, size});
}

bool Payload::parse_into(google::protobuf::MessageLite& message) const {
  return message.ParseFromArray(message_.data, static_cast<int>(message_.size));
}

}  // namespace cairn::rpc
