#include "sim/register_workload.h"

#include <fmt/format.h>

#include "runtime/async.h"

namespace cairn::sim {

using Kind = Operation::Kind;

RegisterWorkload::RegisterWorkload(runtime::SimLoop& loop, std::function<void(std::string)> fail, Options options)
    : loop_(loop),
      fail_(std::move(fail)),
      options_(std::move(options)),
      histories_(static_cast<size_t>(options_.registers)) {}

runtime::Task<void> RegisterWorkload::run(client::Client* client, ReplicaReader* reader, runtime::Executor* executor,
                                          int id, uint64_t seed) {
  runtime::Random dice(seed);
  while (!is_stopping_) {
    const size_t index = dice.below(histories_.size());
    if (co_await one_operation(client, reader, index, id, &dice)) ++successes_;
    co_await runtime::sleep(*executor, dice.between(1ms, options_.pause_max));
  }
}

bool RegisterWorkload::is_open(const client::Error& error, const char* what) {
  if (std::holds_alternative<client::Undetermined>(error)) return true;
  if (!std::holds_alternative<client::GaveUp>(error)) {
    fail_(fmt::format("registers: {} ended as {}", what, client::to_string(error)));
  }
  return false;
}

runtime::Task<std::optional<std::optional<Bytes>>> RegisterWorkload::read_anywhere(ReplicaReader* reader, Bytes key) {
  auto target = reader->draw(rawkv::engine_key(options_.api_version, key));
  if (!target) co_return std::nullopt;
  kvrpcpb::RawGetRequest request;
  *request.mutable_context() = target->context;
  request.set_key(key);
  const auto reply = co_await reader->ask<kvrpcpb::RawGetRequest, kvrpcpb::RawGetResponse>(
      std::move(*target), std::move(request), &api::Tikv::raw_get);
  if (!reply) co_return std::nullopt;
  if (!reply->error().empty()) {
    fail_("registers: a read at a replica ended as " + reply->error());
    co_return std::nullopt;
  }
  co_return reply->not_found() ? std::optional<Bytes>() : std::optional<Bytes>(reply->value());
}

runtime::Task<bool> RegisterWorkload::one_operation(client::Client* client, ReplicaReader* reader, size_t index, int id,
                                                    runtime::Random* dice) {
  const Bytes key = key_of(index);
  Operation op{.kind = Kind::kRead, .client = id, .called = loop_.now()};
  // A swap is atomic among swaps only, not against plain writes (as in TiKV): every other register knows no other
  // write.
  const bool is_swapped = index % 2 == 1;
  const uint64_t choice = is_swapped && dice->chance(0.5) ? 9 : dice->below(is_swapped ? 5 : 9);
  bool is_known = false;
  bool is_open_end = false;
  if (choice < 5 && reader != nullptr && dice->chance(0.5)) {
    auto seen = co_await read_anywhere(reader, key);
    is_known = seen.has_value();
    if (seen) op.value = std::move(*seen);
  } else if (choice < 5) {
    auto seen = co_await client->raw_get(key);
    is_known = seen.ok();
    if (seen.ok()) {
      op.value = std::move(seen).value();
    } else if (is_open(seen.error(), "a read")) {
      fail_("registers: a read ended as undetermined");
    }
  } else if (choice < 9) {
    op.kind = Kind::kWrite;
    if (choice < 8) {
      op.value = fmt::format("v{}", next_value_++);
      auto written = co_await client->raw_put(key, *op.value);
      is_known = written.ok();
      is_open_end = !written.ok() && is_open(written.error(), "a write");
    } else {
      auto deleted = co_await client->raw_delete(key);
      is_known = deleted.ok();
      is_open_end = !deleted.ok() && is_open(deleted.error(), "a deletion");
    }
  } else {
    // Half of the swaps expect what the last known write of the register left: they have a chance.
    op.kind = Kind::kSwap;
    const auto& history = histories_[index];
    for (auto it = history.rbegin(); it != history.rend() && dice->chance(0.8); ++it) {
      if (it->kind == Kind::kRead) continue;
      op.expected = it->value;
      break;
    }
    op.value = fmt::format("v{}", next_value_++);
    auto swapped = co_await client->raw_compare_and_swap(key, op.expected, op.value);
    is_known = swapped.ok();
    if (swapped.ok()) {
      op.previous = swapped->previous;
      op.swapped = swapped->swapped;
    } else {
      is_open_end = is_open(swapped.error(), "a swap");
    }
  }
  if (is_known) op.returned = loop_.now();
  if (is_known || is_open_end) histories_[index].push_back(std::move(op));
  co_return is_known;
}

runtime::Task<void> RegisterWorkload::read_back(client::Client* client, runtime::Executor* executor) {
  constexpr int kTriesMax = 20;
  size_t index = 0;
  for (int tries = 0; index < histories_.size() && tries < kTriesMax; ++tries) {
    Operation op{.kind = Kind::kRead, .client = -1, .called = loop_.now()};
    auto seen = co_await client->raw_get(key_of(index));
    if (seen.ok()) {
      op.returned = loop_.now();
      op.value = std::move(seen).value();
      histories_[index++].push_back(std::move(op));
    } else {
      co_await runtime::sleep(*executor, 200ms);
    }
  }
  if (index < histories_.size()) fail_("registers: a register cannot be read after the faults are over");
  is_read_back_ = true;
}

void RegisterWorkload::check() const {
  for (size_t i = 0; i < histories_.size(); ++i) {
    if (is_linearizable(histories_[i])) continue;
    fail_(fmt::format("INV-RAW-NEWEST: register {} is not linearizable:\n{}", key_of(i), to_string(histories_[i])));
  }
}

}  // namespace cairn::sim
