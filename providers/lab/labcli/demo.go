package labcli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"meshrotate/providers/lab"
	"meshrotate/reconciler/cli"
	"meshrotate/state"
	"meshrotate/state/file"
)

func demoCommand(stdio cli.Stdio, app func(lookup func(string) (string, bool)) cli.App) *cobra.Command {
	var relays int
	c := &cobra.Command{
		Use:   "demo",
		Short: "Plan and apply against a drifted IdentityMesh on loopback",
		Long: `Start a whole IdentityMesh on loopback, let it drift, and run plan, apply and
plan again against it as an operator would. Then Engine moves to another
machine, and what DPAPI sealed on the first is set again. The demo ends with a
table of what was rotated and how that was proven. Nothing outside this machine
is contacted.

Exit codes: 0 every row is proven and the second plan is empty · 1 otherwise`,
		Example: "  meshrotate demo\n  meshrotate demo -o json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			d := demo{io: stdio, app: app, json: cmd.Flag("output").Value.String() == "json"}
			result, err := d.run(cmd.Context(), relays)
			if err != nil {
				return err
			}
			if d.json {
				err = json.NewEncoder(stdio.Out).Encode(result)
			} else {
				err = d.table(result)
			}
			if err == nil && !result.OK {
				if err = errors.New("the demo did not prove everything: see above"); d.json {
					err = result.cause()
				}
			}
			return err
		},
	}
	c.Flags().IntVar(&relays, "relays", 5, "how many relays")
	return c
}

type demo struct {
	io     cli.Stdio
	app    func(lookup func(string) (string, bool)) cli.App
	json   bool
	lab    *lab.Lab
	dir    string
	failed []DemoFailure
}

func (d *demo) run(ctx context.Context, relays int) (*Demo, error) {
	began := time.Now()
	dir, err := os.MkdirTemp("", "meshrotate-demo-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	d.dir = dir
	if d.lab, err = lab.Start(every(lab.Config{Relays: relays, Dir: dir})); err != nil {
		return nil, err
	}
	defer d.lab.Close()
	d.say("an IdentityMesh on loopback: Admin, Engine, a build host, %d relays, each behind real WinRM, and a model of SQL Server", relays)
	if err := d.drift(ctx); err != nil {
		return nil, err
	}
	before := d.lab.Keys()[d.lab.Admin.Name]
	saved := filepath.Join(dir, "plan.json")
	if !d.verb(ctx, cli.ExitPending, "plan", "--out", saved) {
		return &Demo{Secrets: []DemoSecret{}, Failed: d.failed}, nil
	}
	d.verb(ctx, cli.ExitOK, "apply", saved)
	result := &Demo{SecondPlanEmpty: d.verb(ctx, cli.ExitOK, "plan")}
	result.Secrets, err = d.rows(ctx, before)
	if err != nil {
		return nil, err
	}
	moved, err := d.move(ctx)
	if err != nil {
		return nil, err
	}
	result.Secrets = append(result.Secrets, moved)
	result.Failed = d.failed
	result.OK = len(d.failed) == 0 && len(result.Secrets) > 0
	for _, row := range result.Secrets {
		result.OK = result.OK && row.Proven
	}
	result.Seconds = time.Since(began).Seconds()
	return result, nil
}

// drift waits until the lab is up, then changes things behind meshrotate's back.
func (d *demo) drift(ctx context.Context) error {
	for d.lab.Connected() < len(d.lab.Relays) {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
	if len(d.lab.Relays) < 2 {
		return nil
	}
	defer d.settle(ctx)
	for what, host := range map[string]string{"key": d.lab.Relays[0].Name, "stop": d.lab.Relays[len(d.lab.Relays)-1].Name} {
		text, err := d.lab.Break(what, host)
		if err != nil {
			return err
		}
		d.say("drift: %s", text)
	}
	return nil
}

// settle waits until no relay is about to start or to stop, and Admin's own list, which is late, says that the two are gone: a saved
// plan is refused when what it was made of has changed.
func (d *demo) settle(ctx context.Context) {
	for since := time.Now(); d.lab.Listed() > len(d.lab.Relays)-2 && ctx.Err() == nil && time.Since(since) < time.Minute; {
		time.Sleep(20 * time.Millisecond)
	}
	for _, h := range d.lab.Relays {
		for ctx.Err() == nil && strings.HasSuffix(string(h.Machine.Service(lab.RelayService).State), "Pending") {
			time.Sleep(20 * time.Millisecond)
		}
	}
}

// verb runs a verb as an operator would, shows what it wrote, and says whether it ended as it should.
func (d *demo) verb(ctx context.Context, want int, args ...string) bool {
	d.say("$ meshrotate %s", strings.Join(args, " "))
	var out, said bytes.Buffer
	stdio := d.io
	stdio.Out, stdio.OutTerminal = &out, false
	if d.json {
		stdio.Err, stdio.ErrTerminal = &said, false
	}
	code := cli.Main(ctx, append(args, "-f", filepath.Join(d.dir, "meshrotate.yaml")), stdio, d.app(d.lab.Env))
	d.show(out.Bytes())
	if code != want {
		text := strings.TrimSpace(out.String() + "\n" + said.String())
		d.failed = append(d.failed, DemoFailure{Verb: args[0], Code: code, Want: want, Said: text})
	}
	return code == want
}

// rows are what the ledger says of this run, and whether the lab agrees.
func (d *demo) rows(ctx context.Context, oldKey string) ([]DemoSecret, error) {
	store, err := file.Open(filepath.Join(d.dir, ".meshrotate"))
	if err != nil {
		return nil, err
	}
	entries, err := store.Entries(ctx)
	if err != nil {
		return nil, err
	}
	var rows []DemoSecret
	for _, r := range state.NewHistory(entries).Rotations("") {
		if r.Run == lab.SeedRun {
			continue
		}
		kind, of := r.Secret, ""
		if i := strings.IndexAny(kind, ":-"); i > 0 { // one of several of a kind
			kind, of = kind[:i], kind[i+1:]
		}
		if host := slices.IndexFunc(rows, func(row DemoSecret) bool { return row.Kind == kind && of == "build" }); host >= 0 { // a further round of the same
			rows[host].Proof = append(rows[host].Proof, strings.Split(r.Detail, "; ")...)
			rows[host].Proven = rows[host].Proven && r.Outcome == state.Proven
			continue
		}
		row := DemoSecret{Kind: kind, Before: r.Before, After: r.Version, Proof: strings.Split(r.Detail, "; ")}
		for _, o := range r.Outages {
			if !strings.Contains(o.What, ".") { // the fleet's, not each relay's
				row.Outages = append(row.Outages, o)
			}
		}
		var agrees bool
		row.Lab, agrees = d.witness(kind, of, oldKey)
		row.Proven = r.Outcome == state.Proven && agrees
		rows = append(rows, row)
	}
	return rows, nil
}

// move puts Engine on another machine, where DPAPI opens nothing that was sealed before: drift says so, and apply sets it again. The row
// has the machines, by the first digits of their MachineGuid.
func (d *demo) move(ctx context.Context) (row DemoSecret, err error) {
	machine := func() string { id, _ := d.lab.EngineHost.Machine.Whose(); return id[:8] }
	row = DemoSecret{Kind: "dpapi", Before: machine()}
	text, err := d.lab.Break("move", d.lab.EngineHost.Name)
	if err != nil {
		return row, err
	}
	d.say("%s", text)
	row.After = machine()
	drifted := d.verb(ctx, cli.ExitPending, "drift", "--only", "connector")
	applied := d.verb(ctx, cli.ExitOK, "apply", "--yes", "--only", "connector")
	row.Proven = row.Before != row.After && drifted && applied
	row.Proof = []string{"drift named the other machine, and apply has set every connector's secret again"}
	if !row.Proven {
		row.Proof = []string{"drift did not name the other machine, or apply did not set every connector's secret again"}
	}
	row.Lab = "each opens on the machine that Engine is on now"
	for _, ref := range d.lab.Refs() {
		if !d.lab.Works(ref) {
			row.Proven, row.Lab = false, ref+" does not open on the machine that Engine is on now"
		}
	}
	return row, nil
}

// witness asks the lab, which knows what really runs.
func (d *demo) witness(kind, of, oldKey string) (string, bool) {
	switch kind {
	case "connector":
		value, _, _ := d.lab.Stored(of)
		_, next := d.lab.ConnectorSecrets(of)
		if value != next || !d.lab.Works(of) {
			return of + " is not stored as declared, or its source does not take it", false
		}
		return of + " opens on the Engine host, and its source takes it", true
	case "relaykey":
		key := d.lab.Keys()[d.lab.Admin.Name]
		n := d.lab.Connected()
		ok := key != oldKey && d.lab.Accepts(key) && !d.lab.Accepts(oldKey) && n == len(d.lab.Relays)
		word := map[bool]string{true: "accepted", false: "refused"}
		return fmt.Sprintf("%d of %d relays are connected, the new key is %s, the old one %s", n, len(d.lab.Relays),
			word[d.lab.Accepts(key)], word[d.lab.Accepts(oldKey)]), ok
	case "license":
		lic := d.lab.Served()
		if lic == nil {
			return "Admin runs without a license", false
		}
		return "Admin runs with the license until " + lic.Expires.Format(time.DateOnly), lic.Expires.After(time.Now().AddDate(0, 6, 0))
	case "codesigning":
		_, next := lab.Certificates()
		for _, h := range d.lab.Relays {
			if !slices.Contains(d.lab.Accepting(h), next.SHA1) || len(d.lab.Rejected()[h.Name]) > 0 {
				return h.Name + " has not loaded the new certificate, or refuses a connector", false
			}
		}
		pinned, signers := d.lab.Pinned()
		signers["the installer"] = d.lab.InstallerBy()
		for name, by := range signers {
			if pinned != next.SHA1 || by != next.SHA1 {
				return "the build host has not built " + name + " with the new certificate", false
			}
		}
		return fmt.Sprintf("%d relays have loaded the new certificate, and all of their connectors; the build host signs with it", len(d.lab.Relays)), true
	case "sqllogin":
		login, ok := d.lab.SignedIn()
		if !ok {
			return "Admin and Engine are not signed in with one login", false
		}
		return "Admin and Engine are signed in as " + login, login == lab.SQLSpare
	case "serviceaccount":
		_, next := d.lab.AccountPasswords()
		for h, service := range map[*lab.Host]string{d.lab.Admin: lab.AdminService, d.lab.EngineHost: lab.EngineService} {
			if account, password, ok := h.Machine.LoggedOn(service); !ok || account != lab.Account || password != next {
				return service + " has not logged on with the new password", false
			}
		}
		return "Admin and Engine have logged on as " + lab.Account + " with the new password", true
	}
	return "the lab does not know this kind", false
}

func (d *demo) say(format string, args ...any) {
	if !d.json {
		fmt.Fprintf(d.io.Out, "\n· "+format+"\n", args...)
	}
}

func (d *demo) show(out []byte) {
	if !d.json {
		fmt.Fprintf(d.io.Out, "\n%s", out)
	}
}
