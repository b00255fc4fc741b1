// Acceptor: takes connections from a listening socket, on a loop's thread. It outlives a shortage of descriptors: one
// is held in reserve, given up to take the next connection off the queue and close it, and taken back; the shortage is
// logged once in a while. Tests: acceptor_test.cc.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "net/loop.h"

namespace cairn::net {

class Acceptor {
 public:
  // A connection: its descriptor, which does not block and belongs to the callee, and who is at the other end.
  using Accepted = std::function<void(int descriptor, std::string peer)>;

  // Owns the listening socket. Loop's thread, as everything of it.
  Acceptor(Loop& loop, int listening, Accepted accepted);
  ~Acceptor();
  Acceptor(const Acceptor&) = delete;
  Acceptor& operator=(const Acceptor&) = delete;

 private:
  class Core;
  std::shared_ptr<Core> core_;
};

}  // namespace cairn::net
