// Which frames a stream of HTTP/2's bytes consists of, by their heads alone: nghttp2 does not tell of those that it
// drops. Pure. Tests: frame_heads_test.cc.
//
//   +-----------------------------------------------+
//   |                 Length (24)                   |
//   +---------------+---------------+---------------+
//   |   Type (8)    |   Flags (8)   |
//   +-+-------------+---------------+-------------------------------+
//   |R|                 Stream Identifier (31)                      |      RFC 9113, section 4.1
//   +=+=============================================================+
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string_view>

namespace cairn::net {

class FrameHeads {
 public:
  using OnHead = std::function<void(uint8_t type, int32_t stream)>;

  // `preface`: bytes before the first frame.
  explicit FrameHeads(size_t preface) : to_skip_(preface) {}
  // Takes the next bytes and tells of each head that they complete.
  void feed(std::string_view bytes, const OnHead& on_head);

 private:
  static constexpr size_t kHead = 9;

  size_t to_skip_;  // of the preface, or of a frame behind its head
  std::array<uint8_t, kHead> head_{};
  size_t head_size_ = 0;  // bytes of it that are here
};

}  // namespace cairn::net
