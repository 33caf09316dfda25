package codesigning_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"meshrotate/providers/rotations/codesigning"
	"meshrotate/providers/site"
	"meshrotate/reconciler"
	"meshrotate/reconciler/rotationtest"
	"meshrotate/specs"
	"meshrotate/state"
)

const (
	r1, r2 = "relay-01.example", "relay-02.example"
	folder = `C:\connectors`
)

var (
	oldOne  = strings.Repeat("41C0", 10)
	nextOne = strings.Repeat("9F8A", 10)
	written = time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	started = written.Add(time.Hour)
	now     = written.Add(24 * time.Hour)
	yes     = true
)

// scene is everything that a plan may know. It begins with two relays that accept the old certificate, which signs what they have,
// and a document that asks for both.
type scene struct {
	doc     *specs.Deployment
	spec    *codesigning.Spec
	api     reconciler.Look
	hosts   map[string]*hostSeen
	relays  []site.RelaySeen
	history []state.Entry
}

type hostSeen struct {
	reach      reconciler.Reach
	list       site.ListSeen
	signatures site.SignaturesSeen
	service    site.ServiceSeen
}

func signed(name, sha1 string) site.SignedFile {
	return site.SignedFile{Name: name, Trust: site.Valid, Signers: []site.Signer{{SHA1: sha1, NotAfter: now.AddDate(1, 0, 0), Stamped: true}}}
}

func newScene() *scene {
	s := &scene{doc: &specs.Deployment{Hosts: specs.Hosts{Admin: "im-admin.example", Relays: []string{r1, r2}}},
		spec: &codesigning.Spec{Setting: "Relay:AcceptedThumbprints", Connectors: codesigning.Connectors{Folder: folder, Suffix: ".dll"}},
		api:  reconciler.Look{Reach: reconciler.Reached}, hosts: map[string]*hostSeen{}}
	s.asks(oldOne, nextOne)
	s.doc.Connect.AdminAPI.URL = "https://im-admin.example"
	s.doc.Product.Relay = specs.Component{Service: "IdentityMeshRelayAgent", Settings: `C:\relay.json`}
	for _, h := range []string{r1, r2} {
		s.hosts[h] = &hostSeen{reach: reconciler.Reached,
			list: site.ListSeen{SettingSeen: site.SettingSeen{Base: site.Base{Path: `C:\relay.json`, Exists: true, SHA256: "00", Modified: written, Changed: written},
				Key: "Relay:AcceptedThumbprints"}, Found: true, Members: []string{oldOne}},
			signatures: site.SignaturesSeen{Folder: folder, Exists: true, Files: []site.SignedFile{signed("ad.dll", oldOne), signed("hr.dll", oldOne)}},
			service:    site.ServiceSeen{Name: "IdentityMeshRelayAgent", Installed: true, State: "running", StartedAt: started, StartMode: "auto"}}
		s.relays = append(s.relays, site.RelaySeen{Name: strings.ToUpper(h[:8]), Connected: &yes, Heartbeat: now})
	}
	return s
}

func (s *scene) asks(thumbprints ...string) {
	s.spec.Thumbprints = nil
	for _, t := range thumbprints {
		s.spec.Thumbprints = append(s.spec.Thumbprints, codesigning.Certificate{SHA1: specs.Thumbprint(t)})
	}
}

// seen is what was seen of the relays, and of Admin.
func (s *scene) seen() reconciler.Seen {
	seen := reconciler.Seen{site.API: s.api}
	put := func(read reconciler.Read, res reconciler.Result) { rotationtest.Answer(seen, read, res) }
	for name, h := range s.hosts {
		if h.reach != reconciler.Reached {
			seen[site.Host(name)] = reconciler.Look{Reach: h.reach, Err: errors.New(name + ": no route")}
			continue
		}
		c := s.doc.Product.Relay
		put(site.List{Host: name, Path: c.Settings, Setting: s.spec.Setting, Service: c.Service}, &h.list)
		put(site.Signatures{Host: name, Folder: folder, Suffix: ".dll"}, &h.signatures)
		put(site.Service{Host: name, Name: c.Service}, &h.service)
		p := site.Preflight{Host: name, Service: c.Service, Path: c.Settings}
		put(p, &site.PreflightSeen{Preflight: p, Free: 1 << 30})
		put(site.Machine{Host: name}, &site.MachineSeen{ComputerName: strings.ToUpper(name[:8])})
	}
	if s.api.Reach == reconciler.Reached {
		put(site.Relays{}, &site.RelaysSeen{Relays: s.relays, Time: now})
	}
	return seen
}

func (s *scene) plan(t *testing.T) reconciler.Change {
	t.Helper()
	return rotationtest.Plan(t, codesigning.New(s.doc, s.spec)[0], reconciler.Input{Seen: s.seen(), History: state.NewHistory(s.history), Now: now})
}

// find is the first step of a kind on a host, nil when there is none.
func find(c reconciler.Change, kind, host string) reconciler.Op {
	for _, r := range c.Rounds {
		for _, s := range r.Steps {
			if s.Op.Kind() == kind && s.Op.Target().Name == host {
				return s.Op
			}
		}
	}
	return nil
}

func TestPlans(t *testing.T) {
	for _, c := range []struct {
		reason string
		change func(s *scene)
		status reconciler.Status
		code   string   // of a finding that is there
		wants  []string // members of the second relay's list, where it is edited
	}{
		{"a further certificate comes behind the others", func(*scene) {}, reconciler.Rotate, "thumbprint-use", []string{oldOne, nextOne}},
		{"as declared", func(s *scene) { s.asks(oldOne) }, reconciler.AsDeclared, "thumbprint-use", nil},
		{"what is there and meant stays as it is spelled", func(s *scene) { s.hosts[r2].list.Members = []string{"\u200e" + strings.ToLower(oldOne)} }, reconciler.Rotate, "", []string{"\u200e" + strings.ToLower(oldOne), nextOne}},
		{"what .NET does not find is written anew", func(s *scene) { s.asks(oldOne); s.hosts[r2].list.Members = []string{"41:C0" + oldOne[4:]} }, reconciler.Rotate, "thumbprint-not-found", []string{oldOne}},
		{"one that is there twice goes once", func(s *scene) {
			s.asks(oldOne)
			s.hosts[r2].list.Members = []string{oldOne, strings.ToLower(oldOne)}
		}, reconciler.Rotate, "", []string{oldOne}},
		{"a placeholder goes", func(s *scene) { s.asks(oldOne); s.hosts[r2].list.Members = []string{"TODO", oldOne} }, reconciler.Rotate, "thumbprint-not-found", []string{oldOne}},
		{"in use", func(s *scene) { s.asks(nextOne) }, reconciler.Refused, "thumbprint-in-use", nil},
		{"no longer in use", func(s *scene) {
			s.asks(nextOne)
			for _, h := range s.hosts {
				h.list.Members, h.signatures.Files = []string{oldOne, nextOne}, []site.SignedFile{signed("ad.dll", nextOne)}
			}
		}, reconciler.Rotate, "", []string{nextOne}},
		{"in use on one relay is in use", func(s *scene) {
			s.asks(nextOne)
			for _, h := range s.hosts {
				h.list.Members, h.signatures.Files = []string{oldOne, nextOne}, []site.SignedFile{signed("ad.dll", nextOne)}
			}
			s.hosts[r1].signatures.Files = append(s.hosts[r1].signatures.Files, signed("hr.dll", oldOne))
		}, reconciler.Refused, "thumbprint-in-use", nil},
		{"a second signature that is accepted is enough", func(s *scene) {
			s.asks(nextOne)
			both := signed("ad.dll", oldOne)
			both.Signers = append(both.Signers, site.Signer{SHA1: nextOne, NotAfter: now.AddDate(1, 0, 0)})
			for _, h := range s.hosts {
				h.list.Members, h.signatures.Files = []string{oldOne, nextOne}, []site.SignedFile{both}
			}
		}, reconciler.Refused, "thumbprint-in-use", nil},
		{"a SHA-256 of a certificate that stays may go", func(s *scene) {
			s.asks(oldOne)
			s.hosts[r2].list.Members = []string{oldOne, strings.Repeat("0A", 32)}
			s.hosts[r2].signatures.Files[0].Signers[0].SHA256 = strings.Repeat("0A", 32)
		}, reconciler.Rotate, "thumbprint-not-found", []string{oldOne}},
		{"a SHA-256 of one that is used and does not stay: no relay looks at it, and the connector is refused already", func(s *scene) {
			s.asks(nextOne)
			for _, h := range s.hosts {
				h.list.Members = []string{strings.Repeat("0A", 32)}
				h.signatures.Files[0].Signers[0].SHA256 = strings.Repeat("0A", 32)
			}
		}, reconciler.Rotate, "connector-not-accepted", []string{nextOne}},
		{"a process that is older than its list", func(s *scene) { s.asks(oldOne); s.hosts[r2].service.StartedAt = written.Add(-time.Hour) }, reconciler.Rotate, "", nil},
		{"a process may accept what its list has no longer, and a connector needs it", func(s *scene) {
			s.asks(nextOne)
			for _, h := range s.hosts {
				h.list.Members, h.service.StartedAt = []string{nextOne}, written.Add(-time.Hour)
			}
		}, reconciler.Refused, "thumbprint-in-use", nil},
		{"nor is it widened in the same restart", func(s *scene) {
			s.asks(nextOne, strings.Repeat("77AA", 10))
			for _, h := range s.hosts {
				h.list.Members, h.service.StartedAt = []string{nextOne}, written.Add(-time.Hour)
			}
		}, reconciler.Refused, "thumbprint-in-use", nil},
		{"that very process was proven with this list, whoever wrote it anew since, and never took the connector", func(s *scene) {
			s.asks(nextOne)
			for name, h := range s.hosts {
				h.list.Members, h.service.StartedAt = []string{nextOne}, written.Add(-time.Hour)
				s.history = append(s.history, provenWith("9F8A", name, written.Add(-time.Minute))...)
			}
		}, reconciler.AsDeclared, "connector-not-accepted", nil},
		{"that very process was proven with it", func(s *scene) {
			s.asks(nextOne)
			for name, h := range s.hosts {
				h.list.Members, h.service.StartedAt = []string{nextOne}, written.Add(-time.Hour)
				s.history = append(s.history, provenWith("41C0+9F8A", name, written.Add(-time.Minute))...)
			}
		}, reconciler.Refused, "thumbprint-in-use", nil},
		{"it was, and nobody knows which connectors there are", func(s *scene) {
			s.asks(nextOne)
			for name, h := range s.hosts {
				h.list.Members, h.service.StartedAt, h.signatures = []string{nextOne}, written.Add(-time.Hour), site.SignaturesSeen{Folder: folder}
				s.history = append(s.history, provenWith("41C0+9F8A", name, written.Add(-time.Minute))...)
			}
		}, reconciler.Refused, "connectors-unseen", nil},
		{"no connector is seen, and one certificate is to go", func(s *scene) {
			s.asks(nextOne)
			for _, h := range s.hosts {
				h.list.Members, h.signatures.Files = []string{oldOne, nextOne}, nil
			}
		}, reconciler.Refused, "connectors-unseen", nil},
		{"no connector is seen, and none is declared", func(s *scene) {
			s.asks(nextOne)
			for _, h := range s.hosts {
				h.list.Members, h.signatures.Files = []string{oldOne, nextOne}, nil
			}
			s.hosts[r1].signatures.Exists = false
			s.spec.Connectors.None = []string{r1, r2}
		}, reconciler.Rotate, "", []string{nextOne}},
		{"nobody can read a connector, and one certificate is to go", func(s *scene) {
			s.asks(nextOne)
			for _, h := range s.hosts {
				h.list.Members, h.signatures.Files = []string{oldOne, nextOne}, []site.SignedFile{signed("ad.dll", nextOne)}
			}
			s.hosts[r2].signatures.Files = append(s.hosts[r2].signatures.Files, site.SignedFile{Name: "hr.dll", Error: 32})
		}, reconciler.Refused, "connector-unreadable", nil},
		{"nobody can read a connector", func(s *scene) {
			s.asks(oldOne)
			s.hosts[r2].signatures.Files = append(s.hosts[r2].signatures.Files, site.SignedFile{Name: "c.dll", Error: 32})
		}, reconciler.AsDeclared, "connector-unjudged", nil},
		{"the list is one text", func(s *scene) { s.hosts[r2].list.Text = true }, reconciler.Rotate, "list-in-one-text", []string{oldOne, nextOne}},
		{"no connector is seen", func(s *scene) { s.asks(oldOne); s.hosts[r2].signatures.Files = nil }, reconciler.AsDeclared, "connectors-unseen", nil},
		{"connectors lie deeper, and one certificate is to go", func(s *scene) {
			s.asks(nextOne)
			for _, h := range s.hosts {
				h.list.Members, h.signatures.Files = []string{oldOne, nextOne}, []site.SignedFile{signed("ad.dll", nextOne)}
			}
			s.hosts[r1].signatures.Below = `hr\hr.dll`
		}, reconciler.Refused, "connectors-unseen", nil},
		{"a link lies there, and one certificate is to go", func(s *scene) {
			s.asks(nextOne)
			for _, h := range s.hosts {
				h.list.Members, h.signatures.Files = []string{oldOne, nextOne}, []site.SignedFile{signed("ad.dll", nextOne)}
			}
			s.hosts[r1].signatures.Below = "more"
		}, reconciler.Refused, "connectors-unseen", nil},
		{"a link lies there", func(s *scene) { s.asks(oldOne); s.hosts[r1].signatures.Below = "more" }, reconciler.AsDeclared, "connectors-unseen", nil},
		{"connectors lie deeper", func(s *scene) { s.asks(oldOne); s.hosts[r1].signatures.Below = `hr\hr.dll` }, reconciler.AsDeclared, "connectors-unseen", nil},
		{"a relay refuses what it has, and nothing is to be done", func(s *scene) {
			s.asks(nextOne)
			for _, h := range s.hosts {
				h.list.Members = []string{nextOne}
			}
		}, reconciler.AsDeclared, "connector-not-accepted", nil},
		{"a relay that is stopped", func(s *scene) { s.asks(oldOne); s.hosts[r2].service.State = "stopped" }, reconciler.Rotate, "", nil},
		{"unreachable", func(s *scene) { s.hosts[r2].reach = reconciler.Unreachable }, reconciler.Refused, "relay-unreachable", nil},
		{"the policy names it", func(s *scene) {
			s.hosts[r2].reach = reconciler.Unreachable
			s.doc.Policy.Unreachable.Tolerate = []string{r2}
		}, reconciler.Rotate, "relay-left-behind", nil},
		{"a list that is none", func(s *scene) { s.hosts[r2].list.Refused = "a text and a list" }, reconciler.Refused, "settings-refused", nil},
		{"a list that cannot be read", func(s *scene) {
			s.hosts[r2].list = site.ListSeen{SettingSeen: site.SettingSeen{Base: s.hosts[r2].list.Base, Refused: "a member is null"}}
		}, reconciler.Refused, "settings-refused", nil},
		{"a list that nothing can be added to", func(s *scene) { s.hosts[r2].list.Closed = "a member is called primary" }, reconciler.Refused, "settings-refused", nil},
		{"nothing is to be added to it", func(s *scene) { s.asks(oldOne); s.hosts[r2].list.Closed = "a member is called primary" }, reconciler.AsDeclared, "", nil},
		{"a variable adds to the list", func(s *scene) { s.hosts[r2].list.Overrides = []string{"Relay__AcceptedThumbprints__5"} }, reconciler.Refused, "setting-overridden", nil},
		{"Admin's API is away: nobody sees relays come back", func(s *scene) { s.api = reconciler.Look{Reach: reconciler.Unreachable} }, reconciler.Rotate, "admin-api", []string{oldOne, nextOne}},
		{"files of an earlier run", func(s *scene) { s.asks(oldOne); s.hosts[r2].list.Backup = true }, reconciler.Rotate, "", nil},
		{"the overlap lasts too long", func(s *scene) {
			s.asks(oldOne, nextOne)
			s.spec.Thumbprints[0].RetireAfter = "2026-10-31"
		}, reconciler.Rotate, "thumbprint-overdue", []string{oldOne, nextOne}},
		{"it expires soon", func(s *scene) {
			s.asks(oldOne)
			s.hosts[r2].signatures.Files[1].Signers[0].NotAfter = now.AddDate(0, 0, 20)
		}, reconciler.AsDeclared, "certificate-expires", nil},
		{"it expires very soon", func(s *scene) {
			s.asks(oldOne)
			s.hosts[r2].signatures.Files[1].Signers[0].NotAfter = now.AddDate(0, 0, 6)
		}, reconciler.AsDeclared, "certificate-expires", nil},
		{"it has expired, and the signature is stamped", func(s *scene) {
			s.asks(oldOne)
			for _, h := range s.hosts {
				for _, f := range h.signatures.Files {
					f.Signers[0].NotAfter = now.AddDate(0, 0, -6)
				}
			}
		}, reconciler.AsDeclared, "", nil},
	} {
		s := newScene()
		c.change(s)
		got := s.plan(t)
		if c.code == "settings-refused" && strings.Contains(got.Reason, "accepts none") || got.Status != c.status || c.code != "" && !slices.ContainsFunc(got.Findings, func(f reconciler.Finding) bool { return string(f.Code) == c.code }) {
			t.Errorf("%s: it is %s (%s), with %+v", c.reason, got.Status, got.Reason, got.Findings)
		}
		stage, ok := find(got, "stage-settings", r2).(site.StageSettings)
		if ok != (c.wants != nil) || ok && !slices.Equal(stage.Lists[0].Members, c.wants) {
			t.Errorf("%s: %+v", c.reason, stage)
		}
		if _, gone := find(got, "prove-unused", r2).(site.ProveUnused); gone != (c.reason == "no longer in use" || c.reason == "no connector is seen, and none is declared") {
			t.Errorf("%s: looks once more: %v", c.reason, gone)
		}
	}
}

// provenWith is the record of a run that has proven a relay's process with this version.
func provenWith(version, host string, at time.Time) []state.Entry {
	proof := reconciler.Step{Phase: reconciler.Verify, Op: site.ProveProcess{Host: host, Service: "IdentityMeshRelayAgent", Path: `C:\relay.json`}}
	return []state.Entry{{Time: at, Secret: "codesigning", Version: version, Outcome: state.Started},
		{Time: at, Secret: "codesigning", Version: version, Step: proof.Name(), Hosts: []string{host}, Outcome: state.Done},
		{Time: at, Secret: "codesigning", Version: version, Outcome: state.Proven}}
}

// A relay that refuses a connector is drift, though its list is as declared.
func TestRefusedConnectorIsDrift(t *testing.T) {
	stranger := site.Signer{SHA1: strings.Repeat("AAAA", 10), NotAfter: now.AddDate(1, 0, 0), Stamped: true}
	for _, c := range []struct {
		code   reconciler.FindingID // "" for no drift
		change func(f *site.SignedFile)
	}{
		{"connector-not-accepted", func(f *site.SignedFile) { f.Signers[0] = stranger }},
		{"connector-not-accepted", func(f *site.SignedFile) { f.Signers = []site.Signer{stranger, f.Signers[0]} }},
		{"connector-unsigned", func(f *site.SignedFile) { f.Trust, f.Signers = site.Unsigned, nil }},
		{"connector-tampered", func(f *site.SignedFile) { f.Trust = site.Tampered }},
		{"connector-expired", func(f *site.SignedFile) { f.Trust = site.Expired }},
		{"", func(f *site.SignedFile) { f.Signers = append(f.Signers, stranger) }},
		{"", func(f *site.SignedFile) {}},
	} {
		s := newScene()
		s.asks(oldOne)
		c.change(&s.hosts[r2].signatures.Files[1])
		got := s.plan(t)
		if got.Status != reconciler.AsDeclared || reconciler.Drifted(got.Findings) != (c.code != "") ||
			c.code != "" && !slices.ContainsFunc(got.Findings, func(f reconciler.Finding) bool { return f.Code == c.code && f.Drift }) {
			t.Errorf("%s: %s, %+v", c.code, got.Status, got.Findings)
		}
	}
}

// That nothing is signed with a certificate any more is said where every connector was seen, and what is built.
func TestOverdueAsFarAsSeen(t *testing.T) {
	const ended = "nothing is signed with it any more"
	for _, c := range []struct {
		reason, says string
		change       func(w *workshop)
	}{
		{"all was seen", ended, func(*workshop) {}},
		{"a relay is away", "which connectors relay-02.example has is not known", func(w *workshop) {
			w.hosts[r2].reach, w.doc.Policy.Unreachable.Tolerate = reconciler.Unreachable, []string{r2}
		}},
		{"a folder below", "which connectors relay-02.example has is not known", func(w *workshop) { w.hosts[r2].signatures.Below = "more" }},
		{"a file that nobody can read", "which connectors relay-02.example has is not known", func(w *workshop) {
			w.hosts[r2].signatures.Files = append(w.hosts[r2].signatures.Files, site.SignedFile{Name: "c.dll", Error: 32})
		}},
		{"builds use it", "the build host signs with it", func(w *workshop) { w.pin.Text = oldOne }},
		{"the build host is away", "what the build host signs with is not known", func(w *workshop) { w.reach = reconciler.Unreachable }},
	} {
		w := newWorkshop()
		w.moved()
		w.spec.Thumbprints[0].RetireAfter = "2026-10-31"
		for _, h := range w.hosts {
			h.signatures.Files = []site.SignedFile{signed("ad.dll", nextOne)}
		}
		c.change(w)
		got, _ := w.plan(t)
		i := slices.IndexFunc(got.Findings, func(f reconciler.Finding) bool { return f.Code == "thumbprint-overdue" })
		if i < 0 || !strings.Contains(got.Findings[i].Text, c.says) {
			t.Errorf("%s: %+v", c.reason, got.Findings)
			continue
		}
		if held := got.Overlaps[0].Held; c.says != ended && (!strings.Contains(held, c.says) || strings.Contains(got.Findings[i].Text, ended)) {
			t.Errorf("%s: held by %q", c.reason, held)
		}
	}
}

// A certificate whose key others have goes at once, whatever is signed with it.
func TestCompromised(t *testing.T) {
	s := newScene()
	s.asks(nextOne)
	s.history = append(s.history, state.Entry{Secret: "codesigning", Version: "9F8A", Outcome: state.Started, Facts: []state.Fact{{Field: state.Compromised, Value: "stolen"}}})
	c := s.plan(t)
	edit, ok := find(c, "stage-settings", r2).(site.StageSettings)
	if c.Status != reconciler.Rotate || !ok || !slices.Equal(edit.Lists[0].Members, []string{nextOne}) || find(c, "prove-unused", r2) != nil {
		t.Errorf("it is %s (%s), %+v", c.Status, c.Reason, edit)
	}
	if !slices.ContainsFunc(c.Findings, func(f reconciler.Finding) bool {
		return f.Code == "thumbprint-in-use" && f.Severity == reconciler.Warning
	}) {
		t.Errorf("nobody says what is refused from then on: %+v", c.Findings)
	}
}

// A relay that an emergency could not reach loses the certificate once it is back, whatever is signed with it; another certificate,
// that others do not know, does not go with it.
func TestBackAfterAnEmergency(t *testing.T) {
	third := strings.Repeat("77AA", 10)
	for _, c := range []struct {
		has    []string
		status reconciler.Status
	}{
		{[]string{oldOne, nextOne}, reconciler.Rotate},
		{[]string{oldOne, third, nextOne}, reconciler.Refused},
	} {
		s := newScene()
		s.asks(nextOne)
		for host, h := range s.hosts {
			h.list.Members, h.signatures.Files = []string{nextOne}, []site.SignedFile{signed("ad.dll", nextOne)}
			if host == r2 {
				h.list.Members, h.signatures.Files = c.has, []site.SignedFile{signed("ad.dll", oldOne), signed("ldap.dll", third)}
			}
		}
		s.history = []state.Entry{{Secret: "codesigning", Before: "41C0+9F8A", Version: "9F8A", Outcome: state.Started,
			Facts: []state.Fact{{Field: state.Compromised, Value: "stolen"}, {Field: state.Ousted, Value: oldOne}}},
			{Secret: "codesigning", Version: "9F8A", Outcome: state.Proven, Left: []string{r2}}}
		got := s.plan(t)
		warned := slices.ContainsFunc(got.Findings, func(f reconciler.Finding) bool {
			return f.Code == "thumbprint-in-use" && f.Severity == reconciler.Warning && strings.Contains(f.Text, "others have")
		})
		if got.Status != c.status || !warned || find(got, "prove-unused", r2) != nil {
			t.Errorf("%v: %s (%s), %+v", c.has, got.Status, got.Reason, got.Findings)
		}
	}
}

// A document that accepts a stolen certificate, still or again, is warned of, and that is drift; one without it is not.
func TestStolenIsDeclaredAgain(t *testing.T) {
	third := strings.Repeat("77AA", 10)
	for _, c := range []struct {
		asks, live []string
		ended      bool // the emergency was
		warned     bool
		status     reconciler.Status
	}{
		{[]string{oldOne, nextOne}, []string{oldOne, nextOne}, false, true, reconciler.AsDeclared},
		{[]string{oldOne, nextOne}, []string{nextOne}, true, true, reconciler.Rotate},
		{[]string{oldOne, third}, []string{nextOne}, true, true, reconciler.Refused}, // it would retire one that is used
		{[]string{nextOne, third}, []string{nextOne}, true, false, reconciler.Rotate},
	} {
		s := newScene()
		s.asks(c.asks...)
		for _, h := range s.hosts {
			h.list.Members, h.signatures.Files = c.live, []site.SignedFile{signed("ad.dll", nextOne)}
		}
		s.history = []state.Entry{{Secret: "codesigning", Before: "41C0+9F8A", Version: "9F8A", Outcome: state.Started,
			Facts: []state.Fact{{Field: state.Compromised, Value: "stolen"}, {Field: state.Ousted, Value: oldOne}}}}
		if c.ended {
			s.history = append(s.history, state.Entry{Secret: "codesigning", Version: "9F8A", Outcome: state.Proven})
		}
		in := reconciler.Input{Seen: s.seen(), History: state.NewHistory(s.history), Now: now}
		p, err := reconciler.MakePlan(s.doc, codesigning.New(s.doc, s.spec), in)
		if err != nil {
			t.Fatal(err)
		}
		got := p.Changes[0]
		warned := slices.ContainsFunc(got.Findings, func(f reconciler.Finding) bool {
			return f.Code == "secret-compromised" && f.Drift && strings.Contains(f.Text, oldOne)
		})
		if warned != c.warned || got.Status != c.status {
			t.Errorf("%v where %v is live: %s (%s), %+v", c.asks, c.live, got.Status, got.Reason, got.Findings)
		}
	}
}

// An overlap is told from the day on that both are accepted, with what keeps the old one.
func TestOverlap(t *testing.T) {
	s := newScene()
	s.spec.Thumbprints[0].RetireAfter = "2027-01-15"
	proven := written.Add(2 * time.Hour)
	s.history = []state.Entry{{Secret: "codesigning", Version: "41C0+9F8A", Outcome: state.Proven, Time: proven}}
	want := reconciler.Overlap{Old: "41C0…", Began: proven, Ends: time.Date(2027, 1, 16, 0, 0, 0, 0, time.UTC), Held: "4 connectors signed with it"}
	if c := s.plan(t); len(c.Overlaps) != 1 || c.Overlaps[0] != want {
		t.Errorf("it is %+v, want %+v", c.Overlaps, want)
	}
	s.spec.Thumbprints = s.spec.Thumbprints[:1]
	if c := s.plan(t); len(c.Overlaps) != 0 {
		t.Errorf("one alone overlaps nothing: %+v", c.Overlaps)
	}
}

// A certificate that begins like the one in whose place it comes is made within minutes: the plan tells them apart.
func TestACertificateThatBeginsLikeAnother(t *testing.T) {
	s := newScene()
	like := nextOne[:39] + "0"
	s.asks(oldOne, like)
	for _, h := range s.hosts {
		h.list.Members = []string{oldOne, nextOne}
	}
	c := s.plan(t)
	if c.Status != reconciler.Rotate || c.Before == c.Secret.Version || !strings.Contains(c.Reason, like) || !strings.Contains(c.Reason, nextOne) {
		t.Errorf("%s, %s → %s: %s", c.Status, c.Before, c.Secret.Version, c.Reason)
	}
}
