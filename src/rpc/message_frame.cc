#include "rpc/message_frame.h"

#include <zlib.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <memory>
#include <utility>

namespace cairn::rpc {

namespace {

// What a small message may become: inflating runs on the network's thread.
constexpr size_t kInflatedMax = size_t{32} << 20;
constexpr size_t kInflateStep = size_t{64} << 10;

api::Status too_large(size_t size, size_t max) {
  return {api::Code::kResourceExhausted,
          "received message larger than max (" + std::to_string(size) + " vs. " + std::to_string(max) + ")"};
}

net::Slice own(std::string bytes) {
  auto owner = std::make_shared<const std::string>(std::move(bytes));
  const char* data = owner->data();
  const size_t size = owner->size();
  return {std::move(owner), data, size};
}

// zlib's form ("deflate") or gzip's; both tell themselves apart.
api::Status inflate_all(std::string_view in, size_t bytes_max, std::string& out) {
  constexpr int kZlibOrGzip = 32;
  z_stream stream{};
  if (inflateInit2(&stream, MAX_WBITS + kZlibOrGzip) != Z_OK) return {api::Code::kInternal, "no memory to inflate"};
  const std::unique_ptr<z_stream, decltype(&inflateEnd)> end(&stream, &inflateEnd);
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(in.data()));
  stream.avail_in = static_cast<uInt>(in.size());
  int rc = Z_OK;
  while (rc == Z_OK) {
    const size_t before = out.size();
    out.resize(before + kInflateStep);
    stream.next_out = reinterpret_cast<Bytef*>(out.data() + before);
    stream.avail_out = static_cast<uInt>(kInflateStep);
    rc = inflate(&stream, Z_NO_FLUSH);
    out.resize(out.size() - stream.avail_out);
    if (out.size() > bytes_max) return too_large(out.size(), bytes_max);
    if (rc == Z_BUF_ERROR) break;  // more input is wanted, and there is none
  }
  if (rc == Z_STREAM_END && stream.avail_in == 0) return {};
  return {api::Code::kInternal, "a compressed message is damaged"};
}

// Nothing unless it is smaller then. Fast rather than small: it runs on the network's thread.
std::string deflate_all(std::string_view in, Compression compression) {
  constexpr int kAsGzip = 16;
  constexpr int kMemory = 8;  // zlib's own choice
  z_stream stream{};
  if (in.empty() ||
      deflateInit2(&stream, Z_BEST_SPEED, Z_DEFLATED, MAX_WBITS + (compression == Compression::kGzip ? kAsGzip : 0),
                   kMemory, Z_DEFAULT_STRATEGY) != Z_OK) {
    return {};
  }
  const std::unique_ptr<z_stream, decltype(&deflateEnd)> end(&stream, &deflateEnd);
  std::string out(in.size() - 1, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(in.data()));
  stream.avail_in = static_cast<uInt>(in.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  if (deflate(&stream, Z_FINISH) != Z_STREAM_END) return {};
  out.resize(stream.total_out);
  out.shrink_to_fit();
  return out;
}

}  // namespace

std::optional<Compression> compression_named(std::string_view name) {
  if (name.empty() || name == "identity") return Compression::kIdentity;
  if (name == "gzip") return Compression::kGzip;
  if (name == "deflate") return Compression::kDeflate;
  return std::nullopt;
}

std::string_view name_of(Compression compression) {
  switch (compression) {
    case Compression::kGzip:
      return "gzip";
    case Compression::kDeflate:
      return "deflate";
    case Compression::kIdentity:
      break;
  }
  return "identity";
}

bool accepts(std::string_view accept_encoding, Compression compression) {
  while (true) {
    const size_t comma = accept_encoding.find(',');
    std::string_view name = accept_encoding.substr(0, comma);
    while (name.starts_with(' ')) name.remove_prefix(1);
    while (name.ends_with(' ')) name.remove_suffix(1);
    if (name == name_of(compression)) return true;
    if (comma == std::string_view::npos) return false;
    accept_encoding.remove_prefix(comma + 1);
  }
}

MessageFrame frame_message(const Payload& message, Compression compression) {
  MessageFrame frame{{}, message.slice()};
  if (compression != Compression::kIdentity && !message.is_kept_plain()) {
    std::string packed = deflate_all(message.bytes(), compression);
    if (!packed.empty()) {
      frame.prefix[0] = 1;
      frame.message = own(std::move(packed));
    }
  }
  for (size_t i = 1; i < kMessagePrefix; ++i) {
    frame.prefix[i] = static_cast<char>(frame.message.size >> (8 * (kMessagePrefix - 1 - i)));
  }
  return frame;
}

api::Status MessageReader::begin_message() {
  size_ = 0;
  for (size_t i = 1; i < kMessagePrefix; ++i) size_ = size_ << 8 | static_cast<uint8_t>(prefix_[i]);
  if (size_ > bytes_max_) return too_large(size_, bytes_max_);
  if (static_cast<uint8_t>(prefix_[0]) > 1) {
    return {api::Code::kInternal, "a message's flags are " + std::to_string(static_cast<uint8_t>(prefix_[0]))};
  }
  if (prefix_[0] == 1 && compression_ == Compression::kIdentity) {
    return {api::Code::kInternal, "a message is compressed, and no grpc-encoding was named"};
  }
  return {};
}

Result<Payload, api::Status> MessageReader::unpack(Payload message) const {
  if (!message.came_compressed()) return message;
  std::string inflated;
  if (auto status = inflate_all(message.bytes(), std::min(bytes_max_, kInflatedMax), inflated); !status.ok()) {
    return Err(std::move(status));
  }
  return Payload(own(std::move(inflated)), /*came_compressed=*/true);
}

api::Status MessageReader::feed(const net::Slice& bytes, const std::function<void(Payload)>& on_message) {
  size_t at = 0;
  while (at < bytes.size) {
    if (prefix_size_ < kMessagePrefix) {
      const size_t taken = std::min(kMessagePrefix - prefix_size_, bytes.size - at);
      std::memcpy(prefix_.data() + prefix_size_, bytes.data + at, taken);
      prefix_size_ += taken;
      at += taken;
      if (prefix_size_ < kMessagePrefix) return {};
      if (auto status = begin_message(); !status.ok()) return status;
    }
    const size_t left = size_ - partial_.size();
    const size_t here = bytes.size - at;
    net::Slice message;
    if (partial_.empty() && here >= left) {
      message = bytes.part(at, left);
      at += left;
    } else {
      const size_t taken = std::min(left, here);
      partial_.append(bytes.data + at, taken);
      at += taken;
      if (partial_.size() < size_) return {};
      message = own(std::exchange(partial_, {}));
    }
    prefix_size_ = 0;
    size_ = 0;
    on_message(Payload(std::move(message), prefix_[0] == 1));
  }
  return {};
}

}  // namespace cairn::rpc
