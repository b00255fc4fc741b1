package process

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"cairn.test/harness"
)

// storeStatus is a line of `cairn ctl store`.
type storeStatus struct {
	ID      uint64 `json:"id"`
	Address string `json:"address"`
	State   string `json:"state_name"`
	Regions int    `json:"region_count"`
	Leaders int    `json:"leader_count"`
}

// ctlStore runs `cairn ctl store`; what it prints, or what it complains of.
func ctlStore(t *testing.T, c *harness.Cluster, args ...string) (string, error) {
	t.Helper()
	var out, complaint bytes.Buffer
	cmd := exec.Command(harness.Binary(t), append([]string{"ctl", "store", "--pd", c.PD.Address}, args...)...)
	cmd.Stdout, cmd.Stderr = &out, &complaint
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%v: %s", err, complaint.String())
	}
	return out.String(), nil
}

func storeStatuses(t *testing.T, c *harness.Cluster) []storeStatus {
	t.Helper()
	out, err := ctlStore(t, c)
	require.NoError(t, err)
	var all []storeStatus
	for _, line := range strings.Split(strings.TrimSpace(out), "\n") {
		var s storeStatus
		require.NoError(t, json.Unmarshal([]byte(line), &s), line)
		all = append(all, s)
	}
	return all
}

// statusOf is the newest store at an address.
func statusOf(t *testing.T, c *harness.Cluster, address string) storeStatus {
	t.Helper()
	var found storeStatus
	for _, s := range storeStatuses(t, c) {
		if s.Address == address && s.ID > found.ID {
			found = s
		}
	}
	require.NotZero(t, found.ID, "no store at %s", address)
	return found
}

// atWork writes keys one after another until stop; the number of those that were acknowledged.
func atWork(t *testing.T, c *harness.Cluster) (stop func() int) {
	client := rawClient(t, c)
	var ended atomic.Bool
	t.Cleanup(func() { ended.Store(true) }) // of a test that has failed
	done := make(chan int, 1)
	go func() {
		n := 0
		for !ended.Load() {
			ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
			err := client.Put(ctx, key("work", n), []byte(fmt.Sprint(n)))
			cancel()
			if err != nil && ended.Load() {
				break
			}
			if err != nil {
				t.Errorf("write %d: %v", n, err)
				break
			}
			n++
		}
		done <- n
	}()
	return func() int { ended.Store(true); return <-done }
}

func TestAnEmptyDiskTakesTheAddressOfADeadStoreThatIsRemoved(t *testing.T) {
	c, pdc := newCluster(t, harness.Options{})
	load(t, c, "before", 2000, 64)
	stop := atWork(t, c)
	dead := c.Stores[2]
	old := statusOf(t, c, dead.Address)
	dead.Kill()
	require.NoError(t, os.RemoveAll(c.StoreDir(3)))

	c.Restart(dead)
	require.NotEqual(t, 0, dead.ExitCode(), "the address belongs to the dead store")
	require.Contains(t, dead.LogText(), "duplicated store address")
	_, err := ctlStore(t, c, "delete", fmt.Sprint(old.ID))
	require.ErrorContains(t, err, "since the number of up stores would be 2 while need 3")
	_, err = ctlStore(t, c, "delete", "99999")
	require.ErrorContains(t, err, "store 99999 not found")

	out, err := ctlStore(t, c, "delete", fmt.Sprint(old.ID), "--physically-destroyed")
	require.NoError(t, err)
	require.Contains(t, out, "The store is set as Offline.")
	require.NoError(t, os.RemoveAll(c.StoreDir(3)))
	c.Restart(dead)
	harness.Eventually(t, 120*time.Second, "the old store is a tombstone and the new one has all regions", func() bool {
		all := map[uint64]storeStatus{}
		for _, s := range storeStatuses(t, c) {
			all[s.ID] = s
		}
		heir := statusOf(t, c, dead.Address)
		return all[old.ID].State == "Tombstone" && heir.ID != old.ID && heir.State == "Up" && heir.Regions >= old.Regions
	})
	settle(t, c, pdc)
	out, err = ctlStore(t, c, "remove-tombstone")
	require.NoError(t, err)
	require.Contains(t, out, "Remove tombstone successfully.")
	require.Len(t, storeStatuses(t, c), 3)
	acknowledged := stop()
	require.Greater(t, acknowledged, 100)
	requireEqualData(t, c, uint64(2000+acknowledged), 1, 2, 3)
}

func TestAStoreLeavesAndMayStayAfterAll(t *testing.T) {
	c, pdc := newCluster(t, harness.Options{Stores: 4})
	stop := atWork(t, c)
	leaving := statusOf(t, c, leader(t, c, pdc, []byte("x")).Address)
	_, err := ctlStore(t, c, "delete", fmt.Sprint(leaving.ID))
	require.NoError(t, err)
	_, err = ctlStore(t, c, "cancel-delete", fmt.Sprint(leaving.ID))
	require.NoError(t, err)
	require.Equal(t, "Up", statusOf(t, c, leaving.Address).State)
	_, err = ctlStore(t, c, "delete", fmt.Sprint(leaving.ID))
	require.NoError(t, err)
	harness.Eventually(t, 120*time.Second, "the store is empty and a tombstone", func() bool {
		return statusOf(t, c, leaving.Address).State == "Tombstone"
	})
	require.Greater(t, stop(), 10)
	_, err = ctlStore(t, c, "cancel-delete", fmt.Sprint(leaving.ID))
	require.ErrorContains(t, err, "has been removed")
}
