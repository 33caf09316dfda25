package file_test

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"meshrotate/state"
	"meshrotate/state/file"
)

// A fleet that rotates one secret twenty-five times, four steps on each of ten thousand hosts.
const (
	fleetRotations, fleetSteps, fleetHosts = 25, 4, 10_000
)

// fleets are the ways in which names may fold, from best to worst.
var fleets = []struct {
	name  string
	hosts func(rotation, step int) []string
	// what a rotation may take of the file, and what reading all may allocate, in bytes
	perRotation, reading int
}{
	{"counting", func(int, int) []string { return counting }, 5 << 10, 4 << 20},
	{"random", func(int, int) []string { return random }, 15 << 10, 4 << 20},
	{"random, others missing in each rotation", func(r, _ int) []string { return random[r:] }, 120 << 10, 30 << 20},
	{"random, others missing in each step", func(r, s int) []string { return random[r*fleetSteps+s:] }, 500 << 10, 100 << 20},
}

var counting, random = func() (counting, random []string) {
	for i := range fleetHosts {
		counting = append(counting, fmt.Sprintf("relay-%05d.hq.contoso.example", i))
		random = append(random, fmt.Sprintf("%x.hq.contoso.example", sha256.Sum256([]byte{byte(i), byte(i >> 8)}))[54:])
	}
	return counting, random
}()

var fleetStepNames = [fleetSteps]string{"prepare/stage", "switch/stop IdentityMeshRelayAgent", "switch/swap appsettings.json", "switch/start IdentityMeshRelayAgent"}

// writeFleet writes what runs write: each step is announced, then told.
func writeFleet(t testing.TB, dir string, hosts func(r, s int) []string) (size int64) {
	t.Helper()
	s, err := file.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	for r := range fleetRotations {
		word := func(o state.Outcome, step string, hosts []string) state.Entry {
			return state.Entry{Time: time.Date(2026, 1, 1+r, 2, 0, 0, 123456789, time.UTC), Run: fmt.Sprintf("20260101-0200%02d-4f2a91", r), Commit: fmt.Sprintf("%040x", r),
				Plan: fmt.Sprintf("%064x", r), By: "ops@build01", Fence: uint64(r + 1), Secret: "relaykey", Version: fmt.Sprint(r), Before: fmt.Sprint(r - 1), Step: step,
				Hosts: hosts, Outcome: o}
		}
		all := []state.Entry{word(state.Started, "", nil)}
		for step, name := range fleetStepNames {
			all = append(all, word(state.Started, name, hosts(r, step)), word(state.Done, name, hosts(r, step)))
		}
		if err := s.Append(t.Context(), append(all, word(state.Proven, "", nil))...); err != nil {
			t.Fatal(err)
		}
	}
	info, err := os.Stat(filepath.Join(dir, "ledger.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}

// readFleet is what every plan begins with.
func readFleet(t testing.TB, dir string) state.History {
	t.Helper()
	s, err := file.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	entries, err := s.Entries(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return state.NewHistory(entries)
}

// Bytes and allocations are the same on every machine; BenchmarkFleet tells the time on this one.
func TestFleetIsSmall(t *testing.T) {
	for _, f := range fleets {
		dir := t.TempDir()
		if each := int(writeFleet(t, dir, f.hosts)) / fleetRotations; each > f.perRotation {
			t.Errorf("%s: %d bytes per rotation, more than %d", f.name, each, f.perRotation)
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		h := readFleet(t, dir)
		runtime.ReadMemStats(&after)
		if got := int(after.TotalAlloc - before.TotalAlloc); got > f.reading {
			t.Errorf("%s: reading allocates %d bytes, more than %d", f.name, got, f.reading)
		}
		last := fmt.Sprint(fleetRotations - 1)
		for step := range fleetSteps {
			name := fleetStepNames[step]
			hosts := f.hosts(fleetRotations-1, step)
			for _, host := range []string{hosts[0], hosts[len(hosts)/2], hosts[len(hosts)-1]} {
				if _, done := h.StepDone("relaykey", last, name, host); !done {
					t.Errorf("%s: %s is not done on %s", f.name, name, host)
				}
			}
			if _, done := h.StepDone("relaykey", last, name, "nobody"); done {
				t.Errorf("%s: done on nobody", f.name)
			}
		}
	}
}

func BenchmarkFleet(b *testing.B) {
	for _, f := range fleets {
		b.Run(f.name, func(b *testing.B) {
			dir := b.TempDir()
			size := writeFleet(b, dir, f.hosts)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			for b.Loop() {
				readFleet(b, dir)
			}
			runtime.ReadMemStats(&after)
			b.ReportMetric(float64(size)/1e6, "MB-file")
			b.ReportMetric(float64(after.TotalAlloc-before.TotalAlloc)/1e6/float64(b.N), "MB-allocated")
			b.ReportMetric(b.Elapsed().Seconds()*1e3/float64(b.N), "ms")
		})
	}
}

// BenchmarkLookups is a plan that asks about every step of every host.
func BenchmarkLookups(b *testing.B) {
	dir := b.TempDir()
	writeFleet(b, dir, fleets[3].hosts)
	h := readFleet(b, dir)
	for b.Loop() {
		for _, host := range random[100:] {
			if _, done := h.StepDone("relaykey", "24", "switch/start IdentityMeshRelayAgent", host); !done {
				b.Fatal("not done")
			}
		}
	}
}
