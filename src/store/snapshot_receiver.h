// Receives one snapshot from another store: the bytes of its files one behind the other go into a folder of their own;
// when all are there, sizes and checksums are checked and the message goes to its region, with the folder's name in
// it. It may outlive the store: then it answers errors, and the next start removes what it wrote. Tests: store_test.cc.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/crc.h"
#include "replica/snapshot_files.h"
#include "store/shared.h"
#include "store/store.h"

namespace cairn::store {

class FileSnapshotReceiver final : public SnapshotReceiver {
 public:
  using Deliver = std::function<void(raft_serverpb::RaftMessage)>;
  FileSnapshotReceiver(Shared& shared, raft_serverpb::RaftMessage message, raft_serverpb::RaftSnapshotData data,
                       Deliver deliver);
  ~FileSnapshotReceiver() override;

  engine::Result<void> append(ByteView bytes) override;
  engine::Result<void> finish() override;

 private:
  engine::Result<void> append_to(engine::FileStore& files, ByteView bytes);
  engine::Result<void> close_file();
  engine::Result<void> hand_over();

  const std::shared_ptr<runtime::Revocable<Shared>> store_;
  raft_serverpb::RaftMessage message_;
  raft_serverpb::RaftSnapshotData data_;
  Deliver deliver_;
  std::string folder_;
  std::vector<replica::SnapshotFile> files_;
  size_t current_ = 0;     // of files_
  uint64_t written_ = 0;   // of the current file
  uint32_t checksum_ = 0;  // likewise
  std::unique_ptr<engine::FileStore::Writer> writer_;
  bool delivered_ = false;
};

}  // namespace cairn::store
