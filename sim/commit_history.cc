#include "sim/commit_history.h"

#include <fmt/format.h>

#include "base/check.h"
#include "base/codec.h"
#include "engine/memory/disk_state.h"
#include "mvcc/write.h"
#include "replica/keys.h"

namespace cairn::sim {

using Rule = ObservedRead::Rule;
using engine::memory::Entry;

namespace {

std::string show(const std::optional<Bytes>& value) { return value ? "'" + value->substr(0, 40) + "'" : "nothing"; }

const char* name_of(Rule rule) {
  switch (rule) {
    case Rule::kSnapshot:
      return "snapshot";
    case Rule::kReadCommitted:
      return "RC";
    case Rule::kCheckTs:
      return "RcCheckTs";
    case Rule::kNewest:
      return "newest";
  }
  return "?";
}

std::optional<Bytes> seen_of(const ObservedRead& read, const Bytes& key) {
  const auto it = read.found.find(key);
  return it == read.found.end() ? std::nullopt : std::optional(it->second);
}

}  // namespace

void CommitHistory::add(const Bytes& key, Timestamp commit_ts, Version version) {
  auto [it, is_new] = keys_[key].try_emplace(commit_ts, version);
  if (is_new || (it->second.start_ts == version.start_ts && it->second.value == version.value)) return;
  fail_(fmt::format("history: {} at {} was {} of {} and is {} of {}", key, commit_ts, show(it->second.value),
                    it->second.start_ts, show(version.value), version.start_ts));
}

void CommitHistory::look(StoreHost& host, Duration now) {
  CHECK(host.data() != nullptr, "a look at {}, which is down", host.name());
  engine::memory::PersistentMap records, values;
  {
    auto& disk = host.disk().state();
    MutexLock lock(disk.mutex);
    records = disk.kv->current.of(engine::Cf::kWrite);
    values = disk.kv->current.of(engine::Cf::kDefault);
  }
  auto& looked = looked_[host.name()];
  records.changes_since(looked, [&](const Entry*, const Entry* record) {
    if (record != nullptr) take_in(*record, values, now);
  });
  looked = std::move(records);
}

void CommitHistory::take_in(const Entry& record, const engine::memory::PersistentMap& values, Duration now) {
  Bytes& known = known_[record.key];
  if (known == record.value) return;
  known = record.value;
  const auto parts = codec::split_ts(ByteView(record.key).substr(1));  // behind the prefix of data
  const auto write = mvcc::Write::decode(record.value);
  CHECK(parts && write.ok(), "not a write record: {} {}", to_hex(record.key), to_hex(record.value));
  const auto key = codec::decode_bytes(parts->encoded_key);
  CHECK(key, "not a key: {}", to_hex(parts->encoded_key));
  if (!write->changes_value()) return;
  Version version{.start_ts = write->start_ts, .value = std::nullopt, .seen_at = now};
  if (write->kind == mvcc::WriteKind::kPut) {
    version.value = write->short_value;
    if (!version.value) {
      const Entry* value = values.find(replica::data_key(codec::append_ts(parts->encoded_key, write->start_ts)));
      if (value != nullptr) version.value = value->value;
    }
  }
  add(*key, parts->ts, std::move(version));
}

std::string CommitHistory::describe(const Bytes& key, Timestamp at) const {
  std::string out;
  const auto found = keys_.find(key);
  if (found == keys_.end()) return " none";
  constexpr int kAround = 3;
  auto first = found->second.upper_bound(at);
  for (int i = 0; i < kAround && first != found->second.begin(); ++i) --first;
  int left = 2 * kAround;
  for (auto it = first; it != found->second.end() && left > 0; ++it, --left) {
    const auto& [commit_ts, version] = *it;
    out += fmt::format("\n    {} by {}: {}, seen at {:.6f} s", commit_ts, version.start_ts, show(version.value),
                       to_seconds(version.seen_at));
  }
  return out;
}

void CommitHistory::complain(const ObservedRead& read, const Bytes& key, const std::string& expected) const {
  fail_(fmt::format("INV-READ-MAX-TS: {} read at {} by {}, {:.6f} to {:.6f} s: {} is {}, not {}; its versions:{}",
                    name_of(read.rule), read.ts, read.what, to_seconds(read.called), to_seconds(read.returned), key,
                    show(seen_of(read, key)), expected, describe(key, read.ts)));
}

bool CommitHistory::is_acknowledged(const Version& version, Duration before) const {
  const auto told = acknowledged_.find(version.start_ts);
  return told != acknowledged_.end() && told->second.at < before;
}

Timestamp CommitHistory::floor_of(const Versions& versions, const ObservedRead& read) const {
  Timestamp floor;
  for (const auto& [commit_ts, version] : versions) {
    if (commit_ts > read.ts) break;
    if (is_acknowledged(version, read.called)) floor = commit_ts;
  }
  return floor;
}

void CommitHistory::judge_key(const ObservedRead& read, const Bytes& key) const {
  static const Versions kNone;
  const auto found = keys_.find(key);
  const Versions& versions = found == keys_.end() ? kNone : found->second;
  const auto seen = seen_of(read, key);
  auto newest = versions.upper_bound(read.ts);
  const bool has_version = newest != versions.begin();
  if (has_version) --newest;
  switch (read.rule) {
    case Rule::kCheckTs:
      for (auto later = versions.upper_bound(read.ts); later != versions.end(); ++later) {
        if (is_acknowledged(later->second, read.called)) {
          return complain(read, key, fmt::format("a conflict with {}", later->first));
        }
      }
      [[fallthrough]];
    case Rule::kSnapshot: {
      const auto expected = has_version ? newest->second.value : std::nullopt;
      if (seen != expected) return complain(read, key, show(expected));
      const auto told = read.commit_ts.find(key);
      if (told != read.commit_ts.end() && seen && told->second != newest->first) {
        complain(read, key, fmt::format("of {}, but of {}", told->second, newest->first));
      }
      return;
    }
    case Rule::kReadCommitted:  // it passes over the locks of what is acknowledged
    case Rule::kNewest: {
      const Timestamp floor = read.rule == Rule::kNewest ? floor_of(versions, read) : Timestamp();
      if (!floor.is_set() && !seen) return;
      for (auto it = versions.lower_bound(floor); it != versions.end() && it->first <= read.ts; ++it) {
        if (it->second.value == seen) return;
      }
      return complain(read, key, fmt::format("a version from {} on", floor));
    }
  }
}

void CommitHistory::judge(const std::vector<ObservedRead>& reads) const {
  for (const auto& read : reads) {
    for (const Bytes& key : read.keys) judge_key(read, key);
    if (!read.range) continue;
    const auto& [first, end] = *read.range;
    for (auto it = keys_.lower_bound(first); it != keys_.end() && it->first < end; ++it) judge_key(read, it->first);
    for (const auto& [key, value] : read.found) {
      if (key < first || key >= end || !keys_.contains(key)) complain(read, key, "nothing");
    }
  }
  for (const auto& [key, versions] : keys_) {
    for (const auto& [commit_ts, version] : versions) {
      const auto told = acknowledged_.find(version.start_ts);
      if (told == acknowledged_.end() || told->second.commit_ts == commit_ts) continue;
      fail_(fmt::format("history: transaction {} was acknowledged as committed at {}, but {} has it at {}",
                        version.start_ts, told->second.commit_ts, key, commit_ts));
    }
  }
}

}  // namespace cairn::sim
