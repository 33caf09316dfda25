package render

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"meshrotate/reconciler"
	"meshrotate/reconciler/secret"
	"meshrotate/specs"
	"meshrotate/state"
)

var now = time.Date(2026, 11, 23, 2, 0, 0, 0, time.UTC)

// testOp is an op in name only. "stop X", "swap X" and "start X" are what they say.
type testOp struct {
	Host string            `json:"-"`
	Does string            `json:"does"`
	Say  reconciler.Phrase `json:"-"`
}

func (o testOp) Kind() string {
	verb, _, _ := strings.Cut(o.Does, " ")
	return verb
}

func (o testOp) Target() reconciler.Target {
	if o.Host == "" {
		return reconciler.Target{Kind: reconciler.APITarget}
	}
	return hostTarget(o.Host)
}
func (o testOp) Key() string                                { return o.Does }
func (o testOp) Merge(reconciler.Op) (reconciler.Op, error) { return o, nil }
func (o testOp) Says() reconciler.Phrase                    { return o.Say }

type testSwap struct{ testOp }

func (s testSwap) Swaps() string                                { return s.Does }
func (s testSwap) Merge(o reconciler.Op) (reconciler.Op, error) { return s, nil }

// planned is a rotation that has been thought through already.
type planned reconciler.Change

func (p planned) Ref() secret.Ref                         { return p.Secret }
func (p planned) Reads() []reconciler.Read                { return nil }
func (p planned) Plan(reconciler.Input) reconciler.Change { return reconciler.Change(p) }

// step is one that comes after other ops of its phase, "host: key".
func step(phase reconciler.Phase, host, does, says, who, noun string, after ...string) reconciler.Step {
	o := testOp{host, does, reconciler.Phrase{Do: says, Who: who, Noun: noun}}
	s := reconciler.Step{Phase: phase, Op: o, Back: reconciler.Nothing()}
	if strings.HasPrefix(does, "swap ") {
		s.Op, s.Back = testSwap{o}, reconciler.Way(testOp{Host: host, Does: "restore " + strings.TrimPrefix(does, "swap ")})
	}
	for _, a := range after {
		on, key, _ := strings.Cut(a, ": ")
		s.After = append(s.After, reconciler.StepID(phase, testOp{Host: on, Does: key}))
	}
	return s
}

// replaced stages a file on a host, and swaps it while its service is stopped.
func replaced(host, who, noun, service string, after ...string) []reconciler.Step {
	stop, swap, start := "stop "+service, "swap appsettings.json", "start "+service
	return []reconciler.Step{
		step(reconciler.Prepare, host, "stage appsettings.json", "stage on", who, noun),
		step(reconciler.Switch, host, stop, "stop", who, noun, after...),
		step(reconciler.Switch, host, swap, "replace appsettings.json", who, noun, host+": "+stop),
		step(reconciler.Switch, host, start, "start", who, noun, host+": "+swap),
	}
}

const admin = "im-admin.contoso.example"

func relayName(i int) string { return fmt.Sprintf("relay-%04d.hq.contoso.example", i) }

// relayKey rotates the relay key on n relays, Admin first.
func relayKey(n int) reconciler.Change {
	steps := []reconciler.Step{{Phase: reconciler.Prepare, Op: testOp{Does: "keep", Say: reconciler.Phrase{Do: "mint 32 bytes, keep them sealed"}}, Back: reconciler.Nothing()}}
	steps = append(steps, replaced(admin, "Admin", "", "IdentityMeshAdmin")...)
	steps = append(steps, step(reconciler.Switch, "", "await ready", "wait until ready", "Admin", "", admin+": start IdentityMeshAdmin"))
	var hosts []string
	for i := range n {
		hosts = append(hosts, relayName(i+1))
		steps = append(steps, replaced(hosts[i], hosts[i], "relay", "IdentityMeshRelayAgent", ": await ready")...)
	}
	steps = append(steps, step(reconciler.Verify, "", "prove relays", fmt.Sprintf("%d relays connected, each with a heartbeat after its restart", n), "", ""))
	c := reconciler.Change{
		Secret: secret.Ref{Name: "relaykey", Version: "7"}, Title: "relay key", Status: reconciler.Rotate, Before: "6",
		Reason:  fmt.Sprintf("the spec asks for 7; Admin and %d relays hold 6", n),
		Outages: []state.Outage{{What: "relays", Predicted: 21, Members: hosts}, {What: "Admin", Predicted: 9}},
		Rounds:  []reconciler.Round{{Steps: steps}},
	}
	for _, h := range hosts {
		c.Findings = append(c.Findings, reconciler.Finding{Severity: reconciler.Warning, Code: "file-readable", Hosts: []string{h},
			Text: h + `: ordinary users may read %ProgramFiles%\IdentityMeshRelayAgent\appsettings.json, which holds the key`, Hint: "take Users out of the file's ACL"})
	}
	return c
}

func license() reconciler.Change {
	return reconciler.Change{
		Secret: secret.Ref{Name: "license", Version: "2026-11"}, Title: "license", Status: reconciler.AsDeclared, Before: "2026-11",
		Reason: "Contoso Ltd, Enterprise, expires 2027-11-30, in 372 days", Due: now.Add(41 * 24 * time.Hour), Expires: now.Add(372 * 24 * time.Hour),
	}
}

// login changes a password that nobody can change back, in the file that the relay key is in too; then, in a second
// round, it retires the old login.
func login() reconciler.Change {
	alter := step(reconciler.Switch, "", "alter login", "ALTER LOGIN im_app", "", "", admin+": stop IdentityMeshAdmin")
	alter.Back = reconciler.Never("the old password is gone")
	steps := replaced(admin, "Admin", "", "IdentityMeshAdmin")
	steps[2].After = append(steps[2].After, reconciler.StepID(reconciler.Switch, alter.Op))
	steps = append(steps, alter, step(reconciler.Verify, "", "prove login", "a fresh connection with the new password", "", ""))
	return reconciler.Change{
		Secret: secret.Ref{Name: "sqllogin:im_app", Version: "12"}, Title: "SQL login im_app", Status: reconciler.Rotate, Before: "11",
		Reason: "the spec asks for 12; 11 is in use", Outages: []state.Outage{{What: "Admin", Predicted: 9}},
		Rounds: []reconciler.Round{{Steps: steps}, {Steps: []reconciler.Step{
			step(reconciler.Switch, admin, "stop IdentityMeshAdmin", "stop", "Admin", ""),
			step(reconciler.Switch, admin, "start IdentityMeshAdmin", "start", "Admin", "", admin+": stop IdentityMeshAdmin"),
			step(reconciler.Verify, "", "prove old login dead", "the old password is refused", "", ""),
		}}},
	}
}

// planOf makes a plan of changes on Admin and n relays.
func planOf(n int, changes ...reconciler.Change) *reconciler.Plan {
	seen := reconciler.Seen{{Kind: reconciler.APITarget}: {Reach: reconciler.Reached}, {Kind: reconciler.ValuesTarget}: {Reach: reconciler.Reached}}
	for i := range n + 1 {
		host := relayName(i)
		if i == 0 {
			host = admin
		}
		seen[hostTarget(host)] = reconciler.Look{Reach: reconciler.Reached, Results: map[string]reconciler.Result{"key": known{}}}
	}
	d := &specs.Deployment{Name: "contoso-prod", Origin: specs.Origin{File: "deployments/contoso.yaml", Commit: "4f2a91c0ffee4f2a91c0ffee4f2a91c0ffee4f2a"}}
	d.Policy.PlanTTL, _ = specs.ParseDuration("24h")
	var rotations []reconciler.Rotation
	for _, c := range changes {
		rotations = append(rotations, planned(c))
	}
	p, err := reconciler.MakePlan(d, rotations, reconciler.Input{Seen: seen, Now: now})
	if err != nil {
		panic(err)
	}
	p.Digest = "9c1f04d2c0ffee" // so that a golden file does not depend on what is not in it
	return p
}

type known struct{}

func (known) Facts() []reconciler.Fact { return []reconciler.Fact{{Field: "Relay:ApiKey", Value: "6"}} }

// relays makes a plan that rotates the relay key on n relays, beside a license as declared.
func relays(n int) *reconciler.Plan { return planOf(n, relayKey(n), license()) }

// several makes a plan of two secrets in one file, one of them without a way back and with two rounds.
func several() *reconciler.Plan { return planOf(3, relayKey(3), login()) }

// refused is a plan in which nothing can be done: one secret is refused, one is unknown, two hosts are lost.
func refused() *reconciler.Plan {
	key, lic := relayKey(3), license()
	lost := []string{relayName(2), relayName(3)}
	key.Status, key.Rounds, key.Outages = reconciler.Refused, nil, nil
	key.Findings = []reconciler.Finding{{Severity: reconciler.Error, Code: "relay-unreachable", Text: "2 relays cannot be reached", Hosts: lost, Hint: "bring them back"}}
	lic.Status, lic.Before, lic.Reason = reconciler.Unknown, "", "the declared license could not be looked at"
	lic.Findings = []reconciler.Finding{{Severity: reconciler.Error, Code: "value-unavailable", Text: "licenses/2026-11.key: no such file"}}
	p := planOf(3, key, lic)
	p.Commit = ""
	for i, h := range p.Seen {
		if h.Target.Name == lost[0] || h.Target.Name == lost[1] {
			p.Seen[i].Reach = reconciler.Unreachable
		}
	}
	p.Fleet = []reconciler.Finding{{Severity: reconciler.Warning, Code: "target-unreachable", Text: "cannot be reached: connection refused", Hosts: lost, Hint: "check the firewall"}}
	return p
}

// nasty is in every text of the hostile plan.
const nasty = "\x1b[31m@everyone #1 GH-2 <script>alert(1)</script> ```\n| [x](https://evil.example) www.evil.example \u202egpj\u0007 \xff \u009b31m `a` _b_ **c** </details><h1>"

// hostile is a plan in which every name is an attack.
func hostile() *reconciler.Plan {
	c := relayKey(1)
	c.Rounds[0].Steps[1].Op = testOp{"relay" + nasty, "stage " + nasty, reconciler.Phrase{Do: nasty, Who: nasty}}
	c.Title, c.Before, c.Reason, c.Undo = "key"+nasty, "6"+nasty, nasty, nasty
	c.Outages[0].What = nasty
	c.Findings = []reconciler.Finding{{Severity: reconciler.Warning, Code: "x", Text: nasty, Hosts: []string{"relay" + nasty}, Hint: nasty}}
	p := planOf(1, c, license())
	p.Deployment, p.Source, p.Fleet = "contoso"+nasty, "a"+nasty, c.Findings
	p.Seen[2].Target.Name = "relay" + nasty
	return p
}

func history() state.History {
	at := now.Add(-90 * 24 * time.Hour)
	whole := func(after time.Duration, run, secret, version, before string, o state.Outcome, detail string) state.Entry {
		return state.Entry{Time: at.Add(after), Run: run, By: "ada@laptop", Secret: secret, Version: version, Before: before, Outcome: o, Detail: detail}
	}
	first := whole(0, "20260825-020000-aaaaaa", "relaykey", "6", "5", state.Started, "the spec asks for 6")
	first.By, first.Commit, first.Plan = "ci@runner", "aaaaaaa1111", "11112222333"
	proven := whole(24*time.Second, "20260825-020000-aaaaaa", "relaykey", "6", "", state.Proven, "13 relays connected")
	proven.Outages, proven.Left = []state.Outage{{What: "relays", Predicted: 21, Measured: 19.4}, {What: "relay-09", Measured: 19.4}}, []string{"relay-dmz"}
	return state.NewHistory([]state.Entry{first, proven,
		whole(time.Hour, "20260825-030000-bbbbbb", "license", "2026-11", "2025-11", state.Started, ""),
		whole(time.Hour+time.Minute, "20260825-030000-bbbbbb", "license", "2026-11", "2025-11", state.Back, "Admin serves another license\x1b[2J"),
		whole(2*time.Hour, "20260825-040000-cccccc", "sqllogin:im_app", "12", "11", state.Started, "due"),
		whole(2*time.Hour+time.Minute, "20260825-040000-cccccc", "sqllogin:im_app", "12", "11", state.Ahead, "no connection with the new password"),
		whole(3*time.Hour, "20260825-050000-dddddd", "sqllogin:im_app", "12", "11", state.Started, "an earlier run is ahead"),
		whole(3*time.Hour+time.Minute, "20260825-050000-dddddd", "sqllogin:im_app", "12", "11", state.Unknown, "the lock (fence 4) was lost"),
		whole(4*time.Hour, "20260825-060000-eeeeee", "sqllogin:im_app", "12", "11", state.Started, ""),
		whole(5*time.Hour, "20260825-070000-ffffff", "sqllogin:im_app", "12", "11", state.Started, ""),
	})
}

// ended makes an outcome of a plan, its secrets having ended so.
func endedAs(p *reconciler.Plan, how ...state.Outcome) reconciler.Outcome {
	var o reconciler.Outcome
	for _, c := range p.Changes {
		if c.Status != reconciler.Rotate {
			continue
		}
		e := reconciler.Ended{Change: c, Ending: how[len(o.Secrets)]}
		if e.Ending == state.Back {
			e.Evidence = []string{"relay-0001 has the old file"}
		}
		switch {
		case e.Ending != state.Proven:
			e.Why = errors.New("relay-0001: not connected\n\x1b[2Jafter 3 min")
			o.Err = e.Why
		case len(o.Secrets) == 0:
			e.Evidence = []string{"3 relays connected"}
			e.Outages = []state.Outage{{What: "relays", Predicted: 21, Measured: 19.42}, {What: relayName(1), Measured: 11},
				{What: relayName(2), Measured: 19.4}, {What: "Admin", Predicted: 9, Measured: 7.7}}
		default:
			e.Evidence = []string{"a fresh connection"}
			e.Outages = []state.Outage{{What: "Admin", Predicted: 9, Measured: 7.7}}
		}
		o.Secrets = append(o.Secrets, e)
	}
	return o
}

func told(p *reconciler.Plan, o reconciler.Outcome) Outcome {
	return OutcomeOf(p, "20261123-020000-abcdef", 24100*time.Millisecond, o)
}

func leftBehind(host, why string) reconciler.LeftBehind {
	return reconciler.LeftBehind{Target: hostTarget(host), Why: errors.New(host + ": " + why), Secrets: []string{"relaykey"}}
}

func down(what, host string, after time.Duration) reconciler.Down {
	service := map[string]string{host: "IdentityMeshRelayAgent", "Admin": "IdentityMeshAdmin"}[what]
	return reconciler.Down{What: what, Service: service, Target: hostTarget(host), Since: now.Add(after)}
}

// partly is the end of a run that left relays behind.
func partly() Outcome {
	p := relays(3)
	o := endedAs(p, state.Proven)
	o.Left = []reconciler.LeftBehind{leftBehind(relayName(3), "start IdentityMeshRelayAgent: error 1067")}
	o.Secrets[0].Outages = append([]state.Outage{{What: relayName(4), Measured: 420, UpBy: now.Add(-time.Hour), Ran: 12.5, Earlier: true}}, o.Secrets[0].Outages...)
	o.Secrets[0].Outages = append(o.Secrets[0].Outages, state.Outage{What: "relays cut off", Predicted: 23, Measured: 252, Earlier: true, AtMost: true},
		state.Outage{What: "Engine's relays", Predicted: 9, Since: now, Measured: 3, AtLeast: true, Found: true, Earlier: true})
	for _, host := range []string{relayName(1), relayName(2)} {
		o.Remarks = append(o.Remarks, reconciler.Remark{Target: hostTarget(host), Text: "somebody had started IdentityMeshRelayAgent between its stop and its start: it was stopped and started once more"})
	}
	return told(p, o)
}

// dark is the end of a run after which 40 of 300 relays are down, and Admin's dependent.
func dark() Outcome {
	p := relays(300)
	o := endedAs(p, state.Proven)
	for i := range 40 {
		host := relayName(i + 1)
		o.Down = append(o.Down, down(host, host, time.Duration(220+i)*time.Second))
		o.Left = append(o.Left, leftBehind(host, "the host closed the connection"))
		o.Down[i].Unsure = i >= 30
	}
	o.Down = append(o.Down, down("IdentityMeshWatch", admin, 200*time.Second))
	for _, i := range []int{77, 100, 101, 150, 160, 170, 180, 190} {
		o.Left = append(o.Left, leftBehind(relayName(i), relayName(i)+" has no heartbeat after its restart"))
	}
	return told(p, o)
}

// mixed is the end of a run of two secrets.
func mixed(a, b state.Outcome) Outcome {
	p := several()
	o := endedAs(p, a, b)
	o.Err = errors.New("im-admin.contoso.example: prove login: login failed for im_app")
	for i := range o.Secrets {
		if o.Secrets[i].Ending == state.Ahead {
			o.Secrets[i].Why = o.Err
		}
	}
	return told(p, o)
}

func halted() Outcome {
	p := relays(3)
	o := endedAs(p, state.Unknown)
	o.Halted, o.Err = true, &state.LostError{Fence: 4}
	o.Secrets[0].Why = o.Err
	o.Down = []reconciler.Down{down("Admin", admin, 12*time.Second)}
	return told(p, o)
}

func reports() map[string]Report {
	return map[string]Report{
		"plan":    Plan{Plan: relays(13), Took: 1900 * time.Millisecond, SavedTo: "plan.json", Next: "meshrotate apply plan.json"},
		"several": Plan{Plan: several(), Next: "meshrotate apply"},
		"fleet":   Plan{Plan: relays(1000), Took: 1900 * time.Millisecond, Next: "meshrotate apply"},
		"refused": Plan{Plan: refused()},
		"hostile": Plan{Plan: hostile(), Next: "meshrotate apply"},
		"host":    Plan{Plan: several(), Host: admin},
		"status":  StatusOf(relays(3), history(), time.Second, ""),
		"drift":   StatusOf(refused(), history(), time.Second, "").Drift(),
		"history": HistoryOf("contoso-prod", history().Rotations("")),
		"proven":  told(several(), endedAs(several(), state.Proven, state.Proven)),
		"partly":  partly(),
		"dark":    dark(),
		"back":    told(relays(3), endedAs(relays(3), state.Back)),
		"ahead":   mixed(state.Back, state.Ahead).Naming(" -f 'prod env.yaml'"),
		"halted":  halted(),
		"refusal": OutcomeOf(relays(3), "20261123-020000-abcdef", time.Second, reconciler.Outcome{Err: errors.New("nothing was changed: the ledger does not take the start: disk full")}),
		"nothing": OutcomeOf(&reconciler.Plan{Deployment: "contoso-prod"}, "", 0, reconciler.Outcome{}),
	}
}
