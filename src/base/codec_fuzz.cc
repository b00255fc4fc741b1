// libFuzzer: any bytes, given to all decoders of base/codec.h.
#include "base/testing/check_codec.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  cairn::testing::check_codec({reinterpret_cast<const char*>(data), size});
  return 0;
}
