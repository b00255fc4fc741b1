// A RawReader whose reads run to their end at once. For tests only.
#pragma once

#include <vector>

#include "rawkv/rawkv.h"
#include "runtime/testing/run_now.h"

namespace cairn::rawkv {

class ReaderNow : public RawReader {
 public:
  using RawReader::RawReader;
  using Pairs = std::vector<KvPair>;

  Answer<Pairs> batch_get(ByteView cf, const std::vector<Bytes>& keys) const {
    runtime::Slices whole;
    return runtime::testing::finish_now(RawReader::batch_get(cf, keys, whole));
  }
  Answer<Pairs> scan(ByteView cf, const Scan& what) const {
    runtime::Slices whole;
    return runtime::testing::finish_now(RawReader::scan(cf, what, whole));
  }
  Answer<Pairs> batch_scan(ByteView cf, const BatchScan& what) const {
    runtime::Slices whole;
    return runtime::testing::finish_now(RawReader::batch_scan(cf, what, whole));
  }
  Answer<Checksum> checksum(const std::vector<KeyRange>& ranges) const {
    runtime::Slices whole;
    return runtime::testing::finish_now(RawReader::checksum(ranges, whole));
  }
};

}  // namespace cairn::rawkv
