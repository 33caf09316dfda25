package providers_test

import (
	"strings"
	"testing"

	"meshrotate/providers/lab"
	"meshrotate/providers/lab/machine"
	"meshrotate/providers/rotations/codesigning"
	"meshrotate/providers/site"
	"meshrotate/reconciler"
)

// rightsFor is a right for each op that changes something on a host: taken away, the plan refuses before anything stops. Ops that
// need none beyond what a look shows are not in it.
var rightsFor = []struct {
	op          reconciler.Op
	kind        string // of secret
	taken, back func(w *world)
	code        reconciler.FindingID
}{
	{site.StopService{}, "relaykey", mishap("demote", "relay-01"), mishap("promote", "relay-01"), "service-denied"},
	{site.StartService{}, "relaykey", mishap("demote", "im-admin"), mishap("promote", "im-admin"), "service-denied"},
	{site.SetLogon{}, "serviceaccount", mishap("demote", "im-engine"), mishap("promote", "im-engine"), "service-denied"},
	{site.StageSettings{}, "relaykey", forbidden(`C:\Program Files\IdentityMeshRelayAgent`, relayOne, true), forbidden(`C:\Program Files\IdentityMeshRelayAgent`, relayOne, false), "folder-denied"},
	{site.Swap{}, "relaykey", mishap("deny", "relay-01"), mishap("grant", "relay-01"), "file-denied"},
	{site.StageFile{}, "license", mishap("deny", "im-engine"), mishap("grant", "im-engine"), "folder-denied"},
	{site.StageScript{}, "codesigning/build", forbidden(`C:\build\identitymesh-installer`, buildHost, true), forbidden(`C:\build\identitymesh-installer`, buildHost, false), "folder-denied"},
	{site.ImportCertificate{}, "codesigning/build", withheld(true, false), withheld(false, false), "store-denied"},
	{site.SetVariable{}, "codesigning/build", pinsInEnvironment(withheld(false, true)), withheld(false, false), "environment-denied"},
	{site.RunBuild{}, "codesigning/build", forbidden(lab.BuildFolder, buildHost, true), forbidden(lab.BuildFolder, buildHost, false), "artifacts-denied"},
	{site.PushSecret{}, "connector", func(w *world) {
		w.connectorSpec().Value = "file"
		w.lab.SetCLI(lab.CLI{File: true})
		forbidden(parent(lab.SecretsCLI), engine, true)(w)
	}, forbidden(parent(lab.SecretsCLI), engine, false), "value-file-denied"},
}

func parent(path string) string             { return path[:strings.LastIndexByte(path, '\\')] }
func relayOne(w *world) *lab.Host           { return w.relay(1) }
func buildHost(w *world) *lab.Host          { return w.lab.BuildHost }
func engine(w *world) *lab.Host             { return w.lab.EngineHost }
func mishap(what, host string) func(*world) { return func(w *world) { w.do(what, host) } }

func forbidden(folder string, on func(*world) *lab.Host, yes bool) func(*world) {
	return func(w *world) { on(w).Machine.FS.(*machine.Memory).Forbid(folder, yes) }
}

func withheld(stores, environment bool) func(*world) {
	return func(w *world) { w.lab.BuildHost.Machine.Withhold(stores, environment) }
}

// pinsInEnvironment lets the build be told its certificate there.
func pinsInEnvironment(then func(*world)) func(*world) {
	return func(w *world) {
		spec := *w.doc.Secrets["codeSigning"].(*codesigning.Spec)
		build := *spec.BuildHost
		build.Pin = "environment"
		spec.BuildHost, w.doc.Secrets["codeSigning"] = &build, &spec
		old, _ := lab.Certificates()
		w.lab.BuildHost.Machine.SetEnvironment("CODESIGN_THUMBPRINT", old.SHA1)
		if err := w.lab.BuildHost.Write(lab.BuildScript, []byte("@echo off\r\nsigntool sign /sha1 %CODESIGN_THUMBPRINT% connectors\\*.dll\r\n")); err != nil {
			w.t.Fatal(err)
		}
		then(w)
	}
}

// Every right that a step needs is looked at before the first stop, also one that is needed by a later round.
func TestRightsAreLookedAtFirst(t *testing.T) {
	for _, c := range rightsFor {
		t.Run(c.op.Kind(), func(t *testing.T) {
			t.Parallel()
			virtual(t, func(t *testing.T) {
				kinds := []string{c.kind}
				if c.kind == "connector" { // which stops nothing itself
					kinds = append(kinds, "relaykey")
				}
				w := newWorld(t, 2, kinds...)
				c.taken(w)
				stops := stopsAnywhere(w)
				p, _ := w.run()
				if f, ok := finding(p, string(c.code)); !ok || f.Severity != reconciler.Error || f.Hint == "" {
					t.Errorf("no %s: %+v", c.code, p.Changes)
				}
				if all := stops(); len(all) > 0 {
					t.Errorf("stopped all the same: %q", all)
				}
				c.back(w)
				q, o := w.run()
				if o.Err != nil || len(q.Blocked()) > 0 {
					t.Fatalf("once it is given back: %v %+v", o, q.Blocked())
				}
				needed := false
				for _, s := range q.Steps() {
					needed = needed || s.Op.Kind() == c.op.Kind()
				}
				if !needed {
					t.Errorf("the plan has no such step: it proves nothing")
				}
			})
		})
	}
}

// needNoMore are ops on hosts that need no right that another one does not need, or that a look does not: what they do is looked at, or
// takes back what was done.
var needNoMore = []reconciler.Op{
	site.Discard{}, site.Restore{}, site.RemoveCertificate{}, // the rights of what they take back
	site.TryLogon{}, site.RecordMachine{}, // a logon is anybody's; a record is ours
	site.ProveFile{}, site.ProveAsBefore{}, site.ProveSetting{}, site.ProveList{}, site.ProveProcess{}, site.ProveLogon{}, site.ProveListed{},
	site.ProvePin{}, site.ProveUnpinned{}, site.ProveSigned{}, site.ProveUnused{}, site.ProveLoginFrom{}, // each reads what every look reads
}

// The table has each op on a host that any kind of secret plans, forwards or backwards.
func TestEveryOpHasItsRights(t *testing.T) {
	known := map[string]bool{}
	for _, c := range rightsFor {
		known[c.op.Kind()] = true
	}
	for _, op := range needNoMore {
		known[op.Kind()] = true
	}
	for _, kinds := range [][]string{{"relaykey", "license", "sqllogin", "connector"}, {"serviceaccount"}, {"codesigning/build"}} {
		virtual(t, func(t *testing.T) {
			w := newWorld(t, 2, kinds...)
			for _, s := range w.planned().Steps() {
				for _, op := range []reconciler.Op{s.Op, s.Back.Op} {
					if op != nil && op.Target().Kind == reconciler.HostTarget && !known[op.Kind()] {
						t.Errorf("which right does %s need, and who looks at it before anything stops?", op.Kind())
					}
				}
			}
		})
	}
}
