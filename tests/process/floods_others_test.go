package process

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/tikv/client-go/v2/config"
	"github.com/tikv/client-go/v2/rawkv"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"cairn.test/harness"
)

// victim is a store that is flooded, and a client of it that must not notice.
type victim struct {
	*harness.Process
	client *rawkv.Client
	tls    *tls.Config // nil: plain text
}

func newVictim(t *testing.T, secure bool, prefix ...string) *victim {
	options := harness.Options{Stores: 1, Where: func(int) (string, []string) { return "127.0.0.1", prefix }}
	security := config.Security{}
	var clientTLS *tls.Config
	if secure {
		a := harness.NewAuthority(t)
		a.Issue("node")
		options.PDConfig = a.Security("cacert-path", "node")
		options.StoreConfig = a.Security("ca-path", "node")
		security = config.NewSecurity(a.CA(), a.Cert("node"), a.Key("node"), nil)
		pair, err := tls.LoadX509KeyPair(a.Cert("node"), a.Key("node"))
		require.NoError(t, err)
		clientTLS = &tls.Config{Certificates: []tls.Certificate{pair}, InsecureSkipVerify: true} //nolint:gosec
	}
	c := harness.New(t, options)
	v := &victim{Process: c.Stores[0], tls: clientTLS}
	harness.Eventually(t, 60*time.Second, "the store serves", func() bool {
		client, err := rawkv.NewClient(context.Background(), c.PDs(), security)
		if err != nil {
			return false
		}
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		if client.Put(ctx, []byte("k"), bytes.Repeat([]byte("v"), 64<<10)) != nil {
			client.Close()
			return false
		}
		v.client = client
		return true
	})
	t.Cleanup(func() { v.client.Close() })
	return v
}

// dial makes a connection on which this protocol was agreed on, if it goes through TLS; and the socket below that.
func (v *victim) dial(t *testing.T, protocol string) (conn, socket net.Conn) {
	t.Helper()
	socket, err := net.Dial("tcp", v.Address)
	require.NoError(t, err)
	conn = socket
	if v.tls != nil {
		config := v.tls.Clone()
		config.NextProtos = []string{protocol}
		secure := tls.Client(conn, config)
		require.NoError(t, secure.Handshake())
		conn = secure
	}
	t.Cleanup(func() { conn.Close() })
	return conn, socket
}

func (v *victim) dialBare(t *testing.T) *bare {
	t.Helper()
	conn, socket := v.dial(t, "h2")
	_, err := conn.Write([]byte(http2.ClientPreface))
	require.NoError(t, err)
	b := &bare{Conn: conn, socket: socket, Framer: http2.NewFramer(conn, conn)}
	b.encoder = hpack.NewEncoder(&b.buffer)
	require.NoError(t, b.WriteSettings())
	return b
}

// serves checks that others are served, and what the flood costs.
func (v *victim) serves(t *testing.T, before float64) {
	t.Helper()
	for i := 0; i < 20; i++ {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		require.NoError(t, v.client.Put(ctx, []byte("other"), []byte("v")), "others are served")
		cancel()
		require.Less(t, v.ResidentMB()-before, float64(floodMB))
	}
}

// endsWithin says whether the other side ends the connection; what it says meanwhile is dropped.
func endsWithin(conn net.Conn, wait time.Duration) bool {
	conn.SetReadDeadline(time.Now().Add(wait))
	_, err := io.Copy(io.Discard, conn)
	timeout, ok := err.(net.Error)
	return !ok || !timeout.Timeout()
}

// writeOn writes without end until the connection takes no more for a while, or is over.
func writeOn(conn net.Conn, write func() error) {
	for {
		conn.SetWriteDeadline(time.Now().Add(3 * time.Second))
		if write() != nil {
			return
		}
	}
}

// TestConnectionsBeyondTheLimitAreClosedThroughTLSToo holds more connections than a store of 1,024 files may have, of
// which none shakes hands.
func TestConnectionsBeyondTheLimitAreClosedThroughTLSToo(t *testing.T) {
	v := newVictim(t, true, "prlimit", "--nofile=1024:1024")
	before := v.ResidentMB()
	var conns []net.Conn
	for i := 0; i < 2000; i++ {
		if conn, err := net.DialTimeout("tcp", v.Address, time.Second); err == nil {
			conns = append(conns, conn)
		}
	}
	v.serves(t, before)
	for _, conn := range conns {
		conn.Close()
	}
	harness.Eventually(t, 10*time.Second, "newcomers are served", func() bool {
		config := v.tls.Clone()
		config.NextProtos = []string{"h2"}
		conn, err := tls.DialWithDialer(&net.Dialer{Timeout: time.Second}, "tcp", v.Address, config)
		if err != nil {
			return false
		}
		conn.Close()
		return true
	})
}

// TestFloodsLeaveTheOthersServed does to a store what clients must not do, in plain text and through TLS.
func TestFloodsLeaveTheOthersServed(t *testing.T) {
	for _, secure := range []bool{false, true} {
		t.Run(map[bool]string{false: "plain", true: "tls"}[secure], func(t *testing.T) {
			v := newVictim(t, secure)
			t.Run("idle", v.idle)
			t.Run("resets", v.resets)
			t.Run("control frames", v.controlFrames)
			t.Run("headers without end", v.headersWithoutEnd)
			t.Run("answers that nobody reads", v.unread)
			t.Run("slow", v.slow)
			t.Run("pages", v.pages)
		})
	}
}

// idle holds connections that have said hello and nothing else. Those through TLS are fewer unless
// $CAIRN_IDLE_TLS_CONNECTIONS says how many: handshakes cost time.
func (v *victim) idle(t *testing.T) {
	count, limit := 10_000, 40.0
	if v.tls != nil {
		count, limit = 1500, 80
		if n, err := strconv.Atoi(os.Getenv("CAIRN_IDLE_TLS_CONNECTIONS")); err == nil {
			count = n
		}
	}
	require.NoError(t, raiseFiles(uint64(count)+1000))
	before := v.ResidentMB()
	var conns []*bare
	for i := 0; i < count; i++ {
		conns = append(conns, v.dialBare(t))
	}
	v.serves(t, before+float64(count)*limit/1000)
	cost := (v.ResidentMB() - before) * 1000 / float64(count)
	t.Logf("%.1f KB a connection", cost)
	require.Less(t, cost, limit)
	for _, conn := range conns {
		conn.Close()
	}
}

// raiseFiles sees to it that this process may have so many files open.
func raiseFiles(count uint64) error {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil || limit.Cur >= count {
		return err
	}
	limit.Cur, limit.Max = count, max(limit.Max, count)
	return syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit)
}

func (v *victim) resets(t *testing.T) {
	before := v.ResidentMB()
	b := v.dialBare(t)
	ended := make(chan int, 1)
	go func() {
		for i := 0; ; i++ {
			stream := uint32(2*i + 1)
			if b.open(stream) != nil || b.WriteRSTStream(stream, http2.ErrCodeCancel) != nil {
				ended <- i
				return
			}
		}
	}()
	v.serves(t, before)
	select {
	case <-ended:
	case <-time.After(20 * time.Second):
		t.Fatal("it goes on")
	}
}

// controlFrames sends what must be answered, and reads no answer: the server may stop reading, or end it.
func (v *victim) controlFrames(t *testing.T) {
	before := v.ResidentMB()
	var floods sync.WaitGroup
	for _, write := range []func(*bare) error{
		func(b *bare) error { return b.WritePing(false, [8]byte{1}) },
		func(b *bare) error { return b.WriteSettings() },
	} {
		b := v.dialBare(t)
		floods.Add(1)
		go func() {
			defer floods.Done()
			writeOn(b, func() error { return write(b) })
		}()
	}
	v.serves(t, before)
	floods.Wait()
	v.serves(t, before)
}

// headersWithoutEnd sends CONTINUATION frames until it is stopped.
func (v *victim) headersWithoutEnd(t *testing.T) {
	before := v.ResidentMB()
	b := v.dialBare(t)
	require.NoError(t, b.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: []byte{0x82}}))
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		writeOn(b, func() error { return b.WriteContinuation(1, false, bytes.Repeat([]byte{0x86}, 10000)) })
	}()
	v.serves(t, before)
	<-ended
	require.True(t, endsWithin(b, 20*time.Second))
}

// unread asks for much on many streams, with all the windows that it can give, and reads nothing.
func (v *victim) unread(t *testing.T) {
	before := v.ResidentMB()
	b := v.dialBare(t)
	require.NoError(t, b.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1 << 30}))
	require.NoError(t, b.WriteWindowUpdate(0, 1<<30))
	done := make(chan struct{})
	go func() {
		defer close(done)
		stream := uint32(1)
		writeOn(b, func() error {
			b.buffer.Reset()
			for _, field := range []hpack.HeaderField{{Name: ":method", Value: "GET"}, {Name: ":scheme", Value: "http"},
				{Name: ":path", Value: "/metrics"}, {Name: ":authority", Value: "test"}} {
				b.encoder.WriteField(field)
			}
			err := b.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: b.buffer.Bytes(), EndHeaders: true,
				EndStream: true})
			stream += 2
			return err
		})
	}()
	v.serves(t, before)
	<-done
	v.serves(t, before)
	harness.Eventually(t, 40*time.Second, "it is given up", func() bool {
		b.socket.SetWriteDeadline(time.Now().Add(time.Second)) // Go's TLS ends for good with a write that takes too long
		_, err := b.socket.Write([]byte{0})
		timeout, ok := err.(net.Error)
		return err != nil && !(ok && timeout.Timeout())
	})
}

// slow begins what it does not go on with: a greeting, a handshake, headers, a body.
func (v *victim) slow(t *testing.T) {
	before := v.ResidentMB()
	beginnings := []string{"P", "GET / HTTP/1.1\r\nHost: h\r\nX: ", http2.ClientPreface[:20]}
	var conns []net.Conn
	for i := 0; i < 100; i++ {
		conn, err := net.Dial("tcp", v.Address)
		require.NoError(t, err)
		_, err = conn.Write([]byte{0x16})
		require.NoError(t, err)
		if v.tls != nil || i == 0 {
			conns = append(conns, conn)
		}
		for _, beginning := range beginnings {
			protocol := "h2"
			if strings.HasPrefix(beginning, "GET") {
				protocol = "http/1.1"
			}
			if v.tls != nil && i > 10 {
				continue
			}
			conn, _ := v.dial(t, protocol)
			_, err := conn.Write([]byte(beginning))
			require.NoError(t, err)
			conns = append(conns, conn)
		}
	}
	v.serves(t, before)
	var ends sync.WaitGroup
	for _, conn := range conns {
		ends.Add(1)
		go func(conn net.Conn) {
			defer ends.Done()
			if !endsWithin(conn, 20*time.Second) {
				t.Errorf("a connection that goes on with nothing is still there")
			}
			conn.Close()
		}(conn)
	}
	v.serves(t, before)
	ends.Wait()
}

// pages asks for what a store shows over HTTP/1 and HTTP/2.
func (v *victim) pages(t *testing.T) {
	scheme := "http"
	if v.tls != nil {
		scheme = "https"
	}
	for _, h2 := range []bool{false, true} {
		transport := &http.Transport{TLSClientConfig: v.tls, ForceAttemptHTTP2: h2}
		client := http.Client{Transport: transport, Timeout: 10 * time.Second}
		for _, address := range []string{v.Address, v.Status} {
			for path, part := range map[string]string{"/metrics": "process_cpu_seconds_total", "/status": "version",
				"/health": "true"} {
				response, err := client.Get(fmt.Sprintf("%s://%s%s", scheme, address, path))
				require.NoError(t, err)
				body, err := io.ReadAll(response.Body)
				require.NoError(t, err)
				response.Body.Close()
				require.Equal(t, http.StatusOK, response.StatusCode)
				require.Contains(t, string(body), part)
				require.Equal(t, v.tls != nil && h2 && address == v.Address, response.ProtoMajor == 2)
			}
		}
		transport.CloseIdleConnections()
	}
}
