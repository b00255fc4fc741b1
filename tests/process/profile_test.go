package process

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"cairn.test/harness"
)

// fetch gets a page of the status port.
func fetch(t *testing.T, p *harness.Process, page string) (int, []byte) {
	t.Helper()
	response, err := http.Get("http://" + p.Status + page)
	require.NoError(t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return response.StatusCode, body
}

// pprofTop is what `go tool pprof -top` makes of a profile.
func pprofTop(t *testing.T, profile []byte) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "profile")
	require.NoError(t, os.WriteFile(file, profile, 0o644))
	var out bytes.Buffer
	cmd := exec.Command("go", "tool", "pprof", "-top", "-cum", "-symbolize=none", file)
	cmd.Stdout, cmd.Stderr = &out, &out
	require.NoError(t, cmd.Run(), out.String())
	return out.String()
}

// TestProfilesOfARunningStoreAreReadByPprof takes a CPU profile under load, and heap profiles with and without the
// allocator's profiling.
func TestProfilesOfARunningStoreAreReadByPprof(t *testing.T) {
	c, _ := newCluster(t, harness.Options{Stores: 1, Where: func(int) (string, []string) {
		return "127.0.0.1", []string{"env", "MALLOC_CONF=prof:true,lg_prof_sample:12"}
	}})
	store := c.Stores[0]
	client := rawClient(t, c)
	stop := make(chan struct{})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
				client.Put(context.Background(), []byte("k"), bytes.Repeat([]byte("v"), 1000))
			}
		}
	}()
	defer func() { close(stop); <-ended }()
	status, profile := fetch(t, store, "/debug/pprof/profile?seconds=2&frequency=200")
	require.Equal(t, 200, status)
	top := pprofTop(t, profile)
	require.Contains(t, top, "Type: cpu")
	require.Contains(t, top, "cairn")

	status, heap := fetch(t, store, "/debug/pprof/heap")
	require.Equal(t, 200, status, string(heap))
	require.True(t, strings.HasPrefix(string(heap), "heap profile:"))
	require.Contains(t, pprofTop(t, heap), "Type: space")

	status, why := fetch(t, store, "/debug/pprof/profile?seconds=never")
	require.Equal(t, 400, status)
	require.Contains(t, string(why), "seconds is a number")
	status, why = fetch(t, c.PD, "/debug/pprof/heap")
	require.Equal(t, 500, status)
	require.Contains(t, string(why), "MALLOC_CONF=prof:true")
}

// TestSlowRequestsAreLoggedWithTheirKeyAndRedactedOnRequest makes every request a slow one.
func TestSlowRequestsAreLoggedWithTheirKeyAndRedactedOnRequest(t *testing.T) {
	c, _ := newCluster(t, harness.Options{Stores: 1, StoreConfig: "slow-log-threshold = \"1ms\"\n"})
	store := c.Stores[0]
	client := rawClient(t, c)
	logged := func(text string) func() bool {
		return func() bool {
			client.Put(context.Background(), []byte("secret"), bytes.Repeat([]byte("v"), 1<<20))
			return strings.Contains(store.LogText(), text)
		}
	}
	const hex = "736563726574"
	harness.Eventually(t, 20*time.Second, "the key is shown", logged("RawPut of region 2, key "+hex+", took"))
	set := func(value string) {
		response, err := http.Post("http://"+store.Status+"/config", "application/json",
			strings.NewReader(`{"security.redact-info-log":"`+value+`"}`))
		require.NoError(t, err)
		response.Body.Close()
		require.Equal(t, 200, response.StatusCode)
	}
	set("marker")
	harness.Eventually(t, 20*time.Second, "the key is marked", logged("key ‹"+hex+"›, took"))
	set("true")
	harness.Eventually(t, 20*time.Second, "the key is not shown", logged("key ?, took"))
}
