// An ordered map of byte strings whose copies are free: a treap whose nodes are shared between copies and cloned on the
// way to a change only where another copy holds them. A copy is therefore a true snapshot, at the cost of one
// reference.
//
// Priorities are hashes of the keys, so the shape depends on the contents alone: everything is deterministic. Each node
// knows the count and bytes of its subtree, so sizes of ranges cost O(log n), as do changes, range deletions included.
//
// Threads: distinct copies may be used by distinct threads (counts are atomic); one copy is not to be changed while
// another thread uses it. Tests: kv_contract_test.cc (random histories).
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
    explicit Node(EntryPtr e, uint64_t p) : entry(std::move(e)), priority(p) {}
    Node(const Node& other)
        : entry(other.entry),
          priority(other.priority),
          left(other.left),
          right(other.right),
          count(other.count),
          bytes(other.bytes) {}
    std::atomic<uint32_t> references{1};
    EntryPtr entry;
    uint64_t priority;
    Ref left, right;
    size_t count = 1;    // of the subtree
    uint64_t bytes = 0;  // of keys and values of the subtree
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

 private:
  Ref root_;
};

}  // namespace cairn::engine::memory
