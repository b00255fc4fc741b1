#include "store/snapshot_receiver.h"

#include <algorithm>
#include <utility>

#include "store/metrics.h"

namespace cairn::store {
namespace {

engine::Error wrong(std::string message) { return {engine::Error::Kind::kInvalid, std::move(message)}; }
engine::Error stopped() { return {engine::Error::Kind::kIo, "the store has stopped"}; }

}  // namespace

FileSnapshotReceiver::FileSnapshotReceiver(Shared& shared, raft_serverpb::RaftMessage message,
                                           raft_serverpb::RaftSnapshotData data, Deliver deliver)
    : store_(shared.self),
      message_(std::move(message)),
      data_(std::move(data)),
      deliver_(std::move(deliver)),
      folder_(std::string(kReceivedSnapshots) + "/" + std::to_string(shared.next_folder++)),
      files_(replica::files_of(data_, folder_)) {
  ++shared.counters.snapshots_receiving;
}

FileSnapshotReceiver::~FileSnapshotReceiver() {
  writer_.reset();
  store_->use([this](Shared& shared) {
    --shared.counters.snapshots_receiving;
    if (!delivered_) static_cast<void>(shared.deps.kv.files().remove_tree(folder_));
  });
}

engine::Result<void> FileSnapshotReceiver::append(ByteView bytes) {
  StoreMetrics::get().snapshot_bytes_moved.add(bytes.size());
  engine::Result<void> done = Err(stopped());
  store_->use([&](Shared& shared) { done = append_to(shared.deps.kv.files(), bytes); });
  return done;
}

engine::Result<void> FileSnapshotReceiver::append_to(engine::FileStore& files, ByteView bytes) {
  while (!bytes.empty()) {
    if (current_ == files_.size()) return Err(wrong("the snapshot has more bytes than it announced"));
    const auto& file = files_[current_];
    if (!writer_) {
      TRY_ASSIGN(writer_, files.create(file.path));
      written_ = 0;
      checksum_ = 0;
    }
    ByteView part = bytes.substr(0, std::min<uint64_t>(bytes.size(), file.bytes - written_));
    TRY(writer_->append(part));
    checksum_ = crc32(part, checksum_);
    written_ += part.size();
    bytes.remove_prefix(part.size());
    if (written_ == file.bytes) TRY(close_file());
  }
  return {};
}

engine::Result<void> FileSnapshotReceiver::close_file() {
  const auto& file = files_[current_];
  if (checksum_ != file.checksum) return Err(wrong("the checksum of " + file.path + " is not the one announced"));
  TRY(writer_->sync_and_close());
  writer_.reset();
  ++current_;
  return {};
}

engine::Result<void> FileSnapshotReceiver::finish() {
  engine::Result<void> done = Err(stopped());
  store_->use([&](Shared&) { done = hand_over(); });
  return done;
}

engine::Result<void> FileSnapshotReceiver::hand_over() {
  if (current_ != files_.size()) return Err(wrong("the snapshot ended early"));
  // An empty region has no files: the folder's name still marks the message as received whole.
  data_.mutable_meta()->set_tablet_snap_path(folder_);
  message_.mutable_message()->mutable_snapshot()->set_data(replica::serialize(data_));
  delivered_ = true;
  deliver_(std::move(message_));
  return {};
}

}  // namespace cairn::store
