// Files of a MemoryDisk, and the SST files on them.
//
// Format of an SST in memory (a form of our own; integers little-endian):
//
//   "CAIRNSST"                                     magic
//   { key length u32, value length u32, key, value }   once an entry, keys strictly ascending
//   count u64, crc32 of all before u32
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/memory/disk_state.h"

namespace cairn::engine::memory {

// `kv` is the life of the engine that asks: once it is dead, writing fails.
class MemoryFiles final : public FileStore {
 public:
  MemoryFiles(DiskState& disk, std::shared_ptr<KvState> kv) : disk_(disk), kv_(std::move(kv)) {}

  Result<std::unique_ptr<Writer>> create(const std::string& path) override;
  Result<uint64_t> size(const std::string& path) const override;
  Result<Bytes> read(const std::string& path, uint64_t offset, size_t n) const override;
  Result<void> rename(const std::string& from, const std::string& to) override;
  Result<void> remove(const std::string& path) override;
  Result<void> remove_tree(const std::string& path) override;
  Result<std::vector<std::string>> list(const std::string& folder) const override;

 private:
  Result<std::shared_ptr<File>> find(const std::string& path) const CAIRN_REQUIRES(disk_.mutex);

  DiskState& disk_;
  std::shared_ptr<KvState> kv_ CAIRN_GUARDED_BY(disk_.mutex);
};

// Writes an SST to `path` of `files`.
Result<std::unique_ptr<SstWriter>> new_memory_sst(FileStore& files, const std::string& path);

// The entries of an SST; kCorruption if the bytes are not one.
Result<std::vector<EntryPtr>> parse_memory_sst(const std::string& path, ByteView bytes);

}  // namespace cairn::engine::memory
