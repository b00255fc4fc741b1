// An ordered map of byte strings whose copies are free: a treap whose nodes are shared between copies and cloned on the
// way to a change only where another copy holds them. A copy is therefore a true snapshot, at the cost of one
// reference.
//
// Priorities are hashes of the keys, so the shape depends on the contents alone: everything is deterministic. Each node
// knows the count, the bytes and a digest of its subtree, so sizes and digests of ranges cost O(log n), as do changes,
// range deletions included. What two copies of one map share is seen at once, so what differs is found without a look
// at the rest.
//
// Threads: distinct copies may be used by distinct threads (counts are atomic); one copy is not to be changed while
// another thread uses it. Tests: persistent_map_test.cc, kv_contract_test.cc (random histories).
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "base/bytes.h"

namespace cairn::engine::memory {

struct Entry {
  Bytes key;
  Bytes value;
};
using EntryPtr = std::shared_ptr<const Entry>;

class PersistentMap {
 public:
  struct Node;

  // A counted reference to a node, or to none.
  class Ref {
   public:
    Ref() = default;
    explicit Ref(Node* adopted) : node_(adopted) {}
    Ref(const Ref& other) : node_(other.node_) { retain(); }
    Ref(Ref&& other) noexcept : node_(std::exchange(other.node_, nullptr)) {}
    Ref& operator=(Ref other) noexcept {
      std::swap(node_, other.node_);
      return *this;
    }
    ~Ref() { release(); }
    Node* get() const { return node_; }
    Node* operator->() const { return node_; }
    explicit operator bool() const { return node_ != nullptr; }

   private:
    void retain() const;
    void release();
    Node* node_ = nullptr;
  };

  struct Node {
    explicit Node(EntryPtr e, uint64_t p) : entry(std::move(e)), priority(p), hash(hash_of(*entry, p)) {}
    Node(const Node& other)
        : entry(other.entry),
          priority(other.priority),
          hash(other.hash),
          left(other.left),
          right(other.right),
          count(other.count),
          bytes(other.bytes),
          digest(other.digest) {}
    std::atomic<uint32_t> references{1};
    EntryPtr entry;
    uint64_t priority;
    uint64_t hash;  // of the entry
    Ref left, right;
    size_t count = 1;     // of the subtree
    uint64_t bytes = 0;   // of keys and values of the subtree
    uint64_t digest = 0;  // the sum of the subtree's hashes
  };

  // The entry of `key`, or null.
  const Entry* find(ByteView key) const;
  void put(EntryPtr entry);
  void erase(ByteView key);
  void erase_range(ByteView begin, ByteView end);  // [begin, end); nothing if end <= begin

  size_t count() const { return root_ ? root_->count : 0; }
  uint64_t bytes() const { return root_ ? root_->bytes : 0; }
  // Bytes of the entries in [begin, end); an empty end is no bound.
  uint64_t bytes_between(ByteView begin, ByteView end) const;
  // A hash of the entries in [begin, end), whatever else the map holds and held; an empty end is no bound.
  uint64_t digest_between(ByteView begin, ByteView end) const;

  // Calls `visit(before, after)` for each key whose entry is another one than it was in `before`, in the order of keys;
  // null stands for no entry. Cheap where the one map came from the other.
  template <class Visit>
  void changes_since(const PersistentMap& before, Visit visit) const {
    walk_changes(before.root_.get(), root_.get(), nullptr, nullptr, visit);
  }
  // Whether the two are copies of one map that nobody has changed since.
  bool is_copy_of(const PersistentMap& other) const { return root_.get() == other.root_.get(); }

  // A place in one copy of the map. Changes to the map that it came from do not reach it.
  class Cursor {
   public:
    explicit Cursor(const PersistentMap& map) : root_(map.root_) {}
    void seek(ByteView target);           // first key >= target
    void seek_before(ByteView target);    // last key < target
    void seek_for_prev(ByteView target);  // last key <= target
    void seek_to_first();
    void seek_to_last();
    void next();  // precondition: valid()
    void prev();
    bool valid() const { return !path_.empty(); }
    const Entry& entry() const { return *path_.back()->entry; }
    void clear() { path_.clear(); }

   private:
    Ref root_;
    std::vector<const Node*> path_;  // from the root to the current node
  };

  // The hash that orders nodes; also used as a coin that belongs to a key.
  static uint64_t priority_of(ByteView key);
  // Of the key, whose priority is given, and the value.
  static uint64_t hash_of(const Entry& entry, uint64_t priority);

 private:
  // The topmost node under `node` whose key lies between the two, both excluded; null is no bound.
  static const Node* clip(const Node* node, const Bytes* above, const Bytes* below);
  template <class Visit>
  static void walk_changes(const Node* before, const Node* after, const Bytes* above, const Bytes* below, Visit& visit);

  Ref root_;
};

// Both trees have the shape that their keys give them: of two roots in one range of keys the one of higher priority is
// not in the other tree.
template <class Visit>
void PersistentMap::walk_changes(const Node* before, const Node* after, const Bytes* above, const Bytes* below,
                                 Visit& visit) {
  before = clip(before, above, below);
  after = clip(after, above, below);
  if (before == after) return;
  const bool is_gone = after == nullptr || (before != nullptr && before->priority > after->priority);
  const bool is_new = before == nullptr || (after != nullptr && after->priority > before->priority);
  const Node* root = is_gone ? before : after;
  const Bytes* key = &root->entry->key;
  walk_changes(is_new ? before : before->left.get(), is_gone ? after : after->left.get(), above, key, visit);
  if (is_gone) {
    visit(root->entry.get(), static_cast<const Entry*>(nullptr));
  } else if (is_new) {
    visit(static_cast<const Entry*>(nullptr), root->entry.get());
  } else if (before->entry != after->entry) {
    visit(before->entry.get(), after->entry.get());
  }
  walk_changes(is_new ? before : before->right.get(), is_gone ? after : after->right.get(), key, below, visit);
}

}  // namespace cairn::engine::memory
