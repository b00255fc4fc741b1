#include "engine/rocks/watched_reads.h"

#include <rocksdb/env.h>
#include <rocksdb/file_system.h>
#include <rocksdb/table.h>

#include <functional>
#include <string>
#include <utility>

#include "base/check.h"

namespace cairn::engine::rocks {
namespace {

using rocksdb::IODebugContext;
using rocksdb::IOStatus;

thread_local bool t_is_refused = false;
thread_local bool t_has_refused = false;
thread_local uint64_t t_failures = 0;
thread_local uint64_t t_file_nanos = 0;

bool refuses() {
  if (t_is_refused) t_has_refused = true;
  return t_is_refused;
}

// An iterator that is told this tries the file again at its next seek.
IOStatus refusal() { return rocksdb::status_to_io_status(rocksdb::Status::Incomplete("not cached")); }

IOStatus noted(IOStatus status) {
  if (!status.ok() && !status.IsNotSupported()) ++t_failures;
  return status;
}

// Adds the time of what reads a file.
class FileTime {
 public:
  FileTime() : begun_(now()) {}
  ~FileTime() { t_file_nanos += now() - begun_; }
  FileTime(const FileTime&) = delete;
  FileTime& operator=(const FileTime&) = delete;

 private:
  static uint64_t now() { return rocksdb::Env::Default()->NowNanos(); }
  const uint64_t begun_;
};

class WatchedFile final : public rocksdb::FSRandomAccessFileOwnerWrapper {
 public:
  using rocksdb::FSRandomAccessFileOwnerWrapper::FSRandomAccessFileOwnerWrapper;

  IOStatus Read(uint64_t offset, size_t n, const rocksdb::IOOptions& options, rocksdb::Slice* result, char* scratch,
                IODebugContext* debug) const override {
    if (refuses()) return refusal();
    const FileTime timed;
    return noted(target()->Read(offset, n, options, result, scratch, debug));
  }
  IOStatus MultiRead(rocksdb::FSReadRequest* requests, size_t count, const rocksdb::IOOptions& options,
                     IODebugContext* debug) override {
    if (refuses()) return refusal();
    const FileTime timed;
    IOStatus status = noted(target()->MultiRead(requests, count, options, debug));
    for (size_t i = 0; i < count && status.ok(); ++i) static_cast<void>(noted(requests[i].status));
    return status;
  }
  IOStatus Prefetch(uint64_t offset, size_t n, const rocksdb::IOOptions& options, IODebugContext* debug) override {
    return refuses() ? refusal() : target()->Prefetch(offset, n, options, debug);
  }
  IOStatus ReadAsync(rocksdb::FSReadRequest& request, const rocksdb::IOOptions& options,
                     std::function<void(const rocksdb::FSReadRequest&, void*)> done, void* argument, void** handle,
                     rocksdb::IOHandleDeleter* deleter, IODebugContext* debug) override {
    if (refuses()) return refusal();
    return noted(target()->ReadAsync(request, options, std::move(done), argument, handle, deleter, debug));
  }
};

class WatchedFileSystem final : public rocksdb::FileSystemWrapper {
 public:
  WatchedFileSystem() : FileSystemWrapper(rocksdb::FileSystem::Default()) {}
  const char* Name() const override { return "cairn.watched"; }
  IOStatus NewRandomAccessFile(const std::string& path, const rocksdb::FileOptions& options,
                               std::unique_ptr<rocksdb::FSRandomAccessFile>* out, IODebugContext* debug) override {
    if (refuses()) return refusal();
    std::unique_ptr<rocksdb::FSRandomAccessFile> file;
    IOStatus opened = noted(target()->NewRandomAccessFile(path, options, &file, debug));
    if (opened.ok()) *out = std::make_unique<WatchedFile>(std::move(file));
    return opened;
  }
};

// Whoever asks for its kind or options asks the one within.
class WatchedTables final : public rocksdb::TableFactory {
 public:
  explicit WatchedTables(std::shared_ptr<TableFactory> inner) : inner_(std::move(inner)) {}
  const char* Name() const override { return "cairn.watched_tables"; }
  const rocksdb::Customizable* Inner() const override { return inner_.get(); }
  using TableFactory::NewTableReader;
  rocksdb::Status NewTableReader(const rocksdb::ReadOptions& read, const rocksdb::TableReaderOptions& options,
                                 std::unique_ptr<rocksdb::RandomAccessFileReader>&& file, uint64_t bytes,
                                 std::unique_ptr<rocksdb::TableReader>* reader, bool prefetch) const override {
    const WatchedReads watched(WatchedReads::Files::kAllowed);
    rocksdb::Status opened = inner_->NewTableReader(read, options, std::move(file), bytes, reader, prefetch);
    if (opened.ok() && watched.has_failed()) return rocksdb::Status::IOError("a table cannot be read as a whole");
    return opened;
  }
  rocksdb::TableBuilder* NewTableBuilder(const rocksdb::TableBuilderOptions& options,
                                         rocksdb::WritableFileWriter* file) const override {
    return inner_->NewTableBuilder(options, file);
  }
  std::string GetPrintableOptions() const override { return inner_->GetPrintableOptions(); }
  bool IsDeleteRangeSupported() const override { return inner_->IsDeleteRangeSupported(); }

 private:
  const std::shared_ptr<TableFactory> inner_;
};

}  // namespace

WatchedReads::WatchedReads(Files files) : files_(files), failures_before_(t_failures) {
  if (files_ == Files::kAllowed) return;
  CHECK(!t_is_refused, "a read of the cache within another");
  t_is_refused = true;
  t_has_refused = false;
}

WatchedReads::~WatchedReads() {
  if (files_ == Files::kRefused) t_is_refused = false;
}

bool WatchedReads::has_refused() const { return files_ == Files::kRefused && t_has_refused; }

bool WatchedReads::has_failed() const { return t_failures != failures_before_; }

Duration file_time_of_thread() { return Duration(static_cast<int64_t>(t_file_nanos)); }

rocksdb::Env* watched_env() {
  static rocksdb::Env* const env = rocksdb::NewCompositeEnv(std::make_shared<WatchedFileSystem>()).release();
  return env;
}

std::shared_ptr<rocksdb::TableFactory> watched_tables(std::shared_ptr<rocksdb::TableFactory> inner) {
  return std::make_shared<WatchedTables>(std::move(inner));
}

}  // namespace cairn::engine::rocks
