#include "raft/testing/sim_peer.h"

#include <algorithm>
#include <cstdlib>
#include <sstream>

#include "base/check.h"

namespace cairn::raft {

uint64_t mix(uint64_t hash, uint64_t value) {
  hash ^= value + 0x9E3779B97F4A7C15 + (hash << 6) + (hash >> 2);
  return hash * 0xFF51AFD7ED558CCD;
}

uint64_t hash_bytes(ByteView bytes) {
  uint64_t hash = bytes.size();
  for (char c : bytes) hash = mix(hash, static_cast<unsigned char>(c));
  return hash;
}

std::optional<Term> SimLog::term(LogIndex index) const {
  if (index == truncated) return truncated_term;
  if (index < truncated || index > last()) return std::nullopt;
  return entries[index - truncated - 1].term;
}

void SimLog::append(const std::vector<Entry>& more) {
  if (more.empty()) return;
  LogIndex first = more.front().index;
  CHECK(first > truncated && first <= last().next(), "entries from {} on, log of ({}, {}]", first, truncated, last());
  entries.resize(first - truncated - 1);
  entries.insert(entries.end(), more.begin(), more.end());
}

void SimLog::truncate_prefix(LogIndex to) {
  if (to <= truncated) return;
  auto term_there = term(to);
  CHECK(term_there.has_value(), "cut at {}, log of ({}, {}]", to, truncated, last());
  entries.erase(entries.begin(), entries.begin() + static_cast<std::ptrdiff_t>(to - truncated));
  truncated = to;
  truncated_term = *term_there;
}

Bytes SimEngine::encode() const { return std::to_string(hash); }

SimEngine SimEngine::decode(const RaftSnapshot& snapshot) {
  return {.applied = snapshot.meta.index,
          .applied_term = snapshot.meta.term,
          .hash = std::strtoull(Bytes(snapshot.data.view()).c_str(), nullptr, 10),
          .conf = snapshot.meta.conf};
}

std::optional<SimConfChange> SimConfChange::parse(ByteView text) {
  std::istringstream words{Bytes(text)};
  SimConfChange parsed;
  Bytes word;
  if (!(words >> word)) return std::nullopt;
  if (word == "v1") {
    parsed.type = EntryType::kConfChange;
  } else if (word != "v2") {
    return std::nullopt;
  }
  while (words >> word) {
    if (word == "leave") continue;
    if (word == "implicit") {
      parsed.change.transition = ConfChangeTransition::kImplicit;
    } else if (word == "explicit") {
      parsed.change.transition = ConfChangeTransition::kExplicit;
    } else {
      auto type = word[0] == '+'   ? ConfChangeType::kAddVoter
                  : word[0] == '~' ? ConfChangeType::kAddLearner
                                   : ConfChangeType::kRemove;
      parsed.change.changes.push_back({type, PeerId(std::strtoull(word.c_str() + 1, nullptr, 10))});
    }
  }
  return parsed;
}

SimPeer::SimPeer(Config config, SimLog log, SimEngine engine, Term term)
    : config_(config),
      disk_{{term, PeerId(), engine.applied}, std::move(log), {}},
      durable_engine_(std::move(engine)),
      log_(disk_.log) {
  restart();
}

Ready SimPeer::take_ready() {
  Ready ready = node_->ready();
  if (!ready.snapshot.empty()) {
    log_ = {.truncated = ready.snapshot.meta.index, .truncated_term = ready.snapshot.meta.term, .entries = {}};
    apply_queue_.push_back({{}, ready.snapshot, ready.number});
  }
  log_.append(ready.entries);
  if (!ready.committed.empty()) apply_queue_.push_back({ready.committed, {}, ready.number});
  if (ready.needs_persistence()) writes_.push_back({ready, {}});
  return ready;
}

void SimPeer::write_to_disk(const Write& write) {
  const Ready& ready = write.ready;
  if (ready.hard_state) {
    CHECK(ready.hard_state->term >= disk_.hard_state.term, "the term on disk falls");
    disk_.hard_state = *ready.hard_state;
  }
  if (!ready.snapshot.empty()) {
    disk_.snapshot = ready.snapshot;
    disk_.log = {.truncated = ready.snapshot.meta.index, .truncated_term = ready.snapshot.meta.term, .entries = {}};
  }
  disk_.log.append(ready.entries);
  disk_.log.truncate_prefix(write.compact_to);
}

std::vector<Message> SimPeer::persist_one() {
  if (writes_.empty()) return {};
  Write write = std::move(writes_.front());
  writes_.pop_front();
  write_to_disk(write);
  if (write.ready.number == 0) return {};
  persisted_number_ = write.ready.number;
  node_->on_persisted(write.ready.number);
  return std::move(write.ready.persisted_messages);
}

bool SimPeer::has_work_to_apply() const {
  if (apply_queue_.empty()) return false;
  const ApplyItem& item = apply_queue_.front();
  // A snapshot is installed once the log knows of it for good.
  return item.snapshot.empty() || item.ready_number <= persisted_number_;
}

std::vector<Entry> SimPeer::apply_one() {
  if (!has_work_to_apply()) return {};
  ApplyItem item = std::move(apply_queue_.front());
  apply_queue_.pop_front();
  if (!item.snapshot.empty()) {
    engine_ = SimEngine::decode(item.snapshot);
    flush_engine();
    node_->on_snapshot_applied(engine_.applied);
    return {};
  }
  for (const Entry& entry : item.entries) apply_entry(entry);
  node_->on_applied(engine_.applied);
  return std::move(item.entries);
}

void SimPeer::apply_entry(const Entry& entry) {
  CHECK(entry.index == engine_.applied.next(), "{} applied behind {}", entry.index, engine_.applied);
  engine_.applied = entry.index;
  engine_.applied_term = entry.term;
  engine_.hash = mix(mix(mix(engine_.hash, entry.index.value), entry.term.value), hash_bytes(entry.data.view()));
  if (entry.type == EntryType::kNormal) return;
  auto parsed = SimConfChange::parse(entry.data.empty() ? "v2 leave" : entry.data.view());
  CHECK(parsed.has_value(), "membership change {}", entry.data.view());
  engine_.conf = node_->apply_conf_change(parsed->change);
}

void SimPeer::compact(LogIndex index) {
  index = std::min({index, durable_engine_.applied, engine_.applied, node_->applied()});
  if (index <= log_.truncated) return;
  log_.truncate_prefix(index);
  writes_.push_back({{}, index});
}

void SimPeer::crash(size_t durable_writes) {
  for (; durable_writes > 0 && !writes_.empty(); --durable_writes) {
    write_to_disk(writes_.front());
    writes_.pop_front();
  }
  node_.reset();
  writes_.clear();
  apply_queue_.clear();
}

void SimPeer::restart() {
  if (disk_.snapshot.meta.index > durable_engine_.applied) durable_engine_ = SimEngine::decode(disk_.snapshot);
  engine_ = durable_engine_;
  log_ = disk_.log;
  persisted_number_ = 0;
  ++incarnation_;
  config_.applied = engine_.applied;
  config_.seed += 1000;
  node_ = std::make_unique<RawNode>(config_, *this);
}

Result<std::vector<Entry>, LogStorage::Unavailable> SimPeer::entries(LogIndex low, LogIndex high,
                                                                     size_t max_bytes) const {
  if (low <= log_.truncated) return Err(Unavailable::kCompacted);
  CHECK(high <= log_.last().next(), "[{}, {}) of a stored log up to {}", low, high, log_.last());
  std::vector<Entry> out;
  size_t bytes = 0;
  for (; low < high; low = low.next()) {
    const Entry& entry = log_.entries[low - log_.truncated - 1];
    bytes += entry.bytes();
    if (bytes > max_bytes && !out.empty()) break;
    out.push_back(entry);
  }
  return out;
}

Result<Term, LogStorage::Unavailable> SimPeer::term(LogIndex index) const {
  auto found = log_.term(index);
  CHECK(found || index < log_.truncated, "term of {} of a stored log up to {}", index, log_.last());
  if (!found) return Err(Unavailable::kCompacted);
  return *found;
}

std::optional<RaftSnapshot> SimPeer::snapshot(LogIndex min_index, PeerId) {
  if (snapshot_delay_ > 0) {
    --snapshot_delay_;
    return std::nullopt;
  }
  if (engine_.applied < min_index) return std::nullopt;
  return RaftSnapshot{{engine_.applied, engine_.applied_term, engine_.conf}, SharedBytes(engine_.encode())};
}

}  // namespace cairn::raft
