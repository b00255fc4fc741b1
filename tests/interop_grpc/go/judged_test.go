// Package interop_grpc lets gRPC's own interoperability tests judge our network layer: the clients of grpc-go and
// grpc-java play their cases against our server, and our client plays them against their servers and ours; each in plain
// text and with TLS.
package interop_grpc

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/grpclog"
	"google.golang.org/grpc/interop"
	testgrpc "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/orca"

	"cairn.test/harness"
)

// security is a mode: plain text if it has no authority.
type security struct {
	name      string
	authority *harness.Authority
}

func modes(t *testing.T) []security {
	a := harness.NewAuthority(t)
	a.Issue("node")
	return []security{{"plain", nil}, {"tls", a}}
}

func inBothModes(t *testing.T, test func(t *testing.T, mode security)) {
	for _, mode := range modes(t) {
		t.Run(mode.name, func(t *testing.T) { test(t, mode) })
	}
}

// files are the CA, a certificate and its key, as our program takes them.
func (s security) files() []string {
	if s.authority == nil {
		return nil
	}
	return []string{s.authority.CA(), s.authority.Cert("node"), s.authority.Key("node")}
}

// credentials of grpc-go, for either side.
func (s security) credentials(t *testing.T) credentials.TransportCredentials {
	t.Helper()
	if s.authority == nil {
		return insecure.NewCredentials()
	}
	pair, err := tls.LoadX509KeyPair(s.authority.Cert("node"), s.authority.Key("node"))
	if err != nil {
		t.Fatal(err)
	}
	ca, err := os.ReadFile(s.authority.CA())
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	return credentials.NewTLS(&tls.Config{Certificates: []tls.Certificate{pair}, RootCAs: roots, ClientCAs: roots,
		ClientAuth: tls.RequireAndVerifyClientCert})
}

// judged is the path of our program.
func judged(t *testing.T) string {
	t.Helper()
	path := filepath.Join(filepath.Dir(harness.Binary(t)), "tests", "interop_grpc", "cairn_grpc_interop")
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("no program to judge: %v (./dev build makes it)", err)
	}
	return path
}

// serve starts our server and returns its address.
func serve(t *testing.T, mode security) string {
	t.Helper()
	return served(t, exec.Command(judged(t), append([]string{"serve", "127.0.0.1:0"}, mode.files()...)...))
}

// served starts a server that says its port and lives until its input ends. Returns its address.
func served(t *testing.T, cmd *exec.Cmd) string {
	t.Helper()
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		if err := cmd.Wait(); err != nil {
			t.Errorf("the server ended with %v", err)
		}
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	var port int
	if _, scanned := fmt.Sscanf(line, "port %d", &port); scanned != nil {
		t.Fatalf("the server says %q (%v)", line, err)
	}
	return fmt.Sprintf("127.0.0.1:%d", port)
}

// play lets our client play these cases against a server, and counts what it passed.
func play(t *testing.T, mode security, address string, cases ...string) {
	t.Helper()
	for _, name := range cases {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(context.Background(), 40*time.Second)
			defer cancel()
			out, err := exec.CommandContext(ctx, judged(t), append([]string{"play", address, name}, mode.files()...)...).CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
		})
	}
}

// failing makes grpc-go's cases end the test, not the process. They run on the test's own goroutine.
type failing struct {
	grpclog.LoggerV2
	t *testing.T
}

func (f *failing) Fatal(args ...any)            { f.t.Helper(); f.t.Fatal(args...) }
func (f *failing) Fatalln(args ...any)          { f.t.Helper(); f.t.Fatal(args...) }
func (f *failing) Fatalf(s string, args ...any) { f.t.Helper(); f.t.Fatalf(s, args...) }

func TestTheGoClientOnOurServer(t *testing.T) {
	inBothModes(t, func(t *testing.T, mode security) {
		address := serve(t, mode)
		connect := func(t *testing.T, options ...grpc.DialOption) *grpc.ClientConn {
			conn, err := grpc.NewClient(address, append(options, grpc.WithTransportCredentials(mode.credentials(t)))...)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { conn.Close() })
			return conn
		}
		type client = testgrpc.TestServiceClient
		plain := map[string]func(context.Context, client, ...grpc.CallOption){
			"empty_unary": interop.DoEmptyUnaryCall, "large_unary": interop.DoLargeUnaryCall,
			"client_streaming": interop.DoClientStreaming, "server_streaming": interop.DoServerStreaming,
			"ping_pong": interop.DoPingPong, "empty_stream": interop.DoEmptyStream,
			"timeout_on_sleeping_server":  interop.DoTimeoutOnSleepingServer,
			"cancel_after_begin":          interop.DoCancelAfterBegin,
			"cancel_after_first_response": interop.DoCancelAfterFirstResponse,
			"status_code_and_message":     interop.DoStatusCodeAndMessage,
			"special_status_message":      interop.DoSpecialStatusMessage,
			"custom_metadata":             interop.DoCustomMetadata,
			"pick_first_unary": func(ctx context.Context, c client, _ ...grpc.CallOption) {
				interop.DoPickFirstUnary(ctx, c)
			},
		}
		each := func(name string, test func(t *testing.T, ctx context.Context)) {
			t.Run(name, func(t *testing.T) {
				grpclog.SetLoggerV2(&failing{grpclog.NewLoggerV2(nothing{}, nothing{}, os.Stderr), t})
				ctx, cancel := context.WithTimeout(context.Background(), 40*time.Second)
				defer cancel()
				test(t, ctx)
			})
		}
		for name, play := range plain {
			each(name, func(t *testing.T, ctx context.Context) { play(ctx, testgrpc.NewTestServiceClient(connect(t))) })
			if name != "pick_first_unary" {
				each(name+"/gzip", func(t *testing.T, ctx context.Context) {
					play(ctx, testgrpc.NewTestServiceClient(connect(t)), grpc.UseCompressor(gzip.Name))
				})
			}
		}
		each("unimplemented_method", func(t *testing.T, ctx context.Context) { interop.DoUnimplementedMethod(ctx, connect(t)) })
		each("unimplemented_service", func(t *testing.T, ctx context.Context) {
			interop.DoUnimplementedService(ctx, testgrpc.NewUnimplementedServiceClient(connect(t)))
		})
		const balancer = `{"loadBalancingConfig": [{"test_backend_metrics_load_balancer":{}}]}`
		each("orca_per_rpc", func(t *testing.T, ctx context.Context) {
			interop.DoORCAPerRPCTest(ctx, testgrpc.NewTestServiceClient(connect(t, grpc.WithDefaultServiceConfig(balancer))))
		})
		each("orca_oob", func(t *testing.T, ctx context.Context) {
			interop.DoORCAOOBTest(ctx, testgrpc.NewTestServiceClient(connect(t, grpc.WithDefaultServiceConfig(balancer))))
		})
		each("rpc_soak", func(t *testing.T, ctx context.Context) {
			c := testgrpc.NewTestServiceClient(connect(t))
			for i := 0; i < 200; i++ {
				interop.DoLargeUnaryCall(ctx, c)
			}
		})
		each("channel_soak", func(t *testing.T, ctx context.Context) {
			for i := 0; i < 50; i++ {
				conn := connect(t)
				interop.DoLargeUnaryCall(ctx, testgrpc.NewTestServiceClient(conn))
				conn.Close()
			}
		})
	})
}

type nothing struct{}

func (nothing) Write(b []byte) (int, error) { return len(b), nil }

var common = []string{"empty_unary", "large_unary", "client_streaming", "server_streaming", "ping_pong", "half_duplex",
	"empty_stream", "timeout_on_sleeping_server", "cancel_after_begin", "cancel_after_first_response",
	"status_code_and_message", "special_status_message", "custom_metadata", "unimplemented_method",
	"unimplemented_service", "rpc_soak", "channel_soak"}

var compressed = []string{"client_compressed_unary", "client_compressed_streaming", "server_compressed_unary",
	"server_compressed_streaming"}

// goServer is grpc-go's interop server. It compresses if a call's kind is what `compress` wants.
func goServer(t *testing.T, mode security) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	options := []grpc.ServerOption{grpc.Creds(mode.credentials(t)), orca.CallMetricsServerOption(nil),
		grpc.UnaryInterceptor(func(ctx context.Context, request any, _ *grpc.UnaryServerInfo, h grpc.UnaryHandler) (any, error) {
			if r, ok := request.(*testgrpc.SimpleRequest); ok && r.GetResponseCompressed().GetValue() {
				if err := grpc.SetSendCompressor(ctx, gzip.Name); err != nil {
					return nil, err
				}
			}
			return h(ctx, request)
		})}
	server := grpc.NewServer(options...)
	testgrpc.RegisterTestServiceServer(server, interop.NewTestServer())
	go server.Serve(listener)
	t.Cleanup(server.Stop)
	return listener.Addr().String()
}

func TestOurClientOnTheGoServer(t *testing.T) {
	inBothModes(t, func(t *testing.T, mode security) {
		// It looks at no request's compression, and compresses either all answers of a call or none.
		play(t, mode, goServer(t, mode), append(common, "server_compressed_unary", "orca_per_rpc")...)
	})
}

func TestOurClientOnOurServer(t *testing.T) {
	inBothModes(t, func(t *testing.T, mode security) {
		play(t, mode, serve(t, mode), append(append(common, compressed...), "orca_per_rpc")...)
	})
}

// java runs the program in java/; it is built first.
func java(t *testing.T, arguments ...string) *exec.Cmd {
	t.Helper()
	for _, tool := range []string{"mvn", "javac", "java"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("needs %s", tool)
		}
	}
	_, here, _, _ := runtime.Caller(0)
	return exec.Command(filepath.Join(filepath.Dir(here), "..", "java", "run"), arguments...)
}

func TestTheJavaClientOnOurServer(t *testing.T) {
	inBothModes(t, func(t *testing.T, mode security) {
		address := serve(t, mode)
		out, err := java(t, append([]string{"play", address}, mode.files()...)...).CombinedOutput()
		for _, line := range strings.Split(string(out), "\n") {
			if name, passed := strings.CutPrefix(line, "passed "); passed {
				t.Run(name, func(*testing.T) {})
			}
		}
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	})
}

func TestOurClientOnTheJavaServer(t *testing.T) {
	inBothModes(t, func(t *testing.T, mode security) {
		address := served(t, java(t, append([]string{"serve"}, mode.files()...)...))
		// Its service looks at no request's compression, and does not compress the messages of a stream.
		play(t, mode, address, append(common, "server_compressed_unary")...)
	})
}
