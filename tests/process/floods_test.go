package process

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/pingcap/kvproto/pkg/kvrpcpb"
	"github.com/pingcap/kvproto/pkg/tikvpb"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"cairn.test/harness"
)

// What a flood may cost a process at most, in MB.
const floodMB = 160

// TestConnectionsBeyondTheLimitAreClosedAndServiceGoesOn holds more connections than a process of 1,024 files may have.
func TestConnectionsBeyondTheLimitAreClosedAndServiceGoesOn(t *testing.T) {
	c, _ := newCluster(t, harness.Options{Stores: 1,
		Where: func(int) (string, []string) { return "127.0.0.1", []string{"prlimit", "--nofile=1024:1024"} }})
	client := rawClient(t, c)
	require.NoError(t, client.Put(context.Background(), []byte("k"), []byte("v")))
	for _, p := range []*harness.Process{c.Stores[0], c.PD} { // PD may have more files: it takes them all
		var conns []net.Conn
		for i := 0; i < 3000; i++ {
			if conn, err := net.DialTimeout("tcp", p.Address, time.Second); err == nil {
				conns = append(conns, conn)
			}
		}
		// Who was there before is served; the engine has its files.
		for i := 0; i < 100; i++ {
			require.NoError(t, client.Put(context.Background(), []byte(fmt.Sprint(i)), []byte("v")))
		}
		for _, conn := range conns {
			conn.Close()
		}
		harness.Eventually(t, 10*time.Second, "newcomers are served", func() bool {
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			conn, err := grpc.DialContext(ctx, p.Address, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithBlock())
			if err != nil {
				return false
			}
			conn.Close()
			return true
		})
	}
	require.Contains(t, c.Stores[0].LogText(), "which is all that there may be")
}

// TestASmallMessageThatAsksForAGigabyteCostsLittle asks in one message for 16,000 values of 64 KiB and reads no answer.
func TestASmallMessageThatAsksForAGigabyteCostsLittle(t *testing.T) {
	c, pdc := newCluster(t, harness.Options{Stores: 1})
	require.NoError(t, rawClient(t, c).Put(context.Background(), []byte("k"), bytes.Repeat([]byte("v"), 64<<10)))
	region, err := pdc.GetRegion(context.Background(), []byte("k"))
	require.NoError(t, err)
	store := c.Stores[0]
	conn, err := grpc.Dial(store.Address, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(1<<30)))
	require.NoError(t, err)
	defer conn.Close()
	stream, err := tikvpb.NewTikvClient(conn).BatchCommands(context.Background())
	require.NoError(t, err)
	const count = 16000
	batch := &tikvpb.BatchCommandsRequest{}
	for i := uint64(0); i < count; i++ {
		batch.RequestIds = append(batch.RequestIds, i)
		batch.Requests = append(batch.Requests, &tikvpb.BatchCommandsRequest_Request{
			Cmd: &tikvpb.BatchCommandsRequest_Request_RawGet{RawGet: &kvrpcpb.RawGetRequest{Key: []byte("k"),
				Context: &kvrpcpb.Context{RegionId: region.Meta.Id, RegionEpoch: region.Meta.RegionEpoch, Peer: region.Leader}}}})
	}
	before := store.ResidentMB()
	require.NoError(t, stream.Send(batch))
	for i := 0; i < 50; i++ {
		require.NoError(t, rawClient(t, c).Put(context.Background(), []byte("other"), []byte("v")), "others are served")
		require.Less(t, store.ResidentMB()-before, float64(floodMB))
	}
	seen := 0
	for seen < count {
		answer, err := stream.Recv()
		require.NoError(t, err)
		for _, one := range answer.Responses {
			require.Len(t, one.GetRawGet().GetValue(), 64<<10, one.String())
			seen++
		}
		require.Less(t, store.ResidentMB()-before, float64(floodMB))
	}
}

// bare is a connection of HTTP/2 on which a test says what it likes.
type bare struct {
	net.Conn
	socket net.Conn // below TLS, where a test needs it
	*http2.Framer
	encoder *hpack.Encoder
	buffer  bytes.Buffer
}

func dialBare(t *testing.T, address string) *bare {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	_, err = conn.Write([]byte(http2.ClientPreface))
	require.NoError(t, err)
	b := &bare{Conn: conn, Framer: http2.NewFramer(conn, conn)}
	b.encoder = hpack.NewEncoder(&b.buffer)
	require.NoError(t, b.WriteSettings())
	return b
}

func (b *bare) open(stream uint32, more ...hpack.HeaderField) error {
	b.buffer.Reset()
	for _, field := range append([]hpack.HeaderField{{Name: ":method", Value: "POST"}, {Name: ":scheme", Value: "http"},
		{Name: ":path", Value: "/tikvpb.Tikv/RawGet"}, {Name: ":authority", Value: "test"},
		{Name: "content-type", Value: "application/grpc"}, {Name: "te", Value: "trailers"}}, more...) {
		b.encoder.WriteField(field)
	}
	return b.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: b.buffer.Bytes(), EndHeaders: true})
}

// status waits for the end of a stream and returns its grpc-status; "" if the connection or the stream ends without one.
func (b *bare) status(stream uint32) string {
	status := ""
	decoder := hpack.NewDecoder(4096, func(field hpack.HeaderField) {
		if field.Name == "grpc-status" {
			status = field.Value
		}
	})
	b.SetReadDeadline(time.Now().Add(20 * time.Second))
	for {
		frame, err := b.ReadFrame()
		if err != nil {
			return status
		}
		switch frame := frame.(type) {
		case *http2.HeadersFrame:
			decoder.Write(frame.HeaderBlockFragment())
			if frame.StreamID == stream && frame.StreamEnded() {
				return status
			}
		case *http2.RSTStreamFrame:
			if frame.StreamID == stream {
				return status
			}
		}
	}
}

// TestAMessageThatAnnouncesMoreThanIsTakenIsRefusedByItsPrefix says 2 GB and sends little of it.
func TestAMessageThatAnnouncesMoreThanIsTakenIsRefusedByItsPrefix(t *testing.T) {
	c, _ := newCluster(t, harness.Options{Stores: 1})
	b := dialBare(t, c.Stores[0].Address)
	require.NoError(t, b.open(1))
	prefix := make([]byte, 5)
	binary.BigEndian.PutUint32(prefix[1:], 2_000_000_000)
	require.NoError(t, b.WriteData(1, false, prefix))
	require.Equal(t, "8", b.status(1))
}

// TestManyHalfMessagesAreBounded begins messages of 100 MB on many streams and ends none.
func TestManyHalfMessagesAreBounded(t *testing.T) {
	c, _ := newCluster(t, harness.Options{Stores: 1})
	store := c.Stores[0]
	client := rawClient(t, c)
	require.NoError(t, client.Put(context.Background(), []byte("k"), []byte("v")))
	for i := 0; i < 20; i++ {
		b := dialBare(t, store.Address)
		go func() {
			prefix := make([]byte, 5)
			binary.BigEndian.PutUint32(prefix[1:], 100_000_000)
			part := make([]byte, 16<<10)
			for stream := uint32(1); stream < 40; stream += 2 {
				if b.open(stream) != nil || b.WriteData(stream, false, prefix) != nil {
					return
				}
				for i := 0; i < 120; i++ { // within the windows of stream and connection
					if b.WriteData(stream, false, part) != nil {
						return
					}
				}
			}
		}()
	}
	for i := 0; i < 200; i++ {
		require.NoError(t, client.Put(context.Background(), []byte("k"), []byte("v")))
		require.Less(t, store.ResidentMB(), 1300.0)
	}
	require.True(t, store.Running())
}
