#include "pd/meta/history.h"

#include <algorithm>

#include "base/check.h"
#include "base/codec.h"

namespace cairn::pd {
namespace {

constexpr uint64_t kChangeOverhead = 256;

void put_record(Bytes& out, const std::optional<MetaRecord>& record) {
  out.push_back(record ? '\1' : '\0');
  if (!record) return;
  codec::put_var_i64(out, record->create_revision);
  codec::put_var_i64(out, record->mod_revision);
  codec::put_var_i64(out, record->version);
  codec::put_var_i64(out, record->lease);
  codec::put_compact_bytes(out, record->value);
}

bool get_record(ByteView& in, std::optional<MetaRecord>& record) {
  uint8_t is_there = 0;
  if (!codec::get_u8(in, is_there) || is_there > 1) return false;
  if (is_there == 0) return true;
  record.emplace();
  ByteView value;
  if (!codec::get_var_i64(in, record->create_revision) || !codec::get_var_i64(in, record->mod_revision) ||
      !codec::get_var_i64(in, record->version) || !codec::get_var_i64(in, record->lease) ||
      !codec::get_compact_bytes(in, value)) {
    return false;
  }
  record->value = Bytes(value);
  return true;
}

}  // namespace

uint64_t History::bytes_of(const MetaChange& change) {
  return kChangeOverhead + change.key.size() + (change.after ? change.after->value.size() : 0) +
         (change.before ? change.before->value.size() : 0);
}

size_t History::position_of(int64_t revision) const {
  const auto found = std::partition_point(changes_.begin(), changes_.end(),
                                          [&](const MetaChange& change) { return change.revision < revision; });
  return static_cast<size_t>(found - changes_.begin());
}

void History::add(MetaChange change) {
  CHECK(changes_.empty() || changes_.back().revision <= change.revision, "a change at {} after one at {}",
        change.revision, changes_.back().revision);
  bytes_ += bytes_of(change);
  changes_.push_back(std::move(change));
}

void History::cut(int64_t first) {
  if (first <= first_) return;
  first_ = first;
  while (!changes_.empty() && changes_.front().revision < first) {
    bytes_ -= bytes_of(changes_.front());
    changes_.pop_front();
  }
}

std::optional<int64_t> History::cut_wanted() const {
  if (changes_.size() <= limits_.changes && bytes_ <= limits_.bytes) return std::nullopt;
  const size_t changes_wanted = limits_.changes / 4 * 3;
  const uint64_t bytes_wanted = limits_.bytes / 4 * 3;
  size_t changes = changes_.size();
  uint64_t bytes = bytes_;
  size_t gone = 0;
  while (gone < changes_.size() && (changes > changes_wanted || bytes > bytes_wanted)) {
    bytes -= bytes_of(changes_[gone++]);
    --changes;
  }
  return changes_[gone - 1].revision + 1;
}

std::map<ByteView, const MetaChange*> History::undone(const KeyRange& range, int64_t revision) const {
  CHECK(knows_state(revision), "the state at {} is gone, history begins at {}", revision, first_);
  std::map<ByteView, const MetaChange*> out;
  const size_t last = position_of(revision + 1);
  for (size_t i = changes_.size(); i > last; --i) {
    const auto& change = changes_[i - 1];
    if (change.key < range.start || (range.end && change.key >= *range.end)) continue;
    out[change.key] = &change;
  }
  return out;
}

Bytes History::encode(const MetaChange& change) {
  Bytes out;
  codec::put_compact_bytes(out, change.key);
  put_record(out, change.after);
  put_record(out, change.before);
  return out;
}

bool History::decode(ByteView in, MetaChange& change) {
  ByteView key;
  if (!codec::get_compact_bytes(in, key) || !get_record(in, change.after) || !get_record(in, change.before)) {
    return false;
  }
  change.key = Bytes(key);
  return in.empty();
}

}  // namespace cairn::pd
