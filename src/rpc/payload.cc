#include "rpc/payload.h"

#include <cstring>
#include <limits>
#include <memory>

#include "base/check.h"

namespace cairn::rpc {

bool Payload::fits(const google::protobuf::MessageLite& message, size_t beside) {
  return message.ByteSizeLong() + beside <= std::numeric_limits<int>::max();
}

void Payload::detach() {
  constexpr size_t kWorthItsRoom = size_t{32} << 10;  // half of what is read at once
  if (message_.size >= kWorthItsRoom) return;
  auto bytes = std::make_shared_for_overwrite<char[]>(message_.size);
  if (message_.size > 0) std::memcpy(bytes.get(), message_.data, message_.size);
  const char* data = bytes.get();
  message_ = net::Slice{std::move(bytes), data, message_.size};
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
