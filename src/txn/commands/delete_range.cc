// KvDeleteRange: drops all versions and locks of a range.
#include "txn/computation.h"

namespace cairn::txn {

mvcc::Result<DeleteRangeResult> compute(const DeleteRange& command, Computation& c) {
  const Bytes begin = codec::encode_bytes(command.start_key);
  const Bytes end = command.end_key.empty() ? Bytes(c.snapshot.end_key()) : codec::encode_bytes(command.end_key);
  if (!end.empty() && begin >= end) return DeleteRangeResult{};
  for (engine::Cf cf : engine::kDataCfs) {
    c.txn.add(engine::Modify::delete_range(cf, begin, end, command.notify_only));
  }
  return DeleteRangeResult{};
}

}  // namespace cairn::txn
