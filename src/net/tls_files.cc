#include "net/tls_files.h"

#include <pthread.h>
#include <sys/stat.h>

#include <chrono>
#include <utility>

#include "base/log.h"

namespace cairn::net {

TlsFiles::TlsFiles(TlsOptions options) : options_(std::move(options)) {}

TlsFiles::~TlsFiles() {
  {
    MutexLock lock(mutex_);
    is_over_ = true;
  }
  is_over_changed_.notify_all();
  if (watcher_.joinable()) watcher_.join();
}

Result<void, std::string> TlsFiles::open() {
  MutexLock looking(looking_);
  seen_ = states();
  TRY_ASSIGN(auto context, TlsContext::load(options_));
  MutexLock lock(mutex_);
  context_ = std::move(context);
  watcher_ = std::thread([this] { watch(); });
  return {};
}

std::shared_ptr<const TlsContext> TlsFiles::current() {
  MutexLock lock(mutex_);
  return context_;
}

void TlsFiles::watch() {
  pthread_setname_np(pthread_self(), "tls-files");
  while (true) {
    {
      MutexLock lock(mutex_);
      const auto until = std::chrono::steady_clock::now() + options_.look_again;
      while (!is_over_ && std::chrono::steady_clock::now() < until) is_over_changed_.wait_until(mutex_, until);
      if (is_over_) return;
    }
    look();
  }
}

TlsFiles::State TlsFiles::state_of(const std::string& path) {
  struct stat found{};
  if (path.empty() || stat(path.c_str(), &found) != 0) return {};
  return {found.st_dev, found.st_ino, found.st_size, found.st_mtim.tv_sec, found.st_mtim.tv_nsec};
}

TlsFiles::States TlsFiles::states() const {
  return {state_of(options_.ca_path), state_of(options_.cert_path), state_of(options_.key_path),
          state_of(options_.crl_path)};
}

// Before they are read they are looked at: what is written meanwhile is seen the next time.
void TlsFiles::look() {
  MutexLock looking(looking_);
  const States now = states();
  if (now == seen_) return;
  seen_ = now;
  auto loaded = TlsContext::load(options_);
  if (!loaded.ok()) {
    LOG_ERROR("TLS: the files have changed and cannot be used, the last ones stay in use: {}", loaded.error());
    return;
  }
  LOG_INFO("TLS: new connections use the new files");
  MutexLock lock(mutex_);
  context_ = std::move(*loaded);
}

}  // namespace cairn::net
