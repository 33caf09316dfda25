package winhosttest

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"meshrotate/providers/winhost"
	"meshrotate/providers/winhost/winhosttest/tool"
	"meshrotate/reconciler/secret"
)

// Tool is the name of the program in a Host's folder that takes secrets. What it stores lies beside it.
const Tool = "tool.exe"

// BuildTool makes the program of package tool.
func BuildTool(t *testing.T, file string) {
	t.Helper()
	build := exec.CommandContext(t.Context(), "go", "build", "-o", file, "meshrotate/providers/winhost/winhosttest/tool/cmd")
	build.Dir = module(t)
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build %s: %v\n%s", file, err, out)
	}
}

// module is the folder of the module: tests run in their package's.
func module(t *testing.T) string {
	t.Helper()
	dir, err := os.Getwd()
	for ; err == nil; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil || dir == filepath.Dir(dir) {
			return dir
		}
	}
	t.Fatal(err)
	return ""
}

func (w *world) set(ref, value string) *winhost.SecretsSet {
	return &winhost.SecretsSet{Program: w.Dir + Tool, Ref: ref, TimeoutSeconds: 20, Value: secret.NewString(value)}
}

func (w *world) wantStored(ref, want string) {
	w.Helper()
	if got := w.Read(tool.File(ref)); got == nil || string(got) != want {
		w.Errorf("%s holds %q, want %q", ref, got, want)
	}
}

// noTool: package winhost tries these ops with another program there.
var noTool = map[Kind]string{Wine: "a program of Go does not start there: Wine 8 has no bcryptprimitives.dll"}

var secretsCases = []testCase{
	{
		name:   "program that takes secrets",
		reason: "whether a value must stand on a command line, and who would see it there, is known before it does",
		not:    noTool,
		run: func(w *world) {
			s := w.one(winhost.OK, &winhost.SecretsLook{Program: w.Dir + Tool, TimeoutSeconds: 20}).Secrets
			if !s.Exists || s.Stdin != winhost.Yes || s.File != winhost.Yes || s.Left != 0 || s.CommandLines == "" || s.Sysmon == "" || s.Output == 0 {
				w.Errorf("%+v", s)
			}
			if s := w.one(winhost.OK, &winhost.SecretsLook{Program: w.Dir + "none.exe"}).Secrets; s.Exists || s.Stdin != "" {
				w.Errorf("none: %+v", s)
			}
			if r := w.one(winhost.Failed, &winhost.SecretsLook{Program: "tool.exe"}); r.Win32 != 161 {
				w.Errorf("a path that is not absolute: %+v", r)
			}
		},
	}, {
		name:   "secret on standard input",
		reason: "every byte arrives, and none is added: no newline, no byte order mark; what the program writes stays there",
		not:    noTool,
		run: func(w *world) {
			for ref, value := range map[string]string{
				"secret://a/one": Canary, "secret://a/two": ` "quoted" \ 'and' %PATH% $x ` + "\t" + Canary + "äß€\U0001F511 ",
				tool.Echoes + "/three": Canary,
			} {
				s := w.one(winhost.OK, w.set(ref, value)).Secrets
				if s == nil || s.Exit != 0 || (s.Output > 0) != strings.HasPrefix(ref, tool.Echoes) {
					w.Errorf("%s: %+v", ref, s)
				}
				w.wantStored(ref, value)
			}
		},
	}, {
		name:   "secret in a file",
		reason: "every byte arrives; nobody else may read it, and it is gone when the program has ended, however that ended",
		not:    noTool,
		run: func(w *world) {
			byFile := func(ref, value string) *winhost.SecretsSet {
				op := w.set(ref, value)
				op.File = true
				return op
			}
			value := "\xef\xbb\xbf \"" + Canary + "\"\r\näß€\U0001F511 "
			w.one(winhost.OK, byFile("secret://f/one", value))
			w.wantStored("secret://f/one", value)
			w.one(winhost.Failed, byFile(tool.Fails+"/f", Canary))
			hang := byFile(tool.Hangs+"/f", Canary)
			hang.TimeoutSeconds = 2
			w.one(winhost.Timeout, hang)
			w.one(winhost.OK, byFile(tool.Names+"/f", Canary))
			full := string(w.Read(tool.File(tool.Names + "/f")))
			name := full[strings.LastIndexAny(full, `/\`)+1:] // beside the program, wherever that really lies
			if name == "" || w.Read(name) != nil {
				w.Errorf("%q is still there", full)
			}
			look := &winhost.SecretsLook{Program: w.Dir + Tool, TimeoutSeconds: 20}
			if s := w.one(winhost.OK, look).Secrets; s.Left != 0 {
				w.Errorf("%d files are left", s.Left)
			}
			w.Write(name, []byte(Canary)) // as by a process that was ended
			if s := w.one(winhost.OK, look).Secrets; s.Left != 1 {
				w.Errorf("%d files are seen, of 1", s.Left)
			}
			w.one(winhost.OK, w.set("secret://f/two", Canary))
			if w.Read(name) != nil {
				w.Errorf("%q is still there", full)
			}
		},
	}, {
		name:   "secret as an argument",
		reason: "where it is permitted, it arrives as it is",
		not:    noTool,
		run: func(w *world) {
			for ref, value := range map[string]string{"secret://b/one": "plain", "secret://b/two": `a "b" c\\" d\ %PATH% ' $x`, "secret://b/three": `C:\end\`, "secret://b/four": "äß€ x"} {
				op := w.set(ref, value)
				op.Argument = true
				w.one(winhost.OK, op)
				w.wantStored(ref, value)
			}
		},
	}, {
		name:   "secret that is not taken",
		reason: "an exit code is passed on, and 0 is no proof; a program that hangs is ended",
		not:    noTool,
		run: func(w *world) {
			if r := w.one(winhost.Failed, w.set(tool.Fails+"/x", Canary)); r.Secrets == nil || r.Secrets.Exit != 3 {
				w.Errorf("%+v", r)
			}
			w.one(winhost.OK, w.set(tool.Lies+"/x", Canary))
			hang := w.set(tool.Hangs+"/x", Canary)
			hang.TimeoutSeconds = 2
			began := time.Now()
			if w.one(winhost.Timeout, hang); time.Since(began) > 30*time.Second {
				w.Error("it was waited for too long")
			}
			if r := w.do(&winhost.SecretsSet{Program: w.Dir + "none.exe", Ref: "x", Value: secret.NewString(Canary)})[0]; r.Done() {
				w.Errorf("a program that is not there: %+v", r)
			}
		},
	}, {
		name:   "list of secrets",
		reason: "it names what was stored, as a whole, and nothing else",
		not:    noTool,
		run: func(w *world) {
			w.one(winhost.OK, w.set("secret://c/one", Canary))
			rs := w.do(&winhost.SecretsList{Program: w.Dir + Tool, Ref: "secret://c/one"}, &winhost.SecretsList{Program: w.Dir + Tool, Ref: "secret://c/on"},
				&winhost.SecretsList{Program: w.Dir + Tool, Ref: "secret://c/.ne"})
			for i, want := range []winhost.Answer{winhost.Yes, winhost.No, winhost.No} {
				if rs[i].Secrets == nil || rs[i].Secrets.Listed != want {
					w.Errorf("%d: %+v", i, rs[i])
				}
			}
		},
	},
}
