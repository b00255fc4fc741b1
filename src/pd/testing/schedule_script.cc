#include "pd/testing/schedule_script.h"

#include <fmt/format.h>

#include <cmath>
#include <map>
#include <sstream>

#include "pd/schedule/filters.h"
#include "pd/schedule/scatterer.h"
#include "pd/testing/modelled_cluster.h"

namespace cairn::pd {
namespace {

class Script {
 public:
  std::string run(const std::string& script) {
    std::istringstream in(script);
    std::string out;
    bool is_answer = false;
    for (std::string line; std::getline(in, line);) {
      const bool is_command = line.starts_with("> ");
      if (line.empty() || line[0] == '#' || is_command) is_answer = false;
      if (is_answer) continue;
      out += line + "\n";
      if (line.empty() || line[0] == '#') continue;
      read(is_command ? line.substr(2) : line);
      if (is_command) {
        out += answer();
        is_answer = true;
      } else {
        make();
      }
    }
    return out;
  }

 private:
  void read(const std::string& line) {
    words_.clear();
    options_.clear();
    std::istringstream in(line);
    for (std::string word; in >> word;) {
      const auto equals = word.find('=');
      if (equals == std::string::npos) {
        words_.push_back(word);
      } else {
        options_[word.substr(0, equals)] = word.substr(equals + 1);
      }
    }
  }
  uint64_t number(size_t i) const { return std::stoull(words_.at(i)); }
  StoreId store_id(size_t i) const { return StoreId(number(i)); }
  uint64_t size() const { return options_.contains("size") ? std::stoull(options_.at("size")) : 1; }
  std::vector<uint64_t> numbers_from(size_t i) const {
    std::vector<uint64_t> out;
    for (; i < words_.size(); ++i) out.push_back(number(i));
    return out;
  }
  std::vector<StoreId> ids_from(size_t i) const {
    std::vector<StoreId> out;
    for (const uint64_t id : numbers_from(i)) out.emplace_back(id);
    return out;
  }

  void make() {
    const auto& what = words_.at(0);
    if (what == "set") return set();
    if (what == "store") return store();
    if (what == "weight") {
      if (options_.contains("leader")) model_.weights().leader[store_id(1)] = std::stod(options_["leader"]);
      if (options_.contains("region")) model_.weights().region[store_id(1)] = std::stod(options_["region"]);
    } else if (what == "region") {
      model_.add_region(number(1), numbers_from(3), size());
    } else if (what == "regions") {
      for (uint64_t i = 0; i < number(1); ++i) model_.add_region(number(3) + i, numbers_from(5), size());
    } else if (what == "scheduler") {
      model_.schedulers().add(words_.at(1));
      model_.schedulers().find(words_.at(1))->set_stores(ids_from(2));
    } else {
      mark_peer(what);
    }
  }

  void set() {
    auto& config = model_.config;
    for (const auto& [name, value] : options_) {
      if (name == "max-replicas") config.max_replicas = static_cast<uint32_t>(std::stoul(value));
      if (name == "tolerant-size-ratio") config.tolerant_size_ratio = std::stod(value);
      if (name == "leader-schedule-policy") config.leader_schedule_policy = value;
      if (name == "isolation-level") config.isolation_level = value;
      if (name == "store-limit") config.add_peer_limit = config.remove_peer_limit = std::stod(value);
      if (name == "location-labels") {
        std::istringstream in(value);
        config.location_labels.clear();
        for (std::string label; std::getline(in, label, ',');) config.location_labels.push_back(label);
      }
    }
  }

  void store() {
    static const std::map<std::string, StoreHealth> states{{"up", StoreHealth::kUp},
                                                           {"disconnected", StoreHealth::kDisconnected},
                                                           {"down", StoreHealth::kDown},
                                                           {"offline", StoreHealth::kOffline},
                                                           {"tombstone", StoreHealth::kTombstone}};
    const StoreId id = store_id(1);
    if (model_.stores().get(id) == nullptr) model_.add_store(id);
    for (const auto& [name, value] : options_) {
      if (const auto state = states.find(value); name == "state" && state != states.end()) {
        model_.lose(id, state->second);
      } else {
        model_.change_store(id, [&](StoreInfo& info) { change(info, name, value); });
      }
    }
  }

  static void change(StoreInfo& info, const std::string& name, const std::string& value) {
    constexpr double kGib = 1 << 30;
    if (name == "state" && value == "busy") {
      info.stats.set_is_busy(true);
    } else if (name == "snapshots") {
      info.stats.set_receiving_snap_count(static_cast<uint32_t>(std::stoul(value)));
    } else if (name == "used") {
      const double used = std::stod(value) * kGib;
      const double capacity = std::stod(value.substr(value.find('/') + 1)) * kGib;
      info.stats.set_capacity(static_cast<uint64_t>(capacity));
      info.stats.set_used_size(static_cast<uint64_t>(used));
      info.stats.set_available(static_cast<uint64_t>(capacity - used));
    } else {
      auto& label = *info.meta.add_labels();
      label.set_key(name);
      label.set_value(value);
    }
  }

  void mark_peer(const std::string& mark) {
    model_.change_region(number(1), [&](RegionInfo& region) {
      for (auto& peer : *region.meta.mutable_peers()) {
        if (peer.store_id() != number(2)) continue;
        if (mark == "learner") peer.set_role(metapb::Learner);
        if (mark == "pending") region.pending_peers.push_back(peer);
        if (mark == "down") region.down_peers.emplace_back().mutable_peer()->CopyFrom(peer);
      }
    });
  }

  std::string answer() {
    const auto& what = words_.at(0);
    if (what == "check") return show(check_replicas(*model_.region(number(1)), model_.view()));
    if (what == "propose") return propose();
    if (what == "scatter") {
      auto plan = scatterer_.scatter(*model_.region(number(1)), words_.at(2), model_.view());
      return plan.ok() ? show(*plan) : plan.error() + "\n";
    }
    if (what == "takes") return takes();
    if (what == "settle") return settle();
    if (what == "rounds") return rounds();
    return "no such command\n";
  }

  static std::string show(const std::optional<Plan>& plan) {
    if (!plan) return "nothing\n";
    std::string out = fmt::format("{} ({})\n", plan->desc, kinds_of(plan->kind, plan->steps));
    for (const auto& step : plan->steps) out += "  " + to_string(step) + "\n";
    return out;
  }

  std::string propose() {
    auto scheduler = make_scheduler(words_.at(1));
    if (!scheduler) return "no such scheduler\n";
    scheduler->set_stores(ids_from(2));
    const auto proposal = scheduler->propose(model_.view(), dice_);
    if (!proposal) return "nothing\n";
    return fmt::format("region {}: ", proposal->region->id()) + show(proposal->plan);
  }

  std::string takes() {
    const auto cluster = model_.view();
    const auto store = *cluster.store(store_id(1));
    const auto say = [](const char* what, const char* reason) {
      return fmt::format("{}: {}\n", what, reason == nullptr ? "yes" : reason);
    };
    return say("gives leaders", refuse_to_give_leaders(cluster, store)) +
           say("takes leaders", refuse_to_take_leaders(cluster, store)) +
           say("gives regions", refuse_to_give_regions(cluster, store)) +
           say("takes regions", refuse_to_take_regions(cluster, store));
  }

  std::string rounds() {
    const uint64_t before = model_.begun();
    for (uint64_t i = 0; i < number(1); ++i) model_.round();
    return fmt::format("{} operators have begun\n", model_.begun() - before);
  }

  std::string settle() {
    const uint64_t before = model_.begun();
    const bool rests = model_.settle(20'000);
    std::string out;
    if (!rests) out += "it does not come to rest\n";
    for (const auto& fault : model_.faults()) out += fault + "\n";
    out += model_.begun() == before ? "nothing moves\n" : "";
    for (const auto& [id, store] : model_.stores().all()) {
      const auto count = model_.count(id);
      out += fmt::format("store {}: {} regions, {} leaders, {} MiB\n", id, count.peers, count.leaders, count.mib);
    }
    return out;
  }

  ModelledCluster model_;
  Scatterer scatterer_;
  runtime::Random dice_{1};
  std::vector<std::string> words_;
  std::map<std::string, std::string> options_;
};

}  // namespace

std::string run_schedule_script(const std::string& script) { return Script().run(script); }

}  // namespace cairn::pd
