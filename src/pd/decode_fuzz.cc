// libFuzzer: any bytes as what PD reads from its disk, its log and other members.
#include "pd/testing/check_decoders.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const cairn::ByteView bytes(reinterpret_cast<const char*>(data), size);
  cairn::pd::testing::check_raft_bytes(bytes);
  cairn::pd::testing::check_command_bytes(bytes);
  cairn::pd::testing::check_image_bytes(bytes);
  return 0;
}
