package interop

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/tikv/client-go/v2/config"
	"github.com/tikv/client-go/v2/txnkv"

	"cairn.test/harness"
)

// tlsCluster is PD and stores that speak nothing but TLS and take only clients with certain names.
func tlsCluster(t *testing.T) (*harness.Cluster, *harness.Authority) {
	a := harness.NewAuthority(t)
	for _, name := range []string{"node", "client", "stranger"} {
		a.Issue(name)
	}
	allowed := "cert-allowed-cn = [\"node\", \"client\"]\n"
	return harness.New(t, harness.Options{PDConfig: a.Security("cacert-path", "node") + allowed,
		StoreConfig: a.Security("ca-path", "node") + allowed}), a
}

// useSecurity is what the clients made from now on take, until the test is over.
func useSecurity(t *testing.T, a *harness.Authority, name string) {
	before := config.GetGlobalConfig().Security
	config.UpdateGlobal(func(c *config.Config) {
		c.Security = config.NewSecurity(a.CA(), a.Cert(name), a.Key(name), nil)
	})
	t.Cleanup(func() { config.UpdateGlobal(func(c *config.Config) { c.Security = before }) })
}

func newTLSClient(t *testing.T, c *harness.Cluster) *txnkv.Client {
	t.Helper()
	client, err := txnkv.NewClient(c.PDs())
	require.NoError(t, err)
	t.Cleanup(func() { client.Close() })
	return client
}

func putOver(client *txnkv.Client, k, v string) error {
	txn, err := client.Begin()
	if err != nil {
		return err
	}
	if err := txn.Set([]byte(k), []byte(v)); err != nil {
		return err
	}
	return txn.Commit(context.Background())
}

// shown is the serial number of the certificate that a process shows.
func shown(t *testing.T, a *harness.Authority, address, name string) int64 {
	t.Helper()
	pair, err := tls.LoadX509KeyPair(a.Cert(name), a.Key(name))
	require.NoError(t, err)
	ca, err := os.ReadFile(a.CA())
	require.NoError(t, err)
	roots := x509.NewCertPool()
	require.True(t, roots.AppendCertsFromPEM(ca))
	conn, err := tls.Dial("tcp", address, &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{pair},
		NextProtos: []string{"h2"}})
	require.NoError(t, err)
	defer conn.Close()
	require.Equal(t, "h2", conn.ConnectionState().NegotiatedProtocol)
	return conn.ConnectionState().PeerCertificates[0].SerialNumber.Int64()
}

func TestMutualTLS(t *testing.T) {
	c, a := tlsCluster(t)
	useSecurity(t, a, "client")
	client := newTLSClient(t, c)
	require.NoError(t, putOver(client, "tls-0", "v"))

	t.Run("big values both ways", func(t *testing.T) {
		big := make([]byte, 3<<20)
		require.NoError(t, putOver(client, "tls-big", string(big)))
		txn, err := client.Begin()
		require.NoError(t, err)
		value, err := txn.Get(context.Background(), []byte("tls-big"))
		require.NoError(t, err)
		require.Len(t, value, len(big))
	})

	t.Run("the tool speaks it, too", func(t *testing.T) {
		out, err := exec.Command(harness.Binary(t), "ctl", "store", "--pd", "https://"+c.PD.Address, "--cacert", a.CA(),
			"--cert", a.Cert("client"), "--key", a.Key("client")).CombinedOutput()
		require.NoError(t, err, string(out))
		for _, store := range c.Stores {
			require.Contains(t, string(out), store.Address)
		}
	})

	t.Run("certificates are renewed while clients work", func(t *testing.T) {
		var stop atomic.Bool
		failed := make(chan error, 1)
		written := atomic.Int64{}
		go func() {
			for i := 0; !stop.Load(); i++ {
				if err := putOver(client, fmt.Sprintf("tls-%d", i%100), "v"); err != nil {
					failed <- err
					return
				}
				written.Add(1)
			}
			failed <- nil
		}()
		for round := 0; round < 2; round++ {
			a.Issue("client")
			serial := a.Issue("node")
			for _, p := range append([]*harness.Process{c.PD}, c.Stores...) {
				harness.Eventually(t, 10*time.Second, p.Name+" shows its new certificate", func() bool {
					return shown(t, a, p.Address, "client") == serial
				})
			}
			require.NoError(t, putOver(newTLSClient(t, c), "tls-new", "v"))
			before := written.Load()
			harness.Eventually(t, 10*time.Second, "the client works on", func() bool { return written.Load() > before+10 })
		}
		stop.Store(true)
		require.NoError(t, <-failed)
	})

	t.Run("a store that comes back finds the others", func(t *testing.T) {
		c.Stores[0].Kill()
		require.NoError(t, putOver(client, "tls-0", "w"))
		c.Restart(c.Stores[0])
		c.Stores[1].Kill()
		require.NoError(t, putOver(client, "tls-0", "x"))
		c.Restart(c.Stores[1])
	})

	t.Run("others are refused in words", func(t *testing.T) {
		for _, p := range []*harness.Process{c.PD, c.Stores[2]} {
			response, err := http.Get("http://" + p.Address + "/")
			require.NoError(t, err)
			body, err := io.ReadAll(response.Body)
			response.Body.Close()
			require.NoError(t, err)
			require.Equal(t, http.StatusBadRequest, response.StatusCode)
			require.Equal(t, "this port speaks TLS\n", string(body))
			harness.Eventually(t, 5*time.Second, "the log says so", func() bool {
				return strings.Contains(p.LogText(), "plain HTTP on a port that speaks TLS")
			})
			pair, err := tls.LoadX509KeyPair(a.Cert("stranger"), a.Key("stranger"))
			require.NoError(t, err)
			conn, err := tls.Dial("tcp", p.Address, &tls.Config{InsecureSkipVerify: true, //nolint:gosec
				Certificates: []tls.Certificate{pair}, NextProtos: []string{"h2"}})
			if err == nil {
				conn.SetReadDeadline(time.Now().Add(5 * time.Second))
				_, err = conn.Read(make([]byte, 1))
			}
			var alert *net.OpError
			require.ErrorAs(t, err, &alert)
			require.Contains(t, err.Error(), "remote error: tls: ")
			harness.Eventually(t, 5*time.Second, "the log says so", func() bool {
				return strings.Contains(p.LogText(), "cert-allowed-cn")
			})
		}
	})
}
