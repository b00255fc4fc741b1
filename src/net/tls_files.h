// The files of TLS, and what they say at one time (TlsContext). They are looked at on a thread of their own: a disk
// that hangs holds up no connection, and one that is made is checked by what the files said a moment ago at most,
// however long there was none. Files that cannot be used are logged once, and the last good ones stay. Tests:
// tls_test.cc.
#pragma once

#include <memory>
#include <string>
#include <thread>

#include "base/result.h"
#include "net/tls.h"
#include "net/tls_context.h"

namespace cairn::net {

// Thread-safe.
class TlsFiles {
 public:
  explicit TlsFiles(TlsOptions options);
  // Waits a moment for a look that is under way. If the disk hangs, the look and its thread are left behind.
  ~TlsFiles();
  TlsFiles(const TlsFiles&) = delete;
  TlsFiles& operator=(const TlsFiles&) = delete;

  // Reads them and goes on looking. The error says which of them cannot be used, and why. Before all else.
  Result<void, std::string> open();
  std::shared_ptr<const TlsContext> current();
  // Looks at them here and now.
  void look();

 private:
  class Watch;
  const std::shared_ptr<Watch> watch_;
  std::thread thread_;
};

}  // namespace cairn::net
