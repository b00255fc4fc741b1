// Our network layer for foreign judges: gRPC's test service on our server, or our client's part of its cases.
//
//   cairn_grpc_interop serve ADDRESS [CA CERT KEY]          prints `port N`; ends with its standard input
//   cairn_grpc_interop play ADDRESS CASE[,CASE...] [CA CERT KEY]
#include <algorithm>
#include <cstdio>
#include <sstream>
#include <string>
#include <vector>

#include "cases.h"
#include "net/tls.h"
#include "rpc/server.h"
#include "service.h"

namespace {

using cairn::net::Tls;

// From the last three arguments, if there are any.
std::shared_ptr<Tls> tls_of(const std::vector<std::string>& files) {
  if (files.empty()) return nullptr;
  auto tls = Tls::open({.ca_path = files.at(0), .cert_path = files.at(1), .key_path = files.at(2)});
  if (!tls.ok()) {
    std::fprintf(stderr, "%s\n", tls.error().c_str());
    std::exit(1);
  }
  return *tls;
}

int serve(const std::string& address, std::shared_ptr<Tls> tls) {
  const auto loop = std::make_shared<cairn::net::Loop>("judged");
  cairn::rpc::Router router;
  cairn::judged::serve_test_service(router, loop);
  auto server =
      cairn::rpc::Server::start({.addresses = {address}, .loop = loop, .tls = std::move(tls)}, std::move(router));
  if (!server.ok()) {
    std::fprintf(stderr, "%s\n", server.error().c_str());
    return 1;
  }
  std::printf("port %d\n", (*server)->port());
  std::fflush(stdout);
  while (std::getchar() != EOF) {
  }
  (*server)->stop(cairn::Duration(0));
  loop->stop();
  return 0;
}

int play(const std::string& address, const std::string& names, std::shared_ptr<Tls> tls) {
  cairn::rpc::ClientLoop loop(std::move(tls));
  cairn::judged::Server server{loop, address};
  std::istringstream in(names);
  for (std::string name; std::getline(in, name, ',');) {
    const auto it = cairn::judged::cases().find(name);
    if (it == cairn::judged::cases().end()) {
      std::fprintf(stderr, "no case %s\n", name.c_str());
      return 1;
    }
    it->second(server);
    std::printf("passed %s\n", name.c_str());
    std::fflush(stdout);
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  const auto files_from = [&](size_t at) {
    return std::vector<std::string>(arguments.begin() + static_cast<long>(std::min(at, arguments.size())),
                                    arguments.end());
  };
  if (arguments.size() >= 2 && arguments[0] == "serve") return serve(arguments[1], tls_of(files_from(2)));
  if (arguments.size() >= 3 && arguments[0] == "play") return play(arguments[1], arguments[2], tls_of(files_from(3)));
  std::fprintf(stderr, "usage: see main.cc\n");
  return 2;
}
