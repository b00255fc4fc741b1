// A request may name a key more than once: each is decided over the key as it was before, and the key changes once.
// Tests: testdata/ (a_key_that_stands_twice_...).
#pragma once

#include <algorithm>
#include <functional>
#include <set>
#include <vector>

#include "txn/computation.h"

namespace cairn::txn {

// Of the items with one key only the last stays. `key_of` gives an item's user key. Clients send keys in order, mostly:
// then one look at each does.
template <class Item, class KeyOf>
void keep_last_of_each_key(std::vector<Item>& items, KeyOf key_of) {
  const auto not_after = [&](const Item& a, const Item& b) { return key_of(a) >= key_of(b); };
  if (std::adjacent_find(items.begin(), items.end(), not_after) == items.end()) return;
  std::set<Bytes> seen;
  std::vector<Item> kept;
  kept.reserve(items.size());
  for (auto item = items.rbegin(); item != items.rend(); ++item) {
    if (seen.insert(key_of(*item)).second) kept.push_back(std::move(*item));
  }
  std::reverse(kept.begin(), kept.end());
  items = std::move(kept);
}

// The keys, each once, in the order in which they came first.
inline std::vector<Key> distinct_keys(const std::vector<Bytes>& user_keys) {
  const bool is_ascending =
      std::adjacent_find(user_keys.begin(), user_keys.end(), std::greater_equal<>()) == user_keys.end();
  std::set<ByteView> seen;
  std::vector<Key> keys;
  keys.reserve(user_keys.size());
  for (const auto& key : user_keys) {
    if (is_ascending || seen.insert(key).second) keys.push_back(Key::from_user(key));
  }
  return keys;
}

}  // namespace cairn::txn
