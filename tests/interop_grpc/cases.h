// The cases of gRPC's interoperability tests, played by our client against a foreign server.
#pragma once

#include <functional>
#include <map>
#include <string>

#include "rpc/client.h"

namespace cairn::judged {

struct Server {
  rpc::ClientLoop& loop;
  std::string address;
};

// By the names of gRPC's description; a case ends the program with words if the server does not do as it should.
const std::map<std::string, std::function<void(Server&)>>& cases();

}  // namespace cairn::judged
