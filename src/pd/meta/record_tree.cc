#include "pd/meta/record_tree.h"

#include <tuple>

namespace cairn::pd {

// Invariants: in the order of keys from left to right; no child has a higher priority than its parent; `totals` are of
// the node and all below it.
struct RecordTree::Node {
  Bytes key;
  MetaRecord record;
  uint64_t priority = 0;
  Totals totals;
  NodePtr left;
  NodePtr right;

  void sum() {
    const Totals a = totals_of(left);
    const Totals b = totals_of(right);
    totals.keys = a.keys + b.keys + 1;
    totals.bytes = a.bytes + b.bytes + key.size() + record.value.size();
    totals.leased = a.leased + b.leased + (record.lease != 0 ? 1 : 0);
  }
};

KeyRange KeyRange::of_request(ByteView key, ByteView range_end) {
  if (range_end.empty()) return of_key(key);
  if (range_end == ByteView("\0", 1)) return {Bytes(key), std::nullopt};
  return {Bytes(key), Bytes(range_end)};
}

KeyRange KeyRange::of_prefix(ByteView prefix) {
  Bytes end(prefix);
  while (!end.empty() && end.back() == '\xff') end.pop_back();
  if (end.empty()) return {Bytes(prefix), std::nullopt};
  end.back() = static_cast<char>(static_cast<uint8_t>(end.back()) + 1);
  return {Bytes(prefix), std::move(end)};
}

RecordTree::RecordTree(uint64_t seed) : random_(seed) {}
RecordTree::RecordTree(NodePtr root, uint64_t seed) : root_(std::move(root)), random_(seed) {}
RecordTree::RecordTree(RecordTree&&) noexcept = default;
RecordTree& RecordTree::operator=(RecordTree&&) noexcept = default;
RecordTree::~RecordTree() = default;

RecordTree::Totals RecordTree::totals_of(const NodePtr& node) { return node ? node->totals : Totals{}; }

RecordTree::NodePtr RecordTree::merge(NodePtr left, NodePtr right) {
  if (!left) return right;
  if (!right) return left;
  if (left->priority > right->priority) {
    left->right = merge(std::move(left->right), std::move(right));
    left->sum();
    return left;
  }
  right->left = merge(std::move(left), std::move(right->left));
  right->sum();
  return right;
}

std::pair<RecordTree::NodePtr, RecordTree::NodePtr> RecordTree::split(NodePtr node, ByteView key) {
  if (!node) return {};
  if (node->key < key) {
    auto [less, others] = split(std::move(node->right), key);
    node->right = std::move(less);
    node->sum();
    return {std::move(node), std::move(others)};
  }
  auto [less, others] = split(std::move(node->left), key);
  node->left = std::move(others);
  node->sum();
  return {std::move(less), std::move(node)};
}

RecordTree::NodePtr RecordTree::insert(NodePtr at, NodePtr node) {
  if (!at || node->priority > at->priority) {
    std::tie(node->left, node->right) = split(std::move(at), node->key);
    node->sum();
    return node;
  }
  auto& side = node->key < at->key ? at->left : at->right;
  side = insert(std::move(side), std::move(node));
  at->sum();
  return at;
}

void RecordTree::replace(Node& at, ByteView key, MetaRecord& record) {
  const int order = key.compare(at.key);
  if (order == 0) {
    at.record = std::move(record);
  } else {
    replace(order < 0 ? *at.left : *at.right, key, record);
  }
  at.sum();
}

RecordTree::NodePtr RecordTree::remove(NodePtr at, ByteView key, MetaRecord& removed) {
  const int order = key.compare(at->key);
  if (order == 0) {
    removed = std::move(at->record);
    return merge(std::move(at->left), std::move(at->right));
  }
  auto& side = order < 0 ? at->left : at->right;
  side = remove(std::move(side), key, removed);
  at->sum();
  return at;
}

const MetaRecord* RecordTree::get(ByteView key) const {
  const Node* at = root_.get();
  while (at != nullptr) {
    const int order = key.compare(at->key);
    if (order == 0) return &at->record;
    at = order < 0 ? at->left.get() : at->right.get();
  }
  return nullptr;
}

void RecordTree::put(ByteView key, MetaRecord record) {
  if (get(key) != nullptr) return replace(*root_, key, record);
  auto node = std::make_unique<Node>();
  node->key = Bytes(key);
  node->record = std::move(record);
  node->priority = random_.next();
  root_ = insert(std::move(root_), std::move(node));
}

std::optional<MetaRecord> RecordTree::erase(ByteView key) {
  if (get(key) == nullptr) return std::nullopt;
  MetaRecord removed;
  root_ = remove(std::move(root_), key, removed);
  return removed;
}

RecordTree RecordTree::cut(const KeyRange& range) {
  if (range.end && *range.end <= range.start) return RecordTree(0);
  auto [less, others] = split(std::move(root_), range.start);
  NodePtr above;
  if (range.end) std::tie(others, above) = split(std::move(others), *range.end);
  root_ = merge(std::move(less), std::move(above));
  return {std::move(others), 0};
}

RecordTree::Totals RecordTree::totals_below(ByteView key) const {
  Totals below;
  const Node* at = root_.get();
  while (at != nullptr) {
    if (at->key >= key) {
      at = at->left.get();
      continue;
    }
    const Totals right = totals_of(at->right);
    below.keys += at->totals.keys - right.keys;
    below.bytes += at->totals.bytes - right.bytes;
    below.leased += at->totals.leased - right.leased;
    at = at->right.get();
  }
  return below;
}

RecordTree::Totals RecordTree::totals(const KeyRange& range) const {
  if (range.end && *range.end <= range.start) return {};
  const Totals below = totals_below(range.start);
  const Totals upto = range.end ? totals_below(*range.end) : totals();
  return {upto.keys - below.keys, upto.bytes - below.bytes, upto.leased - below.leased};
}

bool RecordTree::walk(const NodePtr& node, const KeyRange& range, Visit visit) {
  if (!node) return true;
  const bool is_after_start = node->key >= range.start;
  const bool is_before_end = !range.end || node->key < *range.end;
  if (is_after_start && !walk(node->left, range, visit)) return false;
  if (is_after_start && is_before_end && !visit(node->key, node->record)) return false;
  return !is_before_end || walk(node->right, range, visit);
}

bool RecordTree::walk_leased(const NodePtr& node, Visit visit) {
  if (totals_of(node).leased == 0) return true;
  if (!walk_leased(node->left, visit)) return false;
  if (node->record.lease != 0 && !visit(node->key, node->record)) return false;
  return walk_leased(node->right, visit);
}

void RecordTree::visit(const KeyRange& range, Visit visit) const { walk(root_, range, visit); }
void RecordTree::visit_leased(Visit visit) const { walk_leased(root_, visit); }

RecordRemains::RecordRemains() = default;
RecordRemains::~RecordRemains() = default;
RecordRemains::RecordRemains(RecordRemains&&) noexcept = default;
RecordRemains& RecordRemains::operator=(RecordRemains&&) noexcept = default;

void RecordRemains::add(RecordTree tree) {
  if (tree.root_) nodes_.push_back(std::move(tree.root_));
}

void RecordRemains::free_some(size_t count) {
  for (; count > 0 && !nodes_.empty(); --count) {
    auto node = std::move(nodes_.back());
    nodes_.pop_back();
    if (node->left) nodes_.push_back(std::move(node->left));
    if (node->right) nodes_.push_back(std::move(node->right));
  }
}

}  // namespace cairn::pd
