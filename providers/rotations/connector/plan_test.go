package connector_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"meshrotate/providers/rotations/connector"
	"meshrotate/providers/site"
	"meshrotate/reconciler"
	"meshrotate/reconciler/secret"
	"meshrotate/specs"
	"meshrotate/state"
)

const (
	ref, kind   = "secret://ad/svc/password", "connector:secret://ad/svc/password"
	engine, sql = "im-engine.example", "sql01.example"
)

var set = time.Date(2026, 11, 1, 2, 11, 7, 0, time.UTC)

// scene is everything that a plan may know. It begins with version 3 vouched for, and 4 asked for.
type scene struct {
	spec    *connector.Spec
	stored  *site.StoredSeen
	tool    *site.ToolSeen
	value   site.ValueSeen
	history []state.Entry
	machine *site.MachineIdentity // nil when the host did not answer
	coming  []reconciler.Coming
	program *site.ProgramSeen
	syncs   map[string]site.Run
}

// hook lets a program of the operator change the value at its source.
func (s *scene) hook(changed string) {
	s.spec.Hook = connector.Hook{Program: "/opt/im/at-source", Timeout: specs.MustDuration("1m")}
	s.spec.Secrets[0].Source = connector.Source{Changed: changed, By: "hook"}
	s.program = &site.ProgramSeen{Path: "/opt/im/at-source"}
}

// login lets a program of the operator show that the source takes the value.
func (s *scene) login(changed string) {
	s.spec.Login = connector.Login{Program: "/opt/im/try-source", Timeout: specs.MustDuration("1m")}
	s.spec.Secrets[0].Source = connector.Source{Changed: changed, Proof: "login"}
	s.program = &site.ProgramSeen{Path: "/opt/im/try-source"}
}

// here is the machine of the Engine host.
var here = site.MachineIdentity{MachineGUID: "1ab0", ComputerName: "IM-ENGINE", Domain: "example", Installed: set.AddDate(-1, 0, 0), Account: `X\svc-im`}

func newScene() *scene {
	spec, err := load("syncs: {path: /api/connectors}\nsecrets: [{ref: \"" + ref + "\", connector: ad, version: 4, from: {env: A}}]")
	if err != nil {
		panic(err)
	}
	s := &scene{spec: spec, stored: &site.StoredSeen{Updated: map[string]time.Time{ref: set}},
		tool: &site.ToolSeen{Exists: true, Stdin: true}, value: site.ValueSeen{Available: true, Others: []string{"3"}}}
	s.stored.Own(site.Owner{ID: "6f96-01", Name: "ad"}, site.Owner{ID: "6f96-02", Name: "hr"})
	s.syncs = map[string]site.Run{"ad": {}, "hr": {}}
	s.machine = new(here)
	return s.sealed(here).runs("3", state.Proven)
}

// sealed adds on which machine the secret was set.
func (s *scene) sealed(on site.MachineIdentity) *scene {
	s.history = append(s.history, state.Entry{Secret: kind, Version: "3", Step: "verify/prove stored " + ref, Outcome: state.Done, Facts: []state.Fact{on.Fact()}})
	return s
}

// runs adds a rotation to the ledger.
func (s *scene) runs(version string, ending state.Outcome) *scene {
	e := state.Entry{Secret: kind, Version: version, Outcome: state.Started, Time: set}
	s.history = append(s.history, e)
	if ending != "" {
		e.Outcome = ending
		s.history = append(s.history, e)
	}
	return s
}

// firstRound adds that a version was set and seen to be stored.
func (s *scene) firstRound(version string, at time.Time) *scene {
	s.history = append(s.history,
		state.Entry{Secret: kind, Version: version, Step: "verify/prove stored " + ref, Outcome: state.Done, Facts: []state.Fact{{Field: site.StoredOn, Value: at.Format(time.RFC3339Nano)}}},
		state.Entry{Secret: kind, Version: version, Step: "round 2 of 3", Outcome: state.Done})
	return s
}

// hookRan adds that the hook ended well for a version.
func (s *scene) hookRan(version string) *scene {
	s.history = append(s.history, state.Entry{Secret: kind, Version: version, Step: "switch/run at-source for " + kind, Outcome: state.Done})
	return s
}

func (s *scene) plan(t *testing.T) reconciler.Change {
	t.Helper()
	d := &specs.Deployment{Hosts: specs.Hosts{Admin: "im-admin.example", Engine: engine}}
	d.Connect.SQL = specs.SQL{Server: sql, Database: "IdentityMesh"}
	r := connector.New(d, s.spec)[0]
	seen := reconciler.Seen{}
	for _, read := range r.Reads() {
		look := seen[read.Target()]
		if look.Results == nil {
			look = reconciler.Look{Reach: reconciler.Reached, Results: map[string]reconciler.Result{}}
		}
		switch read.(type) {
		case site.StoredSecrets:
			if s.stored != nil {
				look.Results[read.Key()] = s.stored
			}
		case site.Trial:
			look.Results[read.Key()] = &site.TrialSeen{Runs: s.syncs}
		case site.SecretsTool:
			if s.tool != nil {
				look.Results[read.Key()] = s.tool
			}
		case site.OperatorProgram:
			look.Results[read.Key()] = s.program
		case site.Identity:
			if s.machine != nil {
				look.Results[read.Key()] = &site.IdentitySeen{MachineIdentity: *s.machine, Service: "IdentityMeshEngine"}
			}
		case site.Value:
			v := s.value
			v.Secret = secret.Ref{Name: kind, Version: string(s.spec.Secrets[0].Version)}
			look.Results[read.Key()] = &v
		}
		seen[read.Target()] = look
	}
	in := reconciler.Input{Seen: seen, History: state.NewHistory(s.history), Now: set.Add(time.Hour), Coming: s.coming}
	c := r.Plan(in)
	if _, err := reconciler.MakePlan(d, []reconciler.Rotation{r}, in); err != nil {
		t.Error(err)
	}
	return c
}

// steps are what a change does, by round.
func steps(c reconciler.Change) string {
	var rounds []string
	for _, r := range c.Rounds {
		var all []string
		for _, s := range r.Steps {
			word, _, _ := strings.Cut(s.Op.Key(), " secret:")
			all = append(all, s.Phase.String()+" "+word)
		}
		rounds = append(rounds, strings.Join(all, ", "))
	}
	return strings.Join(rounds, " | ")
}

func TestPlan(t *testing.T) {
	const late, fetch, push = " | ", "prepare keep connector, ", "accept set, verify prove stored, verify prove listed"
	for _, c := range []struct {
		name, reason string
		change       func(s *scene)
		status       reconciler.Status
		steps, code  string
	}{
		{"a new version", "the ledger vouches for another", func(*scene) {}, reconciler.Rotate, late + fetch + push + ", verify prove sync", ""},
		{"as declared", "the ledger vouches for it", func(s *scene) { s.runs("4", state.Proven) }, reconciler.AsDeclared, "", ""},
		{"as declared, and nothing tells of sync runs", "a restore of the host is not seen", func(s *scene) { s.runs("4", state.Proven); s.spec.Syncs.Path = "" }, reconciler.AsDeclared, "", "connector-not-proven"},
		{"begun", "started without an ending: again", func(s *scene) { s.runs("4", ""); s.value.Kept = true }, reconciler.Rotate, late + push + ", verify prove sync", ""},
		{"never heard of", "nobody knows what is stored", func(s *scene) { s.history = nil }, reconciler.Rotate, late + fetch + push + ", verify prove sync", ""},
		{"missing", "it is set again, whatever the ledger says", func(s *scene) { s.runs("4", state.Proven); delete(s.stored.Updated, ref); s.value.Kept = true }, reconciler.Rotate, late + push + ", verify prove sync", "connector-missing"},
		{"set elsewhere", "a finding, and nothing is set over it", func(s *scene) {
			s.runs("4", "").firstRound("4", set.Add(-time.Hour)).runs("4", state.Proven)
		}, reconciler.AsDeclared, "", "connector-set-elsewhere"},
		{"undeclared", "stored and not declared", func(s *scene) { s.runs("4", state.Proven); s.stored.Updated["other"] = set }, reconciler.AsDeclared, "", "connector-undeclared"},
		{"no such connector", "nothing can tell of its runs", func(s *scene) { s.spec.Secrets[0].Connector = "nobody" }, reconciler.Rotate, late + fetch + push, "connector-unknown"},
		{"never ran", "Admin tells of no run that could be compared with", func(s *scene) { delete(s.syncs, "ad") }, reconciler.Rotate, late + fetch + push + ", verify prove sync", "connector-untold"},
		{"guessed by its name", "one part of the reference is a connector", func(s *scene) { s.spec.Secrets[0].Connector = "" }, reconciler.Rotate, late + fetch + push + ", verify prove sync", "connector-guessed"},
		{"two might be meant", "then it is nobody's", func(s *scene) {
			s.spec.Secrets[0].Connector = ""
			s.stored.Own(site.Owner{ID: "6f96-03", Name: "svc"})
		}, reconciler.Rotate, late + fetch + push, "connector-not-proven"},
		{"no host, nothing to set", "the host is not needed", func(s *scene) { s.runs("4", state.Proven); s.tool = nil }, reconciler.AsDeclared, "", ""},
		{"no host", "the host is needed", func(s *scene) { s.tool = nil }, reconciler.Refused, "", "host-failed"},
		{"no database", "nothing is known", func(s *scene) { s.runs("4", state.Proven); s.stored = nil }, reconciler.Unknown, "", "sql-unreachable"},
		{"the same value", "nothing would be rotated", func(s *scene) { s.value.SameAs = "3" }, reconciler.Refused, "", "value-unchanged"},
		{"unfit", "said before anything is set", func(s *scene) { s.value.Unfit = "it has a line break" }, reconciler.Refused, "", "value-unfit"},
		{"not to be had", "said before anything is set", func(s *scene) { s.value.Problem = "the variable is not set" }, reconciler.Refused, "", "value-unavailable"},
		{"argument", "refused where the document does not permit it", func(s *scene) { s.tool.Stdin = false }, reconciler.Refused, "", "argv-refused"},
		{"a file", "where the document says so, though it takes other ways too", func(s *scene) { s.tool.File, s.spec.Value = true, "file" }, reconciler.Rotate, late + fetch + push + ", verify prove sync", ""},
		{"no file", "refused where the tool takes none", func(s *scene) { s.spec.Value = "file" }, reconciler.Refused, "", "value-file-missing"},
		{"a file, not declared", "the hint is to declare it", func(s *scene) { s.tool.Stdin, s.tool.File = false, true }, reconciler.Refused, "", "argv-refused"},
		{"a file that was left", "shown, though nothing is to be set", func(s *scene) { s.tool.Left, s.spec.Secrets[0].Version = 1, "3" }, reconciler.AsDeclared, "", "value-file-left"},
		{"argument, permitted", "shown", func(s *scene) { s.tool.Stdin, s.spec.Argv = false, "permitted" }, reconciler.Rotate, late + fetch + push + ", verify prove sync", "argv-exposed"},
		{"the source follows", "a round of its own", func(s *scene) { s.spec.Secrets[0].Source.Changed = "after" }, reconciler.Rotate, late + fetch + push + " | verify prove sync", "connector-source-after"},
		{"the hook goes first", "it cannot be taken back, and the push follows it", func(s *scene) { s.hook("before") }, reconciler.Rotate,
			late + "prepare keep connector, switch run at-source for connector, switch set, verify prove stored, verify prove listed, verify prove sync", ""},
		{"the hook follows", "a round of its own", func(s *scene) { s.hook("after") }, reconciler.Rotate, late + fetch + push + " | switch run at-source for connector, verify prove sync", ""},
		{"waiting for the hook", "it is run again, and nothing is set", func(s *scene) {
			s.hook("after")
			s.runs("4", "").firstRound("4", set).runs("4", state.Ahead)
		}, reconciler.Rotate, "switch run at-source for connector, verify prove sync", ""},
		{"the hook has run, and the push is left", "it is not run again", func(s *scene) {
			s.hook("before")
			s.value.Kept = true
			s.runs("4", "").hookRan("4").runs("4", state.Ahead)
			s.program.Problem = "no such file"
		}, reconciler.Rotate, late + "switch set, verify prove stored, verify prove listed, verify prove sync", ""},
		{"the hook has run, and a sync run has failed since", "it is run again", func(s *scene) {
			s.hook("before")
			s.value.Kept = true
			s.runs("4", "").hookRan("4").runs("4", state.Ahead)
			s.history = append(s.history, state.Entry{Secret: kind, Version: "4", Step: "verify/prove sync " + ref, Outcome: state.Failed})
		}, reconciler.Rotate, late + "switch run at-source for connector, switch set, verify prove stored, verify prove listed, verify prove sync", ""},
		{"a sync run had failed before the hook ran again", "it is not run a third time", func(s *scene) {
			s.hook("after")
			s.runs("4", "").firstRound("4", set).hookRan("4")
			s.history = append(s.history, state.Entry{Secret: kind, Version: "4", Step: "verify/prove sync " + ref, Outcome: state.Failed})
			s.runs("4", state.Ahead).runs("4", "").hookRan("4").runs("4", state.Unknown)
		}, reconciler.Rotate, "verify prove sync", ""},
		{"the hook has run, and a later run came back", "its source has the value still", func(s *scene) {
			s.hook("before")
			s.value.Kept = true
			s.runs("4", "").hookRan("4").runs("4", state.Ahead).runs("4", state.Back)
		}, reconciler.Rotate, late + "switch set, verify prove stored, verify prove listed, verify prove sync", ""},
		{"the hook has run, and then that of another version", "it is run again", func(s *scene) {
			s.hook("before")
			s.value.Kept = true
			s.runs("4", "").hookRan("4").runs("4", state.Ahead).runs("5", "").hookRan("5").runs("5", state.Ahead).runs("4", state.Back)
		}, reconciler.Rotate, late + "switch run at-source for connector, switch set, verify prove stored, verify prove listed, verify prove sync", ""},
		{"the hook has run, and a sync run is waited for", "it is not run again", func(s *scene) {
			s.hook("after")
			s.runs("4", "").firstRound("4", set).hookRan("4").runs("4", state.Ahead)
		}, reconciler.Rotate, "verify prove sync", ""},
		{"the hook has run, and the run did not come to its end", "there is no other proof than that it is listed", func(s *scene) {
			s.hook("after")
			s.spec.Syncs.Path = ""
			s.runs("4", "").firstRound("4", set).hookRan("4").runs("4", state.Ahead)
		}, reconciler.Rotate, "verify prove listed", ""},
		{"a login", "beside the sync runs", func(s *scene) { s.login("before") }, reconciler.Rotate, late + fetch + push + ", verify run try-source for connector, verify prove sync", ""},
		{"a login, and no sync runs", "that it opens is not shown", func(s *scene) { s.login("before"); s.spec.Syncs.Path = "" }, reconciler.Rotate,
			late + fetch + push + ", verify run try-source for connector", "connector-not-proven"},
		{"a person, and a login", "nobody has to say so", func(s *scene) { s.login("after"); s.spec.Syncs.Path = "" }, reconciler.Rotate,
			late + fetch + push + " | verify run try-source for connector", "connector-source-after"},
		{"waiting for a person, and a login", "it is not set again", func(s *scene) {
			s.login("after")
			s.spec.Syncs.Path = ""
			s.runs("4", "").firstRound("4", set).runs("4", state.Ahead)
		}, reconciler.Rotate, "verify run try-source for connector", ""},
		{"the hook has run, and a login was refused since", "it is run again", func(s *scene) {
			s.hook("after")
			s.login("after")
			s.spec.Secrets[0].Source.By, s.spec.Syncs.Path = "hook", ""
			s.runs("4", "").firstRound("4", set).hookRan("4").runs("4", state.Ahead)
			s.history = append(s.history, state.Entry{Secret: kind, Version: "4", Step: "verify/run try-source for " + kind, Outcome: state.Failed})
		}, reconciler.Rotate, "switch run at-source for connector, verify run try-source for connector", ""},
		{"the login is not there", "said before anything is set", func(s *scene) { s.login("before"); s.program.Problem = "no such file" }, reconciler.Refused, "", "source-login-missing"},
		{"the hook is not there", "said before anything is set", func(s *scene) { s.hook("after"); s.program.Problem = "no such file" }, reconciler.Refused, "", "hook-missing"},
		{"the hook, on another machine", "the source has the value already", func(s *scene) {
			s.hook("before")
			s.runs("4", state.Proven)
			s.machine.MachineGUID, s.value.Kept = "2bc1", true
		}, reconciler.Rotate, late + push + ", verify prove sync", "connector-sealed-elsewhere"},
		{"a person, and no sync runs", "they have to say so", func(s *scene) { s.spec.Secrets[0].Source.Changed, s.spec.Syncs.Path = "after", "" }, reconciler.Rotate,
			late + fetch + push + " | verify by hand for connector", "connector-source-after"},
		{"waiting for the source", "it is not set again", func(s *scene) {
			s.spec.Secrets[0].Source.Changed = "after"
			s.runs("4", "").firstRound("4", set).runs("4", state.Ahead)
		}, reconciler.Rotate, "verify prove sync", ""},
		{"waiting, and set elsewhere", "then it is set again", func(s *scene) {
			s.spec.Secrets[0].Source.Changed = "after"
			s.value.Kept = true
			s.runs("4", "").firstRound("4", set.Add(-time.Hour)).runs("4", state.Ahead)
		}, reconciler.Rotate, late + push + " | verify prove sync", ""},
		{"declared again after another", "what an earlier rotation of the version proved counts no more", func(s *scene) {
			s.spec.Secrets[0].Source.Changed = "after"
			s.value.Kept = true
			s.runs("4", "").firstRound("4", set.Add(-time.Hour)).runs("4", state.Proven)
			s.runs("5", "").firstRound("5", set).runs("5", state.Proven)
			s.runs("4", "")
		}, reconciler.Rotate, late + push + " | verify prove sync", ""},
		{"another machine", "what was sealed elsewhere does not open: set again", func(s *scene) {
			s.runs("4", state.Proven)
			s.machine.MachineGUID, s.value.Kept = "2bc1", true
		}, reconciler.Rotate, late + push + ", verify prove sync", "connector-sealed-elsewhere"},
		{"another machine, the source followed once", "it has taken the value already", func(s *scene) {
			s.spec.Secrets[0].Source.Changed = "after"
			s.runs("4", state.Proven)
			s.machine.MachineGUID, s.value.Kept = "2bc1", true
		}, reconciler.Rotate, late + push + ", verify prove sync", "connector-sealed-elsewhere"},
		{"another machine while its source is waited for", "it is set again, and waited for again", func(s *scene) {
			s.spec.Secrets[0].Source.Changed = "after"
			s.runs("4", "").firstRound("4", set).runs("4", state.Ahead)
			s.machine.MachineGUID, s.value.Kept = "2bc1", true
		}, reconciler.Rotate, late + push + " | verify prove sync", "connector-sealed-elsewhere"},
		{"a machine that was never recorded", "recorded once, and nothing is set", func(s *scene) {
			s.history = nil
			s.runs("4", state.Proven)
		}, reconciler.Rotate, "verify record machine for ", "connector-machine-unrecorded"},
		{"a machine that could not be seen", "nobody knows whether they open", func(s *scene) { s.runs("4", state.Proven); s.machine = nil }, reconciler.Unknown, "", "connector-machine-unknown"},
		{"the account changes in the same plan", "set again in the round after that", func(s *scene) {
			s.runs("4", state.Proven)
			s.value.Kept = true
			s.coming = []reconciler.Coming{{Target: site.Host(engine), Fact: reconciler.Fact{Field: site.AccountOf(""), Value: "LocalSystem"}, Round: 1}}
		}, reconciler.Rotate, " |  | " + push + ", verify prove sync", "connector-account-changes"},
		{"the account is set back in the same plan", "it was sealed under that one", func(s *scene) {
			s.runs("4", state.Proven)
			s.value.Kept = true
			was := s.machine.Account
			s.machine.Account = "LocalSystem"
			s.coming = []reconciler.Coming{{Target: site.Host(engine), Fact: reconciler.Fact{Field: site.AccountOf(""), Value: was}, Round: 1}}
		}, reconciler.AsDeclared, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newScene()
			c.change(s)
			got := s.plan(t)
			has := slices.ContainsFunc(got.Findings, func(f reconciler.Finding) bool { return string(f.Code) == c.code && f.Hint != "" })
			if got.Status != c.status || c.code != "" && !has || c.code == "" && reconciler.Blocked(got.Findings) ||
				c.code != "connector-account-changes" && slices.ContainsFunc(got.Findings, func(f reconciler.Finding) bool { return f.Code == "connector-account-changes" }) {
				t.Errorf("%s: %s (%s), findings %+v", c.reason, got.Status, got.Reason, got.Findings)
			}
			if did := strings.ReplaceAll(strings.ReplaceAll(steps(got), kind, "connector"), "connector 4", "connector"); did != c.steps {
				t.Errorf("%s:\n%s, want\n%s", c.reason, did, c.steps)
			}
		})
	}
}

// Whatever of the machine has changed, it is said; what is written otherwise is the same.
func TestOtherMachine(t *testing.T) {
	for _, c := range []struct {
		name, says string
		change     func(m *site.MachineIdentity)
	}{
		{"nothing", "", func(*site.MachineIdentity) {}},
		{"in other letters", "", func(m *site.MachineIdentity) { m.ComputerName, m.Account = "im-engine", `x\SVC-IM` }},
		{"moved", "MachineGuid was 1ab0 and is 2bc1", func(m *site.MachineIdentity) { m.MachineGUID = "2bc1" }},
		{"cloned", "the computer's name was IM-ENGINE and is IM-ENGINE2", func(m *site.MachineIdentity) { m.ComputerName = "IM-ENGINE2" }},
		{"in another domain", "the domain was example and is not known", func(m *site.MachineIdentity) { m.Domain = "" }},
		{"installed anew", "Windows' installation was 2025-11-01", func(m *site.MachineIdentity) { m.Installed = set }},
		{"with another account", `the service's account was X\svc-im and is LocalSystem`, func(m *site.MachineIdentity) { m.Account = "LocalSystem" }},
	} {
		s := newScene().runs("4", state.Proven)
		s.value.Kept = true
		c.change(s.machine)
		got := s.plan(t)
		if again := got.Status == reconciler.Rotate; again != (c.says != "") || c.says != "" && !slices.ContainsFunc(got.Findings, func(f reconciler.Finding) bool { return strings.Contains(f.Text, c.says) }) {
			t.Errorf("%s: %s: %s", c.name, got.Status, got.Reason)
		}
	}
}

// Sync runs are looked at each time: one that failed since the secret was set is drift, and where Admin says that it does not open,
// the secret is set again. What began before, or is under way, shows nothing.
func TestSyncRunsThatFail(t *testing.T) {
	for _, c := range []struct {
		name   string
		run    site.Run
		change func(s *scene)
		status reconciler.Status
		finds  reconciler.FindingID
	}{
		{"it succeeds", site.Run{Began: set.Add(time.Hour)}, nil, reconciler.AsDeclared, ""},
		{"it fails", site.Run{Began: set.Add(time.Hour), Failed: true}, nil, reconciler.AsDeclared, "connector-syncs-fail"},
		{"it fails, nobody knows since when", site.Run{Failed: true}, nil, reconciler.AsDeclared, "connector-syncs-fail"},
		{"it began before the push", site.Run{Began: set.Add(-time.Hour), Failed: true, Shut: true}, nil, reconciler.AsDeclared, ""},
		{"it does not open", site.Run{Began: set.Add(time.Hour), Failed: true, Shut: true}, nil, reconciler.Rotate, "connector-sealed-elsewhere"},
		{"it does not open, and the machine is another", site.Run{Began: set.Add(time.Hour), Failed: true, Shut: true}, func(s *scene) { s.machine.MachineGUID = "2bc1" }, reconciler.Rotate, "connector-sealed-elsewhere"},
		{"somebody else has set it", site.Run{Began: set.Add(2 * time.Hour), Failed: true, Shut: true}, func(s *scene) {
			s.firstRound("4", set).runs("4", state.Proven)
			s.stored.Updated[ref] = set.Add(time.Hour)
		}, reconciler.AsDeclared, "connector-syncs-fail"},
		{"it does not open, and a person had changed the source", site.Run{Began: set.Add(time.Hour), Failed: true, Shut: true}, func(s *scene) {
			s.spec.Secrets[0].Source.Changed = "after"
			s.firstRound("4", set).runs("4", state.Proven)
		}, reconciler.Rotate, "connector-sealed-elsewhere"},
	} {
		s := newScene().runs("4", state.Proven)
		s.value.Kept, s.syncs["ad"] = true, c.run
		if c.change != nil {
			c.change(s)
		}
		got := s.plan(t)
		i := slices.IndexFunc(got.Findings, func(f reconciler.Finding) bool {
			return f.Code == "connector-syncs-fail" || f.Code == "connector-sealed-elsewhere"
		})
		if got.Status != c.status || i < 0 != (c.finds == "") || i >= 0 && (got.Findings[i].Code != c.finds || got.Findings[i].Drift != (c.finds == "connector-syncs-fail")) {
			t.Errorf("%s: %s, %s: %+v", c.name, got.Status, got.Reason, got.Findings)
		}
		for _, r := range got.Rounds {
			for _, step := range r.Steps {
				if _, person := step.Op.(reconciler.ByHand); person {
					t.Errorf("%s: a person is asked again", c.name)
				}
			}
		}
	}
}

// What does not work may be set again with the same value, by a new version; not what others know.
func TestTheSameValueAgain(t *testing.T) {
	for _, c := range []struct {
		failed, compromised bool
		status              reconciler.Status
	}{{false, false, reconciler.Refused}, {true, false, reconciler.Rotate}, {true, true, reconciler.Refused}} {
		s := newScene()
		s.value.SameAs = "3"
		s.syncs["ad"] = site.Run{Began: set.Add(time.Hour), Failed: c.failed}
		if c.compromised {
			s.history = append(s.history, state.Entry{Secret: kind, Before: "3", Version: "4", Outcome: state.Started, Facts: []state.Fact{{Field: state.Compromised, Value: "posted"}}})
		}
		if got := s.plan(t); got.Status != c.status {
			t.Errorf("%+v: %s: %+v", c, got.Status, got.Findings)
		}
	}
}

// The way back is the value before it, and only if it is the ledger's and kept here.
func TestWayBack(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(s *scene)
		back   string
	}{
		{"kept", func(*scene) {}, "3"},
		{"not kept", func(s *scene) { s.value.Others = []string{"2"} }, ""},
		{"not known", func(s *scene) { s.history = nil }, ""},
	} {
		s := newScene()
		c.change(s)
		got := s.plan(t)
		i := slices.IndexFunc(got.Rounds[1].Steps, func(s reconciler.Step) bool { return s.Phase == reconciler.Accept })
		back := got.Rounds[1].Steps[i].Back
		old := ""
		if push, ok := back.Op.(site.PushSecret); ok {
			old = push.Secret.Version
		}
		if old != c.back || (back.Why == "") != (c.back != "") {
			t.Errorf("%s: %+v", c.name, back)
		}
	}
}
