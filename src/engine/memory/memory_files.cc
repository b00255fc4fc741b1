#include "engine/memory/memory_files.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/codec.h"
#include "base/crc.h"
#include "engine/file_path.h"

namespace cairn::engine::memory {
namespace {

constexpr ByteView kMagic = "CAIRNSST";
constexpr size_t kFooterSize = 12;

Error gone() { return {Error::Kind::kIo, "the node crashed"}; }

class MemoryWriter final : public FileStore::Writer {
 public:
  MemoryWriter(DiskState& disk, std::shared_ptr<KvState> kv, std::shared_ptr<File> file)
      : disk_(disk), kv_(std::move(kv)), file_(std::move(file)) {}

  Result<void> append(ByteView bytes) override {
    CHECK(!closed_, "append to a closed file");
    disk_.wait(DiskAccess::kFileWrite, bytes.size());
    MutexLock lock(disk_.mutex);
    if (kv_->dead) return Err(gone());
    TRY(disk_.access(DiskAccess::kFileWrite, bytes.size()));
    file_->bytes.append(bytes);
    return {};
  }
  Result<void> sync_and_close() override {
    CHECK(!closed_, "a file is closed once");
    closed_ = true;
    disk_.wait(DiskAccess::kFileSync, 0);
    MutexLock lock(disk_.mutex);
    if (kv_->dead) return Err(gone());
    TRY(disk_.access(DiskAccess::kFileSync, 0));
    file_->synced = file_->bytes.size();
    return {};
  }

 private:
  DiskState& disk_;
  std::shared_ptr<KvState> kv_ CAIRN_GUARDED_BY(disk_.mutex);
  std::shared_ptr<File> file_ CAIRN_GUARDED_BY(disk_.mutex);
  bool closed_ = false;
};

class MemorySstWriter final : public SstWriter {
 public:
  MemorySstWriter(FileStore& files, std::string path, std::unique_ptr<FileStore::Writer> writer)
      : files_(files), path_(std::move(path)), writer_(std::move(writer)), buffer_(kMagic) {}
  ~MemorySstWriter() override {
    if (finished_) return;
    writer_.reset();
    static_cast<void>(files_.remove(path_).ok());  // a destructor has nobody to tell
  }

  Result<void> put(ByteView key, ByteView value) override {
    if (entries_ > 0 && key <= ByteView(last_key_)) {
      return Err(
          Error{Error::Kind::kInvalid, "keys of an SST must ascend: " + to_hex(key) + " after " + to_hex(last_key_)});
    }
    codec::put_u32_le(buffer_, static_cast<uint32_t>(key.size()));
    codec::put_u32_le(buffer_, static_cast<uint32_t>(value.size()));
    buffer_.append(key);
    buffer_.append(value);
    last_key_ = key;
    ++entries_;
    return {};
  }
  uint64_t bytes() const override { return buffer_.size(); }
  Result<SstFile> finish() override {
    CHECK(!finished_, "an SST is finished once");
    if (entries_ == 0) return Err(Error{Error::Kind::kInvalid, "an SST without entries: " + path_});
    codec::put_u64_le(buffer_, entries_);
    codec::put_u32_le(buffer_, crc32(buffer_));
    TRY(writer_->append(buffer_));
    TRY(writer_->sync_and_close());
    finished_ = true;
    return SstFile{path_, buffer_.size(), entries_};
  }

 private:
  FileStore& files_;
  std::string path_;
  std::unique_ptr<FileStore::Writer> writer_;
  Bytes buffer_;
  Bytes last_key_;
  uint64_t entries_ = 0;
  bool finished_ = false;
};

}  // namespace

Result<std::shared_ptr<File>> MemoryFiles::find(const std::string& path) const {
  auto it = disk_.files.find(path);
  if (it == disk_.files.end()) return Err(Error{Error::Kind::kIo, "no such file: " + path});
  return it->second;
}

Result<std::unique_ptr<FileStore::Writer>> MemoryFiles::create(const std::string& path) {
  TRY(check_file_path(path));
  MutexLock lock(disk_.mutex);
  if (kv_->dead) return Err(gone());
  TRY(disk_.access(DiskAccess::kFileWrite, 0));
  auto file = std::make_shared<File>();
  disk_.removed.erase(path);
  disk_.files[path] = file;
  return std::unique_ptr<Writer>(std::make_unique<MemoryWriter>(disk_, kv_, std::move(file)));
}

Result<uint64_t> MemoryFiles::size(const std::string& path) const {
  TRY(check_file_path(path));
  MutexLock lock(disk_.mutex);
  TRY_ASSIGN(auto file, find(path));
  return uint64_t{file->bytes.size()};
}

Result<Bytes> MemoryFiles::read(const std::string& path, uint64_t offset, size_t n) const {
  TRY(check_file_path(path));
  MutexLock lock(disk_.mutex);
  TRY(disk_.access(DiskAccess::kFileRead, n));
  TRY_ASSIGN(auto file, find(path));
  if (offset >= file->bytes.size()) return Bytes();
  return file->bytes.substr(static_cast<size_t>(offset), n);
}

Result<void> MemoryFiles::rename(const std::string& from, const std::string& to) {
  TRY(check_file_path(from));
  TRY(check_file_path(to));
  disk_.wait(DiskAccess::kFileSync, 0);
  MutexLock lock(disk_.mutex);
  if (kv_->dead) return Err(gone());
  TRY(disk_.access(DiskAccess::kFileSync, 0));
  TRY_ASSIGN(auto file, find(from));
  disk_.files.erase(from);
  disk_.removed.erase(to);
  disk_.files[to] = std::move(file);
  return {};
}

Result<void> MemoryFiles::remove(const std::string& path) {
  TRY(check_file_path(path));
  disk_.wait(DiskAccess::kFileSync, 0);
  MutexLock lock(disk_.mutex);
  if (kv_->dead) return Err(gone());
  TRY(disk_.access(DiskAccess::kFileSync, 0));
  disk_.remove_file(path);
  return {};
}

Result<void> MemoryFiles::remove_tree(const std::string& path) {
  TRY(check_file_path(path));
  disk_.wait(DiskAccess::kFileSync, 0);
  MutexLock lock(disk_.mutex);
  if (kv_->dead) return Err(gone());
  TRY(disk_.access(DiskAccess::kFileSync, 0));
  std::string prefix = path + "/";
  disk_.remove_file(path);
  auto it = disk_.files.lower_bound(prefix);
  while (it != disk_.files.end() && it->first.starts_with(prefix)) disk_.remove_file(Bytes((it++)->first));
  return {};
}

Result<std::vector<std::string>> MemoryFiles::list(const std::string& folder) const {
  if (!folder.empty()) TRY(check_file_path(folder));
  std::string prefix = folder.empty() ? "" : folder + "/";
  MutexLock lock(disk_.mutex);
  std::vector<std::string> names;
  for (auto it = disk_.files.lower_bound(prefix); it != disk_.files.end() && it->first.starts_with(prefix); ++it) {
    names.push_back(it->first.substr(prefix.size(), it->first.find('/', prefix.size()) - prefix.size()));
  }
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

Result<std::unique_ptr<SstWriter>> new_memory_sst(FileStore& files, const std::string& path) {
  TRY_ASSIGN(auto writer, files.create(path));
  return std::unique_ptr<SstWriter>(std::make_unique<MemorySstWriter>(files, path, std::move(writer)));
}

Result<std::vector<EntryPtr>> parse_memory_sst(const std::string& path, ByteView bytes) {
  Error damaged{Error::Kind::kCorruption, "not a whole SST: " + path};
  if (bytes.size() < kMagic.size() + kFooterSize || !bytes.starts_with(kMagic)) return Err(damaged);
  ByteView footer = bytes.substr(bytes.size() - kFooterSize);
  uint64_t count = 0;
  uint32_t crc = 0;
  if (!codec::get_u64_le(footer, count) || !codec::get_u32_le(footer, crc)) return Err(damaged);
  if (crc32(bytes.substr(0, bytes.size() - sizeof(crc))) != crc) return Err(damaged);
  ByteView rest = bytes.substr(kMagic.size(), bytes.size() - kMagic.size() - kFooterSize);
  std::vector<EntryPtr> entries;
  while (!rest.empty()) {
    uint32_t key_size = 0, value_size = 0;
    if (!codec::get_u32_le(rest, key_size) || !codec::get_u32_le(rest, value_size)) return Err(damaged);
    if (rest.size() < uint64_t{key_size} + value_size) return Err(damaged);
    Bytes key(rest.substr(0, key_size));
    Bytes value(rest.substr(key_size, value_size));
    rest.remove_prefix(size_t{key_size} + value_size);
    if (!entries.empty() && entries.back()->key >= key) return Err(damaged);
    entries.push_back(std::make_shared<const Entry>(Entry{std::move(key), std::move(value)}));
  }
  if (entries.size() != count || entries.empty()) return Err(damaged);
  return entries;
}

}  // namespace cairn::engine::memory
