#include "replica/peer_storage.h"

#include <algorithm>
#include <utility>

#include "replica/metrics.h"

namespace cairn::replica {

PeerStorage::PeerStorage(Options options, const engine::RaftLogEngine& log, RaftState raft_state,
                         ApplyState apply_state, raft::ConfState conf)
    : options_(options),
      log_(log),
      raft_state_(raft_state),
      conf_(std::move(conf)),
      truncated_(apply_state.truncated),
      truncated_term_(apply_state.truncated_term),
      applied_(apply_state.applied),
      persisted_(raft_state.last_index) {
  CHECK(raft_state_.last_index >= applied_, "region {}: the log ends at {}, before what is applied: {}",
        options_.region, raft_state_.last_index, applied_);
  CHECK(applied_ >= truncated_, "region {}: applied {} is behind the truncated index {}", options_.region, applied_,
        truncated_);
  // A mere advance of the commit index is not written; what is applied was committed.
  raft_state_.hard.commit = std::max(raft_state_.hard.commit, applied_);
  CHECK(raft_state_.hard.commit <= raft_state_.last_index, "region {}: commit {} is beyond the log's end {}",
        options_.region, raft_state_.hard.commit, raft_state_.last_index);
}

raft::LogStorage::InitialState PeerStorage::initial_state() const { return {raft_state_.hard, conf_}; }

Result<std::vector<raft::Entry>, raft::LogStorage::Unavailable> PeerStorage::entries(LogIndex low, LogIndex high,
                                                                                     size_t max_bytes) const {
  CHECK(low < high && high <= last_index().next(), "region {}: entries [{}, {}) of a log that ends at {}",
        options_.region, low, high, last_index());
  if (low <= truncated_) return Err(Unavailable::kCompacted);
  std::vector<raft::Entry> out;
  size_t bytes = 0;
  LogIndex next = low;
  LogIndex cache_first = cache_.empty() ? last_index().next() : cache_.front().index;
  const auto& metrics = RaftMetrics::get();
  (next < cache_first ? metrics.entries_not_cached : metrics.entries_cached).add();
  if (next < cache_first) {
    metrics.entries_fetched.add();
    LogIndex to = std::min(high, cache_first);
    std::vector<Bytes> raw;
    auto read = log_.entries(options_.region, next, to, max_bytes, raw);
    CHECK(read.ok(), "region {}: reading the raft log: {}", options_.region, read.error().message);
    CHECK(!raw.empty(), "region {}: the raft log has no entry {} (truncated {}, last {})", options_.region, next,
          truncated_, last_index());
    for (const auto& entry_bytes : raw) {
      out.push_back(decode_entry(entry_bytes));
      CHECK(out.back().index == next, "region {}: the raft log holds entry {} in the place of {}", options_.region,
            out.back().index, next);
      bytes += out.back().bytes();
      next = next.next();
    }
    if (next < to) return out;  // the limit was reached
  }
  for (; next < high; next = next.next()) {
    const auto& entry = cache_[next - cache_.front().index];
    bytes += entry.bytes();
    if (bytes > max_bytes && !out.empty()) break;
    out.push_back(entry);
  }
  return out;
}

Result<Term, raft::LogStorage::Unavailable> PeerStorage::term(LogIndex index) const {
  if (index == truncated_) return truncated_term_;
  if (index < truncated_) return Err(Unavailable::kCompacted);
  CHECK(index <= last_index(), "region {}: term of {} in a log that ends at {}", options_.region, index, last_index());
  if (!cache_.empty() && index >= cache_.front().index) return cache_[index - cache_.front().index].term;
  auto raw = log_.entry(options_.region, index);
  CHECK(raw.ok() && raw->has_value(), "region {}: the raft log has no entry {} (truncated {}, last {})",
        options_.region, index, truncated_, last_index());
  return decode_entry(**raw).term;
}

std::optional<raft::RaftSnapshot> PeerStorage::snapshot(LogIndex min_index, PeerId) {
  if (snapshot_state_ == SnapshotState::kOffered) {
    snapshot_state_ = SnapshotState::kNone;
    auto snapshot = std::exchange(offered_, {});
    // Too old by now if the log was compacted past it: the follower could not go on from there.
    if (snapshot.meta.index >= min_index && snapshot.meta.index >= truncated_) return snapshot;
  }
  if (snapshot_state_ == SnapshotState::kNone) snapshot_state_ = SnapshotState::kWanted;
  return std::nullopt;
}

bool PeerStorage::take_snapshot_request() {
  if (snapshot_state_ != SnapshotState::kWanted) return false;
  snapshot_state_ = SnapshotState::kMaking;
  making_from_ = applied_;
  return true;
}

std::optional<LogIndex> PeerStorage::snapshot_begin() const {
  if (snapshot_state_ == SnapshotState::kMaking) return making_from_;
  if (snapshot_state_ == SnapshotState::kOffered) return offered_.meta.index;
  return std::nullopt;
}

void PeerStorage::offer_snapshot(raft::RaftSnapshot snapshot) {
  snapshot_state_ = SnapshotState::kOffered;
  offered_ = std::move(snapshot);
}

void PeerStorage::store(const raft::Ready& ready, engine::RaftLogBatch& batch) {
  RegionId region = options_.region;
  if (ready.hard_state) {
    CHECK(ready.hard_state->term >= raft_state_.hard.term, "region {}: the term goes back from {} to {}", region,
          raft_state_.hard.term, ready.hard_state->term);
    raft_state_.hard = *ready.hard_state;
  }
  if (!ready.snapshot.empty()) {
    const auto& meta = ready.snapshot.meta;
    CHECK(meta.index > applied_, "region {}: a snapshot at {} is behind what is applied: {}", region, meta.index,
          applied_);
    batch.cut_prefix(region, LogIndex(1), std::max(last_index(), meta.index).next());
    raft_state_.last_index = meta.index;
    raft_state_.hard.commit = std::max(raft_state_.hard.commit, meta.index);
    cache_.clear();
    cache_bytes_ = 0;
    log_bytes_ = 0;
    truncated_ = cut_ = meta.index;
    truncated_term_ = meta.term;
    applied_ = persisted_ = meta.index;
  }
  if (!ready.entries.empty()) {
    LogIndex first = ready.entries.front().index;
    LogIndex last = ready.entries.back().index;
    LogIndex old_last = last_index();
    CHECK(first > applied_ && first <= old_last.next(), "region {}: entries from {} do not follow {} (applied {})",
          region, first, old_last, applied_);
    persisted_ = std::min(persisted_, first.prev());
    while (!cache_.empty() && cache_.back().index >= first) {
      cache_bytes_ -= cache_.back().bytes();
      cache_.pop_back();
    }
    for (const auto& entry : ready.entries) {
      Bytes encoded = encode_entry(entry);
      log_bytes_ += encoded.size();
      batch.put_entry(region, entry.index, encoded);
      cache_bytes_ += entry.bytes();
      cache_.push_back(entry);
    }
    if (last < old_last) batch.cut_suffix(region, last.next(), old_last);
    raft_state_.last_index = last;
  }
  batch.put_state(region, encode(raft_state_));
}

void PeerStorage::on_applied(LogIndex index) {
  CHECK(index >= applied_ && index <= last_index(), "region {}: applied goes from {} to {} in a log that ends at {}",
        options_.region, applied_, index, last_index());
  applied_ = index;
  evict();
}

void PeerStorage::on_persisted(LogIndex index) {
  persisted_ = std::min(index, last_index());
  evict();
}

void PeerStorage::evict() {
  auto may_go = [&](LogIndex index) {
    if (index <= applied_) return cache_bytes_ > options_.cache_bytes_max;
    return index <= persisted_ && cache_bytes_ > options_.unapplied_cache_bytes_max;
  };
  while (!cache_.empty() && may_go(cache_.front().index)) drop_front();
}

void PeerStorage::drop_front() {
  const size_t bytes = cache_.front().bytes();
  cache_bytes_ -= bytes;
  cache_.pop_front();
  RaftMetrics::get().entry_bytes_evicted.add(bytes);
}

void PeerStorage::compact(LogIndex index, Term term) {
  CHECK(index <= applied_, "region {}: compacting up to {} what is applied up to {}", options_.region, index, applied_);
  if (index <= truncated_) return;
  uint64_t kept = last_index() - index;
  uint64_t all = last_index() - truncated_;
  log_bytes_ = all == 0 ? 0
                        : static_cast<uint64_t>(static_cast<double>(log_bytes_) * static_cast<double>(kept) /
                                                static_cast<double>(all));
  truncated_ = index;
  truncated_term_ = term;
  while (!cache_.empty() && cache_.front().index <= index) drop_front();
}

void PeerStorage::cut(LogIndex index, engine::RaftLogBatch& batch) {
  CHECK(index <= truncated_, "region {}: cutting up to {} what is truncated up to {}", options_.region, index,
        truncated_);
  if (index <= cut_) return;
  batch.cut_prefix(options_.region, cut_.next(), index.next());
  cut_ = index;
}

void PeerStorage::remove_all(engine::RaftLogBatch& batch) const {
  batch.remove_region(options_.region, LogIndex(1), last_index());
}

}  // namespace cairn::replica
