#include "raft/raft_log.h"

#include <algorithm>

#include "base/check.h"

namespace cairn::raft {

RaftLog::RaftLog(LogStorage& storage, LogIndex commit, LogIndex applied, size_t apply_bytes_max)
    : storage_(storage),
      apply_bytes_max_(apply_bytes_max),
      unstable_first_(storage.last_index().next()),
      // What is applied was committed, though the hard state that says so may have been lost: it is not fsynced alone.
      commit_(std::max(commit, applied)),
      persisted_(storage.last_index()),
      handed_out_(applied),
      applied_(applied) {
  CHECK(storage.first_index().is_set(), "a log begins at index 1 or later");
  CHECK(storage.first_index() <= storage.last_index().next(), "first index {}, last index {}", storage.first_index(),
        storage.last_index());
  CHECK(applied >= storage.first_index().prev(), "applied {} but the log begins at {}", applied, storage.first_index());
  CHECK(commit_ <= storage.last_index(), "commit {} (applied {}) is behind the last entry {}: part of the log is lost",
        commit_, applied, storage.last_index());
}

LogIndex RaftLog::first_index() const {
  return has_pending_snapshot() ? pending_snapshot_.index.next() : storage_.first_index();
}

Term RaftLog::last_term() const {
  auto last = term(last_index());
  CHECK(last.has_value(), "the term of the last index {} is unknown", last_index());
  return *last;
}

std::optional<Term> RaftLog::term(LogIndex index) const {
  if (index >= unstable_first_) {
    uint64_t offset = index - unstable_first_;
    if (offset >= unstable_.size()) return std::nullopt;
    return unstable_[offset].term;
  }
  if (has_pending_snapshot()) {
    if (index == pending_snapshot_.index) return pending_snapshot_.term;
    if (index < pending_snapshot_.index) return std::nullopt;
  }
  if (!index.is_set()) return storage_.first_index() == LogIndex(1) ? std::optional(Term()) : std::nullopt;
  auto term = storage_.term(index);
  if (!term.ok()) return std::nullopt;
  return *term;
}

bool RaftLog::is_up_to_date(LogIndex last, Term last_term) const {
  Term own = this->last_term();
  return last_term > own || (last_term == own && last >= last_index());
}

Result<std::vector<Entry>, LogStorage::Unavailable> RaftLog::entries(LogIndex low, LogIndex high,
                                                                     size_t max_bytes) const {
  CHECK(low <= high && high <= last_index().next(), "entries of [{}, {}) of a log up to {}", low, high, last_index());
  if (low < first_index()) return Err(LogStorage::Unavailable::kCompacted);
  std::vector<Entry> out;
  if (low == high) return out;
  size_t bytes = 0;
  if (low < unstable_first_) {
    LogIndex stored_high = std::min(high, unstable_first_);
    TRY_ASSIGN(out, storage_.entries(low, stored_high, max_bytes));
    CHECK(!out.empty() && out.front().index == low, "the storage gave {} entries for [{}, {})", out.size(), low,
          stored_high);
    if (out.size() < stored_high - low) return out;
    for (const Entry& entry : out) bytes += entry.bytes();
    low = stored_high;
  }
  for (; low < high; low = low.next()) {
    const Entry& entry = unstable_[low - unstable_first_];
    bytes += entry.bytes();
    if (bytes > max_bytes && !out.empty()) break;
    out.push_back(entry);
  }
  return out;
}

void RaftLog::append(std::vector<Entry> entries) {
  CHECK(entries.empty() || entries.front().index == last_index().next(), "appended {} behind {}", entries.front().index,
        last_index());
  for (Entry& entry : entries) unstable_.push_back(std::move(entry));
}

std::optional<LogIndex> RaftLog::maybe_append(LogIndex prev, Term prev_term, std::vector<Entry> entries,
                                              LogIndex leader_commit) {
  if (!matches(prev, prev_term)) return std::nullopt;
  LogIndex last_new = prev + entries.size();
  auto conflict = std::find_if(entries.begin(), entries.end(),
                               [&](const Entry& entry) { return !matches(entry.index, entry.term); });
  if (conflict != entries.end()) {
    // INV-LOG-MATCH: what is committed is the same in every log, so no leader's entry can differ from it.
    // INV-LOG-MATCH: what is committed is the same in every log.
    CHECK(conflict->index > commit_, "entry {} of term {} conflicts with the committed log (commit {})",
          conflict->index, conflict->term, commit_);
    entries.erase(entries.begin(), conflict);
    overwrite_from(std::move(entries));
  }
  commit_to(std::min(leader_commit, last_new));
  return last_new;
}

void RaftLog::overwrite_from(std::vector<Entry> entries) {
  LogIndex first = entries.front().index;
  CHECK(first > commit_ && first <= last_index().next(), "entries from {} on; commit {}, last {}", first, commit_,
        last_index());
  if (first <= last_index()) {
    writes_.strike_from(first);
    persisted_ = std::min(persisted_, first.prev());
    if (first < unstable_first_) {
      unstable_.clear();
      unstable_first_ = first;
    } else {
      unstable_.resize(first - unstable_first_);
    }
  }
  append(std::move(entries));
}

RaftLog::Position RaftLog::find_conflict_by_term(LogIndex index, Term term) const {
  for (;; index = index.prev()) {
    auto own = this->term(index);
    if (!own) return {index, Term()};
    if (*own <= term || !index.is_set()) return {index, *own};
  }
}

void RaftLog::commit_to(LogIndex index) {
  if (index <= commit_) return;
  CHECK(index <= last_index(), "told that {} is committed, but the log ends at {}: was it truncated or lost?", index,
        last_index());
  commit_ = index;
}

bool RaftLog::maybe_commit(LogIndex index, Term term) {
  if (index <= commit_ || !matches(index, term)) return false;
  commit_to(index);
  return true;
}

void RaftLog::on_applied(LogIndex index) {
  CHECK(index <= handed_out_, "applied {}, but only {} was handed out", index, handed_out_);
  while (!applying_.empty() && applying_.front().last <= index) {
    applying_bytes_ -= applying_.front().bytes;
    applying_.pop_front();
  }
  if (!has_pending_snapshot()) applied_ = std::max(applied_, index);
}

bool RaftLog::has_committed_to_take() const {
  return !has_pending_snapshot() && handed_out_ < std::min(commit_, persisted_) && applying_bytes_ < apply_bytes_max_;
}

std::vector<Entry> RaftLog::take_committed() {
  if (!has_committed_to_take()) return {};
  auto taken = entries(handed_out_.next(), std::min(commit_, persisted_).next(), apply_bytes_max_ - applying_bytes_);
  CHECK(taken.ok(), "entry {} was compacted before it was applied", handed_out_.next());
  size_t bytes = 0;
  for (const Entry& entry : *taken) {
    CHECK(entry.index == handed_out_.next(), "entry {} is to be applied behind {}", entry.index, handed_out_);
    handed_out_ = entry.index;
    bytes += entry.bytes();
  }
  applying_.push_back({handed_out_, bytes});
  applying_bytes_ += bytes;
  return std::move(*taken);
}

std::vector<Entry> RaftLog::take_unstable() {
  unstable_first_ = last_index().next();
  return std::exchange(unstable_, {});
}

PendingWrites::Write RaftLog::on_persisted(uint64_t number) {
  PendingWrites::Write done = writes_.pop_through(number);
  CHECK(done.last < unstable_first_, "entry {} persisted before it was handed out", done.last);
  persisted_ = std::max(persisted_, done.last);
  return done;
}

void RaftLog::restore(RaftSnapshot snapshot) {
  LogIndex index = snapshot.meta.index;
  CHECK(index > commit_, "snapshot {} is no news, commit {}", index, commit_);
  CHECK(!has_pending_snapshot(), "snapshot {} while {} is being installed", index, pending_snapshot_.index);
  // Nothing of the old log counts any more; up to `index` nothing will be asked of persisted_.
  writes_.strike_from(index.next());
  persisted_ = std::min(persisted_, index);
  unstable_.clear();
  unstable_first_ = index.next();
  commit_ = index;
  handed_out_ = index;
  pending_snapshot_ = {.index = index, .term = snapshot.meta.term, .conf = {}};
  snapshot_to_take_ = std::move(snapshot);
}

RaftSnapshot RaftLog::take_snapshot() { return std::exchange(snapshot_to_take_, {}); }

void RaftLog::on_snapshot_applied(LogIndex index) {
  CHECK(has_pending_snapshot() && pending_snapshot_.index == index && !has_snapshot_to_take(),
        "snapshot {} installed, {} was to be", index, pending_snapshot_.index);
  auto term = storage_.term(index);
  CHECK(term.ok() && *term == pending_snapshot_.term, "the storage does not know the installed snapshot {}", index);
  CHECK(storage_.first_index() == index.next(), "the log begins at {} behind snapshot {}", storage_.first_index(),
        index);
  pending_snapshot_ = {};
  persisted_ = std::max(persisted_, index);
  applied_ = index;
  applying_.clear();
  applying_bytes_ = 0;
}

}  // namespace cairn::raft
