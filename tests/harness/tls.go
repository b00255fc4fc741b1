package harness

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// Authority signs certificates, which are made when a test runs; the files are in a folder that goes with the test.
type Authority struct {
	Dir    string
	t      testing.TB
	key    *ecdsa.PrivateKey
	cert   *x509.Certificate
	serial int64
}

// NewAuthority makes one; its own certificate is at CA().
func NewAuthority(t testing.TB) *Authority {
	t.Helper()
	a := &Authority{Dir: t.TempDir(), t: t}
	a.key = a.newKey()
	template := &x509.Certificate{Subject: pkix.Name{CommonName: "authority"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign}
	a.cert = a.sign(template, template, a.key)
	a.put("ca.pem", "CERTIFICATE", a.cert.Raw)
	return a
}

// CA is the file of the authority's certificate.
func (a *Authority) CA() string { return filepath.Join(a.Dir, "ca.pem") }

// Cert and Key are the files that Issue wrote for this common name.
func (a *Authority) Cert(name string) string { return filepath.Join(a.Dir, name+".pem") }
func (a *Authority) Key(name string) string  { return filepath.Join(a.Dir, name+"-key.pem") }

// Issue signs a certificate for localhost and 127.0.0.1 and puts its files in the place of earlier ones. It returns the
// serial number.
func (a *Authority) Issue(name string) int64 {
	a.t.Helper()
	return a.issue(name, time.Now().Add(24*time.Hour))
}

// IssueExpired does the same with a certificate whose time is up.
func (a *Authority) IssueExpired(name string) {
	a.t.Helper()
	a.issue(name, time.Now().Add(-time.Minute))
}

// CRL is the file that Revoke writes.
func (a *Authority) CRL() string { return filepath.Join(a.Dir, "crl.pem") }

// Revoke makes the list of revoked certificates anew: those that were issued last for these names.
func (a *Authority) Revoke(names ...string) {
	a.t.Helper()
	a.serial++
	list := &x509.RevocationList{Number: big.NewInt(a.serial), ThisUpdate: time.Now().Add(-time.Hour),
		NextUpdate: time.Now().Add(24 * time.Hour)}
	for _, name := range names {
		text, err := os.ReadFile(a.Cert(name))
		if err != nil {
			a.t.Fatal(err)
		}
		block, _ := pem.Decode(text)
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			a.t.Fatal(err)
		}
		list.RevokedCertificates = append(list.RevokedCertificates,
			pkix.RevokedCertificate{SerialNumber: cert.SerialNumber, RevocationTime: time.Now().Add(-time.Minute)})
	}
	der, err := x509.CreateRevocationList(rand.Reader, list, a.cert, a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	a.put("crl.pem", "X509 CRL", der)
}

func (a *Authority) issue(name string, until time.Time) int64 {
	key := a.newKey()
	cert := a.sign(&x509.Certificate{Subject: pkix.Name{CommonName: name}, NotAfter: until, DNSNames: []string{"localhost"},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}}, a.cert, key)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	a.put(name+"-key.pem", "PRIVATE KEY", der)
	a.put(name+".pem", "CERTIFICATE", cert.Raw)
	return cert.SerialNumber.Int64()
}

// Security is a [security] table for processes that show this certificate: of PD if ca is "cacert-path", of a store if it
// is "ca-path".
func (a *Authority) Security(ca, name string) string {
	return fmt.Sprintf("[security]\n%s = %q\ncert-path = %q\nkey-path = %q\n", ca, a.CA(), a.Cert(name), a.Key(name))
}

func (a *Authority) newKey() *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	return key
}

func (a *Authority) sign(template, parent *x509.Certificate, key *ecdsa.PrivateKey) *x509.Certificate {
	a.serial++
	template.SerialNumber = big.NewInt(a.serial)
	template.NotBefore = time.Now().Add(-time.Hour)
	if template.NotAfter.IsZero() {
		template.NotAfter = time.Now().Add(24 * time.Hour)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	return cert
}

func (a *Authority) put(name, kind string, der []byte) {
	path := filepath.Join(a.Dir, name)
	if err := os.WriteFile(path+".new", pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		a.t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		a.t.Fatal(err)
	}
}
