#include "cli/playground_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <functional>
#include <set>

namespace cairn::cli {
namespace {

std::string address_of(const PlaygroundOptions& options, int port) { return options.host + ":" + std::to_string(port); }

void add_config(PlannedProcess& process, const std::string& file) {
  if (file.empty()) return;
  process.arguments.emplace_back("--config");
  process.arguments.push_back(file);
}

void add_security(PlannedProcess& process, const net::TlsOptions& security) {
  for (const auto& [flag, file] :
       {std::pair("--cacert", security.ca_path), {"--cert", security.cert_path}, {"--key", security.key_path}}) {
    if (file.empty()) continue;
    process.arguments.emplace_back(flag);
    process.arguments.push_back(file);
  }
}

// Of each member of PD: for clients, for other members, for its status.
constexpr int kPortsOfPd = 10;

using Take = std::function<Parsed<int>(const std::string& flag, int port)>;

// The `i`-th member of PD, from 0, without what it has in common with the others.
Parsed<PlannedProcess> plan_pd(const PlaygroundOptions& options, int i, const Take& take) {
  TRY_ASSIGN(const int port, take("--pd-port", options.pd_port + i * kPortsOfPd));
  const int first_status = options.pd_status_port != 0 ? options.pd_status_port : options.pd_port + 2;
  TRY_ASSIGN(const int status_port, take("--pd-status-port", first_status + i * kPortsOfPd));
  PlannedProcess pd{.role = "pd",
                    .name = "pd-" + std::to_string(i + 1),
                    .address = address_of(options, port),
                    .status_address = address_of(options, status_port)};
  pd.log_file = options.data_dir + "/" + pd.name + ".log";
  pd.arguments = {"pd",
                  "--name",
                  pd.name,
                  "--data-dir",
                  options.data_dir + "/" + pd.name,
                  "--client-urls",
                  "http://" + pd.address,
                  "--status-addr",
                  pd.status_address,
                  "--log-file",
                  pd.log_file};
  return pd;
}

}  // namespace

Parsed<std::vector<PlannedProcess>> plan_playground(const PlaygroundOptions& options) {
  if (options.pds < 1 || options.pds > 7) return Err(std::string("--pds: one to seven members"));
  if (options.stores < 1) return Err(std::string("--stores: at least one store is needed"));
  std::set<int> taken;
  const auto take = [&](const std::string& flag, int port) -> Parsed<int> {
    if (port < 1 || port > 65535) return Err(flag + ": " + std::to_string(port) + " is not a port");
    if (!taken.insert(port).second) {
      return Err(flag + ": port " + std::to_string(port) + " would be used twice; set the ports farther apart");
    }
    return port;
  };

  std::vector<PlannedProcess> plan;
  std::string initial_cluster;
  std::string endpoints;
  for (int i = 0; i < options.pds; ++i) {
    TRY_ASSIGN(PlannedProcess pd, plan_pd(options, i, take));
    if (options.pds > 1) {
      TRY_ASSIGN(const int peer_port, take("--pd-port", options.pd_port + i * kPortsOfPd + 1));
      const std::string peer_url = "http://" + address_of(options, peer_port);
      pd.arguments.insert(pd.arguments.end(), {"--peer-urls", peer_url});
      initial_cluster += (initial_cluster.empty() ? "" : ",") + pd.name + "=" + peer_url;
    }
    endpoints += (endpoints.empty() ? "" : ",") + pd.address;
    plan.push_back(std::move(pd));
  }
  for (auto& pd : plan) {
    if (options.pds > 1) pd.arguments.insert(pd.arguments.end(), {"--initial-cluster", initial_cluster});
    add_security(pd, options.security);
    add_config(pd, options.pd_config);
  }
  for (int i = 0; i < options.stores; ++i) {
    TRY_ASSIGN(const int port, take("--store-port", options.store_port + i));
    TRY_ASSIGN(const int status_port, take("--status-port", options.status_port + i));
    PlannedProcess store{.role = "store",
                         .name = "store-" + std::to_string(i + 1),
                         .address = address_of(options, port),
                         .status_address = address_of(options, status_port)};
    store.log_file = options.data_dir + "/" + store.name + ".log";
    store.arguments = {"server",
                       "--addr",
                       store.address,
                       "--status-addr",
                       store.status_address,
                       "--pd-endpoints",
                       endpoints,
                       "--data-dir",
                       options.data_dir + "/" + store.name,
                       "--log-file",
                       store.log_file};
    add_security(store, options.security);
    add_config(store, options.store_config);
    plan.push_back(std::move(store));
  }
  return plan;
}

Parsed<void> check_data(const std::vector<std::string>& folders, const PlaygroundOptions& options) {
  int stores = 0;
  for (const auto& folder : folders) {
    int number = 0;
    const char* const end = folder.data() + folder.size();
    if (!folder.starts_with("store-")) continue;
    const auto [stop, error] = std::from_chars(folder.data() + 6, end, number);
    if (error == std::errc() && stop == end) stores = std::max(stores, number);
  }
  if (stores <= options.stores) return {};
  return Err(
      fmt::format("{} holds the data of {} stores, and only {} are to run: give --stores {}, or another --data-dir",
                  options.data_dir, stores, options.stores, stores));
}

std::string find_cause(std::istream& log) {
  std::string line;
  std::string last;
  std::string logged;   // at level error
  std::string failed;   // a CHECK
  std::string gave_up;  // what it said when it ended by itself
  while (std::getline(log, line)) {
    if (line.empty()) continue;
    last = line;
    if (line.starts_with("error: ")) gave_up = line.substr(7);
    if (line.starts_with("CHECK failed") || line.starts_with("terminate called")) failed = line;
    if (line.find("] [ERROR] ") != std::string::npos) logged = line;
  }
  for (const auto& cause : {gave_up, failed, logged, last}) {
    if (!cause.empty()) return cause;
  }
  return "its log is empty";
}

}  // namespace cairn::cli
