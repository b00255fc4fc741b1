#include "engine/rocks/posix_files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <utility>

#include "base/check.h"
#include "engine/file_path.h"

namespace cairn::engine::rocks {
namespace {

namespace fs = std::filesystem;

Error os_error(int code, const std::string& doing) {
  Error::Kind kind = code == ENOSPC || code == EDQUOT ? Error::Kind::kNoSpace : Error::Kind::kIo;
  return {kind, doing + ": " + std::generic_category().message(code)};
}

// A file descriptor that is closed when forgotten.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&&) = delete;
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }
  int release() { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

Result<Descriptor> open_file(const std::string& path, int flags) {
  int fd = -1;
  do {
    fd = ::open(path.c_str(), flags | O_CLOEXEC, 0644);
  } while (fd < 0 && errno == EINTR);
  if (fd < 0) return Err(os_error(errno, "opening " + path));
  return Descriptor(fd);
}

std::string parent_of(const std::string& path) { return fs::path(path).parent_path().string(); }

class PosixWriter final : public FileStore::Writer {
 public:
  PosixWriter(std::string path, Descriptor file) : path_(std::move(path)), file_(std::move(file)) {}

  Result<void> append(ByteView bytes) override {
    CHECK(file_.get() >= 0, "append to the closed file {}", path_);
    while (!bytes.empty()) {
      ssize_t n = ::write(file_.get(), bytes.data(), bytes.size());
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return Err(os_error(errno, "writing " + path_));
      bytes.remove_prefix(static_cast<size_t>(n));
    }
    return {};
  }
  Result<void> sync_and_close() override {
    CHECK(file_.get() >= 0, "the file {} is closed once", path_);
    if (::fsync(file_.get()) != 0) return Err(os_error(errno, "syncing " + path_));
    if (::close(file_.release()) != 0) return Err(os_error(errno, "closing " + path_));
    return sync_directory(parent_of(path_));
  }

 private:
  std::string path_;
  Descriptor file_;
};

}  // namespace

// From the first that is missing downwards; each survives a crash once its parent was synced.
Result<void> make_directories(const std::string& path) {
  std::error_code code;
  if (path.empty() || fs::is_directory(path, code)) return {};
  const std::string parent = parent_of(path);
  TRY(make_directories(parent));
  fs::create_directory(path, code);
  if (code) return Err(os_error(code.value(), "making directory " + path));
  return sync_directory(parent.empty() ? "." : parent);
}

Result<void> sync_directory(const std::string& path) {
  TRY_ASSIGN(Descriptor directory, open_file(path, O_RDONLY | O_DIRECTORY));
  if (::fsync(directory.get()) != 0) return Err(os_error(errno, "syncing directory " + path));
  return {};
}

Result<std::string> PosixFiles::full_path(const std::string& path) const {
  TRY(check_file_path(path));
  return root_ + "/" + path;
}

Result<std::string> PosixFiles::prepare(const std::string& path) const {
  TRY_ASSIGN(std::string full, full_path(path));
  TRY(make_directories(parent_of(full)));
  return full;
}

Result<std::unique_ptr<FileStore::Writer>> PosixFiles::create(const std::string& path) {
  TRY_ASSIGN(std::string full, prepare(path));
  TRY_ASSIGN(Descriptor file, open_file(full, O_WRONLY | O_CREAT | O_TRUNC));
  return std::unique_ptr<Writer>(std::make_unique<PosixWriter>(std::move(full), std::move(file)));
}

Result<uint64_t> PosixFiles::size(const std::string& path) const {
  TRY_ASSIGN(std::string full, full_path(path));
  struct stat info{};
  if (::stat(full.c_str(), &info) != 0) return Err(os_error(errno, "looking at " + full));
  return static_cast<uint64_t>(info.st_size);
}

Result<Bytes> PosixFiles::read(const std::string& path, uint64_t offset, size_t n) const {
  TRY_ASSIGN(std::string full, full_path(path));
  TRY_ASSIGN(Descriptor file, open_file(full, O_RDONLY));
  struct stat info{};
  if (::fstat(file.get(), &info) != 0) return Err(os_error(errno, "looking at " + full));
  auto file_size = static_cast<uint64_t>(info.st_size);
  Bytes bytes(offset >= file_size ? 0 : static_cast<size_t>(std::min<uint64_t>(n, file_size - offset)), '\0');
  size_t done = 0;
  while (done < bytes.size()) {
    ssize_t got = ::pread(file.get(), bytes.data() + done, bytes.size() - done, static_cast<off_t>(offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return Err(os_error(errno, "reading " + full));
    if (got == 0) break;
    done += static_cast<size_t>(got);
  }
  bytes.resize(done);
  return bytes;
}

Result<void> PosixFiles::rename(const std::string& from, const std::string& to) {
  TRY_ASSIGN(std::string source, full_path(from));
  TRY_ASSIGN(std::string target, prepare(to));
  if (std::rename(source.c_str(), target.c_str()) != 0) return Err(os_error(errno, "renaming " + source));
  TRY(sync_directory(parent_of(target)));
  if (parent_of(source) == parent_of(target)) return {};
  return sync_directory(parent_of(source));
}

Result<void> PosixFiles::remove(const std::string& path) {
  TRY_ASSIGN(std::string full, full_path(path));
  if (::unlink(full.c_str()) != 0 && errno != ENOENT) return Err(os_error(errno, "removing " + full));
  return {};
}

Result<void> PosixFiles::remove_tree(const std::string& path) {
  TRY_ASSIGN(std::string full, full_path(path));
  std::error_code code;
  fs::remove_all(full, code);
  if (code) return Err(os_error(code.value(), "removing " + full));
  return {};
}

Result<std::vector<std::string>> PosixFiles::list(const std::string& folder) const {
  std::string full = root_;
  if (!folder.empty()) {
    TRY_ASSIGN(full, full_path(folder));
  }
  std::vector<std::string> names;
  std::error_code code;
  fs::directory_iterator it(full, code);
  while (!code && it != fs::directory_iterator()) {
    names.push_back(it->path().filename().string());
    it.increment(code);
  }
  if (code == std::errc::no_such_file_or_directory || code == std::errc::not_a_directory) return names;
  if (code) return Err(os_error(code.value(), "listing " + full));
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace cairn::engine::rocks
