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
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"meshrotate/providers/lab"
	"meshrotate/reconciler/cli"
	"meshrotate/state"
	"meshrotate/state/file"
)

// Bench is what `meshrotate bench -o json` prints.
type Bench struct {
	Relays   int `json:"relays"`
	Parallel int `json:"parallel"`
	// PlanOverFloor is the time of a plan over that of the PowerShell starts it must wait for, one round after another.
	PlanOverFloor     float64 `json:"plan_over_floor"`
	PlanMS            float64 `json:"plan_ms"`
	FloorMS           float64 `json:"floor_ms"`
	RequestsPerHost   int64   `json:"requests_per_host"`   // HTTP requests, of the host with the most
	PowerShellPerHost int64   `json:"powershell_per_host"` // processes, of the host with the most
	// OutageOverOne is the fleet's outage, from the first relay's stop to the last one's return, over that of a relay on its
	// own. Each relay is down for its own restart and waits for no other, so what is above 1 is that they crowd each other.
	OutageOverOne float64 `json:"outage_over_one"`
	OutageS       float64 `json:"outage_s"`
	OutageOneS    float64 `json:"outage_one_s"`
	// MemoryMB is the most memory that plan and apply used, resident, in 10^6 bytes; 0 where it cannot be measured.
	MemoryMB float64 `json:"memory_mb"`
	StartMS  float64 `json:"start_ms"` // of `--help` and `validate`, the slower one's median
}

type benchFlags struct {
	relays, parallel int
	powershell       time.Duration
	runs             int
}

func benchCommand(io cli.Stdio) *cobra.Command {
	var f benchFlags
	c := &cobra.Command{
		Use:   "bench",
		Short: "Measure speed and memory on a lab",
		Long: `Start a lab as a process of its own and run this program against it as an
operator would, one process for each verb. It prints ratios: of a plan to the
PowerShell starts that it must wait for, of a fleet's outage (from the first
relay's stop to the last one's return) to that of a relay on its own. Ratios
hold across machines; milliseconds do not.`,
		Example: "  meshrotate bench\n  meshrotate bench --relays 100 -o json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			b, err := f.run(cmd.Context(), io)
			if err != nil {
				return err
			}
			if cmd.Flag("output").Value.String() == "json" {
				return json.NewEncoder(io.Out).Encode(b)
			}
			b.print(io)
			return nil
		},
	}
	c.Flags().IntVar(&f.relays, "relays", 1000, "how many relays")
	c.Flags().IntVar(&f.parallel, "parallel", 500, "how many of them at once")
	c.Flags().DurationVar(&f.powershell, "powershell", 400*time.Millisecond, "how long the emulated PowerShell takes to start")
	c.Flags().IntVar(&f.runs, "runs", 3, "how many plans to take the median of")
	return c
}

func (b Bench) print(io cli.Stdio) {
	row := func(what, value, than string) { fmt.Fprintf(io.Out, "%-34s %12s   %s\n", what, value, than) }
	row("plan over floor", fmt.Sprintf("%.2f", b.PlanOverFloor), fmt.Sprintf("%.0f ms; floor %.0f ms, %d relays, %d at once", b.PlanMS, b.FloorMS, b.Relays, b.Parallel))
	row("HTTP requests per host", strconv.FormatInt(b.RequestsPerHost, 10), "of one plan, the host with the most")
	row("PowerShell processes per host", strconv.FormatInt(b.PowerShellPerHost, 10), "of one plan, the host with the most")
	row("outage of the fleet over one relay", fmt.Sprintf("%.2f", b.OutageOverOne), fmt.Sprintf("%.1f s over %.1f s", b.OutageS, b.OutageOneS))
	row("memory", fmt.Sprintf("%.0f MB", b.MemoryMB), "the most of plan and apply, resident")
	row("start", fmt.Sprintf("%.0f ms", b.StartMS), "of --help and validate, the slower")
}

func (f benchFlags) run(ctx context.Context, io cli.Stdio) (*Bench, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	b := &Bench{Relays: f.relays, Parallel: f.parallel}
	rounds := (f.relays + f.parallel - 1) / f.parallel
	b.FloorMS = float64(f.powershell.Milliseconds()) * float64(max(1, rounds))
	say := func(text string) { fmt.Fprintln(io.Err, "bench: "+text) }
	say("one relay")
	one, err := f.onLab(ctx, self, 1, func(l *child) error { _, err := l.apply(ctx, f.parallel); return err })
	if err != nil {
		return nil, err
	}
	b.OutageOneS = one
	say(fmt.Sprintf("%d relays", f.relays))
	b.OutageS, err = f.onLab(ctx, self, f.relays, func(l *child) error { return f.measure(ctx, l, b, say) })
	if err != nil {
		return nil, err
	}
	if b.OutageOneS > 0 {
		b.OutageOverOne = b.OutageS / b.OutageOneS
	}
	b.PlanOverFloor = b.PlanMS / b.FloorMS
	return b, nil
}

// measure runs the verbs against a fleet.
func (f benchFlags) measure(ctx context.Context, l *child, b *Bench, say func(string)) error {
	var plans []float64
	for i := range f.runs {
		before, err := l.stats(ctx)
		if err != nil {
			return err
		}
		say(fmt.Sprintf("plan %d of %d", i+1, f.runs))
		run, err := l.verb(ctx, cli.ExitPending, "plan", "--parallel", strconv.Itoa(f.parallel))
		if err != nil {
			return err
		}
		after, err := l.stats(ctx)
		if err != nil {
			return err
		}
		plans = append(plans, run.ms)
		b.MemoryMB = max(b.MemoryMB, run.memoryMB)
		if i == 0 { // the host that got the most got it in this plan: the lab is new
			b.RequestsPerHost, b.PowerShellPerHost = after.MostRequests-before.MostRequests, after.MostProcesses-before.MostProcesses
		}
	}
	b.PlanMS = median(plans)
	for _, args := range [][]string{{"--help"}, {"validate"}} {
		var starts []float64
		for range 11 {
			run, err := l.verb(ctx, cli.ExitOK, args...)
			if err != nil {
				return err
			}
			starts = append(starts, run.ms)
		}
		b.StartMS = max(b.StartMS, median(starts))
	}
	say("apply")
	run, err := l.apply(ctx, f.parallel)
	b.MemoryMB = max(b.MemoryMB, run.memoryMB)
	return err
}

func median(all []float64) float64 {
	all = slices.Sorted(slices.Values(all))
	return all[len(all)/2]
}

// child is a lab in a process of its own.
type child struct {
	self, dir string
	env       []string
}

// onLab starts a lab, does the work, and returns the relays' outage that the ledger recorded, in seconds.
func (f benchFlags) onLab(ctx context.Context, self string, relays int, work func(*child) error) (float64, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	dir, err := os.MkdirTemp("", "meshrotate-bench-")
	if err != nil {
		return 0, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	cmd := exec.CommandContext(ctx, self, "lab", "--relays", strconv.Itoa(relays), "--dir", dir, "--powershell", f.powershell.String())
	cmd.Cancel = func() error { return cmd.Process.Kill() }
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	defer func() { cancel(); _ = cmd.Wait() }() // killed on purpose
	l := &child{self: self, dir: dir}
	if err := l.await(ctx, relays); err != nil {
		return 0, err
	}
	if err := work(l); err != nil {
		return 0, err
	}
	return l.outage(ctx)
}

// await waits until the lab runs and every relay is connected.
func (l *child) await(ctx context.Context, relays int) error {
	for range 1200 {
		if s, err := l.stats(ctx); err == nil && s.Connected == relays {
			var err error
			l.env, err = readEnv(filepath.Join(l.dir, "env"))
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
	return errors.New("the lab's relays do not connect")
}

func (l *child) stats(ctx context.Context) (s lab.Stats, err error) {
	text, err := lab.Command(ctx, l.dir, "stats")
	if err == nil {
		err = json.Unmarshal([]byte(text), &s)
	}
	return s, err
}

// ran is what one process took.
type ran struct{ ms, memoryMB float64 }

// verb runs this program in the lab's folder.
func (l *child) verb(ctx context.Context, want int, args ...string) (ran, error) {
	cmd := exec.CommandContext(ctx, l.self, args...)
	cmd.Dir, cmd.Env = l.dir, append(os.Environ(), l.env...)
	began := time.Now()
	out, err := cmd.CombinedOutput()
	r := ran{ms: float64(time.Since(began).Microseconds()) / 1000}
	if cmd.ProcessState == nil {
		return r, err
	}
	r.memoryMB = residentMB(cmd.ProcessState)
	if got := cmd.ProcessState.ExitCode(); got != want {
		return r, fmt.Errorf("%v ended with %d instead of %d: %s", args, got, want, bytes.TrimSpace(out[max(0, len(out)-2000):]))
	}
	return r, nil
}

func (l *child) apply(ctx context.Context, parallel int) (ran, error) {
	return l.verb(ctx, cli.ExitOK, "apply", "--yes", "--parallel", strconv.Itoa(parallel))
}

// outage is what the ledger says the relays' was.
func (l *child) outage(ctx context.Context) (float64, error) {
	store, err := file.Open(filepath.Join(l.dir, ".meshrotate"))
	if err != nil {
		return 0, err
	}
	entries, err := store.Entries(ctx)
	if err != nil {
		return 0, err
	}
	for _, o := range state.NewHistory(entries).Outages("relaykey") {
		if o.What == "relays" {
			return o.Measured, nil
		}
	}
	return 0, errors.New("the ledger holds no outage of the relays")
}
