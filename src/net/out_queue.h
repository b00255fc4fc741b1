// OutQueue: the bytes that wait for a socket. Small parts are copied together, large ones are kept as they are, so that
// one gathered write sends it all. Confined to its owner's thread. Tests: out_queue_test.cc.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <deque>
#include <memory>
#include <string_view>

#include "net/slice.h"

namespace cairn::net {

class OutQueue {
 public:
  void append(std::string_view bytes);  // a copy
  void append(Slice slice);             // a copy if it is small
  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }

  // Fills in at most `max` parts from the front; returns how many.
  size_t fill(iovec* out, size_t max) const;
  // Moves so many bytes from the front to the end of `other`. Precondition: they are there.
  void move_to(OutQueue& other, size_t bytes);
  // Drops so many bytes from the front. Precondition: they are there.
  void consume(size_t bytes);

 private:
  struct Part {
    std::shared_ptr<char[]> block;  // nullptr: a slice
    Slice slice;                    // what is to be sent of it
    size_t room = 0;                // free bytes of the block behind it
    size_t capacity = 0;            // of the block
  };
  // A block at the end that has room; made for so many bytes, if there is none.
  Part& block_with_room(size_t bytes);

  std::deque<Part> parts_;
  size_t size_ = 0;
  std::shared_ptr<char[]> spare_;  // a block to use again
  size_t spare_capacity_ = 0;
};

}  // namespace cairn::net
