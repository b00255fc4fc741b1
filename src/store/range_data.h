// What the engine holds of a range of data keys.
#pragma once

#include "engine/kv_engine.h"

namespace cairn::store {

// Whether a data column family holds anything of [begin, end).
engine::Result<bool> holds_data(const engine::KvEngine& kv, const Bytes& begin, const Bytes& end);
// Deletes [begin, end), if there is anything of it; durable on return.
engine::Result<void> clear_data(engine::KvEngine& kv, const Bytes& begin, const Bytes& end);

}  // namespace cairn::store
