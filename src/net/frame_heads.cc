#include "net/frame_heads.h"

#include <algorithm>
#include <cstring>

namespace cairn::net {

void FrameHeads::feed(std::string_view bytes, const OnHead& on_head) {
  while (true) {
    const size_t skipped = std::min(to_skip_, bytes.size());
    to_skip_ -= skipped;
    bytes.remove_prefix(skipped);
    const size_t taken = std::min(kHead - head_size_, bytes.size());
    std::memcpy(head_.data() + head_size_, bytes.data(), taken);
    head_size_ += taken;
    bytes.remove_prefix(taken);
    if (head_size_ < kHead) return;
    head_size_ = 0;
    to_skip_ = size_t{head_[0]} << 16 | size_t{head_[1]} << 8 | head_[2];
    on_head(head_[3], (head_[5] & 0x7F) << 24 | head_[6] << 16 | head_[7] << 8 | head_[8]);
  }
}

}  // namespace cairn::net
