// Byte strings that are almost, or not at all, what a decoder expects; always the same ones. For the tests of decoders.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "base/bytes.h"

namespace cairn::testing {

class DamagedBytes {
 public:
  // `sound` are encoded forms, of which the damaged ones are made.
  explicit DamagedBytes(std::vector<Bytes> sound) : sound_(std::move(sound)) {}

  // The next one: noise, or a sound form that was cut, overwritten, stretched or joined with another.
  Bytes next() {
    if (sound_.empty() || below(8) == 0) return noise(below(40));
    Bytes bytes = sound_[below(sound_.size())];
    for (uint64_t n = below(4); n > 0; --n) damage(bytes);
    return bytes;
  }

 private:
  // xorshift64*: cheap and the same everywhere.
  uint64_t below(uint64_t bound) {
    state_ ^= state_ >> 12;
    state_ ^= state_ << 25;
    state_ ^= state_ >> 27;
    return (state_ * 0x2545F4914F6CDD1DULL >> 16) % bound;
  }
  char byte() {
    static constexpr unsigned char kTelling[] = {0, 1, 0x7F, 0x80, 0xFE, 0xFF};
    return static_cast<char>(below(2) == 0 ? kTelling[below(sizeof(kTelling))] : below(256));
  }
  Bytes noise(uint64_t size) {
    Bytes bytes;
    while (bytes.size() < size) bytes.push_back(byte());
    return bytes;
  }
  void damage(Bytes& bytes) {
    const uint64_t at = below(bytes.size() + 1);
    switch (below(4)) {
      case 0:
        bytes.resize(at);
        break;
      case 1:
        if (at < bytes.size()) bytes[at] = byte();
        break;
      case 2:
        bytes.insert(at, noise(1 + below(9)));
        break;
      default:
        bytes += sound_[below(sound_.size())];
    }
  }

  std::vector<Bytes> sound_;
  uint64_t state_ = 0x9E3779B97F4A7C15ULL;
};

}  // namespace cairn::testing
