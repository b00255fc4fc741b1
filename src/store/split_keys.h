// Where a region that has grown too large should be cut: keys that part its data into pieces of about equal size.
// Transactional data is measured by the write column family, whose keys lose their timestamp; a region without such
// data by its raw keys in the default one, which have a timestamp in API V2. Of a V2 region with both, the family with
// more bytes counts. Reads the whole family once: a job for a pool. Tests: split_keys_test.cc.
#pragma once

#include <vector>

#include "engine/kv_engine.h"
#include "metapb.pb.h"
#include "rawkv/api_version.h"

namespace cairn::store {

// `pieces` > 1: at most pieces - 1 keys, ascending, strictly inside the region; fewer if the data has fewer keys.
engine::Result<std::vector<Bytes>> find_split_keys(const engine::KvEngine& kv, rawkv::ApiVersion version,
                                                   const metapb::Region& region, uint64_t pieces);

}  // namespace cairn::store
