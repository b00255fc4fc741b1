// Which processes a playground consists of, on which addresses, and what its surroundings tell. Pure. Tests:
// playground_plan_test.cc.
#pragma once

#include <istream>
#include <string>
#include <vector>

#include "config/values.h"
#include "net/tls.h"

namespace cairn::cli {

using config::Parsed;

struct PlaygroundOptions {
  int stores = 3;
  int pds = 1;
  std::string host = "127.0.0.1";
  int pd_port = 2379;
  int pd_status_port = 0;  // 0: the second one behind pd_port
  int store_port = 20160;
  int status_port = 20180;
  std::string data_dir;
  net::TlsOptions security;  // of all nodes; none: plain text
  std::string pd_config;     // configuration file of PD; empty: none
  std::string store_config;  // and of the stores
};

struct PlannedProcess {
  std::string role;  // "pd", "store"
  std::string name;  // "pd-1", "store-2": also its folder
  std::string address;
  std::string status_address;          // empty: none
  std::vector<std::string> arguments;  // of `cairn`
  std::string log_file;
};

// PD first, then the stores on consecutive ports. An error if the numbers cannot be, or ports would meet.
Parsed<std::vector<PlannedProcess>> plan_playground(const PlaygroundOptions& options);

// `folders` are those of the data directory. An error if they hold more stores than are to run: regions would wait for
// their replicas for ever.
Parsed<void> check_data(const std::vector<std::string>& folders, const PlaygroundOptions& options);

// Why a process ended, from what it has logged: the error it gave up with, else the failed CHECK or the last error that
// is logged, else the last line.
std::string find_cause(std::istream& log);

}  // namespace cairn::cli
