#include "raft/testing/transcript.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <sstream>

#include "base/check.h"
#include "raft/read_queue.h"

namespace cairn::raft {
namespace {

std::string ids(const std::vector<PeerId>& peers) { return fmt::format("({})", fmt::join(peers, ",")); }

std::string describe(const Entry& entry) {
  std::string text = fmt::format("{}@{}", entry.index, entry.term);
  if (entry.type != EntryType::kNormal) text += " change";
  if (!entry.data.empty()) text += fmt::format(" \"{}\"", entry.data.view());
  return text;
}

std::string describe(const std::vector<Entry>& entries) {
  std::string text = "[";
  for (const Entry& entry : entries) text += (text.size() > 1 ? ", " : "") + describe(entry);
  return text + "]";
}

std::string describe(const ConfState& conf) {
  std::string text = "voters=" + ids(conf.voters);
  if (!conf.voters_outgoing.empty()) text += " outgoing=" + ids(conf.voters_outgoing);
  if (!conf.learners.empty()) text += " learners=" + ids(conf.learners);
  if (!conf.learners_next.empty()) text += " learners-next=" + ids(conf.learners_next);
  if (conf.auto_leave) text += " auto-leave";
  return text;
}

std::string describe(const Message& m) {
  std::string text = fmt::format("{}->{} {} term={}", m.from, m.to, message_type_name(m.type), m.term);
  if (m.log_term.is_set() || m.type == MessageType::kAppend) text += fmt::format(" log-term={}", m.log_term);
  if (m.index.is_set()) text += fmt::format(" index={}", m.index);
  if (m.reject) text += " rejected";
  if (m.reject && m.type == MessageType::kAppendResponse) text += fmt::format(" hint={}", m.reject_hint);
  if (m.commit.is_set()) text += fmt::format(" commit={}", m.commit);
  if (!m.entries.empty()) text += " " + describe(m.entries);
  if (!m.snapshot.empty()) {
    text +=
        fmt::format(" snapshot {}@{} {}", m.snapshot.meta.index, m.snapshot.meta.term, describe(m.snapshot.meta.conf));
  }
  if (uint64_t round = ReadQueue::decode(m.context)) {
    text += fmt::format(" round={}", round);
  } else if (!m.context.empty()) {
    text += " context=" + m.context;
  }
  return text;
}

uint64_t number(const std::string& word) { return std::strtoull(word.c_str(), nullptr, 10); }

// "key=value" among the words; otherwise what is given.
std::string option(const std::vector<std::string>& words, const std::string& key, const std::string& otherwise) {
  for (const std::string& word : words) {
    if (word.rfind(key + "=", 0) == 0) return word.substr(key.size() + 1);
  }
  return otherwise;
}

std::vector<PeerId> peer_list(const std::string& text) {
  std::vector<PeerId> peers;
  std::istringstream in(text.size() > 2 ? text.substr(1, text.size() - 2) : "");
  for (std::string part; std::getline(in, part, ',');) peers.push_back(PeerId(number(part)));
  return peers;
}

// "1->2"; empty means all.
bool on_way(const Message& message, const std::string& way) {
  return way.empty() || way == fmt::format("{}->{}", message.from, message.to);
}

const char* refusal_name(ProposeError error) {
  switch (error) {
    case ProposeError::kNotLeader:
      return "not leader";
    case ProposeError::kTransferring:
      return "transferring";
    case ProposeError::kConfChangePending:
      return "a membership change is pending";
    case ProposeError::kTooMuchUncommitted:
      return "too much uncommitted";
    case ProposeError::kInvalidConfChange:
      return "invalid membership change";
  }
  return "?";
}

std::string outcome(const Result<LogIndex, ProposeError>& result) {
  return result.ok() ? fmt::format("ok: {}", *result) : fmt::format("refused: {}", refusal_name(result.error()));
}

}  // namespace

std::string Transcript::run(const std::string& text) {
  std::istringstream in(text);
  std::string result;
  std::vector<Words> commands;
  bool in_output = false;
  for (std::string line; std::getline(in, line);) {
    if (in_output) {
      if (line.empty()) in_output = false;
      continue;
    }
    if (line.empty() && commands.empty()) continue;
    if (line == "----") {
      output_.clear();
      for (const Words& words : commands) command(words);
      result += "----\n" + output_ + "\n";
      commands.clear();
      in_output = true;
      continue;
    }
    result += line + "\n";
    if (line[0] == '#') continue;
    std::istringstream words(line);
    commands.emplace_back();
    for (std::string word; words >> word;) commands.back().push_back(word);
  }
  CHECK(commands.empty(), "commands without ---- at the end");
  return result;
}

void Transcript::say(const std::string& line) {
  if (!quiet_) output_ += line + "\n";
}

SimPeer& Transcript::peer(uint64_t id) {
  auto found = peers_.find(id);
  CHECK(found != peers_.end(), "no peer {}", id);
  return *found->second;
}

void Transcript::command(const Words& words) {
  const std::string& name = words.at(0);
  auto word = [&](size_t i) { return i < words.size() ? words[i] : std::string(); };
  uint64_t id = number(word(1));
  std::string rest;
  for (size_t i = 2; i < words.size(); ++i) rest += (i > 2 ? " " : "") + words[i];

  if (name == "add-nodes")
    add_nodes(words);
  else if (name == "campaign")
    node(id).campaign();
  else if (name == "elect") {
    quiet_ = true;
    node(id).campaign();
    stabilize();
    quiet_ = false;
    CHECK(node(id).is_leader(), "peer {} was not elected", id);
  } else if (name == "tick")
    for (uint64_t i = number(word(2)); i > 0; --i) node(id).tick();
  else if (name == "election-ticks")
    node(id).set_election_ticks(static_cast<int>(number(word(2))), static_cast<int>(number(word(3))));
  else if (name == "propose")
    say(outcome(node(id).propose(SharedBytes(rest))));
  else if (name == "conf-change") {
    auto parsed = SimConfChange::parse(rest);
    say(outcome(node(id).propose_conf_change(parsed->type, parsed->change, SharedBytes(rest))));
  } else if (name == "read-index")
    say(node(id).read_index(rest) ? "asked" : "dropped");
  else if (name == "transfer")
    node(id).transfer_leader(PeerId(number(word(2))));
  else if (name == "abort-transfer")
    node(id).abort_leader_transfer();
  else if (name == "ready")
    ready(id);
  else if (name == "persist")
    persist(id, word(2).empty() ? SIZE_MAX : number(word(2)));
  else if (name == "apply")
    apply(id);
  else if (name == "run")
    run_peer(id);
  else if (name == "deliver")
    deliver(word(1));
  else if (name == "drop")
    drop(word(1));
  else if (name == "cut") {
    for (auto& [other, unused] : peers_) {
      if (word(1).find("->") != std::string::npos)
        cut_.emplace(id, number(word(1).substr(word(1).find('>') + 1)));
      else
        cut_.insert({{id, other}, {other, id}});
    }
  } else if (name == "heal")
    cut_.clear();
  else if (name == "stabilize") {
    quiet_ = word(1) == "quietly";
    stabilize();
    quiet_ = false;
  } else if (name == "crash")
    peer(id).crash(number(word(2)));
  else if (name == "restart")
    peer(id).restart();
  else if (name == "compact") {
    peer(id).flush_engine();
    peer(id).compact(LogIndex(number(word(2))));
  } else if (name == "snapshot-delay")
    peer(id).delay_snapshots(static_cast<int>(number(word(2))));
  else if (name == "unreachable")
    node(id).report_unreachable(PeerId(number(word(2))));
  else if (name == "snapshot-failed")
    node(id).report_snapshot(PeerId(number(word(2))), RawNode::SnapshotOutcome::kFailed);
  else if (name == "log")
    print_log(peer(id).log());
  else if (name == "disk")
    print_log(peer(id).disk_log());
  else if (name == "conf")
    say(describe(node(id).conf()));
  else if (name == "progress")
    print_progress(id);
  else if (name == "forge")
    forge(words);
  else if (name == "quiet")
    say(node(id).is_quiet() ? "quiet" : "not quiet");
  else if (name == "status") {
    for (auto& [each, unused] : peers_) {
      if (id == 0 || id == each) print_status(each);
    }
  } else
    CHECK(false, "unknown command {}", name);
  print_roles();
}

// What changed hands by the last command.
void Transcript::print_roles() {
  for (auto& [id, each] : peers_) {
    if (!each->is_up()) continue;
    Role role = each->node().role();
    auto [known, fresh] = roles_.emplace(id, Role::kFollower);
    if (known->second == role) continue;
    known->second = role;
    say(fmt::format("{} is {}, term {}", id, role_name(role), each->node().term()));
  }
}

void Transcript::add_nodes(const Words& words) {
  SimEngine engine{.applied = LogIndex(5), .applied_term = Term(5), .hash = 1, .conf = {}};
  size_t first = peers_.size() + 1;
  uint64_t count = number(words.at(1));
  std::string all;
  for (size_t i = first; i < first + count; ++i) all += (all.empty() ? "" : ",") + std::to_string(i);
  engine.conf.voters = peer_list(option(words, "voters", "(" + all + ")"));
  engine.conf.learners = peer_list(option(words, "learners", "()"));
  SimLog log{.truncated = LogIndex(5), .truncated_term = Term(5), .entries = {}};
  bool empty = option(words, "voters", "") == "()";
  for (size_t i = first; i < first + count; ++i) {
    Config config{.id = PeerId(i), .applied = LogIndex()};
    config.pre_vote = option(words, "pre-vote", "on") == "on";
    config.check_quorum = option(words, "check-quorum", "on") == "on";
    config.inflight_appends_max = static_cast<int>(number(option(words, "inflight", "256")));
    config.append_bytes_max = number(option(words, "append-bytes", "1000000"));
    config.uncommitted_bytes_max = number(option(words, "uncommitted-bytes", "1000000"));
    config.vote_grace_ticks = static_cast<int>(number(option(words, "grace", "0")));
    config.seed = i;
    peers_[i] = empty ? std::make_unique<SimPeer>(config, SimLog(), SimEngine(), Term())
                      : std::make_unique<SimPeer>(config, log, engine, Term(5));
  }
}

void Transcript::ready(uint64_t id) {
  if (!node(id).has_ready()) return say(fmt::format("{} has no ready", id));
  Ready ready = peer(id).take_ready();
  std::string line = fmt::format("{} ready", id);
  if (ready.hard_state) {
    line += fmt::format(" state(term={} vote={} commit={})", ready.hard_state->term, ready.hard_state->vote,
                        ready.hard_state->commit);
  }
  if (!ready.snapshot.empty()) line += fmt::format(" snapshot({})", ready.snapshot.meta.index);
  if (!ready.entries.empty()) line += " append" + describe(ready.entries);
  if (!ready.committed.empty()) line += " committed" + describe(ready.committed);
  for (const ReadState& read : ready.read_states) line += fmt::format(" read({} at {})", read.context, read.index);
  if (ready.must_sync) line += " sync";
  say(line);
  send(std::move(ready.messages));
  for (const Message& message : ready.persisted_messages) say("  once persisted: " + describe(message));
}

void Transcript::send(std::vector<Message> messages) {
  for (Message& message : messages) {
    bool lost = cut_.contains({message.from.value, message.to.value}) || !peers_.contains(message.to.value);
    say(fmt::format("  {} {}", lost ? "lost:" : "sent:", describe(message)));
    if (!lost) network_.push_back(std::move(message));
  }
}

void Transcript::persist(uint64_t id, size_t writes) {
  for (; writes > 0 && peer(id).has_writes(); --writes) {
    say(fmt::format("{} persisted", id));
    send(peer(id).persist_one());
  }
}

void Transcript::apply(uint64_t id) {
  while (peer(id).has_work_to_apply()) {
    auto entries = peer(id).apply_one();
    say(entries.empty() ? fmt::format("{} installed snapshot {}", id, peer(id).engine().applied)
                        : fmt::format("{} applied {}", id, describe(entries)));
  }
}

bool Transcript::run_peer(uint64_t id) {
  bool moved = false;
  while (node(id).has_ready() || peer(id).has_writes() || peer(id).has_work_to_apply()) {
    moved = true;
    if (node(id).has_ready()) ready(id);
    persist(id, SIZE_MAX);
    apply(id);
  }
  return moved;
}

void Transcript::deliver(const std::string& way) {
  auto now = std::exchange(network_, {});
  for (Message& message : now) {
    if (!on_way(message, way)) {
      network_.push_back(std::move(message));
      continue;
    }
    SimPeer& to = peer(message.to.value);
    if (!to.is_up()) continue;
    if (message.type == MessageType::kSnapshot) {
      node(message.from.value).report_snapshot(message.to, RawNode::SnapshotOutcome::kFinished);
    }
    const std::string what = describe(message);
    if (const char* why = to.node().step(std::move(message))) say(fmt::format("refused: {}: {}", what, why));
  }
}

void Transcript::drop(const std::string& way) {
  std::erase_if(network_, [&](const Message& message) {
    if (!on_way(message, way)) return false;
    say("dropped: " + describe(message));
    return true;
  });
}

void Transcript::stabilize() {
  for (bool moved = true; moved;) {
    moved = false;
    for (auto& [id, each] : peers_) {
      if (each->is_up()) moved |= run_peer(id);
    }
    moved |= !network_.empty();
    deliver("");
    print_roles();
  }
}

void Transcript::forge(const Words& words) {
  Message message;
  for (int type = 0; type <= static_cast<int>(MessageType::kRequestPreVoteResponse); ++type) {
    if (words.at(1) == message_type_name(static_cast<MessageType>(type))) message.type = static_cast<MessageType>(type);
  }
  const std::string& way = words.at(2);
  message.from = PeerId(number(way));
  message.to = PeerId(number(way.substr(way.find('>') + 1)));
  message.term = Term(number(option(words, "term", "0")));
  message.log_term = Term(number(option(words, "log-term", "0")));
  message.index = LogIndex(number(option(words, "index", "0")));
  message.commit = LogIndex(number(option(words, "commit", "0")));
  message.context = option(words, "context", "");
  // Entries as terms: entries=6,7 stand behind `index`.
  LogIndex index = message.index;
  for (PeerId term : peer_list("(" + option(words, "entries", "") + ")")) {
    index = index.next();
    message.entries.push_back({.term = Term(term.value), .index = index});
  }
  network_.push_back(std::move(message));
}

void Transcript::print_log(const SimLog& log) {
  say(fmt::format("behind {}@{}: {}", log.truncated, log.truncated_term, describe(log.entries)));
}

void Transcript::print_status(uint64_t id) {
  Status status = node(id).status();
  say(fmt::format("{} {} term={} vote={} leader={} commit={} applied={} persisted={} last={}", id,
                  role_name(status.role), status.hard_state.term, status.hard_state.vote, status.leader,
                  status.hard_state.commit, status.applied, status.persisted, status.last_index));
}

void Transcript::print_progress(uint64_t id) {
  for (const PeerProgress& each : node(id).status().progress) {
    const char* state = each.state == PeerProgress::State::kProbe       ? "probe"
                        : each.state == PeerProgress::State::kReplicate ? "replicate"
                                                                        : "snapshot";
    say(fmt::format("{}: {} matched={} next={}{}{}{}", each.id, state, each.matched, each.next,
                    each.pending_snapshot.is_set() ? fmt::format(" pending={}", each.pending_snapshot) : "",
                    each.recently_active ? "" : " inactive", each.is_learner ? " learner" : ""));
  }
}

}  // namespace cairn::raft
