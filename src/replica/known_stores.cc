#include "replica/known_stores.h"

#include <algorithm>

namespace cairn::replica {

bool KnownStores::learn(const metapb::Store& store) {
  const StoreId id(store.id());
  const bool is_labelled = std::any_of(store.labels().begin(), store.labels().end(), [](const auto& label) {
    return label.key() == kEngineLabel && label.value() == kEngineOfOurs;
  });
  if (!is_labelled) return learn_unknown(id);
  return learn_own(id);
}

bool KnownStores::learn_own(StoreId store) {
  others_.erase(store);
  return ours_.insert(store).second;
}

int election_ticks_beside_tikv(Duration tick, int own_ticks) {
  const auto ticks = (kTikvPatience.count() + tick.count() - 1) / tick.count();
  return std::max(own_ticks, static_cast<int>(ticks));
}

}  // namespace cairn::replica
