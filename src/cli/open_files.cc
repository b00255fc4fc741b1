#include "cli/open_files.h"

#include <sys/resource.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/log.h"

namespace cairn::cli {
namespace {

constexpr uint64_t kLeast = 256;
constexpr uint64_t kOwn = 64;  // logs, locks, write-ahead logs, what compactions write, epoll and event descriptors
constexpr uint64_t kSocketsExpected = 1024;
// For a limit that is said to be none.
constexpr uint64_t kUnlimited = uint64_t{1} << 20;

}  // namespace

Parsed<FileShares> share_files(uint64_t limit, WantedFiles wanted) {
  if (limit < kLeast) {
    return Err(fmt::format(
        "the process may hold only {} files open, and needs at least {}: raise the limit (ulimit -n)", limit, kLeast));
  }
  const uint64_t usable = limit - kOwn;
  FileShares shares;
  shares.engine = static_cast<int>(std::min<uint64_t>(static_cast<uint64_t>(wanted.engine), usable / 2));
  shares.raft_log = static_cast<int>(std::min<uint64_t>(static_cast<uint64_t>(wanted.raft_log), usable / 8));
  shares.sockets = usable - static_cast<uint64_t>(shares.engine) - static_cast<uint64_t>(shares.raft_log);
  if (shares.engine < wanted.engine || shares.raft_log < wanted.raft_log || shares.sockets < kSocketsExpected) {
    shares.warning = fmt::format(
        "the process may hold only {} files open: {} for the engine, which would have {}, {} of {} for the Raft log, "
        "and "
        "{} for connections, beyond which clients cannot connect; raise the limit (ulimit -n) to {} or more",
        limit, shares.engine, wanted.engine, shares.raft_log, wanted.raft_log, shares.sockets,
        2 * static_cast<uint64_t>(wanted.engine + wanted.raft_log) + kSocketsExpected);
  }
  return shares;
}

Parsed<FileShares> claim_files(WantedFiles wanted) {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
    return Err(std::string("the limit of open files cannot be read: ") + std::strerror(errno));
  }
  if (limit.rlim_cur < limit.rlim_max) {
    rlimit raised = limit;
    raised.rlim_cur = limit.rlim_max == RLIM_INFINITY ? std::max<rlim_t>(limit.rlim_cur, kUnlimited) : limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &raised) == 0) limit = raised;
  }
  const uint64_t allowed = limit.rlim_cur == RLIM_INFINITY ? kUnlimited : uint64_t{limit.rlim_cur};
  auto shares = share_files(allowed, wanted);
  if (shares.ok() && !shares->warning.empty()) LOG_WARN("{}", shares->warning);
  return shares;
}

}  // namespace cairn::cli
