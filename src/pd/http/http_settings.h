// How the HTTP API reaches the settings of the process. Tests: pages_test.cc.
#pragma once

#include <functional>
#include <map>
#include <string>

#include "base/result.h"

namespace cairn::pd {

// The settings of the process, which belong to whoever started it. Called on the actor.
struct HttpSettings {
  using Changes = std::map<std::string, std::string>;  // full names to values as text
  using Done = std::function<void(Result<void, std::string>)>;

  std::function<std::string()> json;  // of all: {"section": {"name": value}}
  // Changes some. `done` runs on any thread; an error says why nothing has changed.
  std::function<void(Changes, Done)> change;
  std::function<bool(const std::string& name)> has;  // whether a setting has that full name
};

}  // namespace cairn::pd
