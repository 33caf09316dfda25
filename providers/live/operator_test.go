package live_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"meshrotate/providers/live"
	"meshrotate/providers/site"
	"meshrotate/providers/values"
	"meshrotate/reconciler"
	"meshrotate/reconciler/rotationtest"
	"meshrotate/reconciler/secret"
	"meshrotate/state"
	"meshrotate/state/memory"
)

// fixed is a source of one value.
type fixed struct{ secret.Value }

func (f fixed) Get(context.Context, secret.Ref) (secret.Value, error) { return f.Value, nil }

// hooked is a site with one value, and a script that stands for the operator's program.
func hooked(t *testing.T, value, script string) (*live.Site, site.RunHook) {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("the programs of this test are shell scripts")
	}
	file := filepath.Join(t.TempDir(), "at-source")
	if err := os.WriteFile(file, []byte("#!/bin/sh\n"+script+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	identity, recipient, err := values.NewIdentity()
	if err != nil {
		t.Fatal(err)
	}
	seal, err := values.NewSeal(fixed{identity}, []string{recipient})
	if err != nil {
		t.Fatal(err)
	}
	ref := secret.Ref{Name: "connector:x", Version: "4"}
	supply := values.Supply{Keep: values.NewKeep(memory.New().Open().State().Values, seal),
		Sources: map[string]values.Source{ref.Name: fixed{secret.NewString(value)}}, Declared: map[string]string{ref.Name: ref.Version}}
	return siteOf(t, live.Config{Values: supply}, nil), site.RunHook{Program: file, Args: []string{"two words", "$HOME"}, Secret: ref,
		About: map[string]string{"REF": "secret://x"}, Timeout: reconciler.Span(20 * time.Second), What: "sets it"}
}

// What lies where meshrotate is run may be a request's: a hook runs in its own folder.
func TestHookInItsOwnFolder(t *testing.T) {
	s, op := hooked(t, "a value", `cmp -s at-source "$0"`)
	if r := only(t, s, op); r.Outcome != state.Done {
		t.Error(r)
	}
}

// A hook gets the value on its standard input and nowhere else.
func TestHook(t *testing.T) {
	const value = `pä"ss $HOME`
	out := filepath.Join(t.TempDir(), "told")
	t.Setenv("MESHROTATE_AGE_IDENTITY", "AGE-SECRET-KEY-CANARY")
	s, op := hooked(t, value, `cat > "`+out+`.in"; printf '%s\n' "$@" > "`+out+`.args"; env > "`+out+`.env"`)
	if r := only(t, s, op); r.Outcome != state.Done || !strings.Contains(r.Evidence, "ended with 0") {
		t.Fatalf("%+v", r)
	}
	read := func(ext string) string {
		b, err := os.ReadFile(out + ext)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	if got := read(".in"); got != value {
		t.Errorf("on its standard input: %q", got)
	}
	if got := read(".args"); got != "two words\n$HOME\n" {
		t.Errorf("its arguments: %q", got)
	}
	env := read(".env")
	for _, line := range []string{"MESHROTATE_SECRET=connector:x\n", "MESHROTATE_VERSION=4\n", "MESHROTATE_REF=secret://x\n", "PATH="} {
		if !strings.Contains(env, line) {
			t.Errorf("its environment has no %q", line)
		}
	}
	if strings.Contains(env, value) || strings.Contains(env, "CANARY") {
		t.Error("its environment has a value")
	}
}

// How a hook may fail, and what is said of it. What it writes is never passed on with a part of the value in it.
func TestHooksThatFail(t *testing.T) {
	const value = "Kx7!pq Wz92mmR4"
	b64 := base64.StdEncoding.EncodeToString([]byte("password=" + value))
	for _, c := range []struct {
		name, script, says, not string
	}{
		{"an exit code", "cat >/dev/null; echo begin; echo 'the directory does not answer' >&2; echo; exit 3", "exit status 3: the directory does not answer", "begin"},
		{"it writes the value", "cat; exit 1", "not shown", ""},
		{"a part of it", "cat > /dev/null; echo 'tried Kx7!pq'; exit 1", "not shown", ""},
		{"in base64", "cat > /dev/null; echo " + b64 + "; exit 1", "not shown", ""},
		{"in hex", "cat | od -An -tx1 | tr -d ' \n'; exit 1", "not shown", ""},
		{"and then something else", "cat; echo; echo 'access denied'; exit 1", "access denied", ""},
		{"much", "cat >/dev/null; yes 'nothing new' | head -c 200000; exit 1", "exit status 1: nothing", ""},
		{"a control character", `cat >/dev/null; printf 'no\033[2Jthing\n'; exit 1`, "no [2Jthing", "\x1b"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, op := hooked(t, value, c.script)
			r := only(t, s, op)
			if r.Outcome != state.Failed || r.Refused || !strings.Contains(r.Err.Error(), c.says) || c.not != "" && strings.Contains(r.Err.Error(), c.not) {
				t.Errorf("%+v", r)
			}
			rotationtest.Search(t, map[string][]byte{"value": []byte(value)}, map[string][]byte{"report": []byte(r.Err.Error())})
		})
	}
}

// A login that is tried has three answers; of what it writes no value is passed on.
func TestALoginThatIsTried(t *testing.T) {
	const value = "Kx7!pq Wz92mmR4"
	for _, c := range []struct {
		name, script, byHand string
		outcome              state.Outcome
		waits                bool
		says                 string
	}{
		{"taken", "cat >/dev/null", "", state.Done, false, "has signed in with it"},
		{"refused", "cat >/dev/null; echo 'bad password'; exit 1", "", state.Failed, false, "was refused: bad password"},
		{"refused, as a person has not done their part", "cat >/dev/null; exit 1", "changes it", state.Failed, true, "a person changes it"},
		{"not known", "cat; echo; echo 'no route'; exit 2", "changes it", state.Unknown, false, "exit status 2: no route"},
		{"not known, and it writes the value", "cat; exit 7", "", state.Unknown, false, "not shown"},
		{"killed", "kill -9 $$", "", state.Unknown, false, "signal: killed"},
		{"too late", "sleep 600", "", state.Unknown, false, "ended after 1s"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, op := hooked(t, value, c.script)
			op.Proves, op.ByHand, op.Timeout = true, c.byHand, reconciler.Span(20*time.Second)
			if c.name == "too late" {
				op.Timeout = reconciler.Span(time.Second)
			}
			r := only(t, s, op)
			said := r.Evidence
			if r.Err != nil {
				said = r.Err.Error()
			}
			if r.Outcome != c.outcome || r.Waits != c.waits || !strings.Contains(said, c.says) {
				t.Errorf("%+v", r)
			}
			rotationtest.Search(t, map[string][]byte{"value": []byte(value)}, map[string][]byte{"report": []byte(said)})
		})
	}
}

// What was not begun is refused, and the look says it before; what takes too long is ended, with what it has started.
func TestHooksThatDoNotEnd(t *testing.T) {
	s, op := hooked(t, "value", "cat > /dev/null")
	gone := op
	gone.Program += ".gone"
	if r := only(t, s, gone); r.Outcome != state.Failed || !r.Refused || strings.Count(r.Err.Error(), gone.Program) != 1 {
		t.Errorf("a program that is not there: %+v", r)
	}
	plain := op
	plain.Program += ".txt"
	if err := os.WriteFile(plain.Program, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for path, problem := range map[string]bool{op.Program: false, gone.Program: true, plain.Program: true} {
		read := site.OperatorProgram{Path: path}
		seen := s.Look(t.Context(), []reconciler.Read{read}, func(reconciler.Event) {})
		if p := site.Answer[site.ProgramSeen](seen, read); p == nil || (p.Problem != "") != problem || strings.Contains(p.Problem, path) {
			t.Errorf("%s: %+v", path, p)
		}
	}
	alive := filepath.Join(t.TempDir(), "alive")
	s, op = hooked(t, "value", `echo > "`+alive+`"; sleep 600 & wait`)
	op.Timeout = reconciler.Span(2 * time.Second)
	r := only(t, s, op)
	if r.Outcome != state.Failed || r.Refused || !strings.Contains(r.Err.Error(), "ended after 2s") {
		t.Errorf("a program that hangs: %+v", r)
	}
	if _, err := os.Stat(alive); err != nil {
		t.Error("it was never begun: this proves nothing")
	}
	if b, err := json.Marshal(op); err != nil || strings.Contains(string(b), `"value"`) {
		t.Errorf("the op as data: %s, %v", b, err)
	}
}
