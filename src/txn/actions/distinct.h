// A request names each key once: what it does to a key is decided over the key as it was before.
#pragma once

#include <algorithm>
#include <vector>

#include "txn/computation.h"

namespace cairn::txn {

// Aborted if two items have the same key. Clients send keys in order, mostly: then one look at each does.
template <class Item>
mvcc::Result<void> check_distinct(const std::vector<Item>& items) {
  const auto not_after = [](const Item& a, const Item& b) { return a.key >= b.key; };
  if (std::adjacent_find(items.begin(), items.end(), not_after) == items.end()) return {};
  std::vector<const Item*> sorted;
  sorted.reserve(items.size());
  for (const auto& item : items) sorted.push_back(&item);
  std::sort(sorted.begin(), sorted.end(), [](auto* a, auto* b) { return a->key < b->key; });
  const auto twice =
      std::adjacent_find(sorted.begin(), sorted.end(), [](auto* a, auto* b) { return a->key == b->key; });
  if (twice == sorted.end()) return {};
  return Err(KeyError(mvcc::Aborted{fmt::format("the key {} stands twice in one request", to_hex((*twice)->key))}));
}

}  // namespace cairn::txn
