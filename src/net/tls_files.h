// The files of TLS, and what they say at one time (TlsContext). They are looked at on a thread of their own: a disk
// that hangs holds up no connection, and one that is made is checked by what the files said a moment ago at most,
// however long there was none. Files that cannot be used are logged once, and the last good ones stay. Tests:
// tls_test.cc.
#pragma once

#include <sys/types.h>

#include <array>
#include <ctime>
#include <memory>
#include <string>
#include <thread>

#include "base/mutex.h"
#include "base/result.h"
#include "net/tls.h"
#include "net/tls_context.h"

namespace cairn::net {

// Thread-safe.
class TlsFiles {
 public:
  explicit TlsFiles(TlsOptions options);
  ~TlsFiles();
  TlsFiles(const TlsFiles&) = delete;
  TlsFiles& operator=(const TlsFiles&) = delete;

  // Reads them and goes on looking. The error says which of them cannot be used, and why. Before all else.
  Result<void, std::string> open();
  std::shared_ptr<const TlsContext> current();
  // Looks at them here and now.
  void look();

 private:
  // When a file was last changed; all zero: there is none.
  struct State {
    dev_t device = 0;
    ino_t inode = 0;
    off_t size = 0;
    time_t seconds = 0;
    long nanoseconds = 0;
    bool operator==(const State&) const = default;
  };
  using States = std::array<State, 4>;

  static State state_of(const std::string& path);
  States states() const;
  void watch();

  const TlsOptions options_;
  Mutex looking_;  // held while the files are read
  States seen_ CAIRN_GUARDED_BY(looking_);
  Mutex mutex_;
  CondVar is_over_changed_;
  bool is_over_ CAIRN_GUARDED_BY(mutex_) = false;
  std::shared_ptr<const TlsContext> context_ CAIRN_GUARDED_BY(mutex_);
  std::thread watcher_;
};

}  // namespace cairn::net
