#include "pd/schedule/influence.h"

namespace cairn::pd {

Influence& Influence::operator+=(const Influence& other) {
  peers += other.peers;
  size_mib += other.size_mib;
  leaders += other.leaders;
  leader_size_mib += other.leader_size_mib;
  adding += other.adding;
  return *this;
}

Influence& Influence::operator-=(const Influence& other) {
  peers -= other.peers;
  size_mib -= other.size_mib;
  leaders -= other.leaders;
  leader_size_mib -= other.leader_size_mib;
  adding -= other.adding;
  return *this;
}

Influence Influences::of(StoreId store) const {
  const auto found = by_store_.find(store);
  return found == by_store_.end() ? Influence{} : found->second;
}

void Influences::add(const StepInfluence& step) {
  for (const auto& [store, influence] : step) by_store_[store] += influence;
}

void Influences::subtract(const StepInfluence& step) {
  for (const auto& [store, influence] : step) {
    const auto found = by_store_.find(store);
    if (found == by_store_.end()) continue;
    found->second -= influence;
    if (found->second == Influence{}) by_store_.erase(found);
  }
}

}  // namespace cairn::pd
