package render

import (
	"errors"
	"fmt"
	"time"

	"meshrotate/reconciler"
	"meshrotate/reconciler/secret"
	"meshrotate/state"
)

var now = time.Date(2026, 11, 23, 2, 0, 0, 0, time.UTC)

// testOp is an op in name only.
type testOp struct {
	Host string `json:"-"`
	Does string `json:"does"`
}

func (o testOp) Target() reconciler.Target {
	return reconciler.Target{Kind: reconciler.HostTarget, Name: o.Host}
}
func (o testOp) Key() string                                { return o.Does }
func (o testOp) Merge(reconciler.Op) (reconciler.Op, error) { return o, nil }

// relays makes a plan that rotates the relay key on n relays, beside a license as declared.
func relays(n int) *reconciler.Plan {
	p := &reconciler.Plan{Format: reconciler.PlanFormat, Deployment: "contoso-prod", Source: "deployments/contoso.yaml",
		Commit: "4f2a91c0ffee4f2a91c0ffee4f2a91c0ffee4f2a", Made: now, GoodUntil: now.Add(24 * time.Hour), Digest: "9c1f04d2c0ffee", Spec: "5d0c"}
	hosts := []string{"im-admin.contoso.example"}
	for i := range n {
		hosts = append(hosts, fmt.Sprintf("relay-%04d.hq.contoso.example", i+1))
	}
	ref := []secret.Ref{{Name: "relaykey", Version: "7"}}
	for _, ph := range []struct {
		phase reconciler.Phase
		does  string
	}{{reconciler.Prepare, "stage appsettings.json"}, {reconciler.Stop, "stop IdentityMeshRelayAgent"},
		{reconciler.Edit, "swap appsettings.json"}, {reconciler.Start, "start IdentityMeshRelayAgent"}} {
		for _, h := range hosts {
			p.Steps = append(p.Steps, reconciler.Step{Name: ph.does, Secrets: ref, Phase: ph.phase, Op: testOp{h, ph.does}})
		}
	}
	for _, h := range hosts {
		p.Seen = append(p.Seen, reconciler.HostFacts{Target: reconciler.Target{Kind: reconciler.HostTarget, Name: h}, Reach: reconciler.Reached,
			Facts: []reconciler.Fact{{Field: "Relay:ApiKey", Value: "6"}}})
	}
	p.Seen = append(p.Seen, reconciler.HostFacts{Target: reconciler.Target{Kind: reconciler.APITarget}, Reach: reconciler.Reached})
	p.Changes = []reconciler.Change{{
		Secret: ref[0], Title: "relay key", Status: reconciler.Rotate, Before: "6",
		Reason: fmt.Sprintf("the spec asks for 7; Admin and %d relays hold 6", n),
		Lines: []reconciler.Line{
			{Phase: "prepare", Text: fmt.Sprintf("mint 32 bytes, keep them sealed; stage on Admin and %d relays", n)},
			{Phase: "switch", Text: fmt.Sprintf("stop Admin and %d relays, replace %d files, start Admin, wait until ready, start %d relays", n, n+1, n)},
			{Phase: "verify", Text: fmt.Sprintf("%d relays connected, each with a heartbeat after its restart", n)},
		},
		Outages: []state.Outage{{What: "relays", Predicted: 21, Members: hosts[1:]}, {What: "Admin", Predicted: 9}},
		Undo:    fmt.Sprintf("the %d files as they were, until a relay has proven the new key", n+1),
		Proof:   fmt.Sprintf("%d relays connected, each with a heartbeat after its restart", n),
	}, {
		Secret: secret.Ref{Name: "license", Version: "2026-11"}, Title: "license", Status: reconciler.AsDeclared, Before: "2026-11",
		Reason: "Contoso Ltd, Enterprise, expires 2027-11-30, in 372 days", Due: now.Add(41 * 24 * time.Hour), Expires: now.Add(372 * 24 * time.Hour),
	}}
	for _, h := range hosts[1:] {
		p.Changes[0].Findings = append(p.Changes[0].Findings, reconciler.Finding{Severity: reconciler.Warning, Code: "file-readable", Hosts: []string{h},
			Text: h + `: ordinary users may read %ProgramFiles%\IdentityMeshRelayAgent\appsettings.json, which holds the key`, Hint: "take Users out of the file's ACL"})
	}
	return p
}

// refused is a plan in which nothing can be done: one secret is refused, one is unknown, two hosts are lost.
func refused() *reconciler.Plan {
	p := relays(3)
	p.Steps, p.Commit = nil, ""
	lost := []string{"relay-0002.hq.contoso.example", "relay-0003.hq.contoso.example"}
	p.Seen[2].Reach, p.Seen[3].Reach = reconciler.Unreachable, reconciler.Unreachable
	p.Fleet = []reconciler.Finding{{Severity: reconciler.Warning, Code: "target-unreachable", Text: "does not answer: connection refused", Hosts: lost, Hint: "check the firewall"}}
	c := &p.Changes[0]
	c.Status, c.Lines, c.Outages, c.Undo = reconciler.Refused, nil, nil, ""
	c.Findings = []reconciler.Finding{{Severity: reconciler.Error, Code: "relay-unreachable", Text: "2 relays cannot be reached", Hosts: lost, Hint: "bring them back"}}
	c = &p.Changes[1]
	c.Status, c.Before, c.Reason = reconciler.Unknown, "", "the declared license could not be looked at"
	c.Findings = []reconciler.Finding{{Severity: reconciler.Error, Code: "value-unavailable", Text: "licenses/2026-11.key: no such file"}}
	return p
}

// nasty is in every text of the hostile plan.
const nasty = "\x1b[31m@everyone #1 GH-2 <script>alert(1)</script> ```\n| [x](https://evil.example) www.evil.example \u202egpj\u0007 \xff \u009b31m `a` _b_ **c** </details><h1>"

// hostile is a plan in which every name is an attack.
func hostile() *reconciler.Plan {
	p := relays(1)
	p.Deployment, p.Source = "contoso"+nasty, "a"+nasty
	p.Seen[1].Target.Name = "relay" + nasty
	p.Steps[0].Op = testOp{"relay" + nasty, "stage " + nasty}
	c := &p.Changes[0]
	c.Title, c.Before, c.Reason, c.Undo = "key"+nasty, "6"+nasty, nasty, nasty
	c.Lines[0].Text, c.Outages[0].What = nasty, nasty
	c.Findings = []reconciler.Finding{{Severity: reconciler.Warning, Code: "x", Text: nasty, Hosts: []string{"relay" + nasty}, Hint: nasty}}
	p.Fleet = c.Findings
	return p
}

func history() state.History {
	at := now.Add(-90 * 24 * time.Hour)
	return state.NewHistory([]state.Entry{
		{Time: at, Run: "20260825-020000-aaaaaa", By: "ci@runner", Commit: "aaaaaaa1111", Plan: "11112222333", Secret: "relaykey", Version: "6", Before: "5", Outcome: state.Started, Detail: "the spec asks for 6"},
		{Time: at.Add(24 * time.Second), Run: "20260825-020000-aaaaaa", Secret: "relaykey", Version: "6", Outcome: state.Done, Detail: "13 relays connected",
			Outages: []state.Outage{{What: "relays", Predicted: 21, Measured: 19.4}, {What: "relay-09", Measured: 19.4}}, Left: []string{"relay-dmz"}},
		{Time: at.Add(time.Hour), Run: "20260825-030000-bbbbbb", By: "ada@laptop", Secret: "license", Version: "2026-11", Before: "2025-11", Outcome: state.Started},
		{Time: at.Add(time.Hour + time.Minute), Run: "20260825-030000-bbbbbb", Secret: "license", Version: "2026-11", Before: "2025-11", Outcome: state.Undone, Detail: "Admin serves another license\x1b[2J"},
	})
}

// outcome is the end of a run in which one relay was left behind.
func outcome(p *reconciler.Plan) Outcome {
	c := p.Changes[0]
	o := reconciler.Outcome{Proven: []reconciler.Proven{{Change: c, Evidence: []string{"3 relays connected"}, Outages: []state.Outage{
		{What: "relays", Predicted: 21, Measured: 19.42}, {What: "relay-0001", Measured: 11}, {What: "relay-0002", Measured: 19.4}, {What: "Admin", Predicted: 9, Measured: 7.7}}}},
		Left: []reconciler.LeftBehind{{Target: reconciler.Target{Kind: reconciler.HostTarget, Name: "relay-0003.hq.contoso.example"},
			Why: errors.New("relay-0003.hq.contoso.example: start IdentityMeshRelayAgent: error 1067"), Secrets: []string{"relaykey"}}}}
	return OutcomeOf(p, "20261123-020000-abcdef", 24100*time.Millisecond, o)
}

func reports() map[string]Report {
	all := map[string]Report{
		"plan":    Plan{Plan: relays(13), Took: 1900 * time.Millisecond, SavedTo: "plan.json", Next: "meshrotate apply plan.json"},
		"fleet":   Plan{Plan: relays(1000), Took: 1900 * time.Millisecond, Next: "meshrotate apply"},
		"refused": Plan{Plan: refused()},
		"hostile": Plan{Plan: hostile(), Next: "meshrotate apply"},
		"host":    Plan{Plan: relays(3), Host: "relay-0002.hq.contoso.example"},
		"status":  StatusOf(relays(3), history(), time.Second, ""),
		"drift":   StatusOf(refused(), history(), time.Second, "").Drift(),
		"history": HistoryOf("contoso-prod", history().Rotations("")),
		"partly":  outcome(relays(3)),
		"undone": OutcomeOf(relays(3), "20261123-020000-abcdef", time.Minute, reconciler.Outcome{Undone: []string{"relaykey"},
			Err: errors.New("relay-0001: not connected\n\x1b[2Jafter 3 min")}),
		"halted":  OutcomeOf(relays(3), "20261123-020000-abcdef", time.Minute, reconciler.Outcome{Halted: true, Err: errors.New("the lock (fence 4) was lost")}),
		"nothing": OutcomeOf(&reconciler.Plan{Deployment: "contoso-prod"}, "", 0, reconciler.Outcome{}),
	}
	return all
}
