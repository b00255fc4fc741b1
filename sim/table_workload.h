// A table with an index, as TiDB writes one: transactions move amounts between two rows and their index entries, and
// readers send plans to any replica of each of its regions, page by page, through splits and changes of leaders. In one
// snapshot the rows, the index and the aggregates of a plan tell of the same accounts, and their total never changes.
// Tests: world_test.cc.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "client/client.h"
#include "client/core.h"
#include "coprocessor.pb.h"
#include "runtime/task.h"
#include "sim/replica_reader.h"
#include "sim/safe_point.h"

namespace cairn::sim {

class TableWorkload {
 public:
  using Fail = std::function<void(std::string)>;
  struct Options {
    SafePoint* safe_point = nullptr;  // to be held; null: no garbage is collected
    Bytes before;                     // of all keys: mode and keyspace, with API V2
    int64_t rows = 80;                // several batches of the coprocessor, between which a page may end
    int64_t initial = 100;
    Duration pause_max = std::chrono::milliseconds(150);
  };
  TableWorkload(Fail fail, Options options) : fail_(std::move(fail)), options_(options) {}

  // One client's life: transfers and reads until stop(). The workload outlives it. The first makes the table.
  runtime::Task<void> run(client::Client* client, client::CorePtr core, ReplicaReader* reader);
  void stop() { is_stopping_ = true; }
  uint64_t transfers() const { return transfers_; }
  // Snapshots that were read whole.
  uint64_t reads() const { return reads_; }

 private:
  enum class Plan : uint8_t { kRows, kRowsBackward, kIndex, kTotal };
  // One plan over the table at a timestamp, and what has come of it.
  struct Question {
    Plan plan = Plan::kRows;
    Timestamp ts;
    uint64_t page = 0;
    std::vector<Timestamp> passed;  // whose locks do not matter
    std::map<int64_t, int64_t> balances;
    int64_t count = 0;
    int64_t total = 0;
  };

  runtime::Task<void> open(client::Client* client, ReplicaReader* reader);
  runtime::Task<void> transfer(client::Client* client, ReplicaReader* reader);
  runtime::Task<void> read(client::CorePtr core, ReplicaReader* reader);
  // Whether the whole table was read.
  runtime::Task<bool> ask(client::CorePtr core, ReplicaReader* reader, Question* question);
  // Asks one replica for one page of [begin, end), which becomes what is left; empty: nothing is.
  runtime::Task<void> ask_for_page(client::CorePtr core, ReplicaReader* reader, Question* question,
                                   std::pair<Bytes, Bytes>* left);
  void take(const ::coprocessor::Response& response, Question& question);
  void judge(const Question& question);

  Fail fail_;
  Options options_;
  bool is_opening_ = false;
  bool is_open_ = false;
  bool is_stopping_ = false;
  uint64_t transfers_ = 0;
  uint64_t reads_ = 0;
};

}  // namespace cairn::sim
