// Package winhosttest holds the cases that every host's side of package winhost must pass: the model in
// providers/lab/machine, and the real script under a real engine.
package winhosttest

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"strings"
	"testing"
	"time"

	"meshrotate/providers/winhost"
	"meshrotate/providers/winhost/process"
	"meshrotate/reconciler/secret"
)

// Kind says what stands behind a Host, for the cases where one is not like Windows.
type Kind string

// The kinds.
const (
	Model Kind = "the model in Go"
	Linux Kind = "the real script under PowerShell on Linux"
	Wine  Kind = "the real script under PowerShell for Windows and Wine"
)

// Host is one implementation under test.
type Host struct {
	Kind Kind
	// Process starts the host's side.
	Process process.Func
	// Dir is a folder as the host names it, with its separator at the end. It is empty but for Tool.
	Dir string
	// Write, Read, Lock and Age reach a file in Dir behind the host's back. Read returns nil when there is no such file; Lock
	// sets the file's read-only attribute.
	Write func(name string, content []byte)
	Read  func(name string) []byte
	Lock  func(name string, readOnly bool)
	// Age sets the time of a file's last write, as a copy does that keeps it; nil where the disk tells no other time.
	Age func(name string, at time.Time)
	// Hold opens a file so that nobody may replace or remove it, until release; nil where nothing enforces that.
	Hold func(name string) (release func())
	// Keep does the same, and also lets nobody read it.
	Keep func(name string) (release func())
	// Signed is a file of this name as a model of signatures has it, and what the host is to say of it; nil: real ones are made.
	Signed func(name string) (content []byte, want winhost.SignedFile)
	// Script writes a script of this name that does so; nil: one is written that the host's shell can run.
	Script func(name string, does Does)
	// Forget takes a certificate out of a store behind the host's back; nil where the host's own removal does.
	Forget func(store, sha1 string)
	// Stored is the password that the service manager keeps for QuickService; nil where nobody can see it.
	Stored func() string
	// Logged is what the host's logs hold so far; nil where nothing is logged.
	Logged func() string
}

// Canary is in every content that the cases write, and must be in no log.
const Canary = "c4n4ry/9f+Xq7Zt2LwK8sVb"

// canaries are the forms in which it could be there.
func canaries() []string {
	var wide []byte
	for _, c := range []byte(Canary) {
		wide = append(wide, c, 0)
	}
	forms := []string{Canary, string(wide), hex.EncodeToString([]byte(Canary)), strings.ToUpper(hex.EncodeToString([]byte(Canary)))}
	for shift := range 3 { // base64 at each alignment, without the characters that depend on neighbours
		forms = append(forms, base64.StdEncoding.EncodeToString(append(make([]byte, shift), Canary...))[4:24])
		forms = append(forms, base64.StdEncoding.EncodeToString(append(make([]byte, shift), wide...))[4:24])
	}
	return forms
}

// Leak returns the form in which a canary is in text, "" when there is none, and what stands before it.
func Leak(text string) (form, before string) {
	for _, form := range canaries() {
		if at := strings.Index(text, form); at >= 0 {
			return form, text[max(0, at-80):at]
		}
	}
	return "", ""
}

// Content is a file's content with the canary in it.
func Content(text string) []byte {
	return []byte(`{"Relay":{"ApiKey":"` + Canary + `"}} ` + text + "\r\n")
}

// Sum is how ops name a content.
func Sum(b []byte) string {
	s := sha256.Sum256(b)
	return hex.EncodeToString(s[:])
}

// world is what a case works with.
type world struct {
	*testing.T
	Host
	session *winhost.Session
	prefix  string
}

// path is a file of this case, as the host names it; file is the same for Write and Read.
func (w *world) path(name string) string { return w.Dir + w.prefix + name }
func (w *world) file(name string) string { return w.prefix + name }

func (w *world) ctx() context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	w.Cleanup(cancel)
	return ctx
}

// do asks for ops in the shared process.
func (w *world) do(ops ...winhost.Op) []winhost.Result {
	w.Helper()
	results, err := w.session.Do(w.ctx(), ops)
	if err != nil {
		w.Fatalf("do: %v", err)
	}
	return results
}

// one asks for one op and wants its code.
func (w *world) one(code winhost.Code, op winhost.Op) winhost.Result {
	w.Helper()
	r := w.do(op)[0]
	if r.Code != code {
		w.Fatalf("%s: code %q (Win32 %d, %q), want %q", op.Name(), r.Code, r.Win32, r.Message, code)
	}
	return r
}

// hold opens a file as another process would, and skips the case where nothing enforces that.
func (w *world) hold(name string) (release func()) {
	w.Helper()
	if w.Hold == nil {
		w.Skip("nothing locks open files here")
	}
	return w.Hold(name)
}

// open starts a process of the case's own.
func (w *world) open() *winhost.Session {
	w.Helper()
	s, err := winhost.Open(w.ctx(), w.Process, winhost.Config{})
	if err != nil {
		w.Fatal(err)
	}
	return s
}

func (w *world) wantFile(name string, want []byte) {
	w.Helper()
	got := w.Read(w.file(name))
	if (got == nil) != (want == nil) || string(got) != string(want) {
		w.Errorf("%s holds %d bytes, want %d (nil: %v, %v)", name, len(got), len(want), got == nil, want == nil)
	}
}

func stage(path string, old, content []byte) *winhost.FileStage {
	return &winhost.FileStage{Path: path, Expect: sumOf(old), Content: secret.New(content)}
}

func swap(path string, old, content []byte) *winhost.FileSwap {
	return &winhost.FileSwap{Path: path, Expect: sumOf(old), Staged: Sum(content)}
}

func sumOf(b []byte) string {
	if b == nil {
		return ""
	}
	return Sum(b)
}

// testCase is a row of the table.
type testCase struct {
	name   string
	reason string
	// not says why the case does not apply to a kind.
	not map[Kind]string
	run func(w *world)
}

// Run runs the table. The cases share one process, which must end cleanly after them; those whose point is a process
// start their own.
func Run(t *testing.T, h Host) {
	var session *winhost.Session
	for _, group := range [][]testCase{fileCases, swapCases, preflightCases, exposureCases, hostCases, serviceCases, logonCases, secretsCases, signatureCases, certificateCases, buildCases, frameCases} {
		for _, c := range group {
			t.Run(c.name, func(t *testing.T) {
				if why := c.not[h.Kind]; why != "" {
					t.Skip(why)
				}
				w := &world{T: t, Host: h, session: session, prefix: strings.ReplaceAll(c.name, " ", "-") + "-"}
				if session == nil {
					session = w.open()
					w.session = session
				}
				defer func() {
					if t.Failed() {
						t.Logf("reason for the case: %s", c.reason)
					}
				}()
				c.run(w)
			})
		}
	}
	if session != nil {
		if err := session.Close(t.Context()); err != nil {
			t.Errorf("the shared process: %v", err)
		}
	}
	if h.Logged != nil {
		if form, before := Leak(h.Logged()); form != "" {
			t.Errorf("the host's log holds a secret, as %q, after %q", form, before)
		}
	}
}
