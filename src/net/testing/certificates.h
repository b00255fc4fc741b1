// Certificates for tests, made when they run: an authority, what it signs and what it revokes, and a folder of the
// files that TlsOptions names.
#pragma once

#include <gtest/gtest.h>
#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <unistd.h>

#include <ctime>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>

#include "net/tls.h"

namespace cairn::net::testing {

struct Deleter {
  void operator()(X509* it) const { X509_free(it); }
  void operator()(X509_CRL* it) const { X509_CRL_free(it); }
  void operator()(EVP_PKEY* it) const { EVP_PKEY_free(it); }
  void operator()(BIO* it) const { BIO_free(it); }
};
template <class T>
using Owned = std::unique_ptr<T, Deleter>;

template <class Write>
std::string pem(Write write) {
  Owned<BIO> out(BIO_new(BIO_s_mem()));
  EXPECT_EQ(write(out.get()), 1);
  char* data = nullptr;
  const long size = BIO_get_mem_data(out.get(), &data);
  return {data, static_cast<size_t>(size)};
}

// A certificate with its key, in PEM.
struct Identity {
  std::string certificate;
  std::string key;
  long serial = 0;
};

struct Subject {
  std::string common_name = "node";
  std::string alternative_names = "DNS:localhost,IP:127.0.0.1";
  long begins = -3600;  // seconds from now
  long ends = 3600;
};

class Authority {
 public:
  explicit Authority(std::string name = "authority") : key_(EVP_EC_gen("P-256")) {
    certificate_ = sign({.common_name = std::move(name), .alternative_names = ""}, *key_, true);
  }

  std::string certificate() const {
    return pem([this](BIO* out) { return PEM_write_bio_X509(out, certificate_.get()); });
  }
  Identity issue(const Subject& subject) {
    const Owned<EVP_PKEY> key(EVP_EC_gen("P-256"));
    const Owned<X509> made = sign(subject, *key, false);
    return {pem([&](BIO* out) { return PEM_write_bio_X509(out, made.get()); }), pem([&](BIO* out) {
              return PEM_write_bio_PrivateKey(out, key.get(), nullptr, nullptr, 0, nullptr, nullptr);
            }),
            serial_};
  }
  // The list of revoked certificates, with this one in it.
  std::string revoke(const Identity& identity) const {
    const Owned<X509_CRL> list(X509_CRL_new());
    X509_CRL_set_version(list.get(), 1);
    X509_CRL_set_issuer_name(list.get(), X509_get_subject_name(certificate_.get()));
    ASN1_TIME* now = ASN1_TIME_adj(nullptr, time(nullptr), 0, -60);
    ASN1_TIME* next = ASN1_TIME_adj(nullptr, time(nullptr), 0, 3600);
    X509_CRL_set1_lastUpdate(list.get(), now);
    X509_CRL_set1_nextUpdate(list.get(), next);
    X509_REVOKED* revoked = X509_REVOKED_new();
    ASN1_INTEGER* serial = ASN1_INTEGER_new();
    ASN1_INTEGER_set(serial, identity.serial);
    X509_REVOKED_set_serialNumber(revoked, serial);
    X509_REVOKED_set_revocationDate(revoked, now);
    X509_CRL_add0_revoked(list.get(), revoked);
    ASN1_INTEGER_free(serial);
    ASN1_TIME_free(now);
    ASN1_TIME_free(next);
    EXPECT_GT(X509_CRL_sign(list.get(), key_.get(), EVP_sha256()), 0);
    return pem([&](BIO* out) { return PEM_write_bio_X509_CRL(out, list.get()); });
  }

 private:
  Owned<X509> sign(const Subject& subject, EVP_PKEY& key, bool is_authority) {
    Owned<X509> made(X509_new());
    X509_set_version(made.get(), X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(made.get()), ++serial_);
    X509_gmtime_adj(X509_getm_notBefore(made.get()), subject.begins);
    X509_gmtime_adj(X509_getm_notAfter(made.get()), subject.ends);
    X509_set_pubkey(made.get(), &key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(made.get()), "CN", MBSTRING_UTF8,
                               reinterpret_cast<const unsigned char*>(subject.common_name.c_str()), -1, -1, 0);
    const X509* issuer = is_authority ? made.get() : certificate_.get();
    X509_set_issuer_name(made.get(), X509_get_subject_name(issuer));
    extend(*made, NID_basic_constraints, is_authority ? "critical,CA:TRUE" : "CA:FALSE");
    if (!subject.alternative_names.empty()) extend(*made, NID_subject_alt_name, subject.alternative_names);
    EXPECT_GT(X509_sign(made.get(), key_.get(), EVP_sha256()), 0);
    return made;
  }
  static void extend(X509& certificate, int what, const std::string& value) {
    X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, nullptr, what, value.c_str());
    ASSERT_NE(extension, nullptr);
    X509_add_ext(&certificate, extension, -1);
    X509_EXTENSION_free(extension);
  }

  const Owned<EVP_PKEY> key_;
  long serial_ = 0;
  Owned<X509> certificate_;
};

// The files of one party; gone with the object.
class TlsFolder {
 public:
  TlsFolder() {
    char name[] = "/tmp/cairn-tls-XXXXXX";
    EXPECT_NE(mkdtemp(name), nullptr);
    path_ = name;
  }
  TlsFolder(Authority& authority, const Subject& subject = {}) : TlsFolder() {
    trust(authority.certificate());
    use(authority.issue(subject));
  }
  ~TlsFolder() { std::filesystem::remove_all(path_); }
  TlsFolder(const TlsFolder&) = delete;
  TlsFolder& operator=(const TlsFolder&) = delete;

  void trust(const std::string& certificates) { put("ca.pem", certificates, options.ca_path); }
  void use(const Identity& identity) {
    put("cert.pem", identity.certificate, options.cert_path);
    put("key.pem", identity.key, options.key_path);
  }
  void refuse(const std::string& list) { put("crl.pem", list, options.crl_path); }
  // A new file takes the place of an old one, as tools that renew certificates do it.
  void put(const std::string& name, const std::string& content, std::string& place) {
    place = path_ + "/" + name;
    std::ofstream(place + ".new") << content;
    std::filesystem::rename(place + ".new", place);
  }

  std::shared_ptr<Tls> open() const {
    auto opened = Tls::open(options);
    EXPECT_TRUE(opened.ok()) << opened.error();
    return *opened;
  }

  TlsOptions options{.ca_path = "",
                     .cert_path = "",
                     .key_path = "",
                     .crl_path = "",
                     .allowed_cn = {},
                     .allowed_san = {},
                     .look_again = 1h};  // whoever changes them says so

 private:
  std::string path_;
};

}  // namespace cairn::net::testing
