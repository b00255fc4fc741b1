// Byte strings: what keys and values are made of. A `Bytes` owns, a `ByteView` looks; neither knows text.
//
// Keys come in three shapes, and names say which: `user_key` (plain, as clients send it), `engine_key` (as it is
// proposed in Raft and as region bounds are written: memcomparable for transactional data, plain for raw V1), and
// `data_key` ('z' + engine key, as it stands in the store's column families).
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace cairn {

using Bytes = std::string;
using ByteView = std::string_view;

// Immutable bytes shared by reference count: a log entry's payload goes from the proposal to the log batch and to every
// follower's message without a copy. An empty payload owns nothing.
class SharedBytes {
 public:
  SharedBytes() = default;
  explicit SharedBytes(Bytes bytes)
      : bytes_(bytes.empty() ? nullptr : std::make_shared<const Bytes>(std::move(bytes))) {}

  ByteView view() const { return bytes_ ? ByteView(*bytes_) : ByteView(); }
  size_t size() const { return bytes_ ? bytes_->size() : 0; }
  bool empty() const { return size() == 0; }
  friend bool operator==(const SharedBytes& a, const SharedBytes& b) { return a.view() == b.view(); }

 private:
  std::shared_ptr<const Bytes> bytes_;
};

// Upper-case hexadecimal, as PD and TiKV print keys.
std::string to_hex(ByteView bytes);

// The smallest key greater than every key that begins with `prefix`; empty (no bound) if the prefix is all 0xFF.
Bytes prefix_end(ByteView prefix);

}  // namespace cairn
