#include "sim/bank_workload.h"

#include <fmt/format.h>

#include <charconv>
#include <utility>

#include "runtime/async.h"

namespace cairn::sim {

namespace {

constexpr uint32_t kEnough = 100'000;  // pairs in a scan

int64_t number(ByteView text) {
  int64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

// A record says "from to amount".
struct Record {
  int from = 0;
  int to = 0;
  int64_t amount = 0;
  Bytes encode() const { return fmt::format("{:02} {:02} {}", from, to, amount); }
  static Record decode(ByteView text) {
    return {static_cast<int>(number(text.substr(0, 2))), static_cast<int>(number(text.substr(3, 2))),
            number(text.substr(6))};
  }
};

}  // namespace

BankWorkload::BankWorkload(runtime::SimLoop& loop, std::function<void(std::string)> fail, Options options)
    : loop_(loop), fail_(std::move(fail)), options_(std::move(options)) {}

Bytes BankWorkload::account_key(int account) const { return fmt::format("{}{:02}", accounts_prefix(), account); }

void BankWorkload::note_timestamp(Timestamp ts, Timestamp newest_before) {
  if (ts <= newest_before) {
    fail_(fmt::format("timestamps: {} was handed out after {} had been", ts.value, newest_before.value));
  }
  newest_ = std::max(newest_, ts);
}

runtime::Task<void> BankWorkload::open(client::Client* client, runtime::Executor* executor) {
  constexpr int kTriesMax = 50;
  std::string trouble;
  for (int tries = 0; tries < kTriesMax && !is_open_; ++tries) {
    auto txn = co_await client->begin();
    if (!txn.ok()) {
      trouble = client::to_string(txn.error());
    } else {
      for (int i = 0; i < options_.accounts; ++i) txn->put(account_key(i), std::to_string(options_.initial));
      auto committed = co_await txn->commit();
      if (committed.ok()) {
        is_open_ = true;
      } else {
        trouble = client::to_string(committed.error());
      }
    }
    if (!is_open_) co_await runtime::sleep(*executor, 200ms);
  }
  if (!is_open_) fail_("bank: the accounts cannot be opened: " + trouble);
}

runtime::Task<void> BankWorkload::run(client::Client* client, runtime::Executor* executor, int id, uint64_t seed) {
  runtime::Random dice(seed);
  while (!is_stopping_) {
    if (dice.chance(0.7)) {
      co_await transfer(client, id, &dice);
    } else {
      co_await audit(client);
    }
    co_await runtime::sleep(*executor, dice.between(1ms, options_.pause_max));
  }
}

runtime::Task<void> BankWorkload::transfer(client::Client* client, int id, runtime::Random* dice) {
  const Timestamp newest_before = newest_;
  const client::TransactionOptions mode{
      .is_pessimistic = dice->chance(0.4), .use_async_commit = dice->chance(0.3), .try_one_pc = dice->chance(0.3)};
  Hold hold(options_.safe_point);
  auto txn = co_await client->begin(mode);
  if (!txn.ok() || !hold.move_to(txn->start_ts())) co_return;
  note_timestamp(txn->start_ts(), newest_before);
  const auto accounts = static_cast<uint64_t>(options_.accounts);
  Record record;
  record.from = static_cast<int>(dice->below(accounts));
  record.to = static_cast<int>((static_cast<uint64_t>(record.from) + 1 + dice->below(accounts - 1)) % accounts);
  record.amount = static_cast<int64_t>(dice->between(1, 10));
  const auto held = co_await balances(*txn, mode, record.from, record.to);
  if (!held) {
    txn->rollback();
    co_return;
  }
  const Bytes key = fmt::format("{}{}-{:06}", records_prefix(), id, next_record_++);
  txn->put(account_key(record.from), std::to_string(held->first - record.amount));
  txn->put(account_key(record.to), std::to_string(held->second + record.amount));
  txn->insert(key, record.encode());
  const Timestamp newest_at_commit = newest_;
  auto committed = co_await txn->commit();
  if (committed.ok()) {
    // Those that the stores chose need not be PD's newest.
    if (!mode.use_async_commit && !mode.try_one_pc) note_timestamp(*committed, newest_at_commit);
    acknowledged_.insert(key);
    if (options_.on_commit) options_.on_commit(txn->start_ts(), *committed);
  } else if (!std::holds_alternative<client::Undetermined>(committed.error())) {
    failed_.insert(key);
    if (std::holds_alternative<client::AlreadyExists>(committed.error()) ||
        std::holds_alternative<client::Refused>(committed.error())) {
      fail_(fmt::format("bank: a transfer ended as {}", client::to_string(committed.error())));
    }
  }
}

runtime::Task<std::optional<std::pair<int64_t, int64_t>>> BankWorkload::balances(client::Transaction txn,
                                                                                 client::TransactionOptions mode,
                                                                                 int from, int to) {
  std::map<int, int64_t> held;
  if (mode.is_pessimistic) {
    // In the order of the keys, whichever way the money goes: no circles.
    auto locked = co_await txn.lock_keys({account_key(from), account_key(to)}, {.wait_max = 2s, .return_values = true});
    if (!locked.ok()) co_return std::nullopt;
    for (const int account : {from, to}) {
      const auto& told = locked->at(account_key(account));
      if (told.exists) held[account] = number(*told.value);
    }
  } else {
    for (const int account : {from, to}) {
      auto value = co_await txn.get(account_key(account));
      if (!value.ok()) co_return std::nullopt;
      if (*value) held[account] = number(**value);
    }
  }
  if (held.size() != 2) {
    fail_(fmt::format("bank: an account is missing at timestamp {}", txn.start_ts().value));
    co_return std::nullopt;
  }
  co_return std::pair(held[from], held[to]);
}

runtime::Task<bool> BankWorkload::lock_all(client::Client* client) {
  auto txn = co_await client->begin({.is_pessimistic = true});
  if (!txn.ok()) co_return false;
  std::vector<Bytes> keys;
  for (int i = 0; i < options_.accounts; ++i) keys.push_back(account_key(i));
  const auto locked = co_await txn->lock_keys(std::move(keys));
  txn->rollback();
  co_return locked.ok();
}

runtime::Task<void> BankWorkload::audit(client::Client* client) {
  const Timestamp newest_before = newest_;
  Hold hold(options_.safe_point);
  auto txn = co_await client->begin();
  if (!txn.ok() || !hold.move_to(txn->start_ts())) co_return;
  note_timestamp(txn->start_ts(), newest_before);
  auto accounts = co_await txn->scan(accounts_prefix(), prefix_end(accounts_prefix()), kEnough);
  if (!accounts.ok()) co_return;
  int64_t total = 0;
  std::string balances;
  for (const auto& account : *accounts) {
    total += number(account.value);
    balances += " " + account.value;
  }
  ++audits_;
  if (total != options_.initial * options_.accounts) {
    fail_(fmt::format("bank: at timestamp {} the total is {}:{}", txn->start_ts().value, total, balances));
  }
}

runtime::Task<void> BankWorkload::final_audit(client::Client* client, runtime::Executor* executor) {
  constexpr int kTriesMax = 20;
  for (int tries = 0; tries < kTriesMax && !is_audited_; ++tries) {
    Hold hold(options_.safe_point);
    auto txn = co_await client->begin();
    if (txn.ok() && hold.move_to(txn->start_ts()) && co_await lock_all(client)) {
      auto accounts = co_await txn->scan(accounts_prefix(), prefix_end(accounts_prefix()), kEnough);
      auto records = co_await txn->scan(records_prefix(), prefix_end(records_prefix()), kEnough);
      if (accounts.ok() && records.ok()) {
        compare(*accounts, *records);
        is_audited_ = true;
        co_return;
      }
    }
    co_await runtime::sleep(*executor, 200ms);
  }
  fail_("bank: the accounts cannot be locked and read after the faults are over");
  is_audited_ = true;
}

void BankWorkload::compare(const std::vector<client::KeyValue>& accounts,
                           const std::vector<client::KeyValue>& records) {
  std::map<Bytes, int64_t> expected;
  for (int i = 0; i < options_.accounts; ++i) expected[account_key(i)] = options_.initial;
  std::set<Bytes> found;
  for (const auto& [key, value] : records) {
    const Record record = Record::decode(value);
    expected[account_key(record.from)] -= record.amount;
    expected[account_key(record.to)] += record.amount;
    found.insert(key);
    if (failed_.contains(key)) fail_(fmt::format("bank: {} is there, but its transfer was refused", key));
  }
  for (const auto& key : acknowledged_) {
    if (!found.contains(key)) fail_(fmt::format("bank: {} was acknowledged and is not there", key));
  }
  std::map<Bytes, int64_t> actual;
  for (const auto& [key, value] : accounts) actual[key] = number(value);
  for (const auto& [key, balance] : expected) {
    auto it = actual.find(key);
    if (it == actual.end() || it->second != balance) {
      fail_(fmt::format("bank: {} holds {}, its records say {}", key,
                        it == actual.end() ? "nothing" : std::to_string(it->second), balance));
    }
  }
}

}  // namespace cairn::sim
