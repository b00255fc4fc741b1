// May a store's data be read in the API version that it is told? Data keeps the version in which it was written; only
// what every version reads alike, a SQL layer's keys and nothing at all, may go from one version to another. Looked at
// when a store starts. Tests: store_test.cc.
#pragma once

#include "store/shared.h"

namespace cairn::store {

kvrpcpb::APIVersion to_proto(rawkv::ApiVersion version);

// `known`: the version in which the data was written. An error in words if it may not be read as
// options.api_version. Looks at the engine and at what the Raft log holds beyond it.
Result<void, StoreError> check_api_version(Shared& shared, kvrpcpb::APIVersion known);

}  // namespace cairn::store
