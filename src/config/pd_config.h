// What `cairn pd` is told by flags and file, under PD's names. Tests: config_test.cc.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "base/log.h"
#include "config/settings.h"
#include "gc/options.h"
#include "net/tls.h"
#include "pd/config.h"

namespace cairn::config {

struct PdConfig {
  std::string name = "pd";
  std::string data_dir;  // empty: default.<name>
  std::vector<std::string> client_urls = {"http://127.0.0.1:2379"};
  std::vector<std::string> advertise_client_urls;  // empty: client_urls
  std::vector<std::string> peer_urls = {"http://127.0.0.1:2380"};
  std::vector<std::string> advertise_peer_urls;  // empty: peer_urls
  std::string initial_cluster;                   // "name=url,..."; empty: this member alone
  std::string join;                              // client URLs of a cluster to join; empty: none
  std::vector<std::string> peer_listen;          // where other members are heard: filled by complete()
  std::string status_address;                    // empty: no status port
  log::Options log;
  std::string redact_log = "false";  // of users' keys and values, see log_settings.h
  net::TlsOptions security;
  Duration lease = std::chrono::seconds(1);
  pd::Options node;
  bool gc_is_enabled = true;
  gc::Options gc;
};

// The keys of PD's configuration file that exist here.
Settings settings_of(PdConfig& config);
// Those that change while the process runs and say how replicas are placed (pd::ScheduleConfig).
std::set<std::string> names_of_schedule();
// Fills what was left empty and checks that it fits together; the addresses to listen on come back.
Parsed<std::vector<std::string>> complete(PdConfig& config);

}  // namespace cairn::config
