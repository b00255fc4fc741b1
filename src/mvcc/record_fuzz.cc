// libFuzzer: any bytes as a lock and as a write record.
#include "mvcc/testing/check_records.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const cairn::ByteView bytes(reinterpret_cast<const char*>(data), size);
  cairn::mvcc::testing::check_lock_bytes(bytes);
  cairn::mvcc::testing::check_write_bytes(bytes);
  return 0;
}
