#include "store/range_data.h"

namespace cairn::store {

engine::Result<bool> holds_data(const engine::KvEngine& kv, const Bytes& begin, const Bytes& end) {
  auto snapshot = kv.snapshot();
  for (engine::Cf cf : engine::kDataCfs) {
    auto iterator = snapshot->iterator(cf, {.lower = begin, .upper = end, .fill_cache = false});
    iterator->seek_to_first();
    TRY(iterator->status());
    if (iterator->valid()) return true;
  }
  return false;
}

engine::Result<void> clear_data(engine::KvEngine& kv, const Bytes& begin, const Bytes& end) {
  TRY_ASSIGN(const bool is_to_clear, holds_data(kv, begin, end));
  return is_to_clear ? kv.clear_range(begin, end) : engine::Result<void>();
}

}  // namespace cairn::store
