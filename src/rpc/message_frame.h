// gRPC's messages within a stream's bytes: one byte that says whether it is compressed, four with its length (big
// endian), then the message. Reading puts together what comes in parts; a message that came in one part is not copied.
// Tests: message_frame_test.cc.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "api/status.h"
#include "base/result.h"
#include "net/slice.h"
#include "rpc/payload.h"

namespace cairn::rpc {

// How messages are compressed; names are those of "grpc-encoding".
enum class Compression : uint8_t { kIdentity, kGzip, kDeflate };
// Nothing if the name is none that we know.
std::optional<Compression> compression_named(std::string_view name);

std::string_view name_of(Compression compression);
// Whether a "grpc-accept-encoding" names it.
bool accepts(std::string_view accept_encoding, Compression compression);

constexpr size_t kMessagePrefix = 5;
// What goes on the wire for a message.
struct MessageFrame {
  std::array<char, kMessagePrefix> prefix;
  net::Slice message;
};
// Compressed if that makes it smaller and the message does not refuse.
MessageFrame frame_message(const Payload& message, Compression compression = Compression::kIdentity);

class MessageReader {
 public:
  // `bytes_max`: the largest message, compressed or not; larger ones end the stream.
  explicit MessageReader(size_t bytes_max) : bytes_max_(bytes_max) {}

  void set_compression(Compression compression) { compression_ = compression; }
  // Takes the next bytes of the stream and hands on each message that they complete, as it came: who takes it unpacks
  // it first. Not OK: the stream is damaged or a message too large; nothing more may be fed.
  api::Status feed(const net::Slice& bytes, const std::function<void(Payload)>& on_message);
  // What a message of this stream says. Much may come of few bytes: only what is taken at once should be unpacked.
  Result<Payload, api::Status> unpack(Payload message) const;
  // Lets go of what is not complete; nothing more may be fed.
  void drop() { partial_ = {}; }
  // Bytes of a message that is not complete yet.
  size_t held() const { return partial_.size(); }
  // Whether the stream may end here.
  bool is_between_messages() const { return prefix_size_ == 0; }

 private:
  api::Status begin_message();

  const size_t bytes_max_;
  Compression compression_ = Compression::kIdentity;
  std::array<char, kMessagePrefix> prefix_{};
  size_t prefix_size_ = 0;  // bytes of it that are here
  size_t size_ = 0;         // of the message, once the prefix is here
  std::string partial_;     // the message, so far
};

}  // namespace cairn::rpc
