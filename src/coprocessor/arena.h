// Memory for the bytes of one batch: handed out in pieces, given back all at once. Pieces stay where they are.
#pragma once

#include <cstring>
#include <memory>
#include <vector>

#include "base/bytes.h"

namespace cairn::coprocessor {

class Arena {
 public:
  // Uninitialised room; valid until reset().
  char* allocate(size_t bytes) {
    if (bytes > left_) grow(bytes);
    char* at = at_;
    at_ += bytes;
    left_ -= bytes;
    return at;
  }
  ByteView copy(ByteView bytes) {
    if (bytes.empty()) return {};
    char* to = allocate(bytes.size());
    std::memcpy(to, bytes.data(), bytes.size());
    return {to, bytes.size()};
  }
  // Keeps the largest block for what comes next.
  void reset() {
    if (blocks_.size() > 1) {
      std::swap(blocks_.front(), blocks_.back());
      blocks_.resize(1);
    }
    if (!blocks_.empty()) {
      at_ = blocks_.front().memory.get();
      left_ = blocks_.front().size;
      bytes_ = left_;
    }
  }
  size_t bytes() const { return bytes_; }

 private:
  static constexpr size_t kFirstBlock = 4096;
  static constexpr size_t kBlockMax = size_t{1} << 20;
  struct Block {
    std::unique_ptr<char[]> memory;
    size_t size;
  };

  void grow(size_t bytes) {
    const size_t doubled = blocks_.empty() ? kFirstBlock : std::min(blocks_.back().size * 2, kBlockMax);
    const size_t size = std::max(bytes, doubled);
    blocks_.push_back({std::unique_ptr<char[]>(new char[size]), size});
    at_ = blocks_.back().memory.get();
    left_ = size;
    bytes_ += size;
  }

  std::vector<Block> blocks_;
  char* at_ = nullptr;
  size_t left_ = 0;
  size_t bytes_ = 0;
};

}  // namespace cairn::coprocessor
