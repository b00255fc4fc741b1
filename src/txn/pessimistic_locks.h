// Pessimistic locks that are kept in memory instead of the lock column family, as long as there is room for them: they
// cost no Raft entry, and most of them are gone soon. What is lost with them when the leader is lost, a prewrite amends
// or refuses (actions/prewrite_key.cc).
//
//   PessimisticLock ── room? ──▶ here, under the region and the leader's term ── a prewrite, commit or rollback of the
//                   └─ none ───▶ lock column family                              that is applied ──▶ gone
//
//   leadership is handed over    the locks are replicated first, and from then on all goes through Raft
//   leadership is lost           a lock of an older term is never seen again (INV-PESSIMISTIC-TERM); drop() frees it
//   the region is split          the locks follow their keys, to another shard if the child lives there, and wait for
//                                the child's election
//
// Whoever looks at locks does so through View (a command, at once) or frozen() (elsewhere, later): a snapshot whose
// lock column family has these locks in it. Where both hold a lock of one key, the column family's is newer.
//
// One per shard, beside the Scheduler and used on the shard's executor only. A command calls keep() and settle() while
// it holds the latches of its keys. Tests: pessimistic_locks_test.cc.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"
#include "engine/region_store.h"

namespace cairn::txn {

struct PessimisticLocksOptions {
  bool in_memory = true;                 // pessimistic-txn.in-memory
  size_t region_bytes_max = 512u << 10;  // pessimistic-txn.in-memory-peer-size-limit
  size_t bytes_max = size_t{100} << 20;  // of this shard: its share of pessimistic-txn.in-memory-instance-size-limit
};

class PessimisticLocks {
 public:
  explicit PessimisticLocks(PessimisticLocksOptions options) : options_(options) {}
  PessimisticLocks(const PessimisticLocks&) = delete;
  PessimisticLocks& operator=(const PessimisticLocks&) = delete;

  // A region's snapshot with the locks of memory in it. Lives as long as nothing changes here: until the next wait.
  class View;
  // The same with a copy of the locks: for any thread and any time.
  engine::RegionSnapshotPtr frozen(engine::RegionSnapshotPtr base) const;

  // A lock newly taken: its engine key and its record.
  struct NewLock {
    Bytes key;
    Timestamp start_ts;
    Bytes record;
  };
  // What is left to do here once the command's replicated changes are applied.
  struct Kept {
    RegionId region;
    Term term;
    struct Leaving {
      Bytes key;
      Timestamp start_ts;
    };
    std::vector<Leaving> leaving;
    std::vector<std::pair<Bytes, Bytes>> deleted_ranges;
  };
  // Parts what a command decided on over the region's snapshot into what stays here and what is to be replicated: new
  // locks stay here if they may (all or none), and `changes` is left with the latter. To be followed, once these are
  // replicated (at once if there are none), by settle() or, if they will never be, by give_up().
  Kept keep(const engine::RegionSnapshot& snapshot, std::vector<NewLock> acquired,
            std::vector<engine::Modify>& changes);
  void settle(const Kept& kept);
  void give_up(const Kept& kept);

  // Leadership is about to be given away: from now on all changes go through Raft. The locks, to be replicated by the
  // leader of that term; then begin_transfer(), or end_hand_over() if they cannot be.
  struct HandedOver {
    std::vector<engine::Modify> changes;
    Kept kept;
  };
  HandedOver begin_hand_over(RegionId region, Term term);
  // The changes are applied: the locks leave memory, and leadership goes.
  void begin_transfer(const Kept& handed_over);
  // Leadership stays where it is: locks may be kept here again.
  void end_hand_over(RegionId region, Term term);
  // Whether begin_transfer() was called and nothing ended it.
  bool is_transferring(RegionId region) const;
  // Whether the region's leadership is being handed over.
  bool is_handing_over(RegionId region) const;

  // The locks of [start, end) (engine keys, empty: no bound) belong to the region `child` and its leader of `term` from
  // now on.
  void split(RegionId parent, RegionId child, ByteView start, ByteView end, Term term);
  // The region's locks, on their way to the shard on which it lives. Not before the commands whose entries were applied
  // before the split have settled here: what they remove would never be removed there. Those that are still replicating
  // a change will be refused.
  struct Moving {
    RegionId region;
    Term term;
    std::vector<NewLock> locks;
  };
  Moving take(RegionId region);
  void adopt(Moving moving);
  // The region has a leader of this term here; locks of an older one are gone.
  void on_leader(RegionId region, Term term);
  // The peer here does not lead, and is of this term. Its locks go, unless it may still come to lead in the term for
  // which they are: the child of a split is not elected at once.
  enum class Campaign : uint8_t { kNo, kInThisTerm };
  void on_no_leader(RegionId region, Term term, Campaign campaign);
  // Its leader is elsewhere, or the region is gone.
  void drop(RegionId region) { erase_region(regions_.find(region)); }

  // Locks and bytes held.
  size_t size() const { return size_; }
  size_t bytes() const { return bytes_; }

 private:
  struct Entry {
    Timestamp start_ts;
    Bytes record;
    // A change that replaces or removes it is being replicated: it is not to be handed over.
    bool is_leaving = false;
  };
  using Entries = std::map<Bytes, Entry, std::less<>>;  // by engine key
  enum class HandOver : uint8_t { kNone, kReplicating, kTransferring };
  struct Region {
    Term term;
    HandOver hand_over = HandOver::kNone;
    size_t bytes = 0;
    Entries entries;
  };
  using Regions = std::map<RegionId, Region>;

  static size_t bytes_of(ByteView key, const Entry& entry) { return key.size() + entry.record.size() + sizeof(Entry); }
  const Region* region_at(RegionId region, Term term) const;
  const Bytes* find(RegionId region, Term term, ByteView key) const;
  Entry* entry_of(const Kept& kept, const Kept::Leaving& leaving, Region** owner);
  bool has_room(RegionId region, const std::vector<NewLock>& locks) const;
  void insert(Region& region, Bytes key, Entry entry);
  void erase(Region& region, Entries::iterator entry);
  void erase_region(Regions::iterator region);

  const PessimisticLocksOptions options_;
  Regions regions_;
  size_t size_ = 0;
  size_t bytes_ = 0;
};

class PessimisticLocks::View final : public engine::RegionSnapshot {
 public:
  // Both must outlive the view.
  View(const engine::RegionSnapshot& base, const PessimisticLocks& locks) : base_(base), locks_(locks) {}

  engine::Result<std::optional<Bytes>> get(engine::Cf cf, ByteView engine_key, engine::ReadTier tier) const override;
  std::unique_ptr<engine::Iterator> iterator(engine::Cf cf, engine::IterOptions options) const override;
  engine::ReadWork work_of_thread() const override { return base_.work_of_thread(); }
  RegionId region_id() const override { return base_.region_id(); }
  Term term() const override { return base_.term(); }
  Result<engine::WriteBasis, engine::RegionError> write_basis() const override { return base_.write_basis(); }
  LogIndex applied_index() const override { return base_.applied_index(); }
  bool is_max_ts_synced() const override { return base_.is_max_ts_synced(); }
  Timestamp max_ts_synced_at() const override { return base_.max_ts_synced_at(); }
  ByteView start_key() const override { return base_.start_key(); }
  ByteView end_key() const override { return base_.end_key(); }

 private:
  const engine::RegionSnapshot& base_;
  const PessimisticLocks& locks_;
};

}  // namespace cairn::txn
