// RecordTree: the keys of the etcd key space in order, as a treap whose nodes know the totals of their subtree. So the
// keys of any range are counted, and taken out as a whole, in the time of one search, however many they are: a deletion
// of a million keys stops nobody. What was taken out is freed later, by parts (RecordRemains).
//
// The shape depends on random priorities, not on the keys: whoever chooses the keys cannot make it deep. What it
// answers does not depend on the shape. Owned by MetaStore. Tests: record_tree_test.cc (against a naive model).
#pragma once

#include <absl/functional/function_ref.h>

#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "runtime/random.h"

namespace cairn::pd {

// A key's newest version.
struct MetaRecord {
  Bytes value;
  int64_t create_revision = 0;
  int64_t mod_revision = 0;
  int64_t version = 0;
  int64_t lease = 0;
  friend bool operator==(const MetaRecord&, const MetaRecord&) = default;
};

struct KeyRange {
  Bytes start;
  std::optional<Bytes> end;  // not of it; nothing: no bound

  static KeyRange of_key(ByteView key) { return {Bytes(key), Bytes(key) + '\0'}; }
  static KeyRange of_prefix(ByteView prefix);
  // As etcd's requests name one: no end is the key alone, an end of one zero byte is all from the key on.
  static KeyRange of_request(ByteView key, ByteView range_end);
};

class RecordTree {
 public:
  struct Totals {
    uint64_t keys = 0;
    uint64_t bytes = 0;   // of keys and values
    uint64_t leased = 0;  // keys that have a lease
    friend bool operator==(const Totals&, const Totals&) = default;
  };
  // Returns false to end the visit.
  using Visit = absl::FunctionRef<bool(const Bytes& key, const MetaRecord& record)>;

  explicit RecordTree(uint64_t seed);
  RecordTree(RecordTree&&) noexcept;
  RecordTree& operator=(RecordTree&&) noexcept;
  ~RecordTree();

  // Null if there is none; valid until the next change.
  const MetaRecord* get(ByteView key) const;
  void put(ByteView key, MetaRecord record);
  std::optional<MetaRecord> erase(ByteView key);
  // Takes a range out.
  RecordTree cut(const KeyRange& range);

  Totals totals() const { return totals_of(root_); }
  Totals totals(const KeyRange& range) const;
  // In the order of keys.
  void visit(const KeyRange& range, Visit visit) const;
  // Likewise those that have a lease, of the whole tree.
  void visit_leased(Visit visit) const;

 private:
  friend class RecordRemains;
  struct Node;
  using NodePtr = std::unique_ptr<Node>;
  RecordTree(NodePtr root, uint64_t seed);

  static Totals totals_of(const NodePtr& node);
  static NodePtr merge(NodePtr left, NodePtr right);
  // Those below the key, and the others.
  static std::pair<NodePtr, NodePtr> split(NodePtr node, ByteView key);
  static NodePtr insert(NodePtr at, NodePtr node);
  static void replace(Node& at, ByteView key, MetaRecord& record);
  static NodePtr remove(NodePtr at, ByteView key, MetaRecord& removed);
  static bool walk(const NodePtr& node, const KeyRange& range, Visit visit);
  static bool walk_leased(const NodePtr& node, Visit visit);
  Totals totals_below(ByteView key) const;

  NodePtr root_;
  runtime::Random random_;
};

// Trees that nobody looks at any more: freeing a million nodes takes long, so it is done by parts.
class RecordRemains {
 public:
  RecordRemains();
  ~RecordRemains();
  RecordRemains(RecordRemains&&) noexcept;
  RecordRemains& operator=(RecordRemains&&) noexcept;

  void add(RecordTree tree);
  bool empty() const { return nodes_.empty(); }
  // Frees about so many records.
  void free_some(size_t count);

 private:
  std::vector<std::unique_ptr<RecordTree::Node>> nodes_;  // roots of what is left
};

}  // namespace cairn::pd
