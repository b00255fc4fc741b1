#include "cli/pd_leader.h"

#include <CLI/CLI.hpp>
#include <cstdio>

namespace cairn::cli {

void PdLeader::add_options(CLI::App& command, std::string& pd, net::TlsOptions& security) {
  pd = "http://127.0.0.1:2379";
  command.add_option("--pd,-u", pd, "PD's client address")->capture_default_str();
  command.add_option("--cacert", security.ca_path, "the CAs that PD's certificate is checked against (PEM)");
  command.add_option("--cert", security.cert_path, "the certificate to show to PD (PEM)");
  command.add_option("--key", security.key_path, "its key (PEM)");
}

int PdLeader::complain(const std::string& what) {
  std::fprintf(stderr, "cairn ctl: %s\n", what.c_str());
  return 1;
}

std::string PdLeader::quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    if (static_cast<unsigned char>(c) < 0x20) {
      out += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
    } else {
      out += c;
    }
  }
  return out + '"';
}

Result<std::shared_ptr<net::Tls>, std::string> PdLeader::tls_for(const std::string& pd,
                                                                 const net::TlsOptions& security) {
  if (!security.is_on() && !pd.starts_with("https://")) return std::shared_ptr<net::Tls>();
  if (security.cert_path.empty() != security.key_path.empty())
    return Err(std::string("--cert and --key belong together"));
  return net::Tls::open(security);
}

}  // namespace cairn::cli
