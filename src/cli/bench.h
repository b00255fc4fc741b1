// The yardsticks of `cairn bench`: what the parts that Cairn rests on cost by themselves on this machine. A line each.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>

#include "net/tls.h"

namespace cairn::cli {

struct BenchOptions {
  double seconds = 2;        // for each yardstick
  bool json = false;         // a JSON object a line, instead of a table
  net::TlsOptions security;  // of the echo, server and client; none: plain text
};

struct Yardstick {
  std::string name;
  std::string what;
  double operations = 0;
  double seconds = 0;
  double cpu_us = 0;  // of one operation
};

void print(const Yardstick& mark, const BenchOptions& options);

// Monotonic, in seconds.
double now_seconds();
// CPU time that a process, 0 for this one, has used so far, in microseconds.
double cpu_us_of(pid_t process);

// A bare gRPC server as Cairn runs it, in a process of its own, that sends back what it gets; the CPU time is its own.
int bench_echo(const BenchOptions& options);
// That server: prints its port and serves until standard input ends.
int serve_echo(const net::TlsOptions& security);
// RocksDB with Cairn's options, without anything of Cairn above it; in `folder`, which is made and removed.
int bench_rocks(const std::string& folder, const BenchOptions& options);

}  // namespace cairn::cli
