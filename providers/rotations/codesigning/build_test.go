package codesigning_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"meshrotate/providers/rotations/codesigning"
	"meshrotate/providers/site"
	"meshrotate/reconciler"
	"meshrotate/reconciler/rotationtest"
	"meshrotate/reconciler/secret"
	"meshrotate/specs"
	"meshrotate/state"
)

const (
	build  = "build.example"
	script = `C:\build\build-installer.cmd`
	store  = `LocalMachine\My`
)

// workshop is a scene with a build host: it has the old certificate and signs with it, and the document asks for the next one.
type workshop struct {
	*scene
	reach     reconciler.Reach
	store     site.CertificatesSeen
	pin       site.PinSeen
	artifacts site.SignaturesSeen
	installer site.SignaturesSeen // looked at where the document names it
	pfx       site.PackageSeen
	value     site.ValueSeen
}

func newWorkshop() *workshop {
	w := &workshop{scene: newScene(), reach: reconciler.Reached}
	w.doc.Hosts.Build = build
	w.spec.Thumbprints[1].Use = "signing"
	for _, h := range w.hosts {
		h.list.Members = []string{oldOne, nextOne}
	}
	w.spec.BuildHost = &codesigning.Build{PFX: &specs.Source{File: "next.pfx"}, Password: &specs.Source{Env: "PFX"}, Store: store, Script: script, Variable: "CODESIGN_THUMBPRINT",
		Artifacts: codesigning.Artifacts{Folder: `C:\build\out`, Suffix: ".dll"}, Timeout: specs.MustDuration("30m")}
	w.store = site.CertificatesSeen{Store: store, All: []site.Certificate{{SHA1: oldOne, NotAfter: now.AddDate(1, 0, 0), HasKey: true}}}
	w.pin = site.PinSeen{Base: site.Base{Path: script, Exists: true, SHA256: "00"}, Text: oldOne}
	w.artifacts = site.SignaturesSeen{Exists: true, Files: []site.SignedFile{signed("ad.dll", oldOne), signed("hr.dll", oldOne)}}
	w.pfx = site.PackageSeen{Certificate: site.Certificate{SHA1: nextOne, NotAfter: now.AddDate(3, 0, 0), HasKey: true}, Code: true}
	w.value = site.ValueSeen{Available: true}
	return w
}

// moved is a build host that signs with the next certificate, and has built with it.
func (w *workshop) moved() {
	w.store.All = append(w.store.All, site.Certificate{SHA1: nextOne, NotAfter: now.AddDate(3, 0, 0), HasKey: true})
	w.pin.Text = nextOne
	w.artifacts.Files = []site.SignedFile{signed("ad.dll", nextOne), signed("hr.dll", nextOne)}
}

// makes lets the document name an installer, beside the connectors.
func (w *workshop) makes(files ...site.SignedFile) {
	w.spec.BuildHost.Further = []codesigning.Artifacts{{Folder: `C:\build\msi`, Suffix: ".msi"}}
	w.installer = site.SignaturesSeen{Exists: true, Files: files}
}

// plan asks both rotations.
func (w *workshop) plan(t *testing.T) (relays, host reconciler.Change) {
	t.Helper()
	w.pin.PinAt = site.PinAt{Host: build, Script: script, Variable: "CODESIGN_THUMBPRINT", Machine: w.spec.BuildHost.Pin == "environment"}
	seen := w.seen()
	if w.reach != reconciler.Reached {
		seen[site.Host(build)] = reconciler.Look{Reach: w.reach, Err: errors.New(build + ": no route")}
	} else {
		put := func(read reconciler.Read, res reconciler.Result) { rotationtest.Answer(seen, read, res) }
		put(site.Certificates{Host: build, Store: w.spec.BuildHost.Store}, &w.store)
		put(site.Pin{PinAt: w.pin.PinAt}, &w.pin)
		put(site.Signatures{Host: build, Folder: `C:\build\out`, Suffix: ".dll"}, &w.artifacts)
		put(site.Signatures{Host: build, Folder: `C:\build\msi`, Suffix: ".msi"}, &w.installer)
		put(site.Machine{Host: build}, &site.MachineSeen{ComputerName: "BUILD"})
		p := site.Preflight{Host: build, Path: script}
		put(p, &site.PreflightSeen{Preflight: p, Free: 1 << 30})
		file, password := secret.Ref{Name: "codesigning:build", Version: w.version()}, secret.Ref{Name: "codesigning:password", Version: w.version()}
		for _, ref := range []secret.Ref{file, password} {
			v := w.value
			v.Secret = ref
			put(site.Value{Secret: ref}, &v)
		}
		put(site.Package{File: file, Password: password}, &w.pfx)
	}
	in := reconciler.Input{Seen: seen, History: state.NewHistory(w.history), Now: now}
	both := codesigning.New(w.doc, w.spec)
	return rotationtest.Plan(t, both[0], in), rotationtest.Plan(t, both[1], in)
}

func (w *workshop) version() string {
	for _, c := range w.spec.Thumbprints {
		if c.Use != "" {
			return string(c.SHA1[:8])
		}
	}
	return ""
}

// kinds are the ops of a change, in their order.
func kinds(c reconciler.Change) string {
	var all []string
	for _, r := range c.Rounds {
		for _, s := range r.Steps {
			all = append(all, s.Op.Kind())
		}
	}
	return strings.Join(all, " ")
}

func TestBuildHostPlans(t *testing.T) {
	const whole = "keep keep import-certificate stage-script swap run-build prove-pin prove-signed discard"
	for _, c := range []struct {
		reason string
		change func(w *workshop)
		status reconciler.Status
		code   string // of a finding that is there
		kinds  string
		rounds int
	}{
		{"everything is left to do", func(*workshop) {}, reconciler.Rotate, "", whole, 1},
		{"as declared", (*workshop).moved, reconciler.AsDeclared, "", "", 0},
		{"relays do not accept it yet: they do in a round before", func(w *workshop) { w.hosts[r2].list.Members = []string{oldOne} }, reconciler.Rotate, "", whole, 2},
		{"a relay has not loaded it yet", func(w *workshop) { w.hosts[r2].list.Modified, w.hosts[r2].list.Changed = now, now }, reconciler.Rotate, "", whole, 2},
		{"the certificate is there: no PFX is looked at", func(w *workshop) { w.moved(); w.pin.Text = oldOne; w.value = site.ValueSeen{Problem: "gone"} }, reconciler.Rotate, "",
			"stage-script swap run-build prove-pin prove-signed discard", 1},
		{"without its key it is imported again", func(w *workshop) { w.moved(); w.store.All[1].HasKey = false }, reconciler.Rotate, "", "keep keep import-certificate prove-pin prove-signed", 1},
		{"one artifact of before: built again", func(w *workshop) { w.moved(); w.artifacts.Files[1] = signed("hr.dll", oldOne) }, reconciler.Rotate, "", "run-build prove-pin prove-signed", 1},
		{"one without a timestamp", func(w *workshop) { w.moved(); w.artifacts.Files[1].Signers[0].Stamped = false }, reconciler.Rotate, "", "run-build prove-pin prove-signed", 1},
		{"nothing was built", func(w *workshop) { w.moved(); w.artifacts = site.SignaturesSeen{} }, reconciler.Rotate, "", "run-build prove-pin prove-signed", 1},
		{"a run was cut off before its build had ended", func(w *workshop) {
			w.moved()
			w.history = append(w.history, state.Entry{Secret: "codesigning:build", Version: nextOne[:8], Outcome: state.Started})
		}, reconciler.Rotate, "", "run-build prove-pin prove-signed", 1},
		{"a run was cut off after its build", func(w *workshop) {
			w.moved()
			w.history = append(w.history, state.Entry{Secret: "codesigning:build", Version: nextOne[:8], Outcome: state.Started},
				state.Entry{Secret: "codesigning:build", Version: nextOne[:8], Outcome: state.Done, Step: "switch/run " + script, Hosts: []string{build}})
		}, reconciler.Rotate, "", "prove-pin prove-signed", 1},
		{"pinned with blanks", func(w *workshop) { w.moved(); w.pin.Text = "9f8a " + nextOne[4:] }, reconciler.Rotate, "", "stage-script swap prove-pin prove-signed discard", 1},
		{"pinned in small letters", func(w *workshop) { w.moved(); w.pin.Text = strings.ToLower(nextOne) }, reconciler.AsDeclared, "", "", 0},
		{"the installer is of before: built again", func(w *workshop) { w.moved(); w.makes(signed("im.msi", oldOne)) }, reconciler.Rotate, "", "run-build prove-pin prove-signed prove-signed", 1},
		{"the installer has no timestamp", func(w *workshop) {
			w.moved()
			w.makes(signed("im.msi", nextOne))
			w.installer.Files[0].Signers[0].Stamped = false
		}, reconciler.Rotate, "", "run-build prove-pin prove-signed prove-signed", 1},
		{"there is no installer", func(w *workshop) { w.moved(); w.makes() }, reconciler.Rotate, "", "run-build prove-pin prove-signed prove-signed", 1},
		{"the installer cannot be read", func(w *workshop) { w.moved(); w.makes(); w.installer.Error = 5 }, reconciler.Refused, "artifacts-unseen", "", 0},
		{"the installer is as declared", func(w *workshop) { w.moved(); w.makes(signed("im.msi", nextOne)) }, reconciler.AsDeclared, "", "", 0},
		{"leftovers", func(w *workshop) { w.moved(); w.pin.Backup = true }, reconciler.Rotate, "", "prove-pin prove-signed discard", 1},
		{"pinned in the environment", func(w *workshop) { w.spec.BuildHost.Pin = "environment" }, reconciler.Rotate, "", "keep keep import-certificate set-variable run-build prove-pin prove-signed", 1},
		{"the host is away", func(w *workshop) { w.reach = reconciler.Unreachable }, reconciler.Unknown, "host-failed", "", 0},
		{"no script", func(w *workshop) { w.pin.Exists = false }, reconciler.Refused, "build-script-missing", "", 0},
		{"no line of it", func(w *workshop) { w.pin.Text, w.pin.Refused = "", "no line" }, reconciler.Refused, "pin-unseen", "", 0},
		{"a line that names no thumbprint", func(w *workshop) { w.pin.Text = "Contoso Ltd" }, reconciler.Refused, "pin-unseen", "", 0},
		{"a variable that is none", func(w *workshop) { w.pin.Text, w.pin.Other = "", true }, reconciler.Refused, "pin-unseen", "", 0},
		{"the machine's environment wins", func(w *workshop) { w.pin.Overridden = oldOne }, reconciler.Refused, "pin-overridden", "", 0},
		{"no store", func(w *workshop) { w.store = site.CertificatesSeen{Error: 5} }, reconciler.Refused, "store-unseen", "", 0},
		{"what was built cannot be read", func(w *workshop) { w.artifacts = site.SignaturesSeen{Error: 5} }, reconciler.Refused, "artifacts-unseen", "", 0},
		{"no PFX, and it is not there", func(w *workshop) { w.spec.BuildHost.PFX, w.spec.BuildHost.Password = nil, nil }, reconciler.Refused, "certificate-missing", "", 0},
		{"the PFX is not to be had", func(w *workshop) { w.value = site.ValueSeen{Problem: "no such file"} }, reconciler.Refused, "value-unavailable", "", 0},
		{"another password", func(w *workshop) { w.pfx = site.PackageSeen{Problem: "the password does not open the PFX"} }, reconciler.Refused, "pfx-unfit", "", 0},
		{"another certificate", func(w *workshop) { w.pfx.SHA1 = oldOne }, reconciler.Refused, "pfx-unfit", "", 0},
		{"no certificate for code", func(w *workshop) { w.pfx.Code = false }, reconciler.Refused, "pfx-unfit", "", 0},
		{"an expired one", func(w *workshop) { w.pfx.NotAfter = now }, reconciler.Refused, "pfx-unfit", "", 0},
		{"one that is not valid yet", func(w *workshop) { w.pfx.NotBefore = now.AddDate(0, 0, 1) }, reconciler.Refused, "pfx-unfit", "", 0},
		{"one that is valid from now on", func(w *workshop) { w.pfx.NotBefore = now }, reconciler.Rotate, "", whole, 1},
		{"one that expires soon", func(w *workshop) { w.pfx.NotAfter = now.AddDate(0, 0, 3) }, reconciler.Rotate, "certificate-expires", whole, 1},
		{"a store of one account", func(w *workshop) { w.spec.BuildHost.Store = `CurrentUser\My` }, reconciler.Rotate, "store-of-one-account", whole, 1},
		{"it expires soon", func(w *workshop) { w.moved(); w.store.All[1].NotAfter = now.AddDate(0, 0, 25) }, reconciler.AsDeclared, "certificate-expires", "", 0},
		{"it is not valid yet, imported by hand", func(w *workshop) {
			w.store.All = append(w.store.All, site.Certificate{SHA1: nextOne, NotBefore: now.AddDate(0, 0, 1), NotAfter: now.AddDate(3, 0, 0), HasKey: true})
		}, reconciler.Refused, "certificate-early", "", 0},
		{"it is signed with, and not valid yet", func(w *workshop) { w.moved(); w.store.All[1].NotBefore = now.AddDate(0, 0, 1) }, reconciler.AsDeclared, "certificate-early", "", 0},
		{"it is valid from now on", func(w *workshop) { w.moved(); w.store.All[1].NotBefore = now }, reconciler.AsDeclared, "", "", 0},
		{"it has expired", func(w *workshop) { w.moved(); w.store.All[1].NotAfter = now }, reconciler.Refused, "certificate-expired", "", 0},
	} {
		w := newWorkshop()
		c.change(w)
		_, got := w.plan(t)
		if got.Status != c.status || len(got.Rounds) != c.rounds || kinds(got) != c.kinds {
			t.Errorf("%s: %s (%s) in %d rounds: %s", c.reason, got.Status, got.Reason, len(got.Rounds), kinds(got))
		}
		if c.code != "" && !slices.ContainsFunc(got.Findings, func(f reconciler.Finding) bool { return string(f.Code) == c.code }) {
			t.Errorf("%s: not told [%s]: %+v", c.reason, c.code, got.Findings)
		}
		if c.code == "" && len(got.Findings) > 0 {
			t.Errorf("%s: %+v", c.reason, got.Findings)
		}
		for _, f := range got.Findings {
			if f.Severity == reconciler.Error && f.Hint == "" && f.Code != "host-failed" {
				t.Errorf("%s: [%s] does not say what to do", c.reason, f.Code)
			}
		}
	}
}

// A relay that is left behind, and that was never seen to accept the certificate, would refuse what is built with it.
func TestLeftBehindRefusesWhatIsBuilt(t *testing.T) {
	entry := func(o state.Outcome, left ...string) state.Entry {
		return state.Entry{Secret: "codesigning", Version: "41C0+9F8A", Outcome: o, Left: left}
	}
	for _, c := range []struct {
		reason  string
		history []state.Entry
		built   bool // already
		told    bool
	}{
		{"never seen to accept it", nil, false, true},
		{"left behind", []state.Entry{entry(state.Started), entry(state.Proven, r2)}, false, true},
		{"proven with it", []state.Entry{entry(state.Started), entry(state.Proven)}, false, false},
		{"nothing is built now", nil, true, false},
	} {
		w := newWorkshop()
		w.hosts[r2].reach = reconciler.Unreachable
		w.doc.Policy.Unreachable.Tolerate = []string{r2}
		w.history = c.history
		if c.built {
			w.moved()
		}
		_, got := w.plan(t)
		told := slices.ContainsFunc(got.Findings, func(f reconciler.Finding) bool {
			return f.Code == "built-before-accepted" && f.Severity == reconciler.Warning && slices.Equal(f.Hosts, []string{r2})
		})
		if told != c.told {
			t.Errorf("%s: %+v", c.reason, got.Findings)
		}
	}
}

// Nothing that is said of a stolen certificate leads to its being accepted again.
func TestStolenIsNotAcceptedForTheBuildHost(t *testing.T) {
	stolen := []state.Entry{{Secret: "codesigning", Version: "9F8A", Before: "41C0+9F8A", Outcome: state.Started,
		Facts: []state.Fact{{Field: state.Compromised, Value: "stolen"}, {Field: state.Ousted, Value: oldOne}}}}
	for _, c := range []struct {
		reason string
		change func(w *workshop)
	}{
		{"this plan signs with another one", func(w *workshop) { w.history = stolen }},
		{"it is in force again, by hand", func(w *workshop) {
			w.history = append(stolen, state.Entry{Secret: "codesigning", Version: "9F8A", Outcome: state.Proven})
		}},
		{"a restart would take it away", func(w *workshop) {
			w.history = append(stolen, state.Entry{Secret: "codesigning", Version: "9F8A", Outcome: state.Proven})
			for _, h := range w.hosts {
				h.list.Members, h.list.Modified, h.list.Changed = []string{nextOne}, now, now
			}
		}},
		{"a connector is left", func(w *workshop) {
			w.history = append(stolen, state.Entry{Secret: "codesigning", Version: "9F8A", Outcome: state.Proven})
			for _, h := range w.hosts {
				h.list.Members = []string{nextOne}
			}
		}},
	} {
		w := newWorkshop()
		w.spec.Thumbprints = w.spec.Thumbprints[1:]
		c.change(w)
		got, _ := w.plan(t)
		for _, f := range got.Findings {
			if strings.Contains(f.Hint, "accept both") || strings.Contains(f.Hint, "leave it on") || strings.Contains(f.Hint, "on the list again") || strings.Contains(f.Hint, "declare the certificate") {
				t.Errorf("%s: [%s] %s: %s", c.reason, f.Code, f.Text, f.Hint)
			}
			if f.Code == "thumbprint-pinned" && f.Severity == reconciler.Warning {
				t.Errorf("%s: %s", c.reason, f.Text)
			}
		}
	}
}

// What the build host signs with stays on the relays' lists.
func TestPinnedIsNotRetired(t *testing.T) {
	for _, c := range []struct {
		reason string
		change func(w *workshop)
		code   string // "": nothing refuses
	}{
		{"it is pinned, though no connector is signed with it", func(*workshop) {}, "thumbprint-pinned"},
		{"pinned as people paste it", func(w *workshop) { w.pin.Text = "\u200e" + strings.ToLower(oldOne) }, "thumbprint-pinned"},
		{"nobody can say", func(w *workshop) { w.reach = reconciler.Unreachable }, "pin-unseen"},
		{"nobody can read it", func(w *workshop) { w.pin.Text, w.pin.Refused = "", "no line" }, "pin-unseen"},
		{"another one is pinned", (*workshop).moved, ""},
	} {
		w := newWorkshop()
		w.spec.Thumbprints = w.spec.Thumbprints[1:]
		for _, h := range w.hosts {
			h.signatures.Files = []site.SignedFile{signed("ad.dll", nextOne)}
		}
		c.change(w)
		got, _ := w.plan(t)
		refused := got.Status == reconciler.Refused
		if refused != (c.code != "") || refused && !slices.ContainsFunc(got.Findings, func(f reconciler.Finding) bool {
			return string(f.Code) == c.code && f.Severity == reconciler.Error && strings.HasPrefix(f.Text, build)
		}) {
			t.Errorf("%s: %s: %+v", c.reason, got.Status, got.Findings)
		}
	}
}

// Of a stolen certificate it is told what the build host has of it, beside what the rotation takes it out of.
func TestKeepers(t *testing.T) {
	emergency := []state.Entry{{Secret: "codesigning", Version: "9F8A", Before: "41C0+9F8A", Outcome: state.Started,
		Facts: []state.Fact{{Field: state.Compromised, Value: "stolen"}, {Field: state.Ousted, Value: oldOne}}}}
	for _, c := range []struct {
		reason string
		change func(w *workshop)
		want   []string
	}{
		{"all of it", func(*workshop) {}, []string{"the certificate store LocalMachine\\My: 41C0…, with its key", "CODESIGN_THUMBPRINT in build-installer.cmd, 41C0…", "the PFX of 41C0…"}},
		{"nothing", func(w *workshop) { w.moved(); w.store.All, w.value.Others = w.store.All[1:], nil }, nil},
		{"nobody could look", func(w *workshop) { w.reach = reconciler.Unreachable }, []string{"which could not be read: it may have it", "which could not be read: it may be it"}},
	} {
		w := newWorkshop()
		w.spec.Thumbprints, w.history, w.value.Others = w.spec.Thumbprints[1:], emergency, []string{oldOne[:8]}
		c.change(w)
		got, _ := w.plan(t)
		if len(got.Keepers) != len(c.want) {
			t.Errorf("%s: %+v", c.reason, got.Keepers)
			continue
		}
		for i, want := range c.want {
			if !strings.Contains(got.Keepers[i].Value, want) {
				t.Errorf("%s: %q, want %q", c.reason, got.Keepers[i].Value, want)
			}
		}
	}
}

// That a certificate expires is said 60, 30 and 7 days before, each time in other words.
func TestExpiresInStages(t *testing.T) {
	for days, says := range map[int]string{3: "within 7 days", 7: "within 7 days", 8: "within 30 days", 30: "within 30 days", 31: "within 60 days", 60: "within 60 days", 61: ""} {
		w := newWorkshop()
		w.moved()
		w.store.All[1].NotAfter = now.AddDate(0, 0, days)
		_, got := w.plan(t)
		i := slices.IndexFunc(got.Findings, func(f reconciler.Finding) bool { return f.Code == "certificate-expires" })
		if (i >= 0) != (says != "") || i >= 0 && !strings.Contains(got.Findings[i].Text, says) {
			t.Errorf("%d days: %+v", days, got.Findings)
		}
	}
}
