#include "engine/memory/persistent_map.h"

#include "base/check.h"

namespace cairn::engine::memory {
namespace {

using Node = PersistentMap::Node;
using Ref = PersistentMap::Ref;

uint64_t entry_bytes(const Entry& entry) { return entry.key.size() + entry.value.size(); }

void update(Node& node) {
  node.count = 1;
  node.bytes = entry_bytes(*node.entry);
  node.digest = node.hash;
  for (const Ref* child : {&node.left, &node.right}) {
    if (!*child) continue;
    node.count += (*child)->count;
    node.bytes += (*child)->bytes;
    node.digest += (*child)->digest;
  }
}

// The node itself if nobody else holds it, else a clone: what the caller may change.
Ref own(Ref node) {
  if (node->references.load(std::memory_order_acquire) == 1) return node;
  return Ref(new Node(*node.get()));
}

// Keys < `key` and keys >= `key`.
std::pair<Ref, Ref> split(Ref node, ByteView key) {
  if (!node) return {};
  Ref mine = own(std::move(node));
  if (ByteView(mine->entry->key) < key) {
    auto [low, high] = split(std::move(mine->right), key);
    mine->right = std::move(low);
    update(*mine.get());
    return {std::move(mine), std::move(high)};
  }
  auto [low, high] = split(std::move(mine->left), key);
  mine->left = std::move(high);
  update(*mine.get());
  return {std::move(low), std::move(mine)};
}

// All keys of `low` are smaller than those of `high`.
Ref merge(Ref low, Ref high) {
  if (!low) return high;
  if (!high) return low;
  if (low->priority >= high->priority) {
    Ref mine = own(std::move(low));
    mine->right = merge(std::move(mine->right), std::move(high));
    update(*mine.get());
    return mine;
  }
  Ref mine = own(std::move(high));
  mine->left = merge(std::move(low), std::move(mine->left));
  update(*mine.get());
  return mine;
}

// A key that is in the tree is found before a node of lower priority is met, for its own priority is its hash.
Ref insert(Ref node, EntryPtr entry, uint64_t priority) {
  if (!node || priority > node->priority) {
    auto [low, high] = split(std::move(node), entry->key);
    Ref mine(new Node(std::move(entry), priority));
    mine->left = std::move(low);
    mine->right = std::move(high);
    update(*mine.get());
    return mine;
  }
  Ref mine = own(std::move(node));
  int order = entry->key.compare(mine->entry->key);
  if (order == 0) {
    mine->entry = std::move(entry);
    mine->hash = PersistentMap::hash_of(*mine->entry, priority);
  } else if (order < 0) {
    mine->left = insert(std::move(mine->left), std::move(entry), priority);
  } else {
    mine->right = insert(std::move(mine->right), std::move(entry), priority);
  }
  update(*mine.get());
  return mine;
}

// Precondition: `key` is in the tree.
Ref remove(Ref node, ByteView key) {
  CHECK(node, "removing key {} that is not there", to_hex(key));
  Ref mine = own(std::move(node));
  int order = key.compare(mine->entry->key);
  if (order == 0) return merge(std::move(mine->left), std::move(mine->right));
  if (order < 0) {
    mine->left = remove(std::move(mine->left), key);
  } else {
    mine->right = remove(std::move(mine->right), key);
  }
  update(*mine.get());
  return mine;
}

// Sums over the entries with keys < `key`.
struct Sums {
  uint64_t bytes = 0;
  uint64_t digest = 0;
};
Sums sums_below(const Node* node, ByteView key) {
  Sums sums;
  while (node != nullptr) {
    if (ByteView(node->entry->key) < key) {
      sums.bytes += entry_bytes(*node->entry) + (node->left ? node->left->bytes : 0);
      sums.digest += node->hash + (node->left ? node->left->digest : 0);
      node = node->right.get();
    } else {
      node = node->left.get();
    }
  }
  return sums;
}

}  // namespace

void PersistentMap::Ref::retain() const {
  if (node_ != nullptr) node_->references.fetch_add(1, std::memory_order_relaxed);
}

void PersistentMap::Ref::release() {
  if (node_ != nullptr && node_->references.fetch_sub(1, std::memory_order_acq_rel) == 1) delete node_;
  node_ = nullptr;
}

uint64_t PersistentMap::priority_of(ByteView key) {
  uint64_t hash = 0xcbf29ce484222325;  // FNV-1a, then a finalizer so that near keys get far priorities
  for (char c : key) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  hash = (hash ^ (hash >> 30)) * 0xbf58476d1ce4e5b9;
  hash = (hash ^ (hash >> 27)) * 0x94d049bb133111eb;
  return hash ^ (hash >> 31);
}

uint64_t PersistentMap::hash_of(const Entry& entry, uint64_t priority) {
  uint64_t hash = (priority_of(entry.value) ^ (priority << 32 | priority >> 32)) * 0x9e3779b97f4a7c15;
  return hash ^ (hash >> 29);
}

const Entry* PersistentMap::find(ByteView key) const {
  const Node* node = root_.get();
  while (node != nullptr) {
    int order = key.compare(node->entry->key);
    if (order == 0) return node->entry.get();
    node = order < 0 ? node->left.get() : node->right.get();
  }
  return nullptr;
}

void PersistentMap::put(EntryPtr entry) {
  uint64_t priority = priority_of(entry->key);
  root_ = insert(std::move(root_), std::move(entry), priority);
}

void PersistentMap::erase(ByteView key) {
  if (find(key) != nullptr) root_ = remove(std::move(root_), key);
}

void PersistentMap::erase_range(ByteView begin, ByteView end) {
  if (end <= begin) return;
  auto [low, rest] = split(std::move(root_), begin);
  auto [dropped, high] = split(std::move(rest), end);
  root_ = merge(std::move(low), std::move(high));
}

uint64_t PersistentMap::bytes_between(ByteView begin, ByteView end) const {
  uint64_t up_to_end = end.empty() ? bytes() : sums_below(root_.get(), end).bytes;
  uint64_t up_to_begin = sums_below(root_.get(), begin).bytes;
  return up_to_end > up_to_begin ? up_to_end - up_to_begin : 0;
}

uint64_t PersistentMap::digest_between(ByteView begin, ByteView end) const {
  if (!root_ || (!end.empty() && end <= begin)) return 0;
  const uint64_t up_to_end = end.empty() ? root_->digest : sums_below(root_.get(), end).digest;
  return up_to_end - sums_below(root_.get(), begin).digest;
}

const PersistentMap::Node* PersistentMap::clip(const Node* node, const Bytes* above, const Bytes* below) {
  while (node != nullptr) {
    if (above != nullptr && node->entry->key <= *above) {
      node = node->right.get();
    } else if (below != nullptr && node->entry->key >= *below) {
      node = node->left.get();
    } else {
      break;
    }
  }
  return node;
}

void PersistentMap::Cursor::seek(ByteView target) {
  path_.clear();
  size_t best = 0;  // length of the path to the best node so far
  for (const Node* node = root_.get(); node != nullptr;) {
    path_.push_back(node);
    if (ByteView(node->entry->key) >= target) {
      best = path_.size();
      node = node->left.get();
    } else {
      node = node->right.get();
    }
  }
  path_.resize(best);
}

void PersistentMap::Cursor::seek_before(ByteView target) {
  path_.clear();
  size_t best = 0;
  for (const Node* node = root_.get(); node != nullptr;) {
    path_.push_back(node);
    if (ByteView(node->entry->key) < target) {
      best = path_.size();
      node = node->right.get();
    } else {
      node = node->left.get();
    }
  }
  path_.resize(best);
}

void PersistentMap::Cursor::seek_for_prev(ByteView target) {
  seek(target);
  if (valid() && entry().key == target) return;
  seek_before(target);
}

void PersistentMap::Cursor::seek_to_first() {
  path_.clear();
  for (const Node* node = root_.get(); node != nullptr; node = node->left.get()) path_.push_back(node);
}

void PersistentMap::Cursor::seek_to_last() {
  path_.clear();
  for (const Node* node = root_.get(); node != nullptr; node = node->right.get()) path_.push_back(node);
}

void PersistentMap::Cursor::next() {
  CHECK(valid(), "next() at no entry");
  if (const Node* node = path_.back()->right.get()) {
    for (; node != nullptr; node = node->left.get()) path_.push_back(node);
    return;
  }
  const Node* child = path_.back();
  path_.pop_back();
  while (!path_.empty() && path_.back()->right.get() == child) {
    child = path_.back();
    path_.pop_back();
  }
}

void PersistentMap::Cursor::prev() {
  CHECK(valid(), "prev() at no entry");
  if (const Node* node = path_.back()->left.get()) {
    for (; node != nullptr; node = node->right.get()) path_.push_back(node);
    return;
  }
  const Node* child = path_.back();
  path_.pop_back();
  while (!path_.empty() && path_.back()->left.get() == child) {
    child = path_.back();
    path_.pop_back();
  }
}

}  // namespace cairn::engine::memory
