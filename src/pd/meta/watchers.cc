#include "pd/meta/watchers.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace cairn::pd {
namespace {

using api::Code;
using api::Status;
namespace etcd = etcdserverpb;

// As etcd names what belongs to no watch.
constexpr int64_t kNoWatch = -1;

bool contains(const KeyRange& range, ByteView key) { return key >= range.start && (!range.end || key < *range.end); }

uint64_t bytes_of(const MetaChange& change, bool with_before) {
  return 64 + change.key.size() + (change.after ? change.after->value.size() : 0) +
         (with_before && change.before ? change.key.size() + change.before->value.size() : 0);
}

void fill_event(const MetaChange& change, bool with_before, mvccpb::Event& out) {
  if (change.after) {
    fill_key_value(change.key, *change.after, *out.mutable_kv());
  } else {
    out.set_type(mvccpb::Event::DELETE);
    out.mutable_kv()->set_key(change.key);
    out.mutable_kv()->set_mod_revision(change.revision);
  }
  if (with_before && change.before) fill_key_value(change.key, *change.before, *out.mutable_prev_kv());
}

}  // namespace

void Watchers::open(StreamId stream) { streams_.try_emplace(stream); }

void Watchers::close(StreamId id) {
  auto found = streams_.find(id);
  if (found == streams_.end()) return;
  while (!found->second.watches.empty()) remove(found->second, found->second.watches.begin()->first);
  streams_.erase(found);
}

Status Watchers::request(StreamId stream_id, const etcd::WatchRequest& request) {
  auto found = streams_.find(stream_id);
  if (found == streams_.end()) return {};
  auto& stream = found->second;
  switch (request.request_union_case()) {
    case etcd::WatchRequest::kCreateRequest:
      create(stream_id, stream, request.create_request());
      break;
    case etcd::WatchRequest::kCancelRequest:
      cancel(stream, request.cancel_request().watch_id());
      break;
    case etcd::WatchRequest::kProgressRequest:
      stream.progress_asked = true;
      break;
    case etcd::WatchRequest::REQUEST_UNION_NOT_SET:
      break;
  }
  if (stream.waiting.size() <= kWaitingMax) return {};
  return {Code::kResourceExhausted, "etcdserver: too many requests"};
}

void Watchers::create(StreamId stream_id, Stream& stream, const etcd::WatchCreateRequest& request) {
  etcd::WatchResponse answer;
  answer.set_created(true);
  answer.mutable_header()->set_revision(store_.revision());
  const auto refuse = [&](const char* why) {
    answer.set_watch_id(kNoWatch);
    answer.set_canceled(true);
    answer.set_cancel_reason(why);
    stream.waiting.push_back(std::move(answer));
  };
  auto watch = std::make_unique<Watch>();
  // As in etcd: no key means the first one.
  watch->is_one_key = request.range_end().empty();
  watch->range = KeyRange::of_request(request.key().empty() ? Bytes(1, '\0') : request.key(), request.range_end());
  if (watch->range.end && watch->range.start >= *watch->range.end) return refuse("mvcc: watcher range is empty");
  if (watches_ >= kWatchesMax) return refuse("etcdserver: too many watches");
  watch->id = request.watch_id();
  if (watch->id == 0) {
    while (stream.watches.contains(stream.next_id)) ++stream.next_id;
    watch->id = stream.next_id++;
  } else if (stream.watches.contains(watch->id)) {
    return refuse("mvcc: duplicate watch ID provided on the WatchStream");
  }
  for (const auto filter : request.filters()) {
    if (filter == etcd::WatchCreateRequest::NOPUT) watch->wants_puts = false;
    if (filter == etcd::WatchCreateRequest::NODELETE) watch->wants_deletions = false;
  }
  watch->stream = stream_id;
  watch->wants_before = request.prev_kv();
  watch->wants_fragments = request.fragment();
  watch->wants_progress = request.progress_notify();
  watch->next = request.start_revision() > 0 ? request.start_revision() : store_.revision() + 1;
  watch->is_behind = watch->next <= store_.revision();
  answer.set_watch_id(watch->id);
  stream.waiting.push_back(std::move(answer));
  if (watch->is_behind) stream.behind.insert(watch->id);
  if (watch->is_one_key) {
    of_one_key_.emplace(watch->range.start, watch.get());
  } else {
    of_ranges_.insert(watch.get());
  }
  if (watches_++ == 0) seen_ = store_.revision();
  stream.watches.emplace(watch->id, std::move(watch));
}

void Watchers::cancel(Stream& stream, WatchId id) {
  if (!stream.watches.contains(id)) return;
  remove(stream, id);
  etcd::WatchResponse answer;
  answer.mutable_header()->set_revision(store_.revision());
  answer.set_watch_id(id);
  answer.set_canceled(true);
  stream.waiting.push_back(std::move(answer));
}

void Watchers::remove(Stream& stream, WatchId id) {
  auto found = stream.watches.find(id);
  CHECK(found != stream.watches.end(), "removing watch {} that is not there", id);
  Watch* watch = found->second.get();
  if (watch->is_one_key) {
    const auto [first, last] = of_one_key_.equal_range(watch->range.start);
    of_one_key_.erase(std::find_if(first, last, [&](const auto& entry) { return entry.second == watch; }));
  } else {
    of_ranges_.erase(watch);
  }
  stream.behind.erase(id);
  stream.watches.erase(found);
  --watches_;
}

std::optional<etcd::WatchResponse> Watchers::next(StreamId id) {
  auto found = streams_.find(id);
  if (found == streams_.end()) return std::nullopt;
  auto& stream = found->second;
  if (!stream.waiting.empty()) {
    auto answer = std::move(stream.waiting.front());
    stream.waiting.pop_front();
    return answer;
  }
  while (!stream.behind.empty()) {
    auto turn = stream.behind.lower_bound(stream.turn);
    if (turn == stream.behind.end()) turn = stream.behind.begin();
    Watch& watch = *stream.watches.at(*turn);
    // Whose revision is divided goes on: its fragments come one after the other.
    stream.turn = watch.id;
    auto message = events_of(stream, watch);
    if (message && !message->fragment()) stream.turn = message->watch_id() + 1;
    if (message) return message;
  }
  if (!stream.progress_asked) return std::nullopt;
  stream.progress_asked = false;
  etcd::WatchResponse answer;
  answer.mutable_header()->set_revision(store_.revision());
  answer.set_watch_id(kNoWatch);
  return answer;
}

std::optional<etcd::WatchResponse> Watchers::events_of(Stream& stream, Watch& watch) {
  const auto& history = store_.history();
  etcd::WatchResponse message;
  message.set_watch_id(watch.id);
  message.mutable_header()->set_revision(store_.revision());
  if (watch.next < history.first() && watch.is_behind) {
    message.set_compact_revision(history.first());
    message.set_canceled(true);
    remove(stream, watch.id);
    return message;
  }
  uint64_t bytes = 0;
  size_t place = watch.is_behind ? history.position_of(watch.next) + watch.skipped : history.size();
  const size_t limit = place + kLookedAtMax;
  while (place < history.size()) {
    const auto& change = history.at(place);
    const bool is_new_revision = change.revision != watch.next;
    if (is_new_revision) {
      watch.next = change.revision;
      watch.skipped = 0;
    }
    const bool is_full = bytes >= kMessageBytesMax || (place >= limit && message.events_size() > 0);
    if (is_full && (is_new_revision || watch.wants_fragments)) break;
    ++place;
    ++watch.skipped;
    if (!contains(watch.range, change.key) || !(change.after ? watch.wants_puts : watch.wants_deletions)) continue;
    fill_event(change, watch.wants_before, *message.add_events());
    bytes += bytes_of(change, watch.wants_before);
  }
  if (place < history.size()) {
    message.set_fragment(watch.skipped > 0);
    // What this message holds ends here; the client goes on behind it if the stream breaks.
    message.mutable_header()->set_revision(history.at(place - 1).revision);
  } else {
    watch.is_behind = false;
    watch.next = std::max(watch.next, store_.revision() + 1);
    watch.skipped = 0;
    stream.behind.erase(watch.id);
  }
  // The client waits for the end of what was divided, even if the rest of that revision is not of its range.
  const bool ends_division = std::exchange(watch.is_divided, message.fragment()) && !message.fragment();
  const bool tells = message.events_size() > 0 || ends_division || (watch.tells_progress && !watch.is_behind);
  if (!watch.is_behind) watch.tells_progress = false;
  if (!tells) return std::nullopt;
  watch.had_message = true;
  return message;
}

void Watchers::mark(Watch& watch, int64_t revision, std::set<StreamId>& touched) {
  if (watch.next > revision) return;  // it begins later
  if (!watch.is_behind) watch.next = revision;
  watch.is_behind = true;
  streams_.at(watch.stream).behind.insert(watch.id);
  touched.insert(watch.stream);
}

std::set<Watchers::StreamId> Watchers::on_applied() {
  std::set<StreamId> touched;
  const auto& history = store_.history();
  const int64_t from = std::exchange(seen_, store_.revision()) + 1;
  if (watches_ == 0 || from > seen_) return touched;
  if (from < history.first()) {
    // What was applied is not all in the history: each watch finds out for itself.
    for (auto& [key, watch] : of_one_key_) mark(*watch, from, touched);
    for (auto* watch : of_ranges_) mark(*watch, from, touched);
    return touched;
  }
  for (size_t i = history.position_of(from); i < history.size(); ++i) {
    const auto& change = history.at(i);
    const auto [first, last] = of_one_key_.equal_range(change.key);
    for (auto it = first; it != last; ++it) mark(*it->second, change.revision, touched);
    for (auto* watch : of_ranges_) {
      if (contains(watch->range, change.key)) mark(*watch, change.revision, touched);
    }
  }
  return touched;
}

std::set<Watchers::StreamId> Watchers::on_progress_turn() {
  std::set<StreamId> touched;
  for (auto& [id, stream] : streams_) {
    for (auto& [watch_id, watch] : stream.watches) {
      if (!watch->wants_progress || std::exchange(watch->had_message, false)) continue;
      watch->tells_progress = true;
      stream.behind.insert(watch_id);
      touched.insert(id);
    }
  }
  return touched;
}

}  // namespace cairn::pd
