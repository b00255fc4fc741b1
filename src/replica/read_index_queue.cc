#include "replica/read_index_queue.h"

#include <algorithm>
#include <utility>

#include "base/codec.h"
#include "replica/wire.h"

namespace cairn::replica {
namespace {

constexpr size_t kIdentityBytes = 16;
constexpr char kRequestMark = 'r';
constexpr char kLockedMark = 'l';

// Takes the field that stands at the front, if it has this mark; nothing if it has another, or is cut off.
std::optional<ByteView> take_field(ByteView& fields, char mark) {
  ByteView rest = fields;
  uint64_t size = 0;
  if (rest.empty() || rest.front() != mark) return std::nullopt;
  rest.remove_prefix(1);
  if (!codec::get_var_u64(rest, size) || size > rest.size()) return std::nullopt;
  fields = rest.substr(size);
  return rest.substr(0, size);
}

bool says_locked(ByteView context) {
  if (context.size() < kIdentityBytes) return false;
  context.remove_prefix(kIdentityBytes);
  static_cast<void>(take_field(context, kRequestMark));
  return take_field(context, kLockedMark).has_value();
}

}  // namespace

Bytes ReadIndexQueue::next_context(const engine::RegionDescription& region) const {
  Bytes context;  // 16 bytes, as TiKV's uuid: the life and a counter
  codec::put_u64_be(context, life_);
  codec::put_u64_be(context, batches_ + 1);
  Timestamp read_ts;  // the largest: who stays above it stays above all
  for (const Read& read : unsent_) read_ts = std::max(read_ts, read.read_ts);
  if (read_ts.is_set()) {
    raft_cmdpb::ReadIndexRequest request;
    request.set_start_ts(read_ts.value);
    auto& range = *request.add_key_ranges();
    range.set_start_key(region.start_key);
    range.set_end_key(region.end_key);
    Bytes bytes = serialize(request);
    context.push_back(kRequestMark);
    codec::put_var_u64(context, bytes.size());
    context += bytes;
  }
  return context;
}

std::optional<Timestamp> read_ts_of(ByteView context) {
  if (context.size() < kIdentityBytes) return std::nullopt;
  context.remove_prefix(kIdentityBytes);
  auto field = take_field(context, kRequestMark);
  raft_cmdpb::ReadIndexRequest request;
  if (!field || !request.ParseFromArray(field->data(), static_cast<int>(field->size()))) return std::nullopt;
  return Timestamp(request.start_ts());
}

void ReadIndexQueue::mark_sent(Bytes context, Instant now) {
  ++batches_;
  asked_.push_back({std::move(context), now, std::exchange(unsent_, {})});
}

std::optional<Instant> ReadIndexQueue::on_read_state(const Bytes& context, LogIndex index, LogIndex applied) {
  auto batch = std::find_if(asked_.begin(), asked_.end(), [&](const Batch& b) {
    return ByteView(b.context).substr(0, kIdentityBytes) == ByteView(context).substr(0, kIdentityBytes);
  });
  // Under a lock retry_older_than() asks again.
  if (batch == asked_.end() || says_locked(context)) return std::nullopt;
  Instant sent_at = batch->sent_at;
  auto reads = std::move(batch->reads);
  asked_.erase(batch);
  for (auto& read : reads) {
    if (index <= applied) {
      std::move(read.done)(index);
    } else {
      confirmed_.emplace(index, std::move(read));
    }
  }
  return sent_at;
}

void ReadIndexQueue::on_applied(LogIndex applied) {
  while (!confirmed_.empty() && confirmed_.begin()->first <= applied) {
    auto node = confirmed_.extract(confirmed_.begin());
    std::move(node.mapped().done)(node.key());
  }
}

void ReadIndexQueue::retry_older_than(Instant deadline) {
  while (!asked_.empty() && asked_.front().sent_at < deadline) {
    for (auto& read : asked_.front().reads) unsent_.push_back(std::move(read));
    asked_.pop_front();
  }
}

void ReadIndexQueue::give_up(Instant now, Instant since, const engine::RegionError& error, bool applying_may_wait) {
  // Told when the queue is in order again: who hears may ask anew at once.
  std::vector<std::pair<OnReadable, engine::RegionError>> ended;
  auto ends = [&](Read& read, bool may_wait) {
    if (read.wait.deadline <= now) {
      ended.emplace_back(std::move(read.done), engine::ServerIsBusy{"deadline is exceeded", 0ms});
    } else if (!may_wait && read.wait.since < since) {
      ended.emplace_back(std::move(read.done), error);
    } else {
      return false;
    }
    return true;
  };
  std::erase_if(unsent_, [&](Read& read) { return ends(read, false); });
  for (auto& batch : asked_) std::erase_if(batch.reads, [&](Read& read) { return ends(read, false); });
  std::erase_if(asked_, [](const Batch& batch) { return batch.reads.empty(); });
  for (auto read = confirmed_.begin(); read != confirmed_.end();) {
    read = ends(read->second, applying_may_wait) ? confirmed_.erase(read) : std::next(read);
  }
  for (auto& [done, why] : ended) std::move(done)(Err(std::move(why)));
}

void ReadIndexQueue::fail_unconfirmed(const engine::RegionError& error) {
  auto unsent = std::exchange(unsent_, {});
  auto asked = std::exchange(asked_, {});
  for (auto& batch : asked) {
    for (auto& read : batch.reads) std::move(read.done)(Err(error));
  }
  for (auto& read : unsent) std::move(read.done)(Err(error));
}

void ReadIndexQueue::fail_all(const engine::RegionError& error) {
  fail_unconfirmed(error);
  auto confirmed = std::exchange(confirmed_, {});
  for (auto& [index, read] : confirmed) std::move(read.done)(Err(error));
}

size_t ReadIndexQueue::size() const {
  size_t count = unsent_.size() + confirmed_.size();
  for (const auto& batch : asked_) count += batch.reads.size();
  return count;
}

}  // namespace cairn::replica
