package labcli

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"meshrotate/reconciler/cli"
)

// Bench is what `meshrotate bench -o json` prints. Its counts and ratios hold on any machine, and CPU within the same kind of
// processor; seconds and milliseconds of the clock do not.
type Bench struct {
	Relays   int  `json:"relays"`
	Parallel int  `json:"parallel"`
	Cost          // of a plan
	Apply    Cost `json:"apply"`
	Drift    Cost `json:"drift"`
	// HTTPS is the same where WinRM has certificates; what stands above is over HTTP, sealed by NTLM.
	HTTPS Verbs `json:"https"`
	// OutageRelayOverFloor is the longest outage of a relay of the fleet over what its service needs to stop and to connect again.
	OutageRelayOverFloor float64 `json:"outage_relay_over_floor"`
	// OutageFleetOverOne is the fleet's outage, from the first relay's stop to the last one's return, over that of a relay on its
	// own. Each relay is down for its own restart and waits for no other, so what is above 1 is that they crowd each other.
	OutageFleetOverOne float64 `json:"outage_fleet_over_one"`
	OutageS            float64 `json:"outage_s"`
	OutageOneS         float64 `json:"outage_one_s"`
	// PlanOverFloor is the time of a plan over that of the PowerShell starts it must wait for, one round after another.
	// MachineOverFloor is what this machine could do at best: the CPU that the program and the lab took, on all of its
	// processors, over the same. Where it is near 1 or above, the first says something of the machine alone.
	PlanOverFloor    float64 `json:"plan_over_floor"`
	MachineOverFloor float64 `json:"machine_over_floor"`
	PlanMS           float64 `json:"plan_ms"`
	FloorMS          float64 `json:"floor_ms"`
	// MemoryMB is the most memory that a verb used, resident, in 10^6 bytes; 0 where it cannot be measured.
	MemoryMB   float64 `json:"memory_mb"`
	StartCPUMS float64 `json:"start_cpu_ms"` // of `--help` and `validate`, the slower one's median
	PlanJSONMB float64 `json:"plan_json_mb"` // a saved plan, in 10^6 bytes
	// LedgerKB is what the rotation added to the ledger, in 10^3 bytes.
	LedgerKB float64 `json:"ledger_kb"`
	// Peers are other clients of WinRM, as far as they are on PATH.
	Peers []Peer `json:"peers"`
}

// Verbs are what each of them takes.
type Verbs struct {
	Plan  Cost `json:"plan"`
	Apply Cost `json:"apply"`
	Drift Cost `json:"drift"`
}

// Cost is what a verb takes for each host, in the program's own process: the whole of it, its start included.
type Cost struct {
	ClientCPUMSPerHost float64 `json:"client_cpu_ms_per_host"`
	AllocsPerHost      float64 `json:"allocs_per_host"`
	BytesPerHost       float64 `json:"bytes_per_host"`      // allocated
	RequestsPerHost    float64 `json:"requests_per_host"`   // over HTTP
	PowerShellPerHost  float64 `json:"powershell_per_host"` // processes
}

type benchFlags struct {
	relays, parallel int
	powershell       time.Duration
	runs, peers      int
}

func benchCommand(io cli.Stdio) *cobra.Command {
	var f benchFlags
	c := &cobra.Command{
		Use:   "bench",
		Short: "Measure speed and memory on a lab",
		Long: `Start a lab as a process of its own and run this program against it as an
operator would, one process for each verb. It prints what each verb costs for
each host, and ratios: of a relay's outage to what its service itself needs, of
a fleet's outage (from the first relay's stop to the last one's return) to that
of a relay on its own. Counts, CPU and ratios hold across machines; times of
the clock do not.

It measures over HTTP sealed by NTLM, and over HTTPS. Beside it pywinrm, Ansible
and masterzen/winrm run hostname on some of the hosts, where they are on PATH.`,
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
	c.Flags().IntVar(&f.peers, "peers", 20, "on how many hosts to run pywinrm, Ansible and masterzen/winrm, where they are on PATH; 0: none")
	return c
}

func (b Bench) print(io cli.Stdio) {
	row := func(what, value, than string) { fmt.Fprintf(io.Out, "%-36s %10s   %s\n", what, value, than) }
	each := func(verb string, c Cost) {
		row(verb+", for each host", fmt.Sprintf("%.2f ms", c.ClientCPUMSPerHost), fmt.Sprintf("of CPU; %.0f allocations, %.0f KB; %.1f requests, %.1f PowerShell",
			c.AllocsPerHost, c.BytesPerHost/1e3, c.RequestsPerHost, c.PowerShellPerHost))
	}
	each("plan", b.Cost)
	each("apply", b.Apply)
	each("drift", b.Drift)
	each("plan over HTTPS", b.HTTPS.Plan)
	each("apply over HTTPS", b.HTTPS.Apply)
	each("drift over HTTPS", b.HTTPS.Drift)
	for _, p := range b.Peers {
		if p.Absent != "" {
			row(p.Name, "-", p.Absent)
			continue
		}
		row(p.Name+", for each host", fmt.Sprintf("%.2f ms", p.ClientCPUMSPerHost), fmt.Sprintf("of CPU for `hostname` on %d hosts; %d failed", p.Hosts, p.Failed))
	}
	row("outage of a relay over its restart", fmt.Sprintf("%.2f", b.OutageRelayOverFloor), "the longest of the fleet")
	row("outage of the fleet over one relay", fmt.Sprintf("%.2f", b.OutageFleetOverOne), fmt.Sprintf("%.1f s over %.1f s", b.OutageS, b.OutageOneS))
	row("plan over floor", fmt.Sprintf("%.2f", b.PlanOverFloor), fmt.Sprintf("this machine's CPU allows %.2f; %.0f ms, floor %.0f ms, %d relays, %d at once", b.MachineOverFloor, b.PlanMS, b.FloorMS, b.Relays, b.Parallel))
	row("memory", fmt.Sprintf("%.0f MB", b.MemoryMB), "the most of plan, apply and drift, resident")
	row("saved plan", fmt.Sprintf("%.1f MB", b.PlanJSONMB), "")
	row("ledger", fmt.Sprintf("%.1f KB", b.LedgerKB), "that a rotation adds")
	row("start", fmt.Sprintf("%.1f ms", b.StartCPUMS), "of CPU; --help and validate, the slower")
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
	err = f.onLab(ctx, self, 1, func(l *child) error {
		if err := b.starts(ctx, l); err != nil {
			return err
		}
		if _, err := l.verb(ctx, cli.ExitOK, "apply", "--yes"); err != nil {
			return err
		}
		b.OutageOneS, _, err = l.outages(ctx)
		return err
	})
	if err != nil {
		return nil, err
	}
	say(fmt.Sprintf("%d relays", f.relays))
	if err := f.onLab(ctx, self, f.relays, func(l *child) error { return f.measure(ctx, l, b, say) }); err != nil {
		return nil, err
	}
	say(fmt.Sprintf("%d relays over HTTPS", f.relays))
	if err := f.onLab(ctx, self, f.relays, func(l *child) (err error) { b.HTTPS, err = f.verbs(ctx, l, b, say); return err }, "--https"); err != nil {
		return nil, err
	}
	b.OutageFleetOverOne = b.OutageS / b.OutageOneS
	b.PlanOverFloor = b.PlanMS / b.FloorMS
	return b, nil
}

// measure runs the verbs against a fleet, and the peers.
func (f benchFlags) measure(ctx context.Context, l *child, b *Bench, say func(string)) (err error) {
	if f.peers > 0 {
		say("peers")
		if b.Peers, err = f.measurePeers(ctx, l); err != nil {
			return err
		}
	}
	var plans []ran
	for range f.runs - 1 { // verbs runs the last
		run, err := f.cost(ctx, l, b, say, cli.ExitPending, "plan")
		if err != nil {
			return err
		}
		plans = append(plans, run)
	}
	ledger := l.size(".meshrotate", "ledger.jsonl")
	verbs, err := f.verbs(ctx, l, b, say, &plans)
	if err != nil {
		return err
	}
	b.LedgerKB = (l.size(".meshrotate", "ledger.jsonl") - ledger) / 1e3
	b.PlanJSONMB = l.size(savedPlan) / 1e6
	b.PlanMS = median(plans, func(r ran) float64 { return r.ms })
	b.MachineOverFloor = median(plans, func(r ran) float64 { return r.cpuMS + r.labMS }) / float64(runtime.NumCPU()) / b.FloorMS
	b.Cost, b.Apply, b.Drift = verbs.Plan, verbs.Apply, verbs.Drift
	b.ClientCPUMSPerHost = median(plans, func(r ran) float64 { return r.ClientCPUMSPerHost })
	fleet, longest, err := l.outages(ctx)
	b.OutageS, b.OutageRelayOverFloor = fleet, longest/l.restartS
	return err
}

// verbs runs each once, and adds the plan to others.
func (f benchFlags) verbs(ctx context.Context, l *child, b *Bench, say func(string), others ...*[]ran) (v Verbs, err error) {
	planned, err := f.cost(ctx, l, b, say, cli.ExitPending, "plan", "--out", savedPlan)
	if err != nil {
		return v, err
	}
	for _, all := range others {
		*all = append(*all, planned)
	}
	applied, err := f.cost(ctx, l, b, say, cli.ExitOK, "apply", "--yes")
	if err != nil {
		return v, err
	}
	drifted, err := f.cost(ctx, l, b, say, cli.ExitOK, "drift")
	return Verbs{planned.Cost, applied.Cost, drifted.Cost}, err
}

func (f benchFlags) cost(ctx context.Context, l *child, b *Bench, say func(string), want int, args ...string) (ran, error) {
	say(args[0])
	r, err := l.verb(ctx, want, append(args, "--parallel", strconv.Itoa(f.parallel))...)
	b.MemoryMB = max(b.MemoryMB, r.memoryMB)
	return r, err
}

// starts measures what needs no host, with a document that names few.
func (b *Bench) starts(ctx context.Context, l *child) error {
	for _, args := range [][]string{{"--help"}, {"validate"}} {
		var starts []ran
		for range 11 {
			run, err := l.verb(ctx, cli.ExitOK, args...)
			if err != nil {
				return err
			}
			starts = append(starts, run)
		}
		b.StartCPUMS = max(b.StartCPUMS, median(starts, func(r ran) float64 { return r.cpuMS }))
	}
	return nil
}

func median(all []ran, of func(ran) float64) float64 {
	var values []float64
	for _, r := range all {
		values = append(values, of(r))
	}
	slices.Sort(values)
	return values[len(values)/2]
}
