package labcli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"meshrotate/providers/lab"
	"meshrotate/state"
	"meshrotate/state/file"
)

// In a lab's folder.
const (
	savedPlan = "plan.json"
	costs     = "cost.json"
)

// child is a lab in a process of its own.
type child struct {
	self, dir string
	env       []string
	restartS  float64 // what a relay's service needs to stop and to connect again
}

// onLab starts a lab and does the work.
func (f benchFlags) onLab(ctx context.Context, self string, relays int, work func(*child) error, more ...string) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	dir, err := os.MkdirTemp("", "meshrotate-bench-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	cmd := exec.CommandContext(ctx, self, append([]string{"lab", "--relays", strconv.Itoa(relays), "--dir", dir, "--powershell", f.powershell.String()}, more...)...)
	var said bytes.Buffer
	cmd.Stderr = &said
	cmd.Cancel = func() error { return cmd.Process.Kill() }
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan struct{})
	go func() { defer close(ended); _ = cmd.Wait() }() // killed on purpose, or it says why
	defer func() { cancel(); <-ended }()
	l := &child{self: self, dir: dir}
	if err := l.await(ctx, relays, ended); err != nil {
		select {
		case <-ended:
			return fmt.Errorf("the lab ended: %s", bytes.TrimSpace(said.Bytes()))
		default:
			return err
		}
	}
	return work(l)
}

// await waits until the lab runs and every relay is connected.
func (l *child) await(ctx context.Context, relays int, ended <-chan struct{}) error {
	for range 1200 {
		if s, err := l.stats(ctx); err == nil && s.Connected == relays {
			l.restartS = s.RelayRestart
			var err error
			l.env, err = readEnv(filepath.Join(l.dir, "env"))
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ended:
			return errors.New("the lab ended")
		case <-time.After(50 * time.Millisecond):
		}
	}
	return errors.New("the lab's relays do not connect")
}

// size is a file's in the lab's folder, in bytes; 0 when it is not there.
func (l *child) size(path ...string) float64 {
	info, err := os.Stat(filepath.Join(append([]string{l.dir}, path...)...))
	if err != nil {
		return 0
	}
	return float64(info.Size())
}

func (l *child) stats(ctx context.Context) (s lab.Stats, err error) {
	text, err := lab.Command(ctx, l.dir, "stats")
	if err == nil {
		err = json.Unmarshal([]byte(text), &s)
	}
	return s, err
}

// ran is what one process took, and the lab meanwhile.
type ran struct {
	ms, memoryMB, cpuMS, labMS float64
	Cost
}

// verb runs this program in the lab's folder.
func (l *child) verb(ctx context.Context, want int, args ...string) (r ran, err error) {
	before, err := l.stats(ctx)
	if err != nil {
		return r, err
	}
	cmd := exec.CommandContext(ctx, l.self, args...)
	// In a cache of its own it finds no records that other processes have left behind, which say nothing of what it costs.
	cmd.Dir, cmd.Env = l.dir, append(os.Environ(), append(l.env, costFile+"="+filepath.Join(l.dir, costs), "XDG_CACHE_HOME="+filepath.Join(l.dir, "cache"))...)
	began := time.Now()
	out, err := cmd.CombinedOutput()
	r.ms = float64(time.Since(began).Microseconds()) / 1000
	if cmd.ProcessState == nil {
		return r, err
	}
	r.memoryMB = residentMB(cmd.ProcessState)
	r.cpuMS = milliseconds(cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime())
	if got := cmd.ProcessState.ExitCode(); got != want {
		return r, fmt.Errorf("%v ended with %d instead of %d: %s", args, got, want, bytes.TrimSpace(out[max(0, len(out)-2000):]))
	}
	after, err := l.stats(ctx)
	if err != nil {
		return r, err
	}
	r.labMS = after.CPUMS - before.CPUMS
	told, err := os.ReadFile(filepath.Join(l.dir, costs))
	if err != nil {
		return r, err
	}
	var own allocated
	if err := json.Unmarshal(told, &own); err != nil {
		return r, err
	}
	hosts := float64(after.Hosts)
	r.Cost = Cost{ClientCPUMSPerHost: r.cpuMS / hosts, AllocsPerHost: float64(own.Objects) / hosts, BytesPerHost: float64(own.Bytes) / hosts,
		RequestsPerHost: float64(after.Requests-before.Requests) / hosts, PowerShellPerHost: float64(after.Processes-before.Processes) / hosts}
	return r, nil
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// outages are what the ledger says of the relays: the fleet's, and the longest of a single one, in seconds.
func (l *child) outages(ctx context.Context) (fleet, longest float64, err error) {
	store, err := file.Open(filepath.Join(l.dir, ".meshrotate"))
	if err != nil {
		return 0, 0, err
	}
	entries, err := store.Entries(ctx)
	if err != nil {
		return 0, 0, err
	}
	for _, o := range state.NewHistory(entries).Outages("relaykey") {
		switch {
		case o.What == "relays":
			fleet = o.Measured
		case strings.HasPrefix(o.What, "relay-"):
			longest = max(longest, o.Measured)
		}
	}
	if fleet == 0 {
		fleet = longest // of one relay
	}
	if fleet == 0 {
		return 0, 0, errors.New("the ledger holds no outage of the relays")
	}
	return fleet, longest, nil
}
