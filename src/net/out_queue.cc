#include "net/out_queue.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/check.h"

namespace cairn::net {

namespace {

constexpr size_t kBlock = size_t{16} << 10;
constexpr size_t kSmallBlock = 256;          // thousands of queues may hold a few bytes each
constexpr size_t kCopied = size_t{2} << 10;  // up to here a copy costs less than a part of its own

}  // namespace

OutQueue::Part& OutQueue::block_with_room(size_t bytes) {
  if (!parts_.empty() && parts_.back().room > 0) return parts_.back();
  size_t capacity = std::clamp(size_ + bytes, kSmallBlock, kBlock);
  std::shared_ptr<char[]> block;
  if (spare_capacity_ >= capacity) {
    block = std::move(spare_);
    capacity = std::exchange(spare_capacity_, 0);
  } else {
    block = std::make_shared_for_overwrite<char[]>(capacity);
  }
  const char* begin = block.get();
  return parts_.emplace_back(Part{std::move(block), Slice{nullptr, begin, 0}, capacity, capacity});
}

void OutQueue::append(std::string_view bytes) {
  size_ += bytes.size();
  while (!bytes.empty()) {
    Part& part = block_with_room(bytes.size());
    const size_t taken = std::min(bytes.size(), part.room);
    std::memcpy(part.block.get() + (part.capacity - part.room), bytes.data(), taken);
    part.slice.size += taken;
    part.room -= taken;
    bytes.remove_prefix(taken);
  }
}

void OutQueue::append(Slice slice) {
  if (slice.size <= kCopied) return append(slice.view());
  size_ += slice.size;
  parts_.push_back(Part{nullptr, std::move(slice), 0, 0});
}

size_t OutQueue::fill(iovec* out, size_t max) const {
  size_t count = 0;
  for (const Part& part : parts_) {
    if (count == max) break;
    out[count++] = {const_cast<char*>(part.slice.data), part.slice.size};
  }
  return count;
}

void OutQueue::move_to(OutQueue& other, size_t bytes) {
  CHECK(bytes <= size_, "{} bytes are moved of {}", bytes, size_);
  size_t left = bytes;
  for (auto part = parts_.begin(); left > 0; ++part) {
    const size_t taken = std::min(left, part->slice.size);
    if (part->block) {
      other.append(part->slice.view().substr(0, taken));
    } else {
      other.append(part->slice.part(0, taken));
    }
    left -= taken;
  }
  consume(bytes);
}

void OutQueue::consume(size_t bytes) {
  CHECK(bytes <= size_, "{} bytes were sent of {}", bytes, size_);
  size_ -= bytes;
  while (bytes > 0) {
    Part& first = parts_.front();
    const size_t taken = std::min(bytes, first.slice.size);
    first.slice.data += taken;
    first.slice.size -= taken;
    bytes -= taken;
    if (first.slice.size > 0) break;
    if (first.capacity > spare_capacity_) {
      spare_ = std::move(first.block);
      spare_capacity_ = first.capacity;
    }
    parts_.pop_front();
  }
}

}  // namespace cairn::net
