// What copies of the map know of each other, and digests, against plain maps over random histories.
#include "engine/memory/persistent_map.h"

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "runtime/random.h"

namespace cairn::engine::memory {
namespace {

using Model = std::map<Bytes, EntryPtr>;

struct Both {
  PersistentMap map;
  Model model;

  void put(const Bytes& key, const Bytes& value) {
    auto entry = std::make_shared<const Entry>(Entry{key, value});
    map.put(entry);
    model[key] = entry;
  }
  void erase(const Bytes& key) {
    map.erase(key);
    model.erase(key);
  }
  void erase_range(const Bytes& begin, const Bytes& end) {
    map.erase_range(begin, end);
    if (begin < end) model.erase(model.lower_bound(begin), model.lower_bound(end));
  }
};

struct Change {
  Bytes key;
  const Entry* before = nullptr;
  const Entry* after = nullptr;
  friend bool operator==(const Change&, const Change&) = default;
};

std::vector<Change> changes_of(const Model& before, const Model& after) {
  std::map<Bytes, Change> out;
  for (const auto& [key, entry] : before) out[key] = {key, entry.get(), nullptr};
  for (const auto& [key, entry] : after) {
    out[key].key = key;
    out[key].after = entry.get();
  }
  std::vector<Change> changes;
  for (const auto& [key, change] : out) {
    if (change.before != change.after) changes.push_back(change);
  }
  return changes;
}

std::vector<Change> changes_of(const PersistentMap& before, const PersistentMap& after) {
  std::vector<Change> out;
  after.changes_since(before, [&out](const Entry* old, const Entry* now) {
    out.push_back({now != nullptr ? now->key : old->key, old, now});
  });
  return out;
}

TEST(PersistentMap, knows_what_differs_between_any_two_states_of_its_life) {
  runtime::Random dice(11);
  const auto some_key = [&dice] { return "k" + std::to_string(dice.below(80)); };
  Both now;
  std::vector<Both> held(1);  // an empty one too
  for (int step = 0; step < 3000; ++step) {
    const auto key = some_key();
    if (dice.chance(0.6)) {
      now.put(key, std::to_string(step));
    } else if (dice.chance(0.9)) {
      now.erase(key);
    } else {
      now.erase_range(key, some_key());
    }
    if (step % 40 != 0) continue;
    held.push_back(now);
    const Both& other = held[dice.below(held.size())];
    ASSERT_EQ(changes_of(other.map, now.map), changes_of(other.model, now.model));
    ASSERT_EQ(changes_of(now.map, other.map), changes_of(now.model, other.model));
    ASSERT_TRUE(changes_of(now.map, held.back().map).empty());
    ASSERT_TRUE(now.map.is_copy_of(held.back().map));
  }
}

// Equal contents have equal digests, however they came about and whatever lies around them; others have others.
TEST(PersistentMap, a_digest_of_a_range_is_of_what_lies_in_it) {
  runtime::Random dice(12);
  Both twins[2];
  for (int i = 0; i < 300; ++i) {
    const Bytes key = "m" + std::to_string(dice.below(50)), value = std::to_string(dice.below(3));
    for (Both& twin : twins) {
      twin.put((dice.chance(0.5) ? "a" : "z") + std::to_string(dice.below(50)), "around");
      if (dice.chance(0.5)) twin.put(key, "for a while");
      twin.put(key, value);
    }
  }
  const uint64_t digest = twins[0].map.digest_between("m", "n");
  EXPECT_NE(digest, 0u);
  EXPECT_EQ(digest, twins[1].map.digest_between("m", "n"));
  EXPECT_NE(twins[0].map.digest_between("", ""), twins[1].map.digest_between("", ""));
  EXPECT_EQ(twins[0].map.digest_between("", "m") + digest + twins[0].map.digest_between("n", ""),
            twins[0].map.digest_between("", ""));
  EXPECT_EQ(twins[0].map.digest_between("n", "m"), 0u);

  const auto [key, entry] = *twins[1].model.lower_bound("m");
  twins[1].put(key, entry->value + "!");
  EXPECT_NE(digest, twins[1].map.digest_between("m", "n"));
  twins[1].erase(key);
  EXPECT_NE(digest, twins[1].map.digest_between("m", "n"));
  twins[1].put(key, entry->value);
  EXPECT_EQ(digest, twins[1].map.digest_between("m", "n"));
}

}  // namespace
}  // namespace cairn::engine::memory
