#include "sim/replica_read_workload.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/codec.h"
#include "client/effort.h"
#include "client/locks.h"
#include "client/oracle.h"
#include "runtime/async.h"

namespace cairn::sim {

using Rule = ObservedRead::Rule;

namespace {

constexpr int kTriesMax = 8;
constexpr uint32_t kEnough = 1000;  // pairs in a scan

void put_context(kvrpcpb::Context& context, const ReplicaReader::Target& target, Rule rule,
                 const std::vector<Timestamp>& passed, const std::vector<Timestamp>& committed) {
  context = target.context;
  if (rule == Rule::kReadCommitted) context.set_isolation_level(kvrpcpb::IsolationLevel::RC);
  if (rule == Rule::kCheckTs) context.set_isolation_level(kvrpcpb::IsolationLevel::RCCheckTS);
  for (const Timestamp ts : passed) context.add_resolved_locks(ts.value);
  for (const Timestamp ts : committed) context.add_committed_locks(ts.value);
}

}  // namespace

runtime::Task<void> ReplicaReadWorkload::run(client::CorePtr core, ReplicaReader* reader) {
  runtime::Random& dice = reader->dice();
  Client client{.core = std::move(core),
                .reader = reader,
                .vintage = static_cast<Vintage>(dice.below(3)),
                .pairs_only = dice.chance(0.5) && options_.has_pairs_only_clients};
  while (!is_stopping_) {
    co_await one_read(client);
    co_await runtime::sleep(reader->executor(), dice.between(1ms, options_.pause_max));
  }
}

runtime::Task<void> ReplicaReadWorkload::one_read(Client client) {
  Hold hold(options_.safe_point);
  auto question = co_await draw(client);
  if (question && !hold.move_to(question->read.ts)) co_return;
  for (int tries = 0; question && tries < kTriesMax && !is_stopping_; ++tries) {
    const auto outcome = co_await attempt(client, &*question);
    if (outcome.is_read) {
      question->read.returned = loop_.now();
      reads_.push_back(std::move(question->read));
      co_return;
    }
    if (outcome.is_over) co_return;
    if (!outcome.locks.empty()) co_await deal_with(client, &*question, outcome.locks);
    co_await runtime::sleep(client.reader->executor(), client.reader->dice().between(1ms, 100ms));
  }
}

runtime::Task<std::optional<ReplicaReadWorkload::Question>> ReplicaReadWorkload::draw(Client client) {
  runtime::Random& dice = client.reader->dice();
  Question question;
  question.form = static_cast<Question::Form>(dice.below(4));
  const uint64_t rule = dice.below(10);
  question.read.rule = rule < 6   ? Rule::kSnapshot
                       : rule < 7 ? Rule::kReadCommitted
                       : rule < 8 ? Rule::kCheckTs
                                  : Rule::kNewest;
  if (question.read.rule == Rule::kNewest && !options_.reads_newest) question.read.rule = Rule::kSnapshot;
  // The newest version has no timestamp to be the snapshot of several keys.
  if (question.read.rule == Rule::kNewest) question.form = Question::Form::kGet;
  if (question.read.rule == Rule::kNewest) {
    question.read.ts = Timestamp::max();
  } else if (!timestamps_.empty() && dice.chance(0.3)) {
    question.read.ts = timestamps_[dice.below(timestamps_.size())];
  } else {
    const auto fresh = co_await client::fresh_timestamp(client.core);
    if (!fresh.ok()) co_return std::nullopt;
    question.read.ts = *fresh;
    timestamps_.push_back(*fresh);
    // Others commit before the read comes.
    if (dice.chance(0.3)) co_await runtime::sleep(client.reader->executor(), dice.between(1ms, 300ms));
  }
  if (question.form == Question::Form::kScan || question.form == Question::Form::kReverseScan) {
    question.read.range = options_.ranges[dice.below(options_.ranges.size())];
    question.limit = dice.chance(0.3) ? static_cast<uint32_t>(dice.between(1, 4)) : kEnough;
    co_return question;
  }
  const uint64_t count = question.form == Question::Form::kGet ? 1 : dice.between(1, 4);
  for (uint64_t i = 0; i < count; ++i) {
    const Bytes& key = options_.keys[dice.below(options_.keys.size())];
    auto& keys = question.read.keys;
    if (std::find(keys.begin(), keys.end(), key) == keys.end()) keys.push_back(key);
  }
  co_return question;
}

runtime::Task<ReplicaReadWorkload::Attempt> ReplicaReadWorkload::attempt(Client client, Question* question) {
  auto& read = question->read;
  const Bytes& first = read.range ? read.range->first : read.keys.front();
  auto target = client.reader->draw(codec::encode_bytes(first));
  if (!target) co_return Attempt();
  read.called = loop_.now();
  read.found.clear();
  read.commit_ts.clear();
  read.what = fmt::format("{}{}{}", target->name, target->context.replica_read() ? ", by read index" : "",
                          client.pairs_only ? ", looking at pairs only" : "");
  switch (question->form) {
    case Question::Form::kGet:
      co_return co_await get(client, question, std::move(*target));
    case Question::Form::kBatchGet:
      co_return co_await batch_get(client, question, std::move(*target));
    case Question::Form::kScan:
    case Question::Form::kReverseScan:
      co_return co_await scan(client, question, std::move(*target));
  }
  co_return Attempt();
}

void ReplicaReadWorkload::note_error(const Question& question, const kvrpcpb::KeyError& error, Attempt& attempt) {
  if (error.has_locked()) {
    attempt.locks.push_back(error.locked());
    return;
  }
  attempt.is_over = true;
  if (error.has_conflict() && question.read.rule == Rule::kCheckTs) return;
  fail_(fmt::format("replica reads: {} at {} ended as {}", question.read.what, question.read.ts,
                    error.ShortDebugString()));
}

runtime::Task<ReplicaReadWorkload::Attempt> ReplicaReadWorkload::get(Client client, Question* question,
                                                                     ReplicaReader::Target target) {
  auto& read = question->read;
  kvrpcpb::GetRequest request;
  put_context(*request.mutable_context(), target, read.rule, question->passed, question->committed);
  request.set_key(read.keys.front());
  request.set_version(read.ts.value);
  request.set_need_commit_ts(question->committed.empty() && client.reader->dice().chance(0.3));
  const bool needs_commit_ts = request.need_commit_ts();
  auto reply = co_await client.reader->ask<kvrpcpb::GetRequest, kvrpcpb::GetResponse>(
      std::move(target), std::move(request), &api::Tikv::kv_get);
  Attempt out;
  if (!reply) co_return out;
  if (reply->has_error()) {
    note_error(*question, reply->error(), out);
    co_return out;
  }
  out.is_read = true;
  if (reply->not_found()) co_return out;
  read.found[read.keys.front()] = reply->value();
  if (needs_commit_ts) read.commit_ts[read.keys.front()] = Timestamp(reply->commit_ts());
  co_return out;
}

runtime::Task<ReplicaReadWorkload::Attempt> ReplicaReadWorkload::batch_get(Client client, Question* question,
                                                                           ReplicaReader::Target target) {
  auto& read = question->read;
  // Of the keys that lie in other regions nothing is asked.
  std::erase_if(read.keys, [&, first = read.keys.front()](const Bytes& key) {
    const Bytes at = codec::encode_bytes(key);
    return key != first &&
           (at < target.region.start_key || (!target.region.end_key.empty() && at >= target.region.end_key));
  });
  kvrpcpb::BatchGetRequest request;
  put_context(*request.mutable_context(), target, read.rule, question->passed, question->committed);
  for (const Bytes& key : read.keys) request.add_keys(key);
  request.set_version(read.ts.value);
  auto reply = co_await client.reader->ask<kvrpcpb::BatchGetRequest, kvrpcpb::BatchGetResponse>(
      std::move(target), std::move(request), &api::Tikv::kv_batch_get);
  Attempt out;
  if (!reply) co_return out;
  if (reply->has_error() && !client.pairs_only) note_error(*question, reply->error(), out);
  for (const auto& pair : reply->pairs()) {
    if (pair.has_error()) {
      note_error(*question, pair.error(), out);
    } else {
      read.found[pair.key()] = pair.value();
    }
  }
  out.is_read = out.locks.empty() && !out.is_over;
  co_return out;
}

runtime::Task<ReplicaReadWorkload::Attempt> ReplicaReadWorkload::scan(Client client, Question* question,
                                                                      ReplicaReader::Target target) {
  auto& read = question->read;
  const bool is_reverse = question->form == Question::Form::kReverseScan;
  Attempt out;
  auto range = part_in(target.region, *read.range);
  if (!range) {
    out.is_over = true;
    co_return out;
  }
  kvrpcpb::ScanRequest request;
  put_context(*request.mutable_context(), target, read.rule, question->passed, question->committed);
  request.set_start_key(is_reverse ? range->second : range->first);
  request.set_end_key(is_reverse ? range->first : range->second);
  request.set_reverse(is_reverse);
  request.set_limit(question->limit);
  request.set_version(read.ts.value);
  auto reply = co_await client.reader->ask<kvrpcpb::ScanRequest, kvrpcpb::ScanResponse>(
      std::move(target), std::move(request), &api::Tikv::kv_scan);
  if (!reply) co_return out;
  if (reply->has_error() && !client.pairs_only) note_error(*question, reply->error(), out);
  Bytes last;
  for (const auto& pair : reply->pairs()) {
    if (pair.has_error()) {
      note_error(*question, pair.error(), out);
      continue;
    }
    const bool is_in_order = last.empty() || (is_reverse ? pair.key() < last : pair.key() > last);
    if (!is_in_order) fail_(fmt::format("replica reads: {} follows {} in a scan by {}", pair.key(), last, read.what));
    last = pair.key();
    read.found[pair.key()] = pair.value();
  }
  out.is_read = out.locks.empty() && !out.is_over;
  // A page that is full ends at its last key.
  if (read.found.size() >= question->limit) {
    if (is_reverse) {
      range->first = last;
    } else {
      range->second = last + '\0';
    }
  }
  if (out.is_read) read.range = std::move(range);
  co_return out;
}

runtime::Task<void> ReplicaReadWorkload::deal_with(Client client, Question* question,
                                                   std::vector<kvrpcpb::LockInfo> locks) {
  const Timestamp ts = question->read.ts;
  auto effort = std::make_shared<client::Effort>(*client.core, client::Effect::kRead);
  if (client.vintage == Vintage::kWaits) co_return;
  if (client.vintage == Vintage::kResolves) {
    const auto resolved = co_await client::resolve_locks(client.core, effort, ts.is_max() ? Timestamp() : ts, locks);
    // What only the newest reads met may commit before they look again.
    if (!resolved.ok() || ts.is_max()) co_return;
    question->passed.insert(question->passed.end(), resolved->passable.begin(), resolved->passable.end());
    co_return;
  }
  for (const auto& lock : locks) {
    const auto fate = co_await client::judge(client.core, effort, lock, client::Mercy::kForTheLiving);
    if (!fate.ok() || fate->is_of_lock_only) continue;
    const Timestamp start_ts(lock.lock_version());
    if (fate->kind == client::Fate::Kind::kRolledBack) question->passed.push_back(start_ts);
    if (fate->kind == client::Fate::Kind::kCommitted) {
      (fate->commit_ts <= ts ? question->committed : question->passed).push_back(start_ts);
    }
  }
}

}  // namespace cairn::sim
