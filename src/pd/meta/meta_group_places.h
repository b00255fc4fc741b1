// Where a member of the meta group keeps what: slots of the Raft log engine, and keys of the KV engine beside the
// store's own. For the files of MetaGroup alone.
#pragma once

#include "base/bytes.h"
#include "base/ids.h"
#include "engine/kv_engine.h"

namespace cairn::pd::places {

inline constexpr RegionId kGroup{1};  // the one group of PD's Raft log engine
inline constexpr uint8_t kTruncatedSlot = 0;
inline constexpr engine::Cf kCf = engine::Cf::kDefault;
inline const Bytes kAppliedKey = "a";
// The snapshot that was installed last, until the log is known to go on behind it.
inline const Bytes kInstalledKey = "i";

}  // namespace cairn::pd::places
