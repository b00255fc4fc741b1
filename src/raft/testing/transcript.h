// Transcript: the interpreter of testdata/*.txt. A file is a list of blocks: comments and commands, then `----`, then
// what happened, line by line, then an empty line. Messages stay "in the network" until delivered or dropped.
//
//   add-nodes 3 [voters=(1,2,3)] [learners=(4)] [pre-vote=off] [check-quorum=off] [inflight=2] [append-bytes=100]
//             [grace=10]                           peers 1.. with a log that begins behind index 5, term 5
//   elect 1                                        campaign, and everything that follows; prints nothing
//   campaign 1 | tick 1 10 | propose 1 word | read-index 1 ctx | transfer 1 2 | abort-transfer 1
//   conf-change 1 v2 +4 -1 ~5                      see SimConfChange
//   ready 1                                        takes a Ready; its messages leave
//   persist 1 [n]                                  all (or n) of its writes become durable; their messages leave
//   apply 1                                        applies all that was handed out
//   run 1                                          ready, persist, apply, until there is nothing left
//   deliver [1->2]                                 the messages in the network now (or those from 1 to 2)
//   drop [1->2]                                    likewise
//   cut 1->2 | cut 1 | heal                        messages are dropped when they leave
//   stabilize [quietly]                            run and deliver until nothing moves
//   crash 1 [n] | restart 1                        n of its writes reach the disk unreported
//   compact 1 8 | snapshot-delay 1 2 | unreachable 1 2 | snapshot-failed 1 2
//   log 1 | disk 1 | status [1] | conf 1 | progress 1
//   forge Append 1->2 term=7 index=5 log-term=5 commit=5 [context=x]   a message out of nowhere
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "raft/testing/sim_peer.h"

namespace cairn::raft {

class Transcript {
 public:
  // The whole file, with the output as it is now.
  std::string run(const std::string& text);

 private:
  using Words = std::vector<std::string>;

  void command(const Words& words);
  void add_nodes(const Words& words);
  void ready(uint64_t id);
  void persist(uint64_t id, size_t writes);
  void apply(uint64_t id);
  bool run_peer(uint64_t id);
  void deliver(const std::string& way);
  void drop(const std::string& way);
  void stabilize();
  void send(std::vector<Message> messages);
  void forge(const Words& words);
  void print_log(const SimLog& log);
  void print_status(uint64_t id);
  void print_progress(uint64_t id);
  void print_roles();
  void say(const std::string& line);
  SimPeer& peer(uint64_t id);
  RawNode& node(uint64_t id) { return peer(id).node(); }

  std::map<uint64_t, std::unique_ptr<SimPeer>> peers_;
  std::vector<Message> network_;
  std::set<std::pair<uint64_t, uint64_t>> cut_;
  std::map<uint64_t, Role> roles_;
  bool quiet_ = false;
  std::string output_;
};

}  // namespace cairn::raft
