#include "store/transport.h"

#include <algorithm>
#include <utility>

namespace cairn::store {

SnapshotSource::SnapshotSource(std::shared_ptr<Files> files, std::vector<File> parts, std::shared_ptr<void> keep_alive)
    : files_(std::move(files)), parts_(std::move(parts)), keep_alive_(std::move(keep_alive)) {
  for (const auto& part : parts_) bytes_ += part.bytes;
}

engine::Result<Bytes> SnapshotSource::read(uint64_t offset, size_t n) const {
  Bytes out;
  uint64_t begin = 0;  // of the part
  for (const auto& part : parts_) {
    uint64_t end = begin + part.bytes;
    while (offset < end && out.size() < n) {
      size_t want = std::min<uint64_t>(n - out.size(), end - offset);
      engine::Result<Bytes> read = Err(engine::Error{engine::Error::Kind::kIo, "the store has stopped"});
      files_->use([&](engine::FileStore& files) { read = files.read(part.path, offset - begin, want); });
      TRY_ASSIGN(Bytes bytes, std::move(read));
      if (bytes.empty()) {
        return Err(engine::Error{engine::Error::Kind::kCorruption, part.path + " is shorter than it was made"});
      }
      offset += bytes.size();
      out += bytes;
    }
    begin = end;
  }
  return out;
}

}  // namespace cairn::store
