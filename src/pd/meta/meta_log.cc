#include "pd/meta/meta_log.h"

#include <algorithm>

#include "base/check.h"

namespace cairn::pd {

void MetaLog::reset(LogPosition truncated) {
  truncated_ = truncated;
  entries_.clear();
  bytes_ = 0;
}

void MetaLog::set_initial(raft::HardState hard_state, raft::ConfState conf) {
  initial_.hard_state = hard_state;
  initial_.conf = std::move(conf);
}

void MetaLog::append(const std::vector<raft::Entry>& entries) {
  for (const auto& entry : entries) {
    CHECK(entry.index > truncated_.index && entry.index <= last_index().next(),
          "entry {} appended to a log of {} to {}", entry.index, first_index(), last_index());
    while (entries_.size() > entry.index - first_index()) {
      bytes_ -= entries_.back().bytes();
      entries_.pop_back();
    }
    bytes_ += entry.bytes();
    entries_.push_back(entry);
  }
}

void MetaLog::cut(LogIndex index) {
  CHECK(index >= truncated_.index && index <= last_index(), "cut at {} of a log of {} to {}", index, first_index(),
        last_index());
  const Term term = term_of(index);
  const auto count = static_cast<std::ptrdiff_t>(index - truncated_.index);
  for (auto it = entries_.begin(); it != entries_.begin() + count; ++it) bytes_ -= it->bytes();
  entries_.erase(entries_.begin(), entries_.begin() + count);
  truncated_ = {index, term};
}

Term MetaLog::term_of(LogIndex index) const {
  auto found = term(index);
  CHECK(found.ok(), "the term of entry {} of a log of {} to {}", index, first_index(), last_index());
  return *found;
}

bool MetaLog::has_conf_change_behind(LogIndex index) const {
  return std::any_of(entries_.begin(), entries_.end(), [&](const raft::Entry& entry) {
    return entry.index > index && entry.type != raft::EntryType::kNormal;
  });
}

Result<std::vector<raft::Entry>, MetaLog::Unavailable> MetaLog::entries(LogIndex low, LogIndex high,
                                                                        size_t max_bytes) const {
  if (low <= truncated_.index) return Err(Unavailable::kCompacted);
  CHECK(high <= last_index().next(), "entries up to {} of a log up to {}", high, last_index());
  std::vector<raft::Entry> out;
  size_t bytes = 0;
  for (LogIndex index = low; index < high; index = index.next()) {
    const auto& entry = entries_[index - first_index()];
    bytes += entry.bytes();
    if (!out.empty() && bytes > max_bytes) break;
    out.push_back(entry);
  }
  return out;
}

Result<Term, MetaLog::Unavailable> MetaLog::term(LogIndex index) const {
  if (index < truncated_.index) return Err(Unavailable::kCompacted);
  if (index == truncated_.index) return truncated_.term;
  CHECK(index <= last_index(), "term of entry {} of a log up to {}", index, last_index());
  return entries_[index - first_index()].term;
}

std::optional<raft::RaftSnapshot> MetaLog::snapshot(LogIndex min_index, PeerId) {
  auto made = make_snapshot_();
  if (made.meta.index < min_index) return std::nullopt;
  return made;
}

}  // namespace cairn::pd
