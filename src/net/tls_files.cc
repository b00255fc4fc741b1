#include "net/tls_files.h"

#include <pthread.h>
#include <sys/stat.h>
#include <sys/types.h>

#include <array>
#include <ctime>
#include <utility>

#include "base/log.h"
#include "base/mutex.h"

namespace cairn::net {
namespace {

constexpr Duration kPatienceAtTheEnd = 1s;

// When a file was last changed; all zero: there is none.
struct State {
  dev_t device = 0;
  ino_t inode = 0;
  off_t size = 0;
  time_t seconds = 0;
  long nanoseconds = 0;
  bool operator==(const State&) const = default;
};

State state_of(const std::string& path) {
  struct stat found{};
  if (path.empty() || stat(path.c_str(), &found) != 0) return {};
  return {found.st_dev, found.st_ino, found.st_size, found.st_mtim.tv_sec, found.st_mtim.tv_nsec};
}

}  // namespace

// What the thread shares with those who use the files, and may outlive them with.
class TlsFiles::Watch {
 public:
  explicit Watch(TlsOptions options) : options_(std::move(options)) {}

  Result<void, std::string> open() {
    MutexLock looking(looking_);
    seen_ = states();
    TRY_ASSIGN(auto context, TlsContext::load(options_));
    MutexLock lock(mutex_);
    context_ = std::move(context);
    return {};
  }
  std::shared_ptr<const TlsContext> current() {
    MutexLock lock(mutex_);
    return context_;
  }
  void look();
  // The thread.
  void run();
  // Whether run() has come to its end, or does so within a moment.
  bool end();

 private:
  using States = std::array<State, 4>;
  States states() const {
    return {state_of(options_.ca_path), state_of(options_.cert_path), state_of(options_.key_path),
            state_of(options_.crl_path)};
  }

  const TlsOptions options_;
  Mutex looking_;  // held while the files are read
  States seen_ CAIRN_GUARDED_BY(looking_);
  Mutex mutex_;
  CondVar changed_;
  bool is_over_ CAIRN_GUARDED_BY(mutex_) = false;
  bool has_ended_ CAIRN_GUARDED_BY(mutex_) = false;
  std::shared_ptr<const TlsContext> context_ CAIRN_GUARDED_BY(mutex_);
};

void TlsFiles::Watch::run() {
  pthread_setname_np(pthread_self(), "tls-files");
  while (true) {
    {
      MutexLock lock(mutex_);
      changed_.wait_for(mutex_, options_.look_again, [this]() CAIRN_REQUIRES(mutex_) { return is_over_; });
      has_ended_ = is_over_;
      if (has_ended_) return changed_.notify_all();
    }
    look();
  }
}

bool TlsFiles::Watch::end() {
  MutexLock lock(mutex_);
  is_over_ = true;
  changed_.notify_all();
  return changed_.wait_for(mutex_, kPatienceAtTheEnd, [this]() CAIRN_REQUIRES(mutex_) { return has_ended_; });
}

// Before they are read they are looked at: what is written meanwhile is seen the next time.
void TlsFiles::Watch::look() {
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

TlsFiles::TlsFiles(TlsOptions options) : watch_(std::make_shared<Watch>(std::move(options))) {}

TlsFiles::~TlsFiles() {
  if (!thread_.joinable()) return;
  if (watch_->end()) {
    thread_.join();
  } else {
    LOG_WARN("TLS: the files are still being looked at: their disk does not answer");
    thread_.detach();
  }
}

Result<void, std::string> TlsFiles::open() {
  TRY(watch_->open());
  thread_ = std::thread([watch = watch_] { watch->run(); });
  return {};
}

std::shared_ptr<const TlsContext> TlsFiles::current() { return watch_->current(); }

void TlsFiles::look() { watch_->look(); }

}  // namespace cairn::net
