// The files that a process may hold open (RLIMIT_NOFILE), shared out: the engine, the Raft log and the sockets of
// clients draw on one number, and the one that finds none left cannot go on as it should. So the number is raised to
// what is allowed, before anything is opened, and each is told its share. Tests: open_files_test.cc.
#pragma once

#include <cstdint>
#include <string>

#include "config/values.h"

namespace cairn::cli {

using config::Parsed;

// What the engines would hold open at most, if they may.
struct WantedFiles {
  int engine = 4096;
  int raft_log = 512;
};

struct FileShares {
  int engine = 0;
  int raft_log = 0;
  uint64_t sockets = 0;  // what is left for connections
  // Of those, what may be connections that others open: some are ours, to the other stores and PD.
  uint64_t connections() const { return sockets - sockets / 8; }
  std::string warning;  // in words, if the limit is low; else empty
};

// Pure. An error if the process could hardly work.
Parsed<FileShares> share_files(uint64_t limit, WantedFiles wanted);

// Raises the limit of this process to what it may have, shares it out and logs the warning.
Parsed<FileShares> claim_files(WantedFiles wanted);

}  // namespace cairn::cli
