// TLS on OpenSSL: who we are and whom we trust, from files, and transports that speak it.
//
//   files ─ looked at once a second, by a thread of their own (tls_files.h) ─▶ Context ─▶ each new connection
//
// A connection keeps the context that it was made with; new files count for the connections after them. Files that
// cannot be used are logged once, and the last good ones stay.
//
// What is spoken: TLS 1.2 and 1.3, ciphers with forward secrecy and authentication of their own (those that HTTP/2
// allows: RFC 9113, section 9.2.2), ALPN "h2" from both sides, as gRPC demands; where HTTP/1 is served, too, "http/1.1"
// and clients without ALPN are taken; no renegotiation, no compression, no
// resumption: our connections are long, and each one's certificate is checked in full.
//
// With a CA, a server demands certificates of its clients, whose common name and alternative names may be restricted;
// without one it takes anybody. A port of HTTP/1 alone (the status port) demands certificates only if names are
// restricted, as TiKV's does. A client checks the server's certificate against the CA (without one: the system's) and
// its alternative names against the host that it dials; a common name alone does not count. Tests: tls_test.cc.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "net/transport.h"

namespace cairn::net {

struct TlsOptions {
  std::string ca_path;    // PEM files; empty: none
  std::string cert_path;  // the certificate, and those between it and the CA
  std::string key_path;
  std::string crl_path;                  // certificates that are revoked, of the CAs that sign ours
  std::vector<std::string> allowed_cn;   // of clients, one of them; empty: any
  std::vector<std::string> allowed_san;  // likewise
  Duration look_again = 1s;              // at the files, after so long

  bool is_on() const { return !ca_path.empty() || !cert_path.empty() || !key_path.empty(); }
};

class TlsFiles;

// Thread-safe.
class Tls {
 public:
  // The error says which file cannot be used, and why.
  static Result<std::shared_ptr<Tls>, std::string> open(TlsOptions options);
  ~Tls();
  Tls(const Tls&) = delete;
  Tls& operator=(const Tls&) = delete;

  // At once: for whoever knows that they have changed.
  void look_at_files();

  // What a server takes. With both, HTTP/2 is preferred.
  enum class Offer { kHttp2, kHttp1, kBoth };

  // The server's or the client's side of a connected socket that does not block; the transport owns it. The handshake
  // is part of reading and writing. The host is a name or a numeric address.
  std::unique_ptr<Transport> serve(int descriptor, std::string peer, Offer offer = Offer::kHttp2);
  std::unique_ptr<Transport> dial(int descriptor, std::string peer, const std::string& host);

 private:
  explicit Tls(std::unique_ptr<TlsFiles> files);
  const std::unique_ptr<TlsFiles> files_;
};

}  // namespace cairn::net
