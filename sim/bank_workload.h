// Accounts in transactions: transfers move money between two of them and leave a record with it, in a mode drawn by
// dice (optimistic or pessimistic; in two phases, asynchronously, in one phase); auditors read all of them in one
// snapshot. The total never changes in any snapshot; in the end every account is what the records say, every
// acknowledged transfer has its record, and none that failed has one. Tests: world_test.cc.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "client/client.h"
#include "runtime/random.h"
#include "runtime/simulated/sim_loop.h"
#include "runtime/task.h"
#include "sim/safe_point.h"

namespace cairn::sim {

class BankWorkload {
 public:
  struct Options {
    // Told of each transaction that was acknowledged and wrote; may be null.
    std::function<void(Timestamp start_ts, Timestamp commit_ts)> on_commit;
    SafePoint* safe_point = nullptr;  // to be held; null: no garbage is collected
    Bytes prefix = "bank/";           // of all keys
    int accounts = 6;
    int64_t initial = 100;
    Duration pause_max = std::chrono::milliseconds(80);  // between two transactions of a client
  };
  BankWorkload(runtime::SimLoop& loop, std::function<void(std::string)> fail, Options options);

  // Opens the accounts; then `is_open`.
  runtime::Task<void> open(client::Client* client, runtime::Executor* executor);
  bool is_open() const { return is_open_; }
  // One client's life: transfers and audits until stop(). The workload outlives it.
  runtime::Task<void> run(client::Client* client, runtime::Executor* executor, int id, uint64_t seed);
  void stop() { is_stopping_ = true; }
  // Reads all in the end and reports what does not fit; then `is_audited`.
  runtime::Task<void> final_audit(client::Client* client, runtime::Executor* executor);
  bool is_audited() const { return is_audited_; }
  // Transfers acknowledged, and audits that read all.
  uint64_t transfers() const { return acknowledged_.size(); }
  uint64_t audits() const { return audits_; }

 private:
  Bytes accounts_prefix() const { return options_.prefix + "account/"; }
  Bytes records_prefix() const { return options_.prefix + "record/"; }
  Bytes account_key(int account) const;
  runtime::Task<void> transfer(client::Client* client, int id, runtime::Random* dice);
  // The balances, locked if the transaction is pessimistic; nothing: the transfer cannot go on.
  runtime::Task<std::optional<std::pair<int64_t, int64_t>>> balances(client::Transaction txn,
                                                                     client::TransactionOptions mode, int from, int to);
  // Takes and releases all the locks: what others left locked must go.
  runtime::Task<bool> lock_all(client::Client* client);
  runtime::Task<void> audit(client::Client* client);
  void compare(const std::vector<client::KeyValue>& accounts, const std::vector<client::KeyValue>& records);
  // A timestamp that was just got, whose request began when `newest_before` was the newest one seen.
  void note_timestamp(Timestamp ts, Timestamp newest_before);

  runtime::SimLoop& loop_;
  std::function<void(std::string)> fail_;
  Options options_;
  std::set<Bytes> acknowledged_;  // keys of records
  std::set<Bytes> failed_;
  Timestamp newest_;
  uint64_t next_record_ = 1;
  uint64_t audits_ = 0;
  bool is_open_ = false;
  bool is_stopping_ = false;
  bool is_audited_ = false;
};

}  // namespace cairn::sim
