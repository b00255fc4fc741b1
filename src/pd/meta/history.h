// History: the last changes of the etcd key space, in the order of their revisions. Watches read it, each at its own
// pace, and reads of earlier revisions undo it. It is bounded: what is too much, and what a compaction names, goes from
// its old end.
//
// It is part of the replicated state: every member cuts it at the same command. Owned by MetaStore; kept on disk and in
// snapshots as one pair for each change. Tests: history_test.cc.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>

#include "base/bytes.h"
#include "pd/meta/record_tree.h"

namespace cairn::pd {

// One key's change.
struct MetaChange {
  int64_t revision = 0;
  Bytes key;
  std::optional<MetaRecord> after;   // nothing: deleted
  std::optional<MetaRecord> before;  // nothing: there was none
};

class History {
 public:
  // Beyond either it is cut to three quarters.
  struct Limits {
    size_t changes = 1 << 16;
    uint64_t bytes = uint64_t{32} << 20;
  };
  // A command that changes more than this starts it anew behind itself.
  static constexpr uint64_t kChangesOfOneMax = 4096;

  History() = default;
  explicit History(Limits limits) : limits_(limits) {}

  // The first revision whose changes are all here. States are known from the one before it on.
  int64_t first() const { return first_; }
  bool knows_state(int64_t revision) const { return revision >= first_ - 1; }
  size_t size() const { return changes_.size(); }
  uint64_t bytes() const { return bytes_; }
  const MetaChange& at(size_t position) const { return changes_[position]; }
  // The position of the first change of that revision or a later one; size() if there is none.
  size_t position_of(int64_t revision) const;

  // Precondition: no revision goes before that of the last change.
  void add(MetaChange change);
  // Drops what is older than that revision.
  void cut(int64_t first);
  // Where to cut so that it is within its limits again; nothing if it is. Whole revisions go; the newest may be the
  // only one, and goes too if it is beyond them alone.
  std::optional<int64_t> cut_wanted() const;

  // The keys of the range that have changed after that revision, each with its first change since: before it the key
  // was what it was at that revision. Valid until the next change. Precondition: knows_state().
  std::map<ByteView, const MetaChange*> undone(const KeyRange& range, int64_t revision) const;

  // A change as it stands on disk; the key there is its revision and its place in it.
  static Bytes encode(const MetaChange& change);
  static bool decode(ByteView in, MetaChange& change);

 private:
  static uint64_t bytes_of(const MetaChange& change);

  Limits limits_;
  int64_t first_ = 2;  // the store begins at revision 1, without a key
  std::deque<MetaChange> changes_;
  uint64_t bytes_ = 0;
};

}  // namespace cairn::pd
