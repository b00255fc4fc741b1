#include "engine/rocks/cache_only.h"

#include <rocksdb/env.h>
#include <rocksdb/file_system.h>

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "base/check.h"

namespace cairn::engine::rocks {
namespace {

using rocksdb::IODebugContext;
using rocksdb::IOStatus;

thread_local bool t_is_cache_only = false;
thread_local bool t_has_refused = false;

bool refuses() {
  if (t_is_cache_only) t_has_refused = true;
  return t_is_cache_only;
}

// An iterator that is told this tries the file again at its next seek.
IOStatus refusal() { return rocksdb::status_to_io_status(rocksdb::Status::Incomplete("not cached")); }

class GuardedFile final : public rocksdb::FSRandomAccessFileOwnerWrapper {
 public:
  using rocksdb::FSRandomAccessFileOwnerWrapper::FSRandomAccessFileOwnerWrapper;

  IOStatus Read(uint64_t offset, size_t n, const rocksdb::IOOptions& options, rocksdb::Slice* result, char* scratch,
                IODebugContext* debug) const override {
    return refuses() ? refusal() : target()->Read(offset, n, options, result, scratch, debug);
  }
  IOStatus MultiRead(rocksdb::FSReadRequest* requests, size_t count, const rocksdb::IOOptions& options,
                     IODebugContext* debug) override {
    return refuses() ? refusal() : target()->MultiRead(requests, count, options, debug);
  }
  IOStatus Prefetch(uint64_t offset, size_t n, const rocksdb::IOOptions& options, IODebugContext* debug) override {
    return refuses() ? refusal() : target()->Prefetch(offset, n, options, debug);
  }
  IOStatus ReadAsync(rocksdb::FSReadRequest& request, const rocksdb::IOOptions& options,
                     std::function<void(const rocksdb::FSReadRequest&, void*)> done, void* argument, void** handle,
                     rocksdb::IOHandleDeleter* deleter, IODebugContext* debug) override {
    if (refuses()) return refusal();
    return target()->ReadAsync(request, options, std::move(done), argument, handle, deleter, debug);
  }
};

class GuardedFileSystem final : public rocksdb::FileSystemWrapper {
 public:
  GuardedFileSystem() : FileSystemWrapper(rocksdb::FileSystem::Default()) {}
  const char* Name() const override { return "cairn.guarded"; }
  IOStatus NewRandomAccessFile(const std::string& path, const rocksdb::FileOptions& options,
                               std::unique_ptr<rocksdb::FSRandomAccessFile>* out, IODebugContext* debug) override {
    if (refuses()) return refusal();
    std::unique_ptr<rocksdb::FSRandomAccessFile> file;
    IOStatus opened = target()->NewRandomAccessFile(path, options, &file, debug);
    if (opened.ok()) *out = std::make_unique<GuardedFile>(std::move(file));
    return opened;
  }
};

}  // namespace

CacheOnly::CacheOnly(bool applies) : applies_(applies) {
  if (!applies_) return;
  CHECK(!t_is_cache_only, "a read of the cache within another");
  t_is_cache_only = true;
  t_has_refused = false;
}

CacheOnly::~CacheOnly() {
  if (applies_) t_is_cache_only = false;
}

bool CacheOnly::has_refused() const { return applies_ && t_has_refused; }

rocksdb::Env* guarded_env() {
  static rocksdb::Env* const env = rocksdb::NewCompositeEnv(std::make_shared<GuardedFileSystem>()).release();
  return env;
}

}  // namespace cairn::engine::rocks
