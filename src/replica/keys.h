// Where a store keeps what: the data keys of users and the store's own records in the kv engine (protocol: the layout
// of tikv-ctl). All here are pure functions. Tests: apply_test.cc.
//
//   01 01                              StoreIdent                    default
//   01 02                              region prepared for bootstrap default
//   01 02 <region id, BE> 03           RaftApplyState                raft
//   01 03 <region id, BE> 01           RegionLocalState              raft
//   7A <engine key>                    users' data                   default, lock, write
#pragma once

#include <optional>

#include "base/bytes.h"
#include "base/ids.h"

namespace cairn::replica {

Bytes data_key(ByteView engine_key);
// The end of a range: no bound becomes the end of all data.
Bytes data_end_key(ByteView engine_key);

ByteView store_ident_key();
ByteView prepare_bootstrap_key();
Bytes apply_state_key(RegionId region);
Bytes region_state_key(RegionId region);
// The range in which all region_state_key()s lie.
ByteView region_state_begin();
ByteView region_state_end();
std::optional<RegionId> region_of_state_key(ByteView key);

// Whether `key` lies in [start, end), an empty end being no bound.
inline bool in_range(ByteView key, ByteView start, ByteView end) { return key >= start && (end.empty() || key < end); }
// Whether two such ranges share a key.
inline bool ranges_overlap(ByteView a_start, ByteView a_end, ByteView b_start, ByteView b_end) {
  return (a_end.empty() || b_start < a_end) && (b_end.empty() || a_start < b_end);
}

}  // namespace cairn::replica
