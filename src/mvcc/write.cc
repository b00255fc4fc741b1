#include "mvcc/write.h"

#include "mvcc/record.h"

namespace cairn::mvcc {
namespace {

char type_of(WriteKind kind) {
  switch (kind) {
    case WriteKind::kPut:
      return 'P';
    case WriteKind::kDelete:
      return 'D';
    case WriteKind::kLock:
      return 'L';
    case WriteKind::kRollback:
      return 'R';
  }
  CHECK(false, "write kind {}", static_cast<int>(kind));
  return 0;
}

std::optional<WriteKind> kind_of(uint8_t type) {
  switch (type) {
    case 'P':
      return WriteKind::kPut;
    case 'D':
      return WriteKind::kDelete;
    case 'L':
      return WriteKind::kLock;
    case 'R':
      return WriteKind::kRollback;
    default:
      return std::nullopt;
  }
}

}  // namespace

Write Write::rollback(Timestamp start_ts, bool is_protected) {
  Write write{.kind = WriteKind::kRollback, .start_ts = start_ts, .short_value = {}, .gc_fence = {}, .last_change = {}};
  if (is_protected) write.short_value = "p";
  return write;
}

Bytes Write::encode() const {
  Bytes out;
  out.push_back(type_of(kind));
  codec::put_var_u64(out, start_ts.value);
  if (short_value) record::put_short_value(out, *short_value);
  if (has_overlapped_rollback) out.push_back('R');
  if (gc_fence) record::put_tagged_u64(out, 'F', gc_fence->value);
  record::put_last_change(out, last_change);
  if (txn_source != 0) {
    out.push_back('S');
    codec::put_var_u64(out, txn_source);
  }
  return out;
}

engine::Result<Write> Write::decode(ByteView bytes) {
  const auto damaged = [&] { return Err(record::corruption("write record", bytes)); };
  ByteView in = bytes;
  uint8_t type = 0;
  if (!codec::get_u8(in, type)) return damaged();
  const auto kind = kind_of(type);
  Write write;
  if (!kind || !record::get_var_ts(in, write.start_ts)) return damaged();
  write.kind = *kind;
  uint8_t tag = 0;
  while (codec::get_u8(in, tag)) {
    bool ok = true;
    switch (tag) {
      case 'v':
        ok = record::get_short_value(in, write.short_value);
        break;
      case 'R':
        write.has_overlapped_rollback = true;
        break;
      case 'F':
        ok = record::get_ts(in, write.gc_fence.emplace());
        break;
      case 'l':
        ok = record::get_last_change(in, write.last_change);
        break;
      case 'S':
        ok = codec::get_var_u64(in, write.txn_source);
        break;
      default:
        return write;  // a newer writer's part
    }
    if (!ok) return damaged();
  }
  return write;
}

WriteKind write_kind_of(LockKind kind) {
  switch (kind) {
    case LockKind::kPut:
      return WriteKind::kPut;
    case LockKind::kDelete:
      return WriteKind::kDelete;
    case LockKind::kLock:
      return WriteKind::kLock;
    case LockKind::kPessimistic:
    case LockKind::kShared:
      break;
  }
  CHECK(false, "a lock of kind {} is never committed", static_cast<int>(kind));
  return WriteKind::kLock;
}

}  // namespace cairn::mvcc
