// Random runs of whole groups: loss, duplication, reordering, partitions, crashes that lose what was not persisted,
// membership changes, compaction and snapshots, transfers, reads. Checked from outside, in every run:
//   election safety      at most one leader, of one life, in a term
//   log matching         an index and a term determine an entry and its predecessor's term, wherever it stands
//   leader completeness  who becomes leader has what was committed in earlier terms
//   state machine safety all peers apply the same entry at an index
//   linearizable reads   a read index covers all that anybody had applied when the read was asked for
// and at the end, when all is healed, liveness: a leader comes, and what it proposes is applied everywhere.
// A failure names its seed; CAIRN_RAFT_SEED=n runs that one alone, CAIRN_RAFT_RUNS=n sets how many.
#include <fmt/ranges.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <map>
#include <set>

#include "base/check.h"
#include "raft/testing/sim_peer.h"

namespace cairn::raft {
namespace {

uint64_t current_seed = 0;
void print_seed() { std::fprintf(stderr, "CAIRN_RAFT_SEED=%llu\n", static_cast<unsigned long long>(current_seed)); }

class Dice {
 public:
  explicit Dice(uint64_t seed) : state_(seed * 0x9E3779B97F4A7C15 + 1) {}
  uint64_t next() {
    state_ ^= state_ << 13;
    state_ ^= state_ >> 7;
    state_ ^= state_ << 17;
    return state_ * 0x2545F4914F6CDD1D >> 16;
  }
  uint64_t below(uint64_t n) { return next() % n; }
  bool chance(uint64_t per_mille) { return below(1000) < per_mille; }

 private:
  uint64_t state_;
};

// Watches all peers; knows what must never happen.
class Watcher {
 public:
  void on_leader(const SimPeer& peer, PeerId id) {
    Term term = peer.node().term();
    auto who = std::make_pair(id, peer.incarnation());
    auto [at, fresh] = leaders_.emplace(term, who);
    CHECK(at->second == who, "two leaders in term {}: {} and {}", term, at->second.first, id);
    if (fresh) check_completeness(peer, id);
  }

  void on_entries(const SimPeer& peer, const std::vector<Entry>& entries) {
    for (const Entry& entry : entries) {
      auto prev_term = peer.log().term(entry.index.prev());
      CHECK(prev_term.has_value(), "entry {} behind a gap", entry.index);
      uint64_t content = mix(mix(hash_bytes(entry.data.view()), prev_term->value), static_cast<uint64_t>(entry.type));
      auto at = contents_.emplace(std::make_pair(entry.index, entry.term), content).first;
      CHECK(at->second == content, "two entries {} of term {}", entry.index, entry.term);
    }
  }

  void on_applied(const SimPeer& peer, const std::vector<Entry>& entries) {
    for (const Entry& entry : entries) {
      auto at = applied_.emplace(entry.index, Applied{entry.term, peer.node().term()}).first;
      CHECK(at->second.term == entry.term, "entry {} applied with term {} and {}", entry.index, at->second.term,
            entry.term);
      at->second.known_in = std::min(at->second.known_in, peer.node().term());
      max_applied_ = std::max(max_applied_, entry.index);
    }
    auto at = hashes_.emplace(peer.engine().applied, peer.engine().hash).first;
    CHECK(at->second == peer.engine().hash, "state machines differ at {}", peer.engine().applied);
  }

  // A read is asked for now: returns its context.
  Bytes on_read_asked() {
    reads_.push_back(max_applied_);
    return std::to_string(reads_.size() - 1);
  }
  void on_read_answered(const ReadState& state) {
    LogIndex needed = reads_.at(std::strtoull(state.context.c_str(), nullptr, 10));
    CHECK(state.index >= needed, "read at {}, but {} was applied before it was asked", state.index, needed);
    ++reads_answered;
  }

  LogIndex max_applied() const { return max_applied_; }
  size_t elections() const { return leaders_.size(); }
  size_t reads_answered = 0;

 private:
  void check_completeness(const SimPeer& peer, PeerId id) {
    Term term = peer.node().term();
    for (const auto& [index, applied] : applied_) {
      // Known to be committed in an earlier term.
      if (applied.known_in >= term || index <= peer.log().truncated) continue;
      auto own = peer.log().term(index);
      CHECK(own == applied.term, "leader {} of term {} lacks the committed entry {}", id, term, index);
    }
  }

  struct Applied {
    Term term;
    Term known_in;  // the lowest term in which a peer knew it to be committed
  };
  std::map<Term, std::pair<PeerId, uint64_t>> leaders_;
  std::map<std::pair<LogIndex, Term>, uint64_t> contents_;
  std::map<LogIndex, Applied> applied_;
  std::map<LogIndex, uint64_t> hashes_;
  std::vector<LogIndex> reads_;
  LogIndex max_applied_;
};

struct Faults {
  uint64_t loss, duplication, crash, partition;  // per mille; of a message, of a step
  uint64_t slow_disk;                            // per mille of the writes' turns that come to nothing
  bool conf_changes;
};

class World {
 public:
  World(uint64_t seed, size_t voters, size_t peers, Faults faults) : dice_(seed), faults_(faults) {
    SimLog log{.truncated = LogIndex(5), .truncated_term = Term(5), .entries = {}};
    SimEngine engine{.applied = LogIndex(5), .applied_term = Term(5), .hash = 1, .conf = {}};
    for (size_t i = 1; i <= voters; ++i) engine.conf.voters.push_back(PeerId(i));
    bool pre_vote = !dice_.chance(200);
    bool check_quorum = !dice_.chance(200);
    for (size_t i = 1; i <= peers; ++i) {
      Config config{.id = PeerId(i), .applied = LogIndex()};
      config.election_ticks = 6;
      config.election_ticks_max = 14;
      config.append_bytes_max = 50 + dice_.below(300);
      config.inflight_appends_max = 1 + static_cast<int>(dice_.below(6));
      config.apply_bytes_max = 40 + dice_.below(400);
      config.pre_vote = pre_vote;
      config.check_quorum = check_quorum;
      config.seed = seed * 100 + i;
      bool initial = i <= voters;
      peers_.push_back(std::make_unique<SimPeer>(config, initial ? log : SimLog(), initial ? engine : SimEngine(),
                                                 initial ? Term(5) : Term()));
    }
    cut_.assign(peers + 1, std::vector<bool>(peers + 1, false));
  }

  void run(size_t steps) {
    for (size_t i = 0; i < steps; ++i) step();
  }

  void heal_and_prove_liveness() {
    faults_ = {};
    for (auto& row : cut_) row.assign(row.size(), false);
    for (auto& peer : peers_) {
      if (!peer->is_up()) peer->restart();
    }
    settle(600);
    PeerId id = the_leader();
    CHECK(id.is_set(), "no leader after all was healed: {}", describe());
    peer(id).node().abort_leader_transfer();
    auto proposed = peer(id).node().propose(SharedBytes(Bytes("the last")));
    CHECK(proposed.ok(), "the leader refuses a proposal");
    settle(200);
    for (PeerId member : members_of(peer(id).node().conf())) {
      CHECK(peer(member).engine().applied >= *proposed, "peer {} did not apply {}: {}", member, *proposed, describe());
    }
  }

  const Watcher& watcher() const { return watcher_; }

 private:
  SimPeer& peer(PeerId id) { return *peers_[id.value - 1]; }

  static std::set<PeerId> members_of(const ConfState& conf) {
    std::set<PeerId> members;
    for (auto* list : {&conf.voters, &conf.learners, &conf.voters_outgoing, &conf.learners_next}) {
      members.insert(list->begin(), list->end());
    }
    return members;
  }

  PeerId the_leader() {
    PeerId found;
    Term term;
    for (auto& each : peers_) {
      if (each->is_up() && each->node().is_leader() && each->node().term() > term) {
        found = each->node().status().id;
        term = each->node().term();
      }
    }
    return found;
  }

  void step() {
    PeerId id(1 + dice_.below(peers_.size()));
    SimPeer& one = peer(id);
    uint64_t what = dice_.below(1000);
    if (what < 400) return deliver_one();
    if (!one.is_up()) {
      if (dice_.chance(100)) one.restart();
      return;
    }
    if (what < 600) return take_ready(id);
    if (what < 690) return dice_.chance(faults_.slow_disk) ? void() : persist(id);
    if (what < 780) return apply(id);
    if (what < 850) return one.node().tick();
    if (what < 930) return propose(id);
    if (what < 950) return read(id);
    return rare(id);
  }

  void rare(PeerId id) {
    SimPeer& one = peer(id);
    switch (dice_.below(8)) {
      case 0:
        return one.flush_engine();
      case 1:
        if (dice_.chance(300)) one.compact(one.engine().applied - dice_.below(5));
        return;
      case 2:
        if (dice_.chance(100)) one.node().transfer_leader(PeerId(1 + dice_.below(peers_.size())));
        return;
      case 3:
        if (dice_.chance(faults_.crash)) one.crash(dice_.chance(500) ? 0 : dice_.below(3));
        return;
      case 4:
        if (dice_.chance(faults_.partition)) partition();
        return;
      case 5:
        if (faults_.conf_changes && dice_.chance(200)) change_membership(id);
        return;
      case 6:
        if (dice_.chance(100)) one.node().campaign();
        return;
      default:
        one.delay_snapshots(static_cast<int>(dice_.below(2)));
    }
  }

  void partition() {
    bool heal = dice_.chance(500);
    for (auto& row : cut_) {
      for (size_t to = 0; to < row.size(); ++to) row[to] = !heal && dice_.chance(400);
    }
  }

  void take_ready(PeerId id) {
    SimPeer& one = peer(id);
    if (!one.node().has_ready()) return;
    Ready ready = one.take_ready();
    watcher_.on_entries(one, ready.entries);
    for (const ReadState& state : ready.read_states) watcher_.on_read_answered(state);
    send(std::move(ready.messages));
    watch_role(id);
  }

  void persist(PeerId id) {
    if (peer(id).has_writes()) send(peer(id).persist_one());
    watch_role(id);
  }

  void apply(PeerId id) {
    SimPeer& one = peer(id);
    if (one.has_work_to_apply()) watcher_.on_applied(one, one.apply_one());
  }

  void watch_role(PeerId id) {
    // The log must be in the owner's view, or completeness cannot be judged.
    if (peer(id).node().is_leader() && peer(id).log().last() == peer(id).node().last_index()) {
      watcher_.on_leader(peer(id), id);
    }
  }

  void propose(PeerId id) {
    if (!peer(id).node().is_leader()) return;
    // Not all proposals are answered for; only that they are applied alike is checked.
    static_cast<void>(peer(id).node().propose(SharedBytes(fmt::format("{}", ++proposals_))));
  }

  void read(PeerId id) {
    Bytes context = watcher_.on_read_asked();
    peer(id).node().read_index(std::move(context));
  }

  void change_membership(PeerId id) {
    if (!peer(id).node().is_leader()) return;
    static const char* const kWays[] = {"", "implicit ", "explicit "};
    Bytes text = dice_.chance(300) ? "v1 " : Bytes("v2 ") + kWays[dice_.below(3)];
    uint64_t changes = text == "v1 " ? 1 : 1 + dice_.below(3);
    if (!peer(id).node().conf().voters_outgoing.empty()) {
      text = "v2 leave";
      changes = 0;
    }
    for (; changes > 0; --changes) text += fmt::format("{}{} ", "+~-+"[dice_.below(4)], 1 + dice_.below(peers_.size()));
    auto parsed = SimConfChange::parse(text);
    auto proposed = peer(id).node().propose_conf_change(parsed->type, parsed->change, SharedBytes(text));
    if (proposed.ok()) ++conf_changes_;
  }

  void send(std::vector<Message> messages) {
    for (Message& message : messages) {
      CHECK(message.to.value >= 1 && message.to.value <= peers_.size(), "a message to {}", message.to);
      network_.push_back(std::move(message));
    }
    // A network that holds more loses some.
    while (network_.size() > 200) lose(dice_.below(network_.size()));
  }

  void lose(size_t at) {
    report_if_snapshot(network_[at], RawNode::SnapshotOutcome::kFailed);
    std::swap(network_[at], network_.back());
    network_.pop_back();
  }

  void report_if_snapshot(const Message& message, RawNode::SnapshotOutcome outcome) {
    if (message.type == MessageType::kSnapshot && peer(message.from).is_up()) {
      peer(message.from).node().report_snapshot(message.to, outcome);
    }
  }

  void deliver_one() {
    if (network_.empty()) return;
    size_t at = dice_.chance(800) ? 0 : dice_.below(network_.size());
    const Message& message = network_[at];
    SimPeer& to = peer(message.to);
    if (!to.is_up() || cut_[message.from.value][message.to.value] || dice_.chance(faults_.loss)) {
      if (dice_.chance(300) && peer(message.from).is_up()) peer(message.from).node().report_unreachable(message.to);
      return lose(at);
    }
    report_if_snapshot(message, RawNode::SnapshotOutcome::kFinished);
    Message copy = message;
    if (!dice_.chance(faults_.duplication)) network_.erase(network_.begin() + static_cast<std::ptrdiff_t>(at));
    const char* refused = to.node().step(std::move(copy));
    CHECK(refused == nullptr, "a message of a correct peer is refused: {}", refused);
    watch_role(to.node().status().id);
  }

  // Rounds in which everything due is done, with a tick each.
  void settle(size_t rounds) {
    for (size_t round = 0; round < rounds; ++round) {
      for (auto& each : peers_) each->node().tick();
      for (int i = 0; i < 6; ++i) {
        for (size_t n = 1; n <= peers_.size(); ++n) {
          take_ready(PeerId(n));
          while (peer(PeerId(n)).has_writes()) persist(PeerId(n));
          while (peer(PeerId(n)).has_work_to_apply()) apply(PeerId(n));
        }
        while (!network_.empty()) deliver_one();
      }
      // Explicit joint configurations are left by whoever made them.
      PeerId id = the_leader();
      if (id.is_set() && !peer(id).node().conf().voters_outgoing.empty()) {
        static_cast<void>(
            peer(id).node().propose_conf_change(EntryType::kConfChangeV2, {}, SharedBytes(Bytes("v2 leave"))));
      }
    }
  }

  std::string describe() {
    std::string text;
    for (auto& each : peers_) {
      Status status = each->node().status();
      text += fmt::format("\n  {} {} term {} leader {} log ({}, {}] commit {} applied {}", status.id,
                          role_name(status.role), status.hard_state.term, status.leader, each->log().truncated,
                          status.last_index, status.hard_state.commit, status.applied);
      text += fmt::format(" voters {}", fmt::join(each->node().conf().voters, ","));
      text += fmt::format(" outgoing {}", fmt::join(each->node().conf().voters_outgoing, ","));
      for (const PeerProgress& one : status.progress) {
        text += fmt::format("\n    {}: state {} matched {} next {} active {}", one.id, static_cast<int>(one.state),
                            one.matched, one.next, one.recently_active);
      }
    }
    return text;
  }

  Dice dice_;
  Faults faults_;
  Watcher watcher_;
  std::vector<std::unique_ptr<SimPeer>> peers_;
  std::vector<Message> network_;
  std::vector<std::vector<bool>> cut_;
  uint64_t proposals_ = 0;
  uint64_t conf_changes_ = 0;
};

struct Totals {
  size_t steps = 0, elections = 0, applied = 0, reads = 0;
};

void run_seed(uint64_t seed, size_t steps, bool conf_changes, Totals& totals) {
  current_seed = seed;
  set_check_hook(print_seed);
  SCOPED_TRACE(fmt::format("CAIRN_RAFT_SEED={}", seed));
  Dice dice(seed + 77);
  Faults faults{.loss = dice.chance(300) ? 0 : dice.below(150),
                .duplication = dice.below(100),
                .crash = dice.chance(300) ? 0 : dice.below(1000),
                .partition = dice.chance(400) ? 0 : dice.below(300),
                .slow_disk = dice.chance(500) ? 0 : dice.below(980),
                .conf_changes = conf_changes};
  size_t voters = 3 + dice.below(3);
  World world(seed, voters, conf_changes ? voters + 2 : voters, faults);
  world.run(steps);
  world.heal_and_prove_liveness();
  set_check_hook(nullptr);
  totals.steps += steps;
  totals.elections += world.watcher().elections();
  totals.applied += world.watcher().max_applied().value;
  totals.reads += world.watcher().reads_answered;
}

void run_seeds(uint64_t first, uint64_t count, size_t steps, bool conf_changes) {
  if (const char* one = std::getenv("CAIRN_RAFT_SEED")) {
    first = std::strtoull(one, nullptr, 10);
    count = 1;
  } else if (const char* runs = std::getenv("CAIRN_RAFT_RUNS")) {
    count = std::strtoull(runs, nullptr, 10);
  }
  Totals totals;
  for (uint64_t seed = first; seed < first + count; ++seed) run_seed(seed, steps, conf_changes, totals);
  ::testing::Test::RecordProperty("steps", static_cast<int>(totals.steps));
  fmt::print("{} runs, {} steps: {} terms with a leader, {} entries applied, {} reads answered\n", count, totals.steps,
             totals.elections, totals.applied, totals.reads);
  // The runs must be worth something: else the faults are too heavy, and nothing was tested.
  EXPECT_GT(totals.applied, totals.steps / 500);
  EXPECT_GT(totals.elections, count);
  EXPECT_GT(totals.reads, count);
}

TEST(RaftSafety, HoldsInRandomRunsOfAFixedMembership) { run_seeds(1, 80, 20'000, false); }
TEST(RaftSafety, HoldsInRandomRunsWithChangingMembership) { run_seeds(10'001, 120, 20'000, true); }

}  // namespace
}  // namespace cairn::raft
