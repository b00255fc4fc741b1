package interop

import (
	"context"
	"crypto/tls"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"cairn.test/harness"
)

// from is what a client of grpc-go shows: a certificate of that authority, none if the name is empty.
func from(t *testing.T, a *harness.Authority, name string) grpc.DialOption {
	t.Helper()
	config := &tls.Config{InsecureSkipVerify: true} //nolint:gosec // who the server is, is not the question
	if name != "" {
		pair, err := tls.LoadX509KeyPair(a.Cert(name), a.Key(name))
		require.NoError(t, err)
		config.Certificates = []tls.Certificate{pair}
	}
	return grpc.WithTransportCredentials(credentials.NewTLS(config))
}

// healthOf asks a process for its health over a connection of its own.
func healthOf(t *testing.T, address string, as grpc.DialOption) error {
	t.Helper()
	conn, err := grpc.Dial(address, as)
	require.NoError(t, err)
	defer conn.Close()
	return check(conn)
}

func check(conn *grpc.ClientConn) error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	_, err := healthpb.NewHealthClient(conn).Check(ctx, &healthpb.HealthCheckRequest{})
	return err
}

func logged(t *testing.T, p *harness.Process, words string) {
	t.Helper()
	harness.Eventually(t, 10*time.Second, p.Name+" logs: "+words, func() bool {
		return strings.Contains(p.LogText(), words)
	})
}

// How a certificate is refused is heard by either side: the process logs it, the client gets TLS's alert.
func TestRefusalsOfTLSAreInWords(t *testing.T) {
	a, other := harness.NewAuthority(t), harness.NewAuthority(t)
	for _, name := range []string{"node", "client", "lost", "stranger"} {
		a.Issue(name)
	}
	a.IssueExpired("old")
	other.Issue("client")
	a.Revoke()
	more := "crl-path = \"" + a.CRL() + "\"\ncert-allowed-cn = [\"node\", \"client\", \"lost\", \"old\"]\n"
	c := harness.New(t, harness.Options{Stores: 1, PDConfig: a.Security("cacert-path", "node") + more,
		StoreConfig: a.Security("ca-path", "node") + more})
	for _, p := range []*harness.Process{c.PD, c.Stores[0]} {
		harness.Eventually(t, 20*time.Second, p.Name+" serves, and knows the list that is empty", func() bool {
			return healthOf(t, p.Address, from(t, a, "lost")) == nil
		})
		before, err := grpc.Dial(p.Address, from(t, a, "lost"))
		require.NoError(t, err)
		defer before.Close()
		require.NoError(t, check(before))
		a.Revoke("lost")
		// The files are looked at once a second.
		harness.Eventually(t, 10*time.Second, "the new list counts", func() bool {
			return healthOf(t, p.Address, from(t, a, "lost")) != nil
		})
		require.NoError(t, check(before), "connections that exist go on")
		for _, refused := range []struct {
			kind         string
			as           grpc.DialOption
			heard, words string
		}{
			{"revoked", from(t, a, "lost"), "revoked certificate", "its certificate is refused: certificate revoked"},
			{"expired", from(t, a, "old"), "expired certificate", "its certificate is refused: certificate has expired"},
			{"of another authority", from(t, other, "client"), "unknown certificate authority", "its certificate is refused: "},
			{"with a wrong name", from(t, a, "stranger"), "handshake failure", "no name of its certificate is allowed here"},
			{"missing", from(t, a, ""), "certificate required", "peer did not return a certificate"},
			{"plain text", grpc.WithTransportCredentials(insecure.NewCredentials()), "", "plain HTTP on a port that speaks TLS"},
		} {
			t.Run(p.Name+"/"+refused.kind, func(t *testing.T) {
				err := healthOf(t, p.Address, refused.as)
				require.Equal(t, codes.Unavailable, status.Code(err), "%v", err)
				require.ErrorContains(t, err, refused.heard)
				logged(t, p, refused.words)
			})
		}
		require.NoError(t, healthOf(t, p.Address, from(t, a, "client")))
		a.Revoke()
	}
}

// Each of these processes would be the other side's client.
func TestTLSAndPlainTextDoNotMeet(t *testing.T) {
	a := harness.NewAuthority(t)
	a.Issue("node")
	secured := harness.New(t, harness.Options{Stores: 1, PDConfig: a.Security("cacert-path", "node")})
	logged(t, secured.Stores[0], "this port speaks TLS")
	logged(t, secured.PD, "plain HTTP on a port that speaks TLS")
	plain := harness.New(t, harness.Options{Stores: 1, StoreConfig: a.Security("ca-path", "node")})
	logged(t, plain.Stores[0], "it does not speak TLS")
	logged(t, plain.PD, "TLS on a port that does not speak it")
	require.ErrorContains(t, healthOf(t, plain.PD.Address, from(t, a, "node")), "first record does not look like a TLS handshake")
	require.NoError(t, healthOf(t, plain.PD.Address, grpc.WithTransportCredentials(insecure.NewCredentials())))
}
