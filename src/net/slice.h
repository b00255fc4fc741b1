// Slice: bytes with whoever keeps them alive. What the network has read, and what is still to be sent, passes from hand
// to hand as slices, so that a large message is not copied. Immutable; any thread.
#pragma once

#include <cstddef>
#include <memory>
#include <string_view>
#include <utility>

namespace cairn::net {

struct Slice {
  std::shared_ptr<const void> owner;  // of the bytes
  const char* data = nullptr;
  size_t size = 0;

  std::string_view view() const { return {data, size}; }
  // A part of it. Precondition: it lies within.
  Slice part(size_t offset, size_t length) const { return {owner, data + offset, length}; }
};

}  // namespace cairn::net
