#include "sim/list_workload.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <set>
#include <utility>

#include "runtime/async.h"

namespace cairn::sim {

namespace {

using List = std::vector<uint64_t>;

// A list is its numbers with a comma behind each.
List decode(ByteView text) {
  List out;
  while (!text.empty()) {
    uint64_t number = 0;
    std::from_chars(text.data(), text.data() + text.size(), number);
    out.push_back(number);
    text.remove_prefix(std::min(text.size(), text.find(',') + 1));
  }
  return out;
}

List decode(const std::optional<Bytes>& text) { return text ? decode(ByteView(*text)) : List(); }

Bytes encode(const List& list) {
  Bytes out;
  for (const uint64_t number : list) out += fmt::format("{},", number);
  return out;
}

bool is_prefix(const List& list, const List& of) {
  return list.size() <= of.size() && std::equal(list.begin(), list.end(), of.begin());
}

bool holds(const List& list, uint64_t number) { return std::find(list.begin(), list.end(), number) != list.end(); }

client::TransactionOptions draw_mode(runtime::Random& dice, bool may_be_causal) {
  return {.is_pessimistic = dice.chance(0.4),
          .use_async_commit = dice.chance(0.4),
          .try_one_pc = dice.chance(0.4),
          .is_causal = may_be_causal && dice.chance(0.7)};
}

}  // namespace

ListWorkload::ListWorkload(std::function<void(std::string)> fail, Options options)
    : fail_(std::move(fail)), options_(std::move(options)) {}

Bytes ListWorkload::key_of(int index) const { return fmt::format("{}{:02}", options_.prefix, index); }

runtime::Task<void> ListWorkload::run(client::Client* client, runtime::Executor* executor, uint64_t seed,
                                      Holder holder) {
  runtime::Random dice(seed);
  while (!is_stopping_) {
    if (!stories_.empty() && holder == Holder::kClient && dice.chance(0.15)) {
      co_await look_back(client, &dice);
    } else {
      co_await transact(client, executor, &dice, holder);
    }
    co_await runtime::sleep(*executor, dice.between(1ms, options_.pause_max));
  }
}

runtime::Task<void> ListWorkload::transact(client::Client* client, runtime::Executor* executor, runtime::Random* dice,
                                           Holder holder) {
  const auto mode = draw_mode(*dice, options_.has_causal);
  const Timestamp acknowledged_before = acknowledged_;
  Hold hold(holder == Holder::kClient ? options_.safe_point : nullptr);
  auto txn = co_await client->begin(mode);
  if (!txn.ok() || !hold.move_to(txn->start_ts())) co_return;
  if (txn->start_ts() < acknowledged_before) {
    fail_(fmt::format("lists: a transaction began at {} after one was acknowledged that committed at {}",
                      txn->start_ts().value, acknowledged_before.value));
  }
  Story story{.id = next_id_++, .start_ts = txn->start_ts(), .reads = {}, .appended_to = {}};
  std::set<int> chosen;
  const auto keys = static_cast<int>(dice->between(1, static_cast<uint64_t>(options_.keys_max)));
  while (static_cast<int>(chosen.size()) < keys) {
    chosen.insert(static_cast<int>(dice->below(static_cast<uint64_t>(options_.lists))));
  }
  bool is_good = true;
  for (const int index : chosen) {
    const bool appends = dice->chance(0.6);
    List before;
    if (appends && mode.is_pessimistic) {
      // In the order of the keys: no circles.
      auto locked = co_await txn->lock_keys({key_of(index)}, {.wait_max = dice->chance(0.2) ? 0s : 2s,
                                                              .return_values = true,
                                                              .force = !options_.has_causal && dice->chance(0.3)});
      is_good = locked.ok();
      if (!is_good) break;
      before = decode(locked->at(key_of(index)).value);
    }
    auto seen = co_await txn->get(key_of(index));
    is_good = seen.ok();
    if (!is_good) break;
    story.reads[index] = decode(*seen);
    if (!appends) continue;
    if (!mode.is_pessimistic) before = story.reads[index];
    List after = before;
    after.push_back(story.id);
    story.appended_to[index] = std::move(before);
    txn->put(key_of(index), encode(after));
  }
  if (!is_good) {
    txn->rollback();
    stories_.push_back(std::move(story));
    co_return;
  }
  // Some think it over, while others read and leaders change.
  if (!mode.is_pessimistic && dice->chance(0.2)) co_await runtime::sleep(*executor, dice->between(1ms, 500ms));
  // The client may die while it commits: then nobody knows.
  story.outcome = Outcome::kUnknown;
  const size_t at = stories_.size();
  stories_.push_back(story);
  auto committed = co_await txn->commit();
  story.outcome = Outcome::kRefused;
  if (committed.ok()) {
    story.outcome = Outcome::kCommitted;
    story.commit_ts = *committed;
    acknowledged_ = std::max(acknowledged_, *committed);
    ++successes_;
    if (options_.on_commit && committed->is_set()) options_.on_commit(story.start_ts, *committed);
  } else if (std::holds_alternative<client::Undetermined>(committed.error())) {
    story.outcome = Outcome::kUnknown;
  } else if (std::holds_alternative<client::Refused>(committed.error()) ||
             std::holds_alternative<client::AlreadyExists>(committed.error())) {
    fail_(fmt::format("lists: a transaction ended as {}", client::to_string(committed.error())));
  }
  stories_[at] = std::move(story);
}

// Reads once more, at the timestamp of a transaction of the past.
runtime::Task<void> ListWorkload::look_back(client::Client* client, runtime::Random* dice) {
  Story story{.start_ts = stories_[dice->below(stories_.size())].start_ts, .reads = {}, .appended_to = {}};
  Hold hold(options_.safe_point);
  if (!hold.move_to(story.start_ts)) co_return;
  auto txn = client->begin_at(story.start_ts);
  std::vector<Bytes> keys;
  for (int i = 0; i < options_.lists; ++i) keys.push_back(key_of(i));
  auto found = co_await txn.batch_get(std::move(keys));
  if (!found.ok()) co_return;
  for (int i = 0; i < options_.lists; ++i) {
    const auto it = found->find(key_of(i));
    story.reads[i] = it == found->end() ? List() : decode(ByteView(it->second));
  }
  stories_.push_back(std::move(story));
}

runtime::Task<void> ListWorkload::read_back(client::Client* client, runtime::Executor* executor) {
  constexpr int kTriesMax = 20;
  for (int tries = 0; tries < kTriesMax; ++tries) {
    if (co_await read_all(client)) co_return;
    co_await runtime::sleep(*executor, 200ms);
  }
  fail_("lists: the lists cannot be locked and read after the faults are over");
}

// Under locks, so that whatever another transaction left locked must go.
runtime::Task<bool> ListWorkload::read_all(client::Client* client) {
  auto txn = co_await client->begin({.is_pessimistic = true});
  if (!txn.ok()) co_return false;
  std::vector<Bytes> keys;
  for (int i = 0; i < options_.lists; ++i) keys.push_back(key_of(i));
  auto locked = co_await txn->lock_keys(keys, {.return_values = true});
  if (locked.ok()) {
    final_.clear();
    for (const auto& key : keys) final_.push_back(decode(locked->at(key).value));
  }
  txn->rollback();
  co_return locked.ok();
}

void ListWorkload::check() const {
  if (final_.empty()) return;  // said already
  std::map<uint64_t, const Story*> stories;
  for (const auto& story : stories_) {
    if (story.id != 0) stories[story.id] = &story;
  }
  for (int i = 0; i < options_.lists; ++i) check_list(i, stories);
  for (const auto& story : stories_) {
    for (const auto& [index, seen] : story.reads) check_read(story, index, seen, stories);
    check_atomic(story);
  }
}

void ListWorkload::check_list(int index, const std::map<uint64_t, const Story*>& stories) const {
  const List& list = final_[static_cast<size_t>(index)];
  std::set<uint64_t> there;
  Timestamp newest;
  for (size_t i = 0; i < list.size(); ++i) {
    const auto it = stories.find(list[i]);
    if (it == stories.end() || !it->second->appended_to.contains(index)) {
      fail_(fmt::format("lists: {} holds {}, which nobody appended: {}", key_of(index), list[i], list));
      return;
    }
    const Story& story = *it->second;
    if (!there.insert(story.id).second)
      fail_(fmt::format("lists: {} holds {} twice: {}", key_of(index), story.id, list));
    if (story.outcome == Outcome::kRefused) {
      fail_(fmt::format("lists: {} holds {}, which was refused: {}", key_of(index), story.id, list));
    }
    const List before(list.begin(), list.begin() + static_cast<ptrdiff_t>(i));
    if (story.appended_to.at(index) != before) {
      fail_(fmt::format("lists: {} of {} was appended to {}, but it follows {}", story.id, key_of(index),
                        story.appended_to.at(index), before));
    }
    if (story.outcome != Outcome::kCommitted) continue;
    if (story.commit_ts <= newest) {
      fail_(fmt::format("lists: {} of {} committed at {}, not after {}", story.id, key_of(index), story.commit_ts.value,
                        newest.value));
    }
    newest = story.commit_ts;
  }
  for (const auto& [id, story] : stories) {
    if (story->outcome == Outcome::kCommitted && story->appended_to.contains(index) && !there.contains(id)) {
      fail_(fmt::format("lists: {} was acknowledged and is not in {}: {}", id, key_of(index), list));
    }
  }
}

void ListWorkload::check_read(const Story& story, int index, const List& seen,
                              const std::map<uint64_t, const Story*>& stories) const {
  const List& list = final_[static_cast<size_t>(index)];
  if (!is_prefix(seen, list)) {
    fail_(fmt::format("lists: at {} {} was read as {}, in the end it is {}", story.start_ts.value, key_of(index), seen,
                      list));
    return;
  }
  for (const uint64_t id : list) {
    const auto it = stories.find(id);
    if (it == stories.end() || it->second->outcome != Outcome::kCommitted) continue;
    const bool is_due = it->second->commit_ts <= story.start_ts;
    if (is_due == holds(seen, id)) continue;
    fail_(fmt::format("lists: at {} {} was read as {}; {} committed at {}", story.start_ts.value, key_of(index), seen,
                      id, it->second->commit_ts.value));
  }
}

void ListWorkload::check_atomic(const Story& reader) const {
  for (const auto& writer : stories_) {
    int with = 0;
    int without = 0;
    for (const auto& [index, before] : writer.appended_to) {
      const auto seen = reader.reads.find(index);
      if (seen != reader.reads.end()) ++(holds(seen->second, writer.id) ? with : without);
    }
    if (with == 0 || without == 0) continue;
    fail_(fmt::format("lists: a reader at {} saw {} in some of its lists only", reader.start_ts.value, writer.id));
  }
}

}  // namespace cairn::sim
