// Which processes a playground consists of, on which addresses. Pure. Tests: config_test.cc.
#pragma once

#include <string>
#include <vector>

#include "cli/values.h"

namespace cairn::cli {

struct PlaygroundOptions {
  int stores = 3;
  int pds = 1;
  std::string host = "127.0.0.1";
  int pd_port = 2379;
  int pd_status_port = 0;  // 0: the second one behind pd_port
  int store_port = 20160;
  int status_port = 20180;
  std::string data_dir;
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

}  // namespace cairn::cli
