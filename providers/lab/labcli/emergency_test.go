package labcli_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"meshrotate/providers/lab"
	"meshrotate/state"
	"meshrotate/state/chain"
)

// TestEmergencies runs the stories of testdata, each in a lab of its own: what a person types, and what comes back.
func TestEmergencies(t *testing.T) {
	t.Parallel()
	w, l := startHere(t, lab.Config{Relays: 3})
	leaked := l.Keys()
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Setup: func(e *testscript.Env) error {
			e.Cd = w.dir
			for _, v := range w.env {
				if name, value, _ := strings.Cut(v, "="); name != "PATH" && name != "HOME" {
					e.Setenv(name, value)
				}
			}
			e.Setenv("PATH", filepath.Dir(program)+":"+e.Getenv("PATH"))
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"chained": func(ts *testscript.TestScript, _ bool, args []string) {
				chained(ts, ts.ReadFile(args[0]), ledger(t, w.dir))
			},
			// dead says that Admin accepts no key that was on a host when the lab began, and that none of its files has one.
			"dead": func(ts *testscript.TestScript, neg bool, _ []string) {
				alive := false
				for _, key := range leaked {
					alive = alive || l.Accepts(key)
					for _, now := range l.Keys() {
						alive = alive || now == key
					}
				}
				if alive != neg {
					ts.Fatalf("the leaked key is accepted: %v", alive)
				}
			},
		},
	})
}

// ledger are the lines of the only ledger below a folder.
func ledger(t *testing.T, dir string) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, "*", "ledger.jsonl"))
	if err != nil || len(found) != 1 {
		t.Fatal("no ledger, or several: ", found, err)
	}
	text, err := os.ReadFile(found[0])
	must(t, err)
	return strings.Split(strings.TrimSpace(string(text)), "\n")
}

// chained holds what is said of the ledger's chain against the ledger.
func chained(ts *testscript.TestScript, evidence string, lines []string) {
	var said state.Evidence
	ts.Check(json.Unmarshal([]byte(evidence), &said))
	for _, e := range append(said.Entries, said.Ledger) {
		if e.Entry > len(lines) || e.Hash == "" || chain.Link([]byte(lines[e.Entry-1])) != e.Hash {
			ts.Fatalf("entry %d of the ledger does not have the hash %s", e.Entry, e.Hash)
		}
	}
	if len(said.Entries) < 10 || said.Ledger.Entry != len(lines) {
		ts.Fatalf("%d entries, the last one is %d of %d", len(said.Entries), said.Ledger.Entry, len(lines))
	}
}
