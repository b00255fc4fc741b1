// What an operation of the client may end with besides success: a closed list, each alternative there because the
// application acts differently on it.
#pragma once

#include <string>
#include <variant>

#include "base/bytes.h"
#include "base/ids.h"
#include "base/result.h"

namespace cairn::client {

// The time budget ran out. A single write did not happen and will not; of a batch over several regions some parts may
// have been written. The operation may be tried again.
struct GaveUp {
  std::string reason;  // what stood in the way last
};
// A write may or may not have happened, or may happen yet: its answer was lost.
struct Undetermined {
  std::string reason;
};
// Another transaction wrote the key after this one began. Rolled back; begin anew.
struct Conflict {
  Bytes key;
  Timestamp start_ts;            // of this transaction
  Timestamp conflict_start_ts;   // of the one in the way
  Timestamp conflict_commit_ts;  // 0: it is known only that this transaction was rolled back
};
// An inserted key exists. Rolled back.
struct AlreadyExists {
  Bytes key;
};
// Another client rolled the transaction back, for its locks had expired. Begin anew.
struct RolledBack {
  std::string reason;
};
// The lock that a pessimistic transaction asked for was not had within the time it would wait. The transaction lives;
// the keys of the call are not locked.
struct LockWaitTimeout {
  Bytes key;
  Timestamp holder_start_ts;  // of the transaction that holds it
};
// Transactions wait for each other in a circle, and this one is to give way: roll it back and begin anew.
struct Deadlock {
  Bytes key;                  // whose lock was asked for
  Timestamp holder_start_ts;  // of the transaction that holds it
};
// The store or PD refuses the request as it is, whoever asks how often: a key too large, a wrong cluster, a bug.
struct Refused {
  std::string message;
};

using Error =
    std::variant<GaveUp, Undetermined, Conflict, AlreadyExists, RolledBack, LockWaitTimeout, Deadlock, Refused>;

template <class T>
using Outcome = cairn::Result<T, Error>;

// A sentence for logs; never empty.
std::string to_string(const Error& error);

}  // namespace cairn::client
